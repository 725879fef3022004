"""Ask every model every item, and say at each moment what may be said."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from evaluation import contamination, finding, numbers, summary
from evaluation.contamination import Corpus
from evaluation.data import Answered, Asked, Compare, Contamination, Read, Side, Task
from evaluation.request import CompareRequest, ModelsRequest
from shared import models
from shared.choices import MUTUAL, ROWS, Scored, alone_rows, packable, scored
from shared.errors import VisitorError
from shared.item_sets import SETS
from shared.items import Item, Row, clusters_of, row_of
from shared.mean import mean
from shared.numbers import counted
from shared.paired import LEVEL
from shared.rounding import rounded
from shared.sequential import look_places
from shared.tokens import Texts

if TYPE_CHECKING:
    from shared.models import Loaded

MAX_TOKENS = 400_000
"""Tokens that all models read in one run, every prompt once."""
MAX_SECONDS = 1_800.0
"""Longest run."""


@dataclass(frozen=True)
class Plan:
    """What is to be asked, checked before any model computes.

    Args:
        items: in the order in which they are asked.
        rows: of every model, of every item.
        alone: of every model, of every item its choices without the prompt, where the metric asks for them.
        contamination: what a corpus holds of the items; None where none is named.
    """

    items: tuple[Item, ...]
    rows: tuple[tuple[Row, ...], ...]
    alone: tuple[tuple[Row, ...], ...] = ()
    contamination: Contamination | None = None


def loading(request: ModelsRequest) -> Iterator[str]:
    """Bring the models into memory, saying each long step before it.

    Raises:
        VisitorError: as `models.load`.
    """
    for side in request.sides:
        for part in side.parts:
            if models.in_memory(part, exact=True) is None:
                yield f"Loading {part}"
                models.load(part, exact=True)
        if side.parts[1:]:
            yield f"Merging {' and '.join(side.parts)}"
        if side.rounding:
            yield f"Rounding {side.model} to {side.rounding}"
    yield "Reading the items"


def sides(request: ModelsRequest) -> list[Loaded]:
    """The models, which `loading` has brought.

    Raises:
        VisitorError: as `mean.mean` and `rounding.rounded`.
    """
    return [
        rounded(mean([models.load(part, exact=True) for part in side.parts]), side.rounding)
        for side in request.sides
    ]


def plan(request: CompareRequest, loaded: Sequence[Loaded], corpus: Corpus | None = None) -> Plan:
    """The items as every model reads them, and what a corpus holds of them.

    Raises:
        VisitorError: as `items.row_of` and `contamination.overlaps`, or they are too long together.
    """
    items = tuple(request.planned())
    rows = tuple(tuple(row_of(one, item, chat=request.chat) for item in items) for one in loaded)
    alone = tuple(
        tuple(alone_rows(one, items, chat=request.chat)) for one in loaded if request.metric == MUTUAL
    )
    check_length([row for one in (*rows, *alone) for row in one])
    told = contamination.searched(items, corpus, request.ngram) if corpus else None
    return Plan(items, rows, alone, told)


def check_length(rows: Sequence[Row]) -> None:
    """Raise a VisitorError where a run's rows are too long together."""
    tokens = sum(len(row.context) + sum(map(len, row.choices)) for row in rows)
    if tokens > MAX_TOKENS:
        raise VisitorError(
            f"The models would read {tokens:,} tokens; the limit is {MAX_TOKENS:,}.",
            "Lower limit, or name fewer sets, models or forms.",
        )


def compare(request: CompareRequest, loaded: Sequence[Loaded], planned: Plan) -> Iterator[Compare]:
    """The growing evaluation, a batch of items at a time; the complete one last.

    Args:
        request: what is asked for.
        loaded: the models, where they are to run.
        planned: as `plan` gives it.
    """
    began = time.monotonic()
    items, groups = planned.items, clusters_of(planned.items)
    words = [Texts(one.tokenizer) for one in loaded]
    data = _started(request, loaded, planned)
    answers: list[list[Scored]] = [[] for _ in loaded]
    places = look_places(max(groups) + 1)
    data["progress"] = {"label": f"0 of {counted(len(items), 'item')}", "value": 0, "max": len(items)}
    yield {**data}
    for start in range(0, len(items), ROWS):
        some = slice(start, start + ROWS)
        for model, one in enumerate(loaded):
            found = scored(one.model, items[some], planned.rows[model][some])
            if planned.alone:
                bare = scored(one.model, items[some], planned.alone[model][some])
                found = [replace(a, alone=b.sums) for a, b in zip(found, bare, strict=True)]
            answers[model] += found
        for place in range(start, min(start + ROWS, len(items))):
            reads, own = _reads(words, [rows[place] for rows in planned.rows])
            data["reads"] = [*data["reads"], reads]
            data["items"] = [*data["items"], asked(items[place])]
            data["answers"] = [
                [*data["answers"][model], _answered(answers[model][place], request.metric, own[model])]
                for model in range(len(loaded))
            ]
        done = len(data["items"])
        result = numbers.Result(request, items[:done], groups[:done], tuple(map(tuple, answers)))
        data["scores"] = numbers.scores(result)
        data["differences"] = numbers.differences(result)
        data["looks"] = numbers.looks(result, groups, places)
        data["calibration"] = numbers.calibration(result)
        if planned.contamination:
            data["contamination"] = {**planned.contamination, **numbers.held(result, planned.contamination)}
        data["seconds"] = round(time.monotonic() - began, 2)
        over = done == len(items)
        if request.early and not over and (stop := finding.decided(data)):
            data["stopped"], over = stop, True
        data["verdicts"] = finding.verdicts(data, over)
        if not over and data["seconds"] > MAX_SECONDS:
            data["stopped"], over = f"The run was ended after {MAX_SECONDS / 60:g} minutes.", True
        data["progress"] = {
            "label": f"{done} of {counted(len(items), 'item')}",
            "value": done,
            "max": len(items),
        }
        if over:
            data["done"], data["progress"] = True, None
            data["calibration"] = numbers.calibration(result, result.tasks)
            data["summary"] = summary.summary(data)
            yield {**data}
            return
        yield {**data}


def _started(request: CompareRequest, loaded: Sequence[Loaded], planned: Plan) -> Compare:
    items, groups = planned.items, clusters_of(planned.items)
    named = dict.fromkeys(item.task for item in items)
    known = () if request.items.strip() else request.tasks
    names = sorted(named, key=lambda name: known.index(name) if name in known else len(known))
    versions = ("torch", "transformers", "scipy")
    return {
        "kind": "compare",
        "drawable": True,
        "done": False,
        "run_id": str(time.time_ns()),
        "request": request.to_json(),
        "models": [
            side_of(name, side.rounding, one)
            for name, side, one in zip(request.names, request.sides, loaded, strict=True)
        ],
        "tasks": [_task(name, request, items) for name in names],
        "planned": len(items),
        "planned_groups": max(groups) + 1,
        "items": [],
        "reads": [],
        "answers": [[] for _ in loaded],
        "scores": [],
        "differences": [],
        "looks": [],
        "power": numbers.power_before(max(groups) + 1, LEVEL / max(1, len(loaded) - 1)),
        "calibration": [],
        "contamination": planned.contamination,
        "verdicts": [finding.WAITING],
        "stopped": "",
        "notes": list(finding.notes(request, loaded)),
        "summary": None,
        "provenance": {
            "versions": {name: importlib.metadata.version(name) for name in versions},
            "seed": request.seed,
            "metric": request.metric,
            "chat": request.chat,
        },
        "progress": None,
        "seconds": 0.0,
    }


def side_of(name: str, rounding: str, loaded: Loaded) -> Side:
    """A model as the figures name it."""
    return {
        "name": name,
        "rounding": rounding,
        "device": loaded.device,
        "packed": bool(packable(loaded.model)),
        "parameters": sum(one.numel() for one in loaded.model.parameters()),
        "vocabulary": loaded.model.config.get_text_config().vocab_size,
        "origin": loaded.origin,
    }


def _task(name: str, request: CompareRequest, items: Sequence[Item]) -> Task:
    some = [item for item in items if item.task == name]
    known = SETS.get(name) if not request.items.strip() else None
    return {
        "name": name,
        "says": known.says if known else "items of your own",
        "planned": len(some),
        "groups": len({item.group for item in some}),
        "chance": sum(1 / len(item.choices) for item in some) / len(some),
    }


def asked(item: Item) -> Asked:
    """An item as the figures have it."""
    found: Asked = {
        "id": item.id,
        "task": item.task,
        "cluster": item.cluster,
        "prompt": item.prompt,
        "choices": list(item.choices),
        "gold": item.gold,
        "delimiter": item.delimiter,
    }
    if item.turns:
        found["turns"] = [list(one) for one in item.turns]
    return found


def _reads(words: Sequence[Texts], rows: Sequence[Row]) -> tuple[list[Read], list[int]]:
    """An item's readings, each once, and which of them is every model's."""
    found: list[Read] = []
    own: list[int] = []
    for texts, row in zip(words, rows, strict=True):
        length = len(row.context)
        pieces = [[one.label for one in texts.in_turn([*row.context, *choice])] for choice in row.choices]
        read: Read = {"context": pieces[0][:length], "choices": [one[length:] for one in pieces]}
        if read not in found:
            found.append(read)
        own.append(found.index(read))
    return found, own


def _answered(one: Scored, metric: str, read: int) -> Answered:
    found: Answered = {
        "logs": [[round(value, 4) for value in choice] for choice in one.tokens],
        "answer": one.answer(metric),
        "read": read,
    }
    if one.alone:
        found["alone"] = [round(value, 4) for value in one.alone]
    return found
