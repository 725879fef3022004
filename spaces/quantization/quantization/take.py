"""A model to take home: its files, measured, with their card; or a program for what needs CUDA to build."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from quantization import data, gguf_families, importance
from quantization.card import model_card
from quantization.compare import compare, prepare
from quantization.request import TakeRequest
from quantization.scripts import SCRIPTS, script
from quantization.waiting import waiting
from shared import texts
from shared.files import written_whole
from shared.models import Loaded


@dataclass(frozen=True)
class Step:
    """How far a file has come.

    Args:
        figure: what the figure draws, complete at the end.
        files: that were written, once it is.
    """

    figure: data.Waiting | data.Take
    files: tuple[Path, ...] = ()


def take(request: TakeRequest, loaded: Loaded, folder: Path) -> Iterator[Step]:
    """Quantize a model, measure it and write its files; the last step has them.

    Args:
        request: whose format is made here.
        loaded: the base model.
        folder: for the files.

    Raises:
        VisitorError: as `compare`, or the format has no files.
    """
    if request.matrix:
        yield from _matrix(request, loaded, folder)
        return
    for run in compare(request.comparison(), loaded, folder):
        if not run.done:
            yield Step(waiting("take", request.format, *run.progress))
    row = run.rows[-1]
    if row.error is not None:
        raise row.error
    (listed,) = (one for one in run.listed() if one["status"] == "done")
    yield Step(
        {
            **_head(request, f"{loaded.id.split('/')[-1]}, {row.form.label}", row.files),
            "run_id": run.run_id,
            "model": run.model(),
            "base": run.base_facts,
            "row": listed,
            "card": model_card(run, row),
            "warnings": run.warnings,
            "provenance": run.provenance(),
        },
        tuple(row.files),
    )


def _matrix(request: TakeRequest, loaded: Loaded, folder: Path) -> Iterator[Step]:
    """Compute the importance matrix of the calibration text, and write it."""
    doing = "Reading the calibration text with the base model"
    yield Step(waiting("take", request.format, doing))
    gguf_families.family_of(loaded.model.config)
    material = prepare(request.comparison(), loaded)
    computed = material.calibration.importance(material.loaded)
    name = f"{loaded.id.split('/')[-1]}.imatrix.{request.matrix}"
    folder.mkdir(parents=True, exist_ok=True)
    importance.write(computed, material.loaded, folder / name)
    importance.read(folder / name, name, material.loaded)
    layers = len(computed.columns)
    about = (
        f"E[x²] of what {layers} layers see in {computed.tokens:,} tokens of the calibration text, "
        f"{computed.chunks} windows of {computed.chunk_size}. llama-quantize takes it, and so does Compare "
        "formats; nothing was measured."
    )
    figure = _head(request, f"{loaded.id.split('/')[-1]}, an importance matrix", [folder / name])
    command = f"llama-quantize --imatrix {name} base.gguf quantized.gguf Q4_K_M\n"
    yield Step({**figure, "script": command, "warnings": [about]}, (folder / name,))


def ready_script(request: TakeRequest, folder: Path) -> Step:
    """The program for a format that needs CUDA to build.

    Args:
        request: whose format is a script's.
        folder: for the program.
    """
    title = SCRIPTS[request.script][0]
    program = script(request.script, request.model, request.calibration or texts.sample("calibration"))
    path = folder / f"quantize-{request.script}.py"
    with written_whole(path, "the program") as part:
        part.write_text(program, encoding="utf-8")
    note = f"{title} needs CUDA to build: this is a program to run where there is a GPU. It was not run here."
    return Step(
        {
            **_head(request, f"{request.model.split('/')[-1]}, a program for {title}", [path]),
            "script": program,
            "warnings": [note],
        },
        (path,),
    )


def _head(request: TakeRequest, title: str, files: list[Path]) -> data.Take:
    """The figure's data of files, without anything measured."""
    return {
        "kind": "take",
        "run_id": str(time.time_ns()),
        "drawable": True,
        "done": True,
        "title": title,
        "request": request.to_json(),
        "files": [{"name": path.name, "bytes": path.stat().st_size} for path in files],
        "model": None,
        "base": None,
        "row": None,
        "card": "",
        "script": "",
        "warnings": [],
        "provenance": None,
    }
