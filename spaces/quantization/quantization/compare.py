"""The comparison: the base model's pass once, then one format after another, each measured on the same
tokens.
"""

from __future__ import annotations

import gc
import logging
import time
import weakref
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantization import (
    answers,
    data,
    flips,
    floor,
    formats,
    heap,
    kinds,
    llama_rows,
    metrics,
    modules,
    plan,
    published_rows,
    rowcache,
    written,
)
from quantization.calibration import calibration_windows
from quantization.comparison import Comparison, Row
from quantization.notes import notes_of
from quantization.record import QuantizedModel
from quantization.request import Request
from shared import measure, talk, texts
from shared.errors import VisitorError
from shared.measure import Windows
from shared.models import Loaded

if TYPE_CHECKING:
    from quantization.sensitivity import Sensitivity

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Material:
    """What all rows of a comparison are measured with.

    Args:
        loaded: the base model, rotated where the request says so.
        windows: of the text.
        calibration: what calibrated formats learn from.
        prompt: token ids that every row answers, or None.
        questions: that every row answers, or None.
    """

    loaded: Loaded
    windows: Windows
    calibration: formats.Calibration
    prompt: list[int] | None
    questions: flips.Questions | None


def prepare(request: Request, loaded: Loaded) -> Material:
    """Everything that can be refused before time is spent: the model, the texts and the formats' shapes.

    Raises:
        VisitorError: the model is too large or cannot be rotated, a text is too short, the prompt too long or
            not for this model, or all of it would take too much time.
    """
    from quantization import rotation

    modules.check_size(loaded)
    longest = talk.context_limit(loaded) or request.context
    if request.context > longest:
        raise VisitorError(
            f"{loaded.id} reads at most {longest:,} tokens at once.", f"Lower context to {longest:,}."
        )
    if request.rotated:
        reason = rotation.supported(loaded.model)
        if reason:
            raise VisitorError(f"{loaded.id} cannot be rotated: {reason}", "Compare it as it is.")
    text = request.text or texts.sample("evaluation")
    learning = request.calibration or texts.sample("calibration")
    windows = measure.text_windows(loaded.tokenizer, text, request.context, request.windows)
    calibration = calibration_windows(loaded.tokenizer, learning, request.context)
    for ids in (windows.ids, calibration.ids):
        talk.check_vocabulary(loaded.model, ids)
    plan.check_time(replace(request, windows=len(windows)), loaded)
    prompt = None
    if request.prompt:
        prompt = talk.prompt_ids(loaded, request.prompt, remedy="Leave the prompt empty.")
        talk.check_length(request.prompt, prompt, talk.longest_prompt(loaded, request.answer_tokens))
    questions = flips.drawn_for(request, loaded)
    if request.sensitivity or request.budget is not None:
        from quantization.gguf_file import check

        check(loaded)
    if request.rotated:
        rotated = rotation.rotate(loaded.model, request.seed)
        loaded = replace(loaded, model=rotated, source=f"{loaded.source}, rotated")
    learnt = formats.Calibration(calibration.ids, formats.given_importance(request, loaded))
    return Material(loaded, windows, learnt, prompt, questions)


def compare(
    request: Request, loaded: Loaded, folder: Path | None = None, *, apart: bool = False
) -> Iterator[Comparison]:
    """Measure every format of the request; yields the same growing `Comparison` after each step.

    A format that fails keeps its row with the two sentences of the error, and the others go on.

    Args:
        request: what is compared.
        loaded: the base model, on the device to compute on.
        folder: where to write every format's own files, which are then read back and measured in the
            place of what they were written from; a format without any fails.
        apart: whether a format of several files has a folder of its own there.

    Raises:
        VisitorError: the request as a whole cannot be done, see `prepare`; or no row can be measured.
    """
    began = time.perf_counter()
    rows = published_rows.rows(request.formats, folder is None)
    material = prepare(replace(request, formats=tuple(row.form.name for row in rows)), loaded)
    run = Comparison(request, material.loaded, rows, str(time.time_ns()), folder, apart)
    run.questions = material.questions
    if modules.on_grid(loaded) and not request.rotated:
        run.warnings.append(modules.grid_warning(loaded, "row", "Compare the rotated equivalent"))
    if request.rotated:
        from quantization.rotation import rotated_notes

        run.warnings += list(rotated_notes(run.loaded.model))
    _refuse_early(run)
    steps = len(rows) + 1 + bool(request.sensitivity or request.budget) + (request.budget is not None)
    steps += request.floor
    for label in published_rows.opened(run):
        run.progress = (label, 0, steps)
        yield run
    _check_one_is_left(run)
    run.progress = ("Reading the text with the base model", 0, steps)
    yield run
    count = len(material.windows)
    for part in metrics.base_pass(run.loaded.model, material.windows):
        if isinstance(part, metrics.Base):
            run.base = part
        else:
            run.progress = (f"Base model, window {part} of {count}", part / count, steps)
            yield run
    if material.prompt is not None:
        run.base_answer = _answer(run, run.loaded.model, material.prompt)
    run.base_facts = _base_facts(run)
    if request.kinds:
        yield from kinds.put_base(run, steps)
    if run.questions is not None:
        yield from flips.put_base(run, steps)
    for number, row in enumerate(rows):
        yield from _measure_row(run, row, material, number + 1, steps)
    if request.floor:
        yield from floor.put(run, len(rows) + 1, steps)
    if request.sensitivity or request.budget:
        yield from _measure_layers(run, len(rows) + 1 + request.floor, steps)
    if request.budget is not None and run.budget is not None:
        yield from _measure_mix(run, material, steps)
    run.seconds, run.done = time.perf_counter() - began, True
    yield run


def _refuse_early(run: Comparison) -> None:
    """Mark the rows that cannot be made of this model, before time is spent on the others."""
    from quantization.gguf_file import check

    for row in run.rows:
        if row.error is not None:
            continue
        try:
            if run.folder is not None:
                written.check(row.form)
            if row.form.engine == "gguf":
                check(run.loaded)
        except VisitorError as error:
            row.status, row.error = "failed", error


def _check_one_is_left(run: Comparison) -> None:
    """Raise the first row's reason where every row was refused and nothing else is to be measured."""
    refused = [row.error for row in run.rows if row.error is not None]
    if refused and len(refused) == len(run.rows) and not (run.request.sensitivity or run.request.budget):
        count = f"None of {len(refused)} rows can be measured. The first: " if len(refused) > 1 else ""
        raise VisitorError(f"{count}{refused[0].what}", refused[0].remedy)


def _answer(run: Comparison, model: Any, prompt: list[int]) -> answers.Answer:
    request = run.request
    return answers.answer(model, run.loaded, prompt, request.answer_tokens, request.do_sample, request.seed)


def _base_facts(run: Comparison) -> data.Base:
    assert run.base is not None
    quality = metrics.statistics(run.base.scores, run.base.scores)
    return {
        "bits": 8.0 * modules.width(run.loaded),
        "file_bytes": modules.other_bytes(run.loaded.model, set(), modules.width(run.loaded)),
        "resident_bytes": modules.resident_bytes(run.loaded.model),
        "ppl": quality["ppl"],
        "ppl_sigma": quality["ppl_sigma"],
        "prefill": quality["prefill"],
        "decode": run.base_answer.decode if run.base_answer else None,
        "runtime": f"PyTorch, float32; its file at {8 * modules.width(run.loaded)} bits a weight",
    }


def _measure_row(
    run: Comparison, row: Row, material: Material, step: int, steps: int
) -> Iterator[Comparison]:
    """Quantize, score and answer with one format; what was refused before stays so."""
    if row.error is not None:
        return
    which = row.published.place.revision if row.published else tuple(row.form.overrides.items())
    key = rowcache.key(run.request, run.loaded, (row.form.name, which))
    if run.folder is None and (known := rowcache.rows.get(key)):
        row.facts, row.scores, row.answer = known
        row.status = "done"
        return
    row.status = "running"
    run.progress = (_making(row), step, steps)
    yield run
    assert run.base is not None
    quantized: QuantizedModel | None = None
    copy: weakref.ref[Any] | None = None
    try:
        began = time.perf_counter()
        quantized = yield from _quantized(run, row, material, step, steps)
        seconds = time.perf_counter() - began
        copy = weakref.ref(quantized.model)
        heap.trim()  # what one step leaves behind would stand beside the next one's logits
        count = len(run.base.windows)
        for part in metrics.score(quantized.model, run.base):
            heap.trim()
            if isinstance(part, metrics.Scores):
                row.scores = part
            else:
                label = f"Measuring {row.called}, window {part} of {count}"
                run.progress = (label, step + part / count, steps)
                yield run
        if material.prompt is not None:
            row.answer = _answer(run, quantized.model, material.prompt)
        row.facts = _facts(run, row, quantized, seconds, material.calibration)
        if run.kinds is not None:
            yield from kinds.put(run, row, quantized.model, f"Measuring {row.called}", step, steps)
        if run.questions is not None:
            yield from flips.put(run, row, quantized.model, row.called, step, steps)
        if run.request.llama_cpp and llama_rows.is_file(run, row):
            yield from llama_rows.as_it_runs(run, row, quantized, row.called, step, steps)
        if llama_rows.is_file(run, row):
            yield from llama_rows.timed(run, row, quantized, step, steps)
        if run.folder is None:
            rowcache.rows.put(key, (row.facts, row.scores, row.answer))
        else:
            written.leave(run, row, quantized)
        row.status = "done"
    except Exception as error:  # noqa: BLE001  one engine's failure must not take the other rows away
        row.status, row.error = "failed", _failure(row.called, error)
        row.facts = row.scores = row.answer = None
        written.remove(run, row)
    del quantized  # the next copy takes its place
    # Looking for cycles takes a third of a second, and most engines make none.
    if copy is None or copy() is not None:
        gc.collect()
    heap.trim()
    yield run


def _quantized(
    run: Comparison, row: Row, material: Material, step: int, steps: int
) -> Generator[Comparison, None, QuantizedModel]:
    """A row's model; the comparison is yielded as its making goes on. A function of its own, so that nothing
    here holds the model once its row is measured.
    """
    quantized: QuantizedModel | None = None
    for made in _made(run, row, material):
        if isinstance(made, str):
            run.progress = (made, step, steps)
            yield run
        else:
            quantized = made
    assert quantized is not None
    return quantized


def _made(run: Comparison, row: Row, material: Material) -> Iterator[str | QuantizedModel]:
    """A row's model as it will be measured; before it, what is done."""
    if row.published:
        yield published_rows.made(row)
    elif run.folder is not None:
        yield from written.written(run, row, material.calibration)
    else:
        yield formats.quantize(run.loaded, row.form, material.calibration)


def _making(row: Row) -> str:
    """What is done before a row can be measured."""
    if row.published is None:
        return f"Quantizing {row.form.name}"
    place = row.published.place
    return (
        f"Reading {row.form.label}"
        if place.is_here()
        else f"Downloading {row.form.label}, {place.size / 1e6:,.0f} MB"
    )


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
        "Leave it out, and report it if it persists.",
    )


def _facts(
    run: Comparison, row: Row, quantized: QuantizedModel, seconds: float, calibration: formats.Calibration
) -> data.Facts:
    """Everything that the table says of a row."""
    assert run.base is not None and row.scores is not None
    elements = sum(parameter.numel() for parameter in run.loaded.model.parameters())
    return {
        **metrics.statistics(row.scores, run.base.scores),
        "version": quantized.version,
        "bits": 8 * quantized.weight_bytes / elements,
        "bits_quantized": quantized.bits_quantized,
        "file_bytes": quantized.file_bytes,
        "resident_bytes": modules.resident_bytes(quantized.model),
        "decode": row.answer.decode if row.answer else None,
        "runtime": quantized.runtime,
        "seconds": seconds,
        "notes": [*quantized.notes, *notes_of(run, row.form, quantized, calibration)],
        "tensors": [tensor.to_json() for tensor in quantized.tensors],
    }


def _measure_layers(run: Comparison, step: int, steps: int) -> Iterator[Comparison]:
    """The sensitivity of every unit, and the path of mixes."""
    from quantization import sensitivity
    from quantization.gguf_file import beside_blocks

    assert run.base is not None
    types = run.request.sensitivity or ("Q4_0",)
    key = rowcache.key(run.request, run.loaded, types)
    if (known := rowcache.rows.get(key)) is not None:
        run.sensitivity, run.budget = known
        return
    windows = run.base.windows
    fewer = replace(windows, ids=windows.ids[: sensitivity.WINDOWS])
    for part in metrics.base_pass(run.loaded.model, fewer):
        base = part
    assert isinstance(base, metrics.Base)
    measured: Sensitivity | None = None
    for step_or_all in sensitivity.measure(run.loaded, base, types):
        if isinstance(step_or_all, sensitivity.Sensitivity):
            measured = step_or_all
        else:
            done, most = step_or_all
            run.progress = (f"One layer at a time, {done + 1} of {most}", step + done / most, steps)
            yield run
    assert measured is not None
    names = {name for unit in measured.units for name in unit.names}
    fixed = sum(beside_blocks(run.loaded, dict.fromkeys(names, 1)))
    run.sensitivity, run.budget = measured, sensitivity.plan_budget(measured, fixed)
    rowcache.rows.put(key, (run.sensitivity, run.budget))


def _measure_mix(run: Comparison, material: Material, steps: int) -> Iterator[Comparison]:
    """The mix for the budget, measured whole like any other row."""
    assert run.budget is not None and run.request.budget is not None
    name = f"gguf:mix-{run.request.budget:g}MB"
    try:
        types, _, predicted = run.budget.mix(run.request.budget * 1e6)
    except VisitorError as error:
        run.rows.append(Row(formats.Format(name, "gguf", "Q8_0"), "failed", error=error))
        return
    row = Row(formats.Format(name, "gguf", "Q8_0", types))
    run.rows.append(row)
    yield from _measure_row(run, row, material, steps - 1, steps)
    if row.facts is not None:
        note = f"Mix from measured sensitivities; their sum predicts a KLD of {predicted:.4g}."
        row.facts = {**row.facts, "notes": [note, *row.facts["notes"]]}
