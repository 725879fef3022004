"""A multiple-choice task of lm-eval, read as data: its YAML names columns and templates, its documents become
items.

Nothing of it is run here, see `task_yaml`; templates are filled in in the process of `shared.chat_templates`,
rows come from a dataset of the Hub or are given.
"""

from __future__ import annotations

import ast
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, Generic, Self, TypeVar

from evaluation.request import MAX_ITEMS_CHARACTERS
from evaluation.shots import MAX_POOL, SPLITS, Shots
from evaluation.task_yaml import BESIDE, metrics_of, task_of, yaml_text
from shared import chat_templates, hub, request
from shared.checks import whole
from shared.errors import VisitorError, reason
from shared.items import MAX_ITEM_CHARACTERS, Item, items_of
from shared.numbers import counted
from shared.request import setting

Made = TypeVar("Made")
GIVEN = "test"
"""The split of documents that are given to a task which names none."""


class LeftOut(Exception):
    """Why a document is no item."""


class TooMuch(Exception):
    """A template went past a limit."""


@dataclass(frozen=True)
class TaskRequest(request.Request):
    """A task and where its documents are."""

    yaml: str = setting(
        "", lambda _, value: yaml_text(value), "a task's YAML, as lm-eval reads it", required=True
    )
    rows: str = setting(
        "", lambda _, value: rows_text(value), "documents, a line of JSON each, in the place of the dataset"
    )
    limit: int = setting(100, whole(1, 500), "documents at most, the first ones, as lm-eval's --limit takes")

    def consistent(self) -> Self:
        task_of(self.yaml)
        return self


def rows_text(value: Any) -> str:
    """Documents as text, from a list too."""
    if isinstance(value, (list, tuple)):
        value = "\n".join(json.dumps(one, ensure_ascii=False, default=str) for one in value)
    if not isinstance(value, str) or len(value) > MAX_ITEMS_CHARACTERS:
        raise VisitorError("The documents are no text, or too long.", "Give a line of JSON for each.")
    return value


@dataclass(frozen=True)
class Documents(Generic[Made]):
    """What became of a task's documents.

    Args:
        made: of those that could be read.
        asked: documents that were looked at.
        left_out: the others, a sentence each.
        more: whether the split has more than were asked for.
        shots_more: whether examples are drawn of fewer documents than lm-eval draws them of.
    """

    made: list[Made]
    asked: int
    left_out: list[str]
    more: bool
    shots_more: bool

    def notes(self, task: Mapping[str, Any]) -> list[str]:
        """What a reader should know of them."""
        found = [f"{len(self.left_out)} left out. {self.left_out[0]}"] if self.left_out else []
        if self.more:
            found.append(f"The first {counted(self.asked, 'document')}; there are more.")
        if task.get("num_fewshot"):
            found.append(f"{counted(task['num_fewshot'], 'example')} before each, as lm-eval draws them.")
            if self.shots_more:
                found.append(
                    f"They are of the first {MAX_POOL:,} documents of a split: lm-eval draws others."
                )
        return found


def each_document(
    task: Mapping[str, Any],
    rows: str,
    limit: int,
    token: str | None,
    example: Callable[[dict[str, Any]], tuple[str, str]],
    make: Callable[[dict[str, Any], int, Sequence[tuple[str, str]]], Made],
) -> Documents[Made]:
    """Read a task's documents.

    Args:
        task: its keys.
        rows: documents, a line of JSON each; "" for those of the Hub.
        limit: documents at most.
        token: of the Hub.
        example: a document's question and answer as an example.
        make: of a document, its number and its examples; raises `LeftOut` or a VisitorError where that
            cannot be.

    Raises:
        VisitorError: as `hub.dataset_rows`; a template takes too long; no document could be read.
    """
    if rows.strip() and not (task.get("test_split") or task.get("validation_split")):
        task = {**task, "test_split": GIVEN}
    config = task.get("dataset_name")
    documents, more = documents_of(
        rows,
        task.get("dataset_path", ""),
        None if config is None else str(config),
        task.get("test_split") or task.get("validation_split"),
        limit,
        token,
    )
    pool, shots_more = _pool(task, rows, token)
    _as_table(task, documents, pool)
    shots = Shots(task, pool, shots_more, example)
    found: list[Made] = []
    left_out: list[str] = []
    for number, document in enumerate(documents):
        drawn = shots.of(document)
        try:
            found.append(make(document, number, shots.told(drawn)))
        except LeftOut as error:
            left_out.append(f"Document {number}: {error}.")
        except TooMuch as error:  # every other document would take as long
            raise VisitorError(
                "A template of the task takes too long or writes too much.", "Simplify it."
            ) from error
        except VisitorError as error:
            left_out.append(f"Document {number}: {error.what}")
    if not found:
        first = left_out[0] if left_out else "There is no document."
        raise VisitorError(
            f"No document of the task can be asked. {first}"[:280], "Look at its columns and templates."
        )
    return Documents(found, len(documents), left_out, more, shots.more)


def read(request: TaskRequest, token: str | None = None) -> dict[str, Any]:
    """The items of a task, as `items.items_of` takes them, and what was left out.

    Raises:
        VisitorError: as `task_of` and `each_document`.
    """
    task = task_of(request.yaml)

    def make(document: dict[str, Any], number: int, examples: Sequence[tuple[str, str]]) -> dict[str, Any]:
        return choice_item(task, document, number, examples).to_json()

    documents = each_document(task, request.rows, request.limit, token, partial(_example, task), make)
    known, others = metrics_of(task)
    notes = []
    if chosen := [one for one in known if one != BESIDE]:
        notes.append(f"The task counts by {', '.join(chosen)}: choose one under “an answer counts”.")
    if others:
        notes.append(f"Not computed here: {', '.join(others)[:80]}.")
    told = documents.notes(task)
    first = told[:1] if documents.left_out else []
    if sum(len(json.dumps(one, ensure_ascii=False)) + 1 for one in documents.made) > MAX_ITEMS_CHARACTERS:
        raise VisitorError("The items are too long together.", "Lower the limit of documents.")
    return {"items": documents.made, "notes": [*first, *notes, *told[len(first) :]]}


def _pool(task: Mapping[str, Any], rows: str, token: str | None) -> tuple[list[dict[str, Any]], bool]:
    """The documents that examples are drawn from, and whether there are more; none where none are asked."""
    if not task.get("num_fewshot"):
        return [], False
    samples = task.get("fewshot_config", {}).get("samples")
    if samples and not task.get("fewshot_split"):
        return samples, False
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
    text = question_of(task, document)
    choices = choices_of(task["doc_to_choice"], document)
    gold = _gold(task["doc_to_target"], document)
    if isinstance(gold, str):
        gold = choices.index(gold) if gold in choices else -1
    if isinstance(gold, bool) or not isinstance(gold, int) or not 0 <= gold < len(choices):
        raise LeftOut(f"its target “{str(gold)[:40]}” is none of its choices")
    return text, tuple(map(str, choices)), gold


def question_of(task: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """What `doc_to_text` makes of a document."""
    text = column(task["doc_to_text"], document)
    return filled(task["doc_to_text"], document) if text is None else str(text)


def _example(task: Mapping[str, Any], document: Mapping[str, Any]) -> tuple[str, str]:
    """A document's question and answer."""
    question, choices, gold = _asked(task, document)
    return question, choices[gold]


def choice_item(
    task: Mapping[str, Any], document: Mapping[str, Any], number: int, examples: Sequence[tuple[str, str]]
) -> Item:
    """A document as an item, behind the description and its examples.

    Raises:
        LeftOut, VisitorError: it is none.
    """
    text, choices, gold = _asked(task, document)
    prompt, turns = behind_examples(task, document, text, examples)
    item = Item(
        str(number),
        task.get("task") or "task",
        prompt,
        choices,
        gold,
        delimiter=task.get("target_delimiter", " "),
        turns=turns,
    )
    items_of([item.to_json()])
    return item


def behind_examples(
    task: Mapping[str, Any], document: Mapping[str, Any], text: str, examples: Sequence[tuple[str, str]]
) -> tuple[str, tuple[tuple[str, str], ...]]:
    """A question behind the description and its examples: as one text, and as the conversation that lm-eval
    gives a chat template, () where that is one message.
    """
    before = filled(task["description"], document) if task.get("description") else ""
    between, behind = task.get("target_delimiter", " "), task.get("fewshot_delimiter", "\n\n")
    told = "".join(f"{question}{between}{answer}{behind}" for question, answer in examples)
    talk = [[("user", question), ("assistant", answer)] for question, answer in examples]
    turns = (*([("system", before)] if before else []), *chain(*talk), ("user", text))
    return before + told + text, turns if turns[1:] else ()


def column(value: Any, document: Mapping[str, Any]) -> Any:
    """A document's column of that name; None where the name is a template, or no text.

    Raises:
        LeftOut: the document has nothing there. A single word is a name too, and no text of the task.
    """
    if not isinstance(value, str) or not (value in document or value.isidentifier()):
        return None
    if document.get(value) is None:
        raise LeftOut(f"its column “{value[:40]}” is empty or missing")
    return document[value]


def _as_table(task: Mapping[str, Any], *some: list[dict[str, Any]]) -> None:
    """Give every document the columns that the task names and that another has, empty, as in a table."""
    for key in ("doc_to_text", "doc_to_target", "doc_to_choice"):
        name = task.get(key)
        if isinstance(name, str) and any(name in one for documents in some for one in documents):
            for one in chain(*some):
                one.setdefault(name, None)


def choices_of(value: Any, document: Mapping[str, Any]) -> Sequence[Any]:
    found = column(value, document)
    if found is None:
        found = value
        if isinstance(value, str):
            try:
                found = ast.literal_eval(filled(value, document))
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                raise LeftOut("its doc_to_choice writes no list") from None
    if isinstance(found, dict):
        found = list(found.values())
    if not isinstance(found, (list, tuple)):
        raise LeftOut("its choices are no list")
    if None in found:
        raise LeftOut("one of its choices is empty")
    return list(found)


def _gold(value: Any, document: Mapping[str, Any]) -> Any:
    found = column(value, document)
    if found is not None or not isinstance(value, str):
        return value if found is None else found
    text = filled(value, document)
    return int(text) if text.isdecimal() else text


def filled(template: str, document: Mapping[str, Any]) -> str:
    if len(str(document)) > 10 * MAX_ITEM_CHARACTERS:
        raise LeftOut("it is too long")
    try:
        return chat_templates.fill_task(template, dict(document))
    except chat_templates.TooMuch as error:
        raise TooMuch from error
    except chat_templates.Failed as error:
        raise LeftOut(f"a template fails ({reason(error)})") from None
