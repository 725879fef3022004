"""Rows of a comparison that are GGUF files, in llama.cpp itself: their speed, and how they run there."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quantization import data, llama_cpp, runtime
from quantization.comparison import Comparison, Row
from quantization.record import QuantizedModel
from shared.errors import VisitorError


def is_file(run: Comparison, row: Row) -> bool:
    """Whether llama.cpp can run a row beside the model on the CPU."""
    return bool(row.published or row.form.engine == "gguf") and run.loaded.device == "cpu"


def as_it_runs(
    run: Comparison, row: Row, quantized: QuantizedModel, name: str, step: int, steps: int
) -> Iterator[Comparison]:
    """Put in how far weights, llama.cpp's arithmetic and smaller caches move the predictions.

    Args:
        run: the comparison, yielded at each step.
        row: a measured one.
        quantized: its model.
        name: what it is called.
        step: of the run.
        steps: of all of it.
    """
    assert run.base is not None and row.facts is not None
    try:
        with _file_of(row, quantized) as path:
            for part in runtime.measured(path, quantized.model, run.base):
                if isinstance(part, int):
                    run.progress = (f"Running {name} in llama.cpp, window {part}", step + 0.9, steps)
                    yield run
                else:
                    row.facts["llama_cpp"] = part
    except VisitorError as error:
        row.facts["notes"].append(f"Not run in llama.cpp: {error}")


@contextmanager
def _file_of(row: Row, quantized: QuantizedModel) -> Iterator[Path]:
    """A row's GGUF file: the published one, the one that was written, or one that goes when the block
    ends.
    """
    if row.published:
        yield row.published.place.fetched()
        return
    if row.files:
        yield row.files[0]
        return
    with tempfile.TemporaryDirectory(prefix="gguf-") as folder:
        (path,) = quantized.export(Path(folder))
        yield path


def timed(
    run: Comparison, row: Row, quantized: QuantizedModel, step: int, steps: int
) -> Iterator[Comparison]:
    """Put in the speed of the row's file in llama.cpp itself, where its weights are mapped from the file;
    what was measured of it is shown before, but where its file has yet to be read to leave.
    """
    assert row.facts is not None
    if run.folder is None:
        row.status = "done"
    run.progress = (f"Timing {row.called} in llama.cpp", step + 0.9, steps)
    yield run
    try:
        _put_speed(row, quantized, row.facts)
    except VisitorError as error:
        row.facts["notes"].append(f"Not run in llama.cpp: {error}")


def _put_speed(row: Row, quantized: QuantizedModel, facts: data.Facts) -> None:
    with _file_of(row, quantized) as path:
        rates = llama_cpp.speed(path)
        facts["resident_bytes"] = path.stat().st_size
    facts["prefill"] = rates["prefill_tokens_per_second"]
    facts["decode"] = rates["decode_tokens_per_second"]
    least, most = rates["decode_range"]
    often = f"{rates['runs']} times, decode {least:.3g} to {most:.3g}" if rates["runs"] > 1 else "once"
    facts["runtime"] = (
        f"speed in llama.cpp ({often}), which also quantizes activations; quality in PyTorch with the "
        "weights alone quantized"
    )
