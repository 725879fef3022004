"""A task of lm-eval on some models: every document is answered, likelihoods are read, and all of the task's
metrics are computed from what came of it.
"""

from __future__ import annotations

import importlib.metadata
import math
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evaluation import engine, numbers, overlap
from evaluation.data import MeasureDifference, MeasureScore, TaskAnswer, TaskDocument, WholeTaskRun
from evaluation.task_finding import verdicts
from evaluation.task_metrics import apart, means, positives, tables, valued
from evaluation.task_reading import Deadline, Read, Ready, answered, prepared, sized
from evaluation.whole_task import Measure, Question, WholeTask, WholeTaskRequest
from shared import paired
from shared.errors import VisitorError

if TYPE_CHECKING:
    from evaluation.task_metrics import Numbers
    from shared.models import Loaded

TOGETHER = 8
"""Documents that are answered between two looks at the results."""


@dataclass(frozen=True)
class Plan:
    """What is to be asked, checked before any model computes.

    Args:
        task: with its documents.
        ready: of every model, of every document what it reads.
    """

    task: WholeTask
    ready: tuple[tuple[Ready, ...], ...]


def plan(request: WholeTaskRequest, loaded: Sequence[Loaded], task: WholeTask) -> Plan:
    """The documents as every model reads them.

    Raises:
        VisitorError: as `task_reading.prepared`; or they are too long together.
    """
    ready = tuple(
        tuple(prepared(one, question, task.recipe, request.chat) for question in task.questions)
        for one in loaded
    )
    tokens = sum(sized(one) for some in ready for one in some)
    if tokens > engine.MAX_TOKENS:
        raise VisitorError(
            f"The models would read {tokens:,} tokens; the limit is {engine.MAX_TOKENS:,}.",
            "Lower limit, or name fewer models.",
        )
    return Plan(task, ready)


@dataclass
class _Side:
    """What a model has answered so far."""

    read: list[Read] = field(default_factory=list)
    taken: list[list[str]] = field(default_factory=list)
    """Of every filter, of every document."""


def run(request: WholeTaskRequest, loaded: Sequence[Loaded], planned: Plan) -> Iterator[WholeTaskRun]:
    """The growing result, some documents at a time; the complete one last.

    Args:
        request: what is asked for.
        loaded: the models, where they are to run.
        planned: as `plan` gives it.
    """
    began = time.monotonic()
    task = planned.task
    data = _started(request, loaded, task)
    of = len(task.questions)
    sides = [_Side(taken=[[] for _ in task.recipe.filters]) for _ in loaded]

    def step(label: str, done: float) -> WholeTaskRun:
        data["seconds"] = round(time.monotonic() - began, 2)
        data["progress"] = {"label": label, "value": round(done, 3), "max": of}
        return {**data}

    yield step(f"0 of {of} documents", 0)
    deadline = Deadline(engine.MAX_SECONDS)
    for start in range(0, of, TOGETHER):
        some = slice(start, min(start + TOGETHER, of))
        for place, (one, side) in enumerate(zip(loaded, sides, strict=True)):
            name = data["models"][place]["name"]
            for found in answered(one, planned.ready[place][some], task.recipe, deadline):
                if isinstance(found, float):
                    part = (place + found) / len(loaded) * (some.stop - start)
                    yield step(f"{name}: documents {start + 1} to {some.stop}", start + part)
                else:
                    side.read += found
        rows = _filtered(task, sides, start, deadline) if len(sides[-1].read) == some.stop else None
        if rows:
            data["documents"] = [_document(task, sides, rows, at) for at in range(some.stop)]
            data["scores"], data["differences"] = _counted(task, sides, rows)
        # the documents of a batch that the time cut are none of the result's
        if len(data["documents"]) < of and (deadline.over or not rows):
            data["stopped"] = f"The run was ended after {engine.MAX_SECONDS / 60:g} minutes."
        if data["stopped"] or some.stop == of:
            break
        data["verdicts"] = verdicts(data, False)
        yield step(f"{len(data['documents'])} of {of} documents", len(data["documents"]))
    data["verdicts"] = verdicts(data, True)
    data["seconds"] = round(time.monotonic() - began, 2)
    data["done"], data["progress"] = True, None
    yield {**data}


def _filtered(
    task: WholeTask, sides: Sequence[_Side], start: int, deadline: Deadline
) -> list[list[Numbers]] | None:
    """What the filters take of the answers from `start` on, and of every model and metric the rows of all;
    None where the time ends before.
    """
    for side in sides:
        new = [read.text for read in side.read[start:]]
        for taken, kept in zip(task.recipe.filters, side.taken, strict=True):
            if deadline.over:
                return None
            kept += taken.taken(new) if task.recipe.kind == "generate_until" else new
    found: list[list[Numbers]] = []
    for side in sides:
        found.append([])
        for measure in task.recipe.measures:
            if deadline.over:
                return None
            found[-1].append(_rows(measure, side, task.questions))
    return found


def _rows(measure: Measure, side: _Side, questions: Sequence[Question]) -> Numbers:
    """Of every document so far what a metric adds up."""
    name, read = measure.metric.name, side.read
    asked = questions[: len(read)]
    if name == "exact_match":
        targets = [one.targets for one in asked]
        return means(list(map(float, measure.match.right(side.taken[measure.filter], targets))))
    if name in ("bleu", "chrf"):
        import numpy as np

        counts = overlap.bleu_counts if name == "bleu" else overlap.chrf_counts
        pairs = zip(asked, side.taken[measure.filter], strict=True)
        return np.array([counts(one.targets[0], taken) for one, taken in pairs])
    if name == "perplexity":
        return means([one.log for one in read])
    if name in ("byte_perplexity", "bits_per_byte"):
        return means([one.log for one in read], [float(len(one.targets[0].encode())) for one in asked])
    if name == "word_perplexity":
        return means([one.log for one in read], [float(_words(one.targets[0])) for one in asked])
    if not any(one.scored for one in read):  # acc of a target
        return means([float(one.greedy) for one in read])
    scored = [one.scored for one in read if one.scored]
    if name == "brier_score":
        return means([one.brier for one in scored])
    if name in ("f1", "mcc"):
        golds, answers = [one.item.gold for one in scored], [one.answer() for one in scored]
        if name == "f1":
            return positives(golds, answers)
        return tables(golds, answers, max(len(one.item.choices) for one in questions if one.item))
    return means([float(one.right(name)) for one in scored])


def _words(text: str) -> int:
    """Words as lm-eval counts them: parts between blanks, those before the first and behind the last too."""
    return len(re.split(r"\s+", text))


def _document(
    task: WholeTask, sides: Sequence[_Side], rows: Sequence[Sequence[Numbers]], at: int
) -> TaskDocument:
    question = task.questions[at]
    found: TaskDocument = {
        "id": question.id,
        "prompt": question.prompt,
        "targets": list(question.targets),
        "answers": [_answer(task, side, rows[model], at) for model, side in enumerate(sides)],
    }
    if question.item:
        found["choices"] = list(question.item.choices)
    return found


def _answer(task: WholeTask, side: _Side, rows: Sequence[Numbers], at: int) -> TaskAnswer:
    read = side.read[at]
    right = [
        bool(some[at, 0]) if measure.metric.share else None
        for measure, some in zip(task.recipe.measures, rows, strict=True)
    ]
    found: TaskAnswer = {"right": right}
    if task.recipe.kind == "generate_until":
        found |= {"text": read.text, "tokens": read.tokens, "ended": read.ended}
        found["taken"] = [taken[at] for taken in side.taken]
    elif read.scored:
        found["choice"] = read.scored.answer()
        found["logs"] = [round(one, 4) for one in read.scored.sums]
    else:
        found |= {"log": round(read.log, 4), "scored": read.tokens}
    return found


def _counted(
    task: WholeTask, sides: Sequence[_Side], rows: Sequence[Sequence[Numbers]]
) -> tuple[list[MeasureScore], list[MeasureDifference]]:
    """Every model's metrics, and every other model's differences to the first; p of the first metric is
    Holm's for all models, those of the others for all models and metrics.
    """
    scores: list[MeasureScore] = []
    differences: list[MeasureDifference] = []
    of = len(sides[0].read)
    for at, measure in enumerate(task.recipe.measures):
        for model, side in enumerate(sides):
            one = valued(measure.metric, rows[model][at])
            scores.append(
                {
                    "model": model,
                    "measure": at,
                    "value": _rounded(one.value) or 0.0,
                    "low": _rounded(one.low),
                    "high": _rounded(one.high),
                    "count": one.count,
                    "of": of,
                }
            )
            if not model:
                continue
            moved = apart(measure.metric, rows[0][at], rows[model][at])
            differences.append(
                {
                    "model": model,
                    "measure": at,
                    "value": _rounded(moved.value) or 0.0,
                    "low": _rounded(moved.low),
                    "high": _rounded(moved.high),
                    "gained": moved.gained,
                    "lost": moved.lost,
                    "of": of,
                    "changed": sum(
                        _given(task, sides[0], place) != _given(task, side, place) for place in range(of)
                    ),
                    "p": moved.p,
                }
            )
    for first in (True, False):
        some = [one for one in differences if (not one["measure"]) == first]
        for told, p in zip(some, paired.holm([one["p"] for one in some]), strict=True):
            told["p"] = float(f"{p:.4g}")
    return scores, differences


def _given(task: WholeTask, side: _Side, at: int) -> object:
    """What counts as a model's answer where answers are held against each other."""
    read = side.read[at]
    if task.recipe.kind == "generate_until":
        return read.text
    return read.scored.answer() if read.scored else round(read.log, 4)


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.6g}")


def _started(request: WholeTaskRequest, loaded: Sequence[Loaded], task: WholeTask) -> WholeTaskRun:
    recipe = task.recipe
    share = recipe.measures[0].metric.share
    level = paired.LEVEL / max(1, len(loaded) - 1)
    writes = recipe.kind == "generate_until"

    return {
        "kind": "task",
        "drawable": True,
        "done": False,
        "run_id": str(time.time_ns()),
        "request": request.to_json(),
        "models": [
            engine.side_of(name, side.rounding, one)
            for name, side, one in zip(request.names, request.sides, loaded, strict=True)
        ],
        "task": task.name,
        "planned": len(task.questions),
        "measures": [
            {
                "name": one.metric.name,
                "filter": recipe.filters[one.filter].name if writes else "",
                "says": one.metric.says,
                "higher": one.metric.higher,
                "share": one.metric.share,
            }
            for one in recipe.measures
        ],
        "documents": [],
        "scores": [],
        "differences": [],
        "power": numbers.power_before(len(task.questions), level) if share else [],
        "verdicts": ["Before the first answer"],
        "stopped": "",
        "notes": list(task.notes),
        "provenance": {
            "versions": {name: importlib.metadata.version(name) for name in ("torch", "transformers")},
            "kind": recipe.kind,
            "until": list(recipe.until),
            "tokens": recipe.tokens if writes else 0,
            "chat": request.chat,
        },
        "progress": None,
        "seconds": 0.0,
    }
