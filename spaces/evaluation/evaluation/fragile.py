"""Ask every model the same items in every form, and hold the spread beside the difference that is claimed."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation import engine, fragile_finding
from evaluation.data import FormDifference, FormSaid, FormScore, Fragile, Spread
from evaluation.forms import KINDS, Form, Formed
from evaluation.numbers import paired_data
from evaluation.request import FragileRequest
from evaluation.spread import spread_p
from shared import paired
from shared.choices import ROWS, Scored, scored
from shared.errors import VisitorError
from shared.items import NO_TEMPLATE, Item, Row, clusters_of, row_of
from shared.talk import render

if TYPE_CHECKING:
    from shared.models import Loaded

ALL = fragile_finding.ALL
"""Stands for all forms together."""


@dataclass(frozen=True)
class Plan:
    """What is to be asked, checked before any model computes.

    Args:
        items: in the order in which they are asked.
        forms: every form and draw.
        formed: of every form, of every item.
        rows: of every model, of every form, of every item; None where the model cannot read the form.
        left_out: why it cannot, in sentences.
    """

    items: tuple[Item, ...]
    forms: tuple[Form, ...]
    formed: tuple[tuple[Formed, ...], ...]
    rows: tuple[tuple[tuple[Row, ...] | None, ...], ...]
    left_out: tuple[str, ...]


def plan(request: FragileRequest, loaded: Sequence[Loaded]) -> Plan:
    """The items in every form as every model reads them. A form that needs a chat template is left out for a
    model that has none.

    Raises:
        VisitorError: as `items.row_of`, they are too long together, or a model is left with one form.
    """
    items, forms = tuple(request.planned()), tuple(request.forms)
    made = tuple(map(tuple, request.formed(items)))
    left_out: list[str] = []
    rows = []
    for name, one in zip(request.names, loaded, strict=True):
        own = [_rows(name, one, some, form, left_out) for form, some in zip(forms, made, strict=True)]
        if sum(each is not None for each in own) < 2:
            raise VisitorError(
                f"{name} can be asked in one form alone: {left_out[-1]}", "Name a further form."
            )
        rows.append(tuple(own))
    engine.check_length([row for own in rows for some in own if some for row in some])
    return Plan(items, forms, made, tuple(rows), tuple(left_out))


def _rows(
    name: str, loaded: Loaded, some: Sequence[Formed], form: Form, left_out: list[str]
) -> tuple[Row, ...] | None:
    if form.chat:
        try:
            render(loaded, some[0].item.prompt, remedy=NO_TEMPLATE)
        except VisitorError as error:
            left_out.append(f"The form chat is left out for {name}: {error.what}")
            return None
    return tuple(row_of(loaded, one.item, chat=form.chat) for one in some)


def fragile(request: FragileRequest, loaded: Sequence[Loaded], planned: Plan) -> Iterator[Fragile]:
    """The growing result, form by form; the complete one last.

    Args:
        request: what is asked for.
        loaded: the models, where they are to run.
        planned: as `plan` gives it.
    """
    began = time.monotonic()
    items, forms, of = planned.items, planned.forms, len(planned.items)
    data = _started(request, loaded, planned)
    every = sum(some is not None for own in planned.rows for some in own) * of
    done = 0

    def step(label: str) -> Fragile:
        data["seconds"] = round(time.monotonic() - began, 2)
        data["progress"] = {"label": label, "value": done, "max": every}
        return {**data}

    yield step(f"{forms[0].name}: 0 of {of} items")
    for place, form in enumerate(forms):
        found: list[list[int] | None] = []
        for model, one in enumerate(loaded):
            rows = planned.rows[model][place]
            if rows is None:
                found.append(None)
                continue
            answers: list[Scored] = []
            for start in range(0, of, ROWS):
                some = [each.item for each in planned.formed[place][start : start + ROWS]]
                answers += scored(one.model, some, rows[start : start + ROWS])
                done += len(some)
                late = time.monotonic() - began > engine.MAX_SECONDS
                if late and place > 1:
                    data["stopped"] = (
                        f"The run was ended after {engine.MAX_SECONDS / 60:g} minutes, before {form.name}."
                    )
                    yield _over(data, items)
                    return
                yield step(f"{form.name}, {data['models'][model]['name']}: {len(answers)} of {of} items")
            found.append(
                [
                    each.order[answer.answer(request.metric)]
                    for each, answer in zip(planned.formed[place], answers, strict=True)
                ]
            )
        data["forms"] = [*data["forms"], _form(form, planned, place)]
        data["answers"] = [[*own, new] for own, new in zip(data["answers"], found, strict=True)]
        _count(data, items)
        data["verdicts"] = [f"{place + 1} of {len(forms)} forms: no verdict before the end"]
        if place + 1 < len(forms):
            yield step(f"{forms[place + 1].name}: 0 of {of} items")
    data["seconds"] = round(time.monotonic() - began, 2)
    yield _over(data, items)


def _over(data: Fragile, items: Sequence[Item]) -> Fragile:
    """The complete result."""
    right, groups = _right(data, items), clusters_of(items)
    ps = paired.holm(
        [
            spread_p([right[one["model"]][form] for form in _read(data, one["model"])], groups)
            for one in data["spreads"]
        ]
    )
    for one, p in zip(data["spreads"], ps, strict=True):
        one["p"] = float(f"{p:.4g}")
    data["done"], data["progress"] = True, None
    data["verdicts"] = fragile_finding.verdicts(data)
    return {**data}


def _right(data: Fragile, items: Sequence[Item]) -> list[list[list[bool]]]:
    """Of every model, form and item whether the answer is right; of forms that were left out nothing."""
    return [
        [[answer == item.gold for answer, item in zip(some or (), items, strict=False)] for some in own]
        for own in data["answers"]
    ]


def _read(data: Fragile, *models: int) -> list[int]:
    """The forms that all of some models read."""
    return [
        form
        for form in range(len(data["forms"]))
        if all(data["answers"][model][form] is not None for model in models)
    ]


def _count(data: Fragile, items: Sequence[Item]) -> None:
    """Scores, differences and spreads of the forms so far."""
    right, groups = _right(data, items), clusters_of(items)
    scores: list[FormScore] = []
    spreads: list[Spread] = []
    for model in range(len(right)):
        some = _read(data, model)
        for form in some:
            one = paired.score(right[model][form], groups)
            scores.append(
                {
                    "model": model,
                    "form": form,
                    "count": one.count,
                    "of": one.of,
                    "low": round(one.low, 4),
                    "high": round(one.high, 4),
                    "groups": one.groups,
                }
            )
        if len(some) > 1:
            counts = {form: sum(right[model][form]) for form in some}
            lowest, highest = min(some, key=counts.__getitem__), max(some, key=counts.__getitem__)
            spreads.append(
                {
                    "model": model,
                    "lowest": lowest,
                    "highest": highest,
                    "wide": round((counts[highest] - counts[lowest]) / len(items), 6),
                    "p": None,
                }
            )
    data["scores"], data["spreads"] = scores, spreads
    whole, single = [], []
    for model in range(1, len(right)):
        some = _read(data, 0, model)
        if some:
            whole.append(_difference(right[0], right[model], groups, some, model, ALL))
        single += [_difference(right[0], right[model], groups, [form], model, form) for form in some]
    for told in (whole, single):
        for each, p in zip(told, paired.holm([one["p"] for one in told]), strict=True):
            each["p"] = float(f"{p:.4g}")
    data["differences"] = [*whole, *single]


def _difference(
    first: Sequence[Sequence[bool]],
    second: Sequence[Sequence[bool]],
    groups: Sequence[int],
    forms: Sequence[int],
    model: int,
    name: int,
) -> FormDifference:
    """Two models over some forms: an item's answers in all forms belong together."""
    one = paired.difference(
        [right for form in forms for right in first[form]],
        [right for form in forms for right in second[form]],
        [group for _ in forms for group in groups],
    )
    return {"model": model, "form": name, **paired_data(one)}


def _form(form: Form, planned: Plan, place: int) -> FormSaid:
    read = next((own[place] for own in planned.rows if own[place]), None) or ()
    return {
        "name": form.name,
        "kind": form.kind,
        "says": KINDS[form.kind],
        "asked": [
            {
                "prompt": one.item.prompt,
                "choices": list(one.item.choices),
                "gold": one.item.gold,
                "delimiter": one.item.delimiter,
            }
            for one in planned.formed[place]
        ],
        "sent": [row.text for row in read] if form.chat else [],
    }


def _started(request: FragileRequest, loaded: Sequence[Loaded], planned: Plan) -> Fragile:
    versions = ("torch", "transformers", "numpy")
    return {
        "kind": "fragile",
        "drawable": True,
        "done": False,
        "run_id": str(time.time_ns()),
        "request": request.to_json(),
        "models": [
            engine.side_of(name, side.rounding, one)
            for name, side, one in zip(request.names, request.sides, loaded, strict=True)
        ],
        "planned": [form.name for form in planned.forms],
        "groups": max(clusters_of(planned.items)) + 1,
        "chance": sum(1 / len(item.choices) for item in planned.items) / len(planned.items),
        "items": [engine.asked(item) for item in planned.items],
        "forms": [],
        "answers": [[] for _ in loaded],
        "scores": [],
        "differences": [],
        "spreads": [],
        "verdicts": ["Before the first form"],
        "stopped": "",
        "notes": list(planned.left_out),
        "provenance": {
            "versions": {name: importlib.metadata.version(name) for name in versions},
            "seed": request.seed,
        },
        "progress": None,
        "seconds": 0.0,
    }
