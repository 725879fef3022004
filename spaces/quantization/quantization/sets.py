"""A set: one model in several formats, each written, read back as a stranger reads it, and measured; with one
card.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from quantization import data, formats, modules, plan
from quantization.card import set_card
from quantization.compare import compare
from quantization.comparison import Comparison, Row
from quantization.memory import cache_bytes, compute_bytes, memory_of
from quantization.request import SetRequest
from quantization.waiting import waiting
from shared import gpu, limits
from shared.errors import VisitorError
from shared.files import written_whole
from shared.models import Loaded
from shared.numbers import counted
from shared.steps import paced

CONTEXT = 4_096
"""Tokens that the table's memory is for, where the model reads so many."""

CARD = "README.md"


@dataclass(frozen=True)
class Step:
    """How far a set has come.

    Args:
        figure: what the figure draws.
        files: of the whole set, once it is complete.
    """

    figure: data.Waiting | data.WrittenSet
    files: tuple[Path, ...] = ()


def make(request: SetRequest, loaded: Loaded, folder: Path) -> Iterator[Step]:
    """Write, read back and measure one format after another; the last step has the files and their card.

    A format that fails is a row with its reason, and leaves no file; the others go on.

    Args:
        request: the formats.
        loaded: the base model.
        folder: for the files: GGUF files lie in it, the files of other formats in folders of it.

    Raises:
        VisitorError: as `compare`, there is no room for the files, or none could be made.
    """
    check_room(sum(planned_bytes(loaded, name) for name in request.formats), folder)
    for run in paced(compare(request.comparison(), loaded, folder, apart=True), lambda run: run.done):
        if run.done:
            break
        yield Step(
            _figure(request, run) if run.base_facts else waiting("set", _title(request), *run.progress)
        )
    made = [row for row in run.rows if row.facts is not None]
    if not made:
        raise next(row.error for row in run.rows if row.error is not None)
    figure = _figure(request, run)
    figure["card"] = set_card(run, figure["needs"], figure["context"])
    card = folder / CARD
    with written_whole(card, "the card") as part:
        part.write_text(figure["card"], encoding="utf-8")
    figure["files"].append({"name": CARD, "bytes": card.stat().st_size, "format": ""})
    yield Step(figure, tuple(folder / file["name"] for file in figure["files"]))


def planned_bytes(loaded: Loaded, name: str) -> int:
    """Bytes that a format's files will have: of a GGUF file exactly, of others within a few percent; 0 for
    what cannot be made.
    """
    form = formats.parse(name)
    if form.engine == "gguf":
        from quantization.gguf_file import planned_bytes

        try:
            return planned_bytes(loaded, form.spec, form.learns)
        except VisitorError:
            return 0
    names = modules.linear_names(loaded.model)
    quantized = sum(loaded.model.get_parameter(name).numel() for name in names)
    rest = modules.other_bytes(loaded.model, set(names), modules.width(loaded))
    return rest + int(quantized * plan.bits(form) / 8)


def check_room(size: int, folder: Path) -> None:
    """Raise a VisitorError unless a set of so many bytes may be written, and packed for its download: a file
    is removed once it is packed, so that at most one of them is there twice.
    """
    if size > limits.MAX_SESSION_BYTES:
        raise VisitorError(
            f"These files would have {size / 1e6:,.0f} MB together; the limit is "
            f"{limits.MAX_SESSION_BYTES / 1e6:,.0f} MB.",
            "Choose fewer formats, or smaller ones.",
        )
    free = shutil.disk_usage(folder).free
    if 1.5 * size > free:
        raise VisitorError(
            f"These files would have {size / 1e6:,.0f} MB together; {free / 1e6:,.0f} MB of the disk are "
            "free, and they are packed once.",
            "Choose fewer formats, or free some space where the demo is yours.",
        )


def set_plan(request: SetRequest) -> str:
    """What a set will cost and be, in one sentence.

    Raises:
        VisitorError: as `plan.parameters_of`, or a format has no files.
    """
    from quantization import written
    from shared import models

    for name in request.formats:
        written.check(formats.parse(name))
    parameters = plan.parameters_of(request.model)
    count = f"{len(request.formats)} format{'' if len(request.formats) == 1 else 's'}"
    if parameters is None:
        return f"Plan: {count}; what they cost is known once {request.model} is loaded."
    device = "cuda" if gpu.has_gpu() else "cpu"
    seconds = plan.estimate(request.comparison(), parameters, device)["seconds"]
    where = "" if gpu.has_gpu() else " on two CPU cores"
    loaded = models.in_memory(request.model, exact=True)
    if loaded is None:
        least = sum(parameters * plan.bits(formats.parse(name)) / 8 for name in request.formats)
        size = f"at least {least / 1e6:,.0f} MB"
    else:
        size = f"{sum(planned_bytes(loaded, name) for name in request.formats) / 1e6:,.0f} MB"
    return (
        f"Plan: {count} · about {max(5, round(seconds, -1)):,.0f} s{where}, each read back and measured · "
        f"{size} in one archive · one card with one table."
    )


def _title(request: SetRequest) -> str:
    return f"{request.model.split('/')[-1]} in {counted(len(request.formats), 'format')}"


def _figure(request: SetRequest, run: Comparison) -> data.WrittenSet:
    """The figure's data as far as the set has come."""
    longest = memory_of(run.loaded.model.config)
    context = min(CONTEXT, longest["longest"]) if longest else CONTEXT
    compared: data.Compare = {**run.to_json(), "microscope": None, "tokens": None}
    for row in compared["rows"]:
        if row["status"] == "done":
            row["tensors"] = []
    figure: data.WrittenSet = {
        "kind": "set",
        "run_id": run.run_id,
        "drawable": True,
        "title": _title(request),
        "done": run.done,
        "warnings": run.warnings,
        "request": request.to_json(),
        "compared": compared,
        "files": _files(run),
        "needs": [_need(row, longest, context) for row in run.rows if row.facts is not None],
        "context": context,
        "card": "",
    }
    if not run.done:
        label, value, most = run.progress
        figure["progress"] = {"label": label, "value": value, "max": most}
    return figure


def _files(run: Comparison) -> list[data.WrittenFile]:
    assert run.folder is not None
    return [
        {
            "name": path.relative_to(run.folder).as_posix(),
            "bytes": path.stat().st_size,
            "format": row.form.name,
        }
        for row in run.rows
        if row.facts is not None
        for path in row.files
    ]


def _need(row: Row, memory: data.Memory | None, context: int) -> data.Need:
    """The memory of a measured row's file: in llama.cpp, or of weights, keys and values alone."""
    assert row.facts is not None
    needed = None
    is_gguf = row.form.engine == "gguf"
    if memory is not None:
        needed = row.facts["file_bytes"] + cache_bytes(memory, context)
        needed += compute_bytes(memory, context) if is_gguf else 0
    return {"format": row.form.name, "bytes": needed, "at_least": not is_gguf}
