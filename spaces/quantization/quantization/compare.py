"""The comparison: the base model's pass once, then one format after another, each measured on the same
tokens.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import platform
import tempfile
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantization import answers, formats, metrics, modules, plan
from quantization.record import QuantizedModel
from quantization.request import Request
from shared import limits, models, texts
from shared.errors import VisitorError
from shared.models import Loaded

if TYPE_CHECKING:
    from torch import Tensor

    from quantization.sensitivity import Budget, Sensitivity

log = logging.getLogger(__name__)

SHOWN_TOKENS = 256
"""Scored tokens that the token microscope shows; the numbers of a row are of all."""

REMEMBERED = 64
"""Measured rows that are kept, so that a comparison with one format more measures only that one."""

_remembered: OrderedDict[Any, Any] = OrderedDict()
_lock = threading.Lock()

GRID_WARNING = (
    "This copy of the model was stored as Q4_1 and dequantized: its weights lie on a 4-bit grid. Q4_1 is lossless on it by "
    "construction and every row of 4 to 5 bits is flattered. Compare the rotated equivalent, or use the original from the Hub."
)


@dataclass
class Row:
    """One format: what it is, how far it came, and what was measured."""

    form: formats.Format
    status: str = "waiting"
    facts: dict[str, Any] = field(default_factory=dict)
    scores: metrics.Scores | None = None
    answer: answers.Answer | None = None
    files: list[Path] = field(default_factory=list)


@dataclass
class Comparison:
    """A comparison under way; `to_json` is what the API returns and the figure draws.

    Args:
        request: as it was checked.
        loaded: the base model.
        base: its pass, once done.
        rows: in the order asked for, the mix last.
        run_id: tells runs apart.
        folder: where each row's own files are written, or None.
    """

    request: Request
    loaded: Loaded
    rows: list[Row]
    run_id: str
    folder: Path | None = None
    base: metrics.Base | None = None
    base_facts: dict[str, Any] = field(default_factory=dict)
    base_answer: answers.Answer | None = None
    sensitivity: Sensitivity | None = None
    budget: Budget | None = None
    warnings: list[str] = field(default_factory=list)
    progress: tuple[str, float, float] = ("Starting", 0, 1)
    seconds: float = 0.0
    done: bool = False

    def to_json(self) -> dict[str, Any]:
        """The state of the comparison as plain JSON."""
        label, value, most = self.progress
        return {
            "kind": "compare",
            "run_id": self.run_id,
            "drawable": True,
            "title": f"{self.loaded.id.split('/')[-1]}: {len(self.rows)} formats",
            "done": self.done,
            **({} if self.done else {"progress": {"label": label, "value": value, "max": most}}),
            "warnings": self.warnings,
            "request": self.request.to_json(),
            "model": self._model(),
            "base": self.base_facts or None,
            "rows": self._rows(),
            **self._microscope(),
            "answers": self._answers(),
            "sensitivity": self.sensitivity.to_json() if self.sensitivity else None,
            "budget": self.budget.to_json() if self.budget else None,
            "provenance": self._provenance(),
        }

    def _model(self) -> dict[str, Any]:
        windows = self.base.windows if self.base else None
        return {
            "id": self.loaded.id,
            "source": self.loaded.source,
            "parameters": sum(parameter.numel() for parameter in self.loaded.model.parameters()),
            "windows": len(windows) if windows is not None else 0,
            "context": self.request.context,
            "scored": len(self.base.scores.kld) if self.base else 0,
        }

    def _rows(self) -> list[dict[str, Any]]:
        done = {row.form.name: row for row in self.rows if row.status == "done"}
        ranked = metrics.ranks(
            {name: row.scores.kld for name, row in done.items() if row.scores}, self.request.seed
        )
        front = metrics.pareto([(row.facts["file_bytes"], row.facts["kld"]["mean"]) for row in done.values()])
        fronts = dict(zip(done, front, strict=True))
        listed = []
        for row in self.rows:
            name = row.form.name
            item = {
                "format": name,
                "engine": row.form.engine,
                "label": row.form.label,
                "status": row.status,
                **row.facts,
            }
            if name in ranked:
                item |= {"rank": ranked[name][0], "tied": ranked[name][1], "front": fronts[name]}
            listed.append(item)
        return listed

    def _microscope(self) -> dict[str, Any]:
        if self.base is None:
            return {"tokens": None, "microscope": None}
        each = len(metrics.scored_positions(self.request.context))
        count = max(1, min(len(self.base.windows), SHOWN_TOKENS // each))
        shown = self.base.windows[:count]
        scored = [
            place - 1 in metrics.scored_positions(self.request.context) for place in range(shown.shape[1])
        ]
        most = count * each
        rows = {
            row.form.name: {
                "kld": _rounded(row.scores.kld[:most]),
                "p": [float(f"{p:.3g}") for p in _probability(row.scores.nll[:most])],
                "top": _top(self.loaded, row.scores, most),
            }
            for row in self.rows
            if row.scores is not None
        }
        return {
            "tokens": {
                "pieces": [
                    piece for window in shown for piece in answers.pieces(self.loaded, window.tolist())
                ],
                "window": [number for number in range(count) for _ in range(shown.shape[1])],
                "scored": scored * count,
            },
            "microscope": {
                "base": _top(self.loaded, self.base.scores, most),
                "base_p": [float(f"{p:.3g}") for p in _probability(self.base.scores.nll[:most])],
                "rows": rows,
            },
        }

    def _answers(self) -> dict[str, Any] | None:
        if self.base_answer is None:
            return None
        items: list[dict[str, Any]] = [
            {"format": "base", "pieces": list(self.base_answer.pieces), "parts_at": None}
        ]
        for row in self.rows:
            if row.answer is not None:
                at = answers.parts_at(row.answer.token_ids, self.base_answer.token_ids)
                items.append({"format": row.form.name, "pieces": list(row.answer.pieces), "parts_at": at})
        return {
            "prompt": self.request.prompt,
            "seed": self.request.seed,
            "sampled": self.request.do_sample,
            "items": items,
        }

    def _provenance(self) -> dict[str, Any]:
        import torch
        import transformers

        return {
            "model": self.loaded.id,
            "revision": self.loaded.revision,
            "source": self.loaded.source,
            "dtype": self.loaded.dtype,
            "device": self.loaded.device,
            "threads": torch.get_num_threads(),
            "machine": platform.machine(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "text": "the visitor's" if self.request.text else "sample",
            "calibration": "the visitor's" if self.request.calibration else "sample",
            "seed": self.request.seed,
            "seconds": round(self.seconds, 1),
        }


def _rounded(values: Any) -> list[float]:
    return [float(f"{value:.3g}") for value in values]


def _probability(nll: Any) -> list[float]:
    import numpy as np

    return [float(value) for value in np.exp(-nll)]


def _top(loaded: Loaded, scores: metrics.Scores, most: int) -> list[list[list[Any]]]:
    decode = loaded.tokenizer.decode
    return [
        [[decode([token]), float(f"{p:.3g}")] for token, p in zip(ids, ps, strict=True)]
        for ids, ps in zip(scores.top_ids[:most].tolist(), scores.top_p[:most].tolist(), strict=True)
    ]


def prepare(request: Request, loaded: Loaded) -> tuple[Loaded, Tensor, formats.Calibration]:
    """Everything that can be refused before time is spent: the model, the texts and the formats' shapes.

    Raises:
        VisitorError: the model is too large or cannot be rotated, a text is too short, the prompt too long,
            or all of it would take too much time.
    """
    from quantization import rotation
    from quantization.calibration import text_windows

    modules.check_size(loaded)
    longest = getattr(loaded.model.config.get_text_config(), "max_position_embeddings", request.context)
    if request.context > longest:
        raise VisitorError(
            f"{loaded.id} reads at most {longest:,} tokens at once.", f"Lower context to {longest:,}."
        )
    if request.rotated:
        reason = rotation.supported(loaded.model)
        if reason:
            raise VisitorError(f"{loaded.id} cannot be rotated: {reason}", "Compare it as it is.")
    windows = text_windows(
        loaded.tokenizer, request.text or texts.sample("evaluation"), request.context, request.windows
    )
    calibration = text_windows(
        loaded.tokenizer, request.calibration or texts.sample("calibration"), request.context, request.windows
    )
    plan.check_time(replace(request, windows=len(windows)), loaded)
    if request.prompt:
        answers.prompt_ids(loaded, request.prompt, limits.MAX_PROMPT_TOKENS)
    if request.sensitivity or request.budget is not None:
        from quantization.gguf_file import check_architecture

        check_architecture(loaded)
    if request.rotated:
        rotated = rotation.rotate(loaded.model, request.seed)
        loaded = replace(loaded, model=rotated, source=f"{loaded.source}, rotated")
    return loaded, windows, formats.Calibration(calibration)


def compare(request: Request, loaded: Loaded, folder: Path | None = None) -> Iterator[Comparison]:
    """Measure every format of the request; yields the same growing `Comparison` after each step.

    A format that fails keeps its row with the two sentences of the error, and the others go on.

    Args:
        request: checked.
        loaded: the base model, on the device to compute on.
        folder: where to write every format's own files too; a format without any fails.

    Raises:
        VisitorError: the request as a whole cannot be done, see `prepare`.
    """
    started = time.perf_counter()
    loaded, windows, calibration = prepare(request, loaded)
    rows = [Row(formats.parse(name)) for name in request.formats]
    run = Comparison(request, loaded, rows, str(time.time_ns()), folder)
    if loaded.source.startswith(models.EMBEDDED_SOURCE) and not request.rotated:
        run.warnings.append(GRID_WARNING)
    if request.rotated:
        from quantization.rotation import rotated_notes

        run.warnings += list(rotated_notes(loaded.model))
    steps = len(rows) + 1 + bool(request.sensitivity or request.budget) + (request.budget is not None)
    run.progress = ("Reading the text with the base model", 0, steps)
    yield run
    for part in metrics.base_pass(loaded.model, windows):
        if isinstance(part, metrics.Base):
            run.base = part
        else:
            run.progress = (f"Base model, window {part} of {len(windows)}", part / len(windows), steps)
            yield run
    assert run.base is not None
    prompt = answers.prompt_ids(loaded, request.prompt, limits.MAX_PROMPT_TOKENS) if request.prompt else None
    if prompt is not None:
        run.base_answer = answers.answer(
            loaded.model, loaded, prompt, request.answer_tokens, request.do_sample, request.seed
        )
    run.base_facts = _base_facts(run)
    for number, row in enumerate(rows):
        yield from _measure_row(run, row, calibration, prompt, number + 1, steps)
    if request.sensitivity or request.budget:
        yield from _measure_layers(run, len(rows) + 1, steps)
    if request.budget is not None and run.budget is not None:
        yield from _measure_mix(run, calibration, prompt, steps)
    run.seconds, run.done = time.perf_counter() - started, True
    yield run


def _base_facts(run: Comparison) -> dict[str, Any]:
    assert run.base is not None
    facts = metrics.statistics(run.base.scores, run.base.scores)
    return {
        "bits": 16.0,
        "file_bytes": modules.other_bytes(run.loaded.model, set()),
        "resident_bytes": modules.resident_bytes(run.loaded.model),
        **{name: facts[name] for name in ("ppl", "ppl_sigma", "prefill")},
        "decode": run.base_answer.decode if run.base_answer else None,
        "runtime": "PyTorch, float32; its file at 16 bits a weight",
    }


def _key(run: Comparison, part: Any) -> Any:
    """What a measurement depends on: the model, the texts, the settings, and the format."""
    others = replace(run.request, formats=(), sensitivity=(), budget=None)
    return (run.loaded.id, run.loaded.revision, run.loaded.source, run.loaded.device, others, part)


def _recall(key: Any) -> Any:
    with _lock:
        if key in _remembered:
            _remembered.move_to_end(key)
        return _remembered.get(key)


def _remember(key: Any, value: Any) -> None:
    with _lock:
        _remembered[key] = value
        while len(_remembered) > REMEMBERED:
            _remembered.popitem(last=False)


def forget() -> None:
    """Measure everything again from now on."""
    with _lock:
        _remembered.clear()


def _measure_row(
    run: Comparison, row: Row, calibration: formats.Calibration, prompt: Tensor | None, step: int, steps: int
) -> Iterator[Comparison]:
    """Quantize, score and answer with one format."""
    key = _key(run, (row.form.name, tuple(row.form.overrides.items())))
    if run.folder is None and (known := _recall(key)):
        row.facts, row.scores, row.answer = known
        row.status = "done"
        return
    row.status = "running"
    run.progress = (f"Quantizing {row.form.name}", step, steps)
    yield run
    assert run.base is not None
    made: QuantizedModel | None = None
    whole: weakref.ref[Any] | None = None
    try:
        started = time.perf_counter()
        made = formats.quantize(run.loaded, row.form, calibration)
        seconds = time.perf_counter() - started
        whole = weakref.ref(made.model)
        _trim()  # what one step leaves behind would stand beside the next one's logits
        for part in metrics.score(made.model, run.base):
            _trim()
            if isinstance(part, metrics.Scores):
                row.scores = part
            else:
                run.progress = (
                    f"Measuring {row.form.name}, window {part} of {len(run.base.windows)}",
                    step + part / len(run.base.windows),
                    steps,
                )
                yield run
        assert row.scores is not None
        if prompt is not None:
            row.answer = answers.answer(
                made.model,
                run.loaded,
                prompt,
                run.request.answer_tokens,
                run.request.do_sample,
                run.request.seed,
            )
        row.facts = _facts(run, row, made, seconds)
        if run.folder is not None:
            row.files = exported(made, run.folder)
        row.status = "done"
        _remember(key, (row.facts, row.scores, row.answer))
    except Exception as error:  # noqa: BLE001  one engine's failure must not take the other rows away
        row.status, row.facts, row.scores, row.answer = (
            "failed",
            _failure(row.form.name, error).to_json(),
            None,
            None,
        )
    del made  # the next copy takes its place
    if (
        whole is None or whole() is not None
    ):  # looking for cycles takes a third of a second, and most engines make none
        gc.collect()
    _trim()
    yield run


def _failure(name: str, error: Exception) -> VisitorError:
    """What a row says that could not be measured; the traceback of what nobody foresaw goes to the log."""
    if isinstance(error, VisitorError):
        return error
    log.error("%s failed", name, exc_info=error)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return VisitorError(
            f"The machine ran out of memory with {name}.", "Leave it out, or choose a smaller model."
        )
    return VisitorError(
        f"{name} failed in a way it should not ({type(error).__name__}).",
        "Leave it out, and report it if it stays.",
    )


def _trim() -> None:
    """Give freed memory back to the system, where the C library can: the thousand pieces of a copy would stay
    with the process.
    """
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@cache
def _malloc_trim() -> Callable[[int], int] | None:
    """The function of glibc; others have none."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None


def exported(made: QuantizedModel, folder: Path) -> list[Path]:
    """Write a quantized model's files.

    Raises:
        VisitorError: the format has no files that anything could load, or the disk is full.
    """
    if made.export is None:
        raise VisitorError(
            f"{made.format} cannot be taken home: {' '.join(made.notes) or 'nothing loads it.'}",
            "Choose another format.",
        )
    return list(made.export(folder))


def _facts(run: Comparison, row: Row, made: QuantizedModel, seconds: float) -> dict[str, Any]:
    """Everything that the table says of a row."""
    assert run.base is not None and row.scores is not None
    elements = sum(parameter.numel() for parameter in run.loaded.model.parameters())
    facts = {
        "version": made.version,
        "bits": 8 * made.file_bytes / elements,
        "bits_quantized": made.bits_quantized,
        "file_bytes": made.file_bytes,
        "resident_bytes": modules.resident_bytes(made.model),
        **metrics.statistics(row.scores, run.base.scores),
        "decode": row.answer.decode if row.answer else None,
        "runtime": made.runtime,
        "seconds": seconds,
        "notes": [*made.notes, *_notes(run, made)],
        "tensors": [tensor.to_json() for tensor in made.tensors],
    }
    if row.form.engine == "gguf" and run.loaded.device == "cpu":
        try:
            facts |= _llama_cpp(made)
        except VisitorError as error:
            facts["notes"].append(f"Not run in llama.cpp: {error}")
    return facts


def _notes(run: Comparison, made: QuantizedModel) -> list[str]:
    notes = []
    error = sum(tensor.squared_error for tensor in made.tensors)
    if error == 0:
        notes.append("Lossless here: every weight already lies on this format's grid.")
    elif GRID_WARNING in run.warnings and 4 <= made.bits_quantized < 6:
        notes.append("Flattered: the copy's weights come from a 4-bit grid.")
    reasons = [tensor.reason for tensor in made.tensors if tensor.reason]
    if reasons:
        said = "; ".join(sorted(set(reasons)))
        notes.append(
            f"{len(reasons)} of {len(made.tensors)} tensors hold another type than asked for: {said}"
        )
    return notes


def _llama_cpp(made: QuantizedModel) -> dict[str, Any]:
    """Speed of the row's file in llama.cpp itself, where it can run it; its weights are mapped from the
    file.
    """
    from quantization import llama_cpp

    with tempfile.TemporaryDirectory(prefix="gguf-") as folder:
        (path,) = made.export(Path(folder))
        found = llama_cpp.speed(path)
        return {
            "resident_bytes": path.stat().st_size,
            "prefill": found["prefill_tokens_per_second"],
            "decode": found["decode_tokens_per_second"],
            "runtime": "speed in llama.cpp, which also quantizes activations; quality in PyTorch with the weights alone quantized",
        }


def _measure_layers(run: Comparison, step: int, steps: int) -> Iterator[Comparison]:
    """The sensitivity of every unit, and the path of mixes."""
    from quantization.gguf_file import header_bytes
    from quantization.sensitivity import WINDOWS, Sensitivity, measure, plan_budget

    assert run.base is not None
    types = run.request.sensitivity or ("Q4_0",)
    if (known := _recall(_key(run, types))) is not None:
        run.sensitivity, run.budget = known
        return
    count = min(WINDOWS, len(run.base.windows))
    for part in metrics.base_pass(run.loaded.model, run.base.windows[:count]):
        base = part
    assert isinstance(base, metrics.Base)
    for found in measure(run.loaded, base, types):
        if isinstance(found, Sensitivity):
            run.sensitivity = found
        else:
            done, most = found
            run.progress = (f"One layer at a time, {done + 1} of {most}", step + done / most, steps)
            yield run
    assert run.sensitivity is not None
    quantized = {name for unit in run.sensitivity.units for name in unit.names}
    run.budget = plan_budget(
        run.sensitivity, modules.other_bytes(run.loaded.model, quantized, 4) + header_bytes(run.loaded)
    )
    _remember(_key(run, types), (run.sensitivity, run.budget))


def _measure_mix(
    run: Comparison, calibration: formats.Calibration, prompt: Tensor | None, steps: int
) -> Iterator[Comparison]:
    """The mix for the budget, measured whole like any other row."""
    assert run.budget is not None and run.request.budget is not None
    name = f"gguf:mix-{run.request.budget:g}MB"
    try:
        types, _, predicted = run.budget.mix(run.request.budget * 1e6)
    except VisitorError as error:
        run.rows.append(Row(formats.Format(name, "gguf", "Q8_0"), "failed", error.to_json()))
        return
    row = Row(formats.Format(name, "gguf", "Q8_0", types))
    run.rows.append(row)
    yield from _measure_row(run, row, calibration, prompt, steps - 1, steps)
    if row.status == "done":
        row.facts = {**row.facts}
        row.facts["notes"] = [
            f"Mix from measured sensitivities; their sum predicts a KLD of {predicted:.4g}.",
            *row.facts["notes"],
        ]
