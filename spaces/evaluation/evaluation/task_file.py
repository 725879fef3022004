"""A multiple-choice task of lm-eval, read as data: its YAML names columns and templates, its documents become
items.

Nothing of it is run here: `!function`, `include`, `class` and loaders of code are refused, templates are
filled in in the process of `shared.chat_templates`, rows come from a dataset of the Hub or are given.
"""

from __future__ import annotations

import ast
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import yaml

from evaluation.request import MAX_ITEMS_CHARACTERS
from shared import chat_templates, hub, request
from shared.checks import whole
from shared.errors import VisitorError, reason
from shared.items import MAX_ITEM_CHARACTERS, Item, items_of
from shared.request import setting

MAX_YAML_CHARACTERS = 20_000
READ = {
    *("task", "dataset_path", "dataset_name", "validation_split", "test_split", "output_type"),
    *("doc_to_text", "doc_to_choice", "doc_to_target", "target_delimiter", "description", "metric_list"),
}
PASSED_OVER = {
    *("tag", "group", "metadata", "task_alias", "training_split", "fewshot_split", "fewshot_delimiter"),
    *("should_decontaminate", "doc_to_decontamination_query", "num_fewshot", "fewshot_config", "repeats"),
}
"""Keys that change nothing about a document that is asked without examples before it."""
EXAMPLE = """\
task: colours
dataset_path: owner/name
test_split: test
output_type: multiple_choice
doc_to_text: "Question: {{question}}\\nAnswer:"
doc_to_choice: choices
doc_to_target: answer
"""


class _LeftOut(Exception):
    """Why a document is no item."""


class _TooMuch(Exception):
    """A template went past a limit."""


class _Loader(yaml.SafeLoader):
    """Safe, and without aliases, which can make a page of text a universe."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("aliases are not taken")
        return super().compose_node(parent, index)


@dataclass(frozen=True)
class TaskRequest(request.Request):
    """A task and where its documents are."""

    yaml: str = setting(
        "", lambda _, value: _text(value), "a task's YAML, as lm-eval reads it", required=True
    )
    rows: str = setting(
        "", lambda _, value: rows_text(value), "documents, a line of JSON each, in the place of the dataset"
    )
    limit: int = setting(100, whole(1, 500), "documents at most, the first ones, as lm-eval's --limit takes")

    def consistent(self) -> Self:
        task_of(self.yaml)
        return self


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise VisitorError("There is no task.", f"Paste its YAML, such as: {EXAMPLE.splitlines()[0]}, …")
    if len(value) > MAX_YAML_CHARACTERS:
        raise VisitorError(
            f"The task has {len(value):,} characters.", f"Shorten it to {MAX_YAML_CHARACTERS:,}."
        )
    return value


def rows_text(value: Any) -> str:
    """Documents as text, from a list too."""
    if isinstance(value, (list, tuple)):
        value = "\n".join(json.dumps(one, ensure_ascii=False, default=str) for one in value)
    if not isinstance(value, str) or len(value) > MAX_ITEMS_CHARACTERS:
        raise VisitorError("The documents are no text, or too long.", "Give a line of JSON for each.")
    return value


def task_of(text: str) -> dict[str, Any]:
    """A task's keys.

    Raises:
        VisitorError: it is no YAML, runs code, or is not of multiple choice.
    """
    try:
        found = yaml.load(text, Loader=_Loader)  # noqa: S506  a safe loader without aliases
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if "!function" in text:
            raise VisitorError(
                "The task calls a function of Python (!function), which is not run here.",
                "Write the column or a template in its place.",
            ) from None
        words = getattr(error, "problem", None) or str(error)
        raise VisitorError(f"The task is no YAML ({words[:80]}).", "Paste one of lm-eval's files.") from None
    if not isinstance(found, dict):
        raise VisitorError("The task's YAML is no list of keys.", "Paste one of lm-eval's files.")
    for key, value in found.items():
        if key not in READ | PASSED_OVER:
            raise VisitorError(
                f"The task has “{str(key)[:40]}”, which could run code or is not known here.",
                f"Leave it out. Read are {', '.join(sorted(READ))}.",
            )
        if value is None:
            raise VisitorError(f"{key} is empty.", "Fill it in, or leave it out.")
    if found.get("output_type") != "multiple_choice":
        raise VisitorError(
            f"The task's output_type is {str(found.get('output_type', 'generate_until'))[:40]}.",
            "Only multiple_choice is asked here.",
        )
    if found.get("num_fewshot"):
        raise VisitorError(
            "The task puts examples before its questions (num_fewshot).", "Set it to 0: there are none here."
        )
    for key in ("doc_to_text", "doc_to_choice", "doc_to_target"):
        if key not in found:
            raise VisitorError(f"The task has no {key}.", "Name a column, or write a template.")
    for key in ("task", "doc_to_text", "target_delimiter", "description", "dataset_path"):
        if not isinstance(found.get(key, ""), str):
            raise VisitorError(f"{key} is no text.", "Write it in quotation marks.")
    return found


def read(request: TaskRequest, token: str | None = None) -> dict[str, Any]:
    """The items of a task, as `items.items_of` takes them, and what was left out.

    Raises:
        VisitorError: as `task_of` and `hub.dataset_rows`; a template fails; no document is an item.
    """
    task = task_of(request.yaml)
    config = task.get("dataset_name")
    documents, more = documents_of(
        request.rows,
        task.get("dataset_path", ""),
        None if config is None else str(config),
        task.get("test_split") or task.get("validation_split"),
        request.limit,
        token,
    )
    found: list[dict[str, Any]] = []
    left_out: list[str] = []
    for number, document in enumerate(documents):
        try:
            item = _item(task, document, number)
            items_of([item.to_json()])
        except _LeftOut as error:
            left_out.append(f"Document {number}: {error}.")
            continue
        except _TooMuch as error:  # every other document would take as long
            raise VisitorError(
                "A template of the task takes too long or writes too much.", "Simplify it."
            ) from error
        except VisitorError as error:
            left_out.append(f"Document {number}: {error.what}")
            continue
        found.append(item.to_json())
    if not found:
        first = left_out[0] if left_out else "There is no document."
        raise VisitorError(
            f"No document of the task is an item. {first}"[:280], "Look at its columns and templates."
        )
    notes = [f"{len(left_out)} left out. {left_out[0]}"] if left_out else []
    if more:
        notes.append(f"The first {len(documents):,} documents; there are more.")
    if sum(len(json.dumps(one, ensure_ascii=False)) + 1 for one in found) > MAX_ITEMS_CHARACTERS:
        raise VisitorError("The items are too long together.", "Lower the limit of documents.")
    return {"items": found, "notes": notes}


def documents_of(
    rows: str, path: str, config: str | None, split: Any, limit: int, token: str | None
) -> tuple[list[dict[str, Any]], bool]:
    """Documents in the types of JSON, and whether there are more.

    Args:
        rows: a line of JSON each; "" for those of the Hub.
        path: of the Hub's dataset, with its config and split.
        limit: documents at most.

    Raises:
        VisitorError: there are none, or as `hub.dataset_rows`.
    """
    if rows.strip():
        found = []
        for number, line in enumerate(io.StringIO(rows, newline=None), 1):
            if line.strip():
                try:
                    one = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise VisitorError(
                        f"Line {number} of the documents is not JSON ({str(error)[:60]}).",
                        "Write an object a line.",
                    ) from None
                if not isinstance(one, dict):
                    raise VisitorError(f"Line {number} of the documents is no object.", "Write one a line.")
                found.append(one)
        return found[:limit], len(found) > limit
    if "/" not in path or not isinstance(split, str):
        raise VisitorError(
            f"The task's data is “{path[:40]}”, split {str(split)[:40]}.",
            "Name a dataset of the Hub with its test_split, or give the documents.",
        )
    table, more = hub.dataset_rows(path, config, split, limit, token)
    return json.loads(json.dumps(table.to_pylist(), default=str)), more


def _item(task: Mapping[str, Any], document: Mapping[str, Any], number: int) -> Item:
    """A document as lm-eval's `ConfigurableTask` reads it."""
    text = _column(task["doc_to_text"], document)
    if text is None:
        text = _filled(task["doc_to_text"], document)
    if task.get("description"):
        text = _filled(task["description"], document) + str(text)
    choices = _choices(task["doc_to_choice"], document)
    gold = _gold(task["doc_to_target"], document)
    if isinstance(gold, str):
        gold = choices.index(gold) if gold in choices else -1
    if isinstance(gold, bool) or not isinstance(gold, int) or not 0 <= gold < len(choices):
        raise _LeftOut(f"its target “{str(gold)[:40]}” is none of its choices")
    return Item(
        str(number),
        task.get("task") or "task",
        str(text),
        tuple(map(str, choices)),
        gold,
        delimiter=task.get("target_delimiter", " "),
    )


def _column(value: Any, document: Mapping[str, Any]) -> Any:
    """A document's column of that name; None where there is none."""
    return document.get(value) if isinstance(value, str) else None


def _choices(value: Any, document: Mapping[str, Any]) -> Sequence[Any]:
    found = _column(value, document)
    if found is None:
        found = value
        if isinstance(value, str):
            try:
                found = ast.literal_eval(_filled(value, document))
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                raise _LeftOut("its doc_to_choice writes no list") from None
    if isinstance(found, dict):
        found = list(found.values())
    if not isinstance(found, (list, tuple)):
        raise _LeftOut("its choices are no list")
    return list(found)


def _gold(value: Any, document: Mapping[str, Any]) -> Any:
    found = _column(value, document)
    if found is not None or not isinstance(value, str):
        return value if found is None else found
    text = _filled(value, document)
    return int(text) if text.isdecimal() else text


def _filled(template: str, document: Mapping[str, Any]) -> str:
    if len(str(document)) > 10 * MAX_ITEM_CHARACTERS:
        raise _LeftOut("it is too long")
    try:
        return chat_templates.fill_task(template, dict(document))
    except chat_templates.TooMuch as error:
        raise _TooMuch from error
    except chat_templates.Failed as error:
        raise _LeftOut(f"a template fails ({reason(error)})") from None
