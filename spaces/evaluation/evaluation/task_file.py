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
from functools import partial
from itertools import chain
from typing import Any, Self

import yaml

from evaluation.request import MAX_ITEMS_CHARACTERS
from evaluation.shots import MAX_POOL, MAX_SHOTS, SAMPLERS, SPLITS, Shots
from shared import chat_templates, hub, request
from shared.checks import whole
from shared.choices import METRICS
from shared.errors import VisitorError, reason
from shared.items import MAX_ITEM_CHARACTERS, Item, items_of
from shared.numbers import counted
from shared.request import setting

MAX_YAML_CHARACTERS = 20_000
READ = {
    *("task", "dataset_path", "dataset_name", "validation_split", "test_split", "output_type"),
    *("doc_to_text", "doc_to_choice", "doc_to_target", "target_delimiter", "description", "metric_list"),
    *("num_fewshot", "fewshot_split", "fewshot_delimiter", "fewshot_config", "training_split"),
}
PASSED_OVER = {
    *("tag", "group", "metadata", "task_alias", "should_decontaminate", "doc_to_decontamination_query"),
    "repeats",
}
"""Keys that change nothing about what a document is asked."""
TEXTS = (
    *("task", "doc_to_text", "description", "dataset_path", "target_delimiter", "fewshot_delimiter"),
    *("fewshot_split", "training_split", "validation_split", "test_split"),
)
"""Keys whose values are text."""
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
    shots, config = found.get("num_fewshot", 0), found.get("fewshot_config", {})
    if isinstance(shots, bool) or not isinstance(shots, int) or not 0 <= shots <= MAX_SHOTS:
        raise VisitorError(
            f"The task's num_fewshot is {str(shots)[:40]}.", f"Use a whole number from 0 to {MAX_SHOTS}."
        )
    sampler = config.get("sampler", SAMPLERS[0]) if isinstance(config, dict) else None
    if sampler not in SAMPLERS or set(config) - {"sampler"}:
        raise VisitorError(
            "The task's fewshot_config says more than a sampler that is known here.",
            f"Leave it out, or name one of {', '.join(SAMPLERS)} as its sampler.",
        )
    for key in ("doc_to_text", "doc_to_choice", "doc_to_target"):
        if key not in found:
            raise VisitorError(f"The task has no {key}.", "Name a column, or write a template.")
    _metrics(found)
    for key in TEXTS:
        if not isinstance(found.get(key, ""), str):
            raise VisitorError(f"{key} is no text.", "Write it in quotation marks.")
    return found


BESIDE = "brier_score"
"""A metric that stands beside every score, whatever counts as right."""


def _metrics(task: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The task's metrics that are known here, and the others.

    Raises:
        VisitorError: it names metrics, and none of them is known.
    """
    listed = task.get("metric_list", [])
    if not isinstance(listed, list) or not all(
        isinstance(one, dict) and isinstance(one.get("metric"), str) for one in listed
    ):
        raise VisitorError("The task's metric_list is no list of metrics.", "Write it as lm-eval's files do.")
    named = [one["metric"] for one in listed]
    known = [one for one in named if one in (*METRICS, BESIDE)]
    others = [one for one in named if one not in known]
    if others and not known:
        raise VisitorError(
            f"The task counts by {', '.join(others)[:80]}, which is not computed here.",
            f"Known are {', '.join(METRICS)} and {BESIDE}.",
        )
    return known, others


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
    shots = Shots(task, *_pool(task, request.rows, token), partial(_example, task))
    found: list[dict[str, Any]] = []
    left_out: list[str] = []
    for number, document in enumerate(documents):
        drawn = shots.of(document)
        try:
            item = _item(task, document, number, shots.told(drawn))
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
    known, others = _metrics(task)
    if chosen := [one for one in known if one != BESIDE]:
        notes.append(f"The task counts by {', '.join(chosen)}: choose one under “an answer counts”.")
    if others:
        notes.append(f"Not computed here: {', '.join(others)[:80]}.")
    if more:
        notes.append(f"The first {len(documents):,} documents; there are more.")
    if task.get("num_fewshot"):
        notes.append(f"{counted(task['num_fewshot'], 'example')} before each, as lm-eval draws them.")
        if shots.more:
            notes.append(f"They are of the first {MAX_POOL:,} documents of a split: lm-eval draws others.")
    if sum(len(json.dumps(one, ensure_ascii=False)) + 1 for one in found) > MAX_ITEMS_CHARACTERS:
        raise VisitorError("The items are too long together.", "Lower the limit of documents.")
    return {"items": found, "notes": notes}


def _pool(task: Mapping[str, Any], rows: str, token: str | None) -> tuple[list[dict[str, Any]], bool]:
    """The documents that examples are drawn from, and whether there are more; none where none are asked."""
    if not task.get("num_fewshot"):
        return [], False
    asked = task.get("test_split") or task.get("validation_split")
    split = next((task[key] for key in SPLITS if task.get(key)), None)
    if rows.strip() and split != asked:
        raise VisitorError(
            f"Examples come from the split {str(split)[:40]}, and the documents are of {str(asked)[:40]}.",
            "Set fewshot_split to the split of the documents, or name a dataset of the Hub.",
        )
    config = task.get("dataset_name")
    return documents_of(
        rows, task.get("dataset_path", ""), None if config is None else str(config), split, MAX_POOL, token
    )


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


def _asked(task: Mapping[str, Any], document: Mapping[str, Any]) -> tuple[str, tuple[str, ...], int]:
    """A document's question, its choices, and the place of the right one, as lm-eval's `ConfigurableTask`
    reads it.
    """
    text = _column(task["doc_to_text"], document)
    if text is None:
        text = _filled(task["doc_to_text"], document)
    choices = _choices(task["doc_to_choice"], document)
    gold = _gold(task["doc_to_target"], document)
    if isinstance(gold, str):
        gold = choices.index(gold) if gold in choices else -1
    if isinstance(gold, bool) or not isinstance(gold, int) or not 0 <= gold < len(choices):
        raise _LeftOut(f"its target “{str(gold)[:40]}” is none of its choices")
    return str(text), tuple(map(str, choices)), gold


def _example(task: Mapping[str, Any], document: Mapping[str, Any]) -> tuple[str, str]:
    """A document's question and answer."""
    question, choices, gold = _asked(task, document)
    return question, choices[gold]


def _item(
    task: Mapping[str, Any], document: Mapping[str, Any], number: int, examples: Sequence[tuple[str, str]]
) -> Item:
    """A document behind the description and its examples: as one text, and as the conversation that lm-eval
    gives a chat template, where the description is the system message.
    """
    text, choices, gold = _asked(task, document)
    before = _filled(task["description"], document) if task.get("description") else ""
    between, behind = task.get("target_delimiter", " "), task.get("fewshot_delimiter", "\n\n")
    told = "".join(f"{question}{between}{answer}{behind}" for question, answer in examples)
    talk = [[("user", question), ("assistant", answer)] for question, answer in examples]
    turns = (*([("system", before)] if before else []), *chain(*talk), ("user", text))
    return Item(
        str(number),
        task.get("task") or "task",
        before + told + text,
        choices,
        gold,
        delimiter=between,
        turns=turns if turns[1:] else (),
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
