"""Problems of the HumanEval kind as items: a function's head with its docstring is the prompt, the published
solution one choice, mutants of it the others. No code of either is run, so nobody knows that every mutant is
wrong: a few may answer as the solution does.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evaluation.request import MAX_ITEMS_CHARACTERS
from evaluation.task_file import documents_of, rows_text
from shared import hub, request
from shared.checks import SEED, whole
from shared.errors import VisitorError
from shared.items import Item, items_of
from shared.mutants import function_item
from shared.numbers import counted
from shared.request import setting

HUMANEVAL = "openai/openai_humaneval"
LICENCES = {HUMANEVAL: "MIT licence, OpenAI 2021"}
SOLUTIONS = ("canonical_solution", "solution")
"""Columns that hold a solution."""


def _dataset(_: str, value: Any) -> str:
    if not isinstance(value, str):
        raise VisitorError("The dataset is no name.", f"Write one such as {HUMANEVAL}.")
    if value.strip():
        hub.check_id(value.strip(), "dataset")
    return value.strip()


@dataclass(frozen=True)
class FunctionsRequest(request.Request):
    """Where problems are, and how many wrong solutions each gets."""

    dataset: str = setting(
        HUMANEVAL, _dataset, "of the Hub, with prompt and canonical_solution in its split test", blank=True
    )
    rows: str = setting(
        "", lambda _, value: rows_text(value), "problems, a line of JSON each, in the place of the dataset"
    )
    limit: int = setting(164, whole(1, 500), "problems at most, the first ones")
    wrong: int = setting(3, whole(1, 9), "mutants of a solution at most")
    seed: int = setting(0, SEED, "of the mutants that are drawn, and of the order of choices")


def read(request: FunctionsRequest, token: str | None = None) -> dict[str, Any]:
    """The items, as `items.items_of` takes them, and what a reader should know of them.

    Raises:
        VisitorError: as `task_file.documents_of`; no document is such a problem.
    """
    documents, more = documents_of(request.rows, request.dataset, None, "test", request.limit, token)
    found: list[dict[str, Any]] = []
    left_out: list[str] = []
    for number, document in enumerate(documents):
        name = str(document.get("task_id") or number)[:80]
        try:
            item = _item(document, name, request)
            items_of([item.to_json()])
            found.append(item.to_json())
        except VisitorError as error:
            left_out.append(f"{name}: {error.what}")
    if not found:
        first = left_out[0] if left_out else "There is none."
        raise VisitorError(
            f"No document is a function with its solution. {first}"[:280],
            f"Each needs prompt and {SOLUTIONS[0]}.",
        )
    if sum(len(json.dumps(one, ensure_ascii=False)) + 1 for one in found) > MAX_ITEMS_CHARACTERS:
        raise VisitorError("The items are too long together.", "Lower the limit of problems, or of mutants.")
    notes = [f"{len(left_out)} left out. {left_out[0]}"] if left_out else []
    if more:
        notes.append(f"The first {counted(len(documents), 'problem')}; there are more.")
    notes.append("No code was run: a few of the mutants may answer as the solution does.")
    if not request.rows.strip():
        licence = LICENCES.get(request.dataset)
        notes.append(
            f"{request.dataset}: {licence}."
            if licence
            else f"Look at the licence of {request.dataset} before you publish its items."
        )
    return {"items": found, "notes": notes}


def _item(document: Mapping[str, Any], name: str, request: FunctionsRequest) -> Item:
    prompt = document.get("prompt")
    solution = next((document[key] for key in SOLUTIONS if document.get(key)), None)
    if not isinstance(prompt, str) or not isinstance(solution, str) or not prompt.strip():
        raise VisitorError("It has no prompt or no solution.", "Leave it out.")
    draw = random.Random(f"functions {request.seed} {name}")  # noqa: S311  a draw, no secret
    task = name.rpartition("/")[0] or "functions"  # "HumanEval/0"
    item = function_item(task, name, prompt, solution, draw, request.wrong)
    if item is None:
        raise VisitorError("Nothing in its solution can be changed.", "Leave it out.")
    return item
