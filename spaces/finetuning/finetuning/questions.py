"""Prompts to sample answers to: stored ones, lines, or rows as TRL's GRPOTrainer takes them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from finetuning.csv_rows import SCHEMAS
from finetuning.row_forms import form, refusal
from finetuning.rows import Source, objects
from finetuning.tokenizer import Reader, Refused
from shared import tables
from shared.errors import VisitorError
from shared.experts.prompts import OTHER, OTHER_HELD_OUT
from shared.talk import plain_ids, prompt_ids, token_ids

if TYPE_CHECKING:
    from shared.models import Loaded

WANTED = "Write questions, one a line, or rows with “prompt” and, where the reward needs it, “answer”."
ASKS = ("question", "instruction", "query", "input")
"""Columns by which datasets name what is asked."""
LONGEST = 256
"""Tokens of a prompt."""
LONGEST_ANSWER = 200
"""Characters of a row's own answer."""
HELD_OUT = 16
_SUMS = [(one, other) for one in range(2, 10) for other in range(1, 10)]
SETS: dict[str, str] = {"questions": "general questions", "sums": "sums of two digits, with their answers"}
"""By name: stored prompts in words."""


@dataclass(frozen=True)
class Question:
    """A prompt.

    Args:
        number: of its row, from 1.
        words: its last words, for a reader.
        ids: its tokens, up to where the answer begins.
        answer: what the row states as answer; "" for none.
    """

    number: int
    words: str
    ids: tuple[int, ...]
    answer: str = ""


@dataclass(frozen=True)
class Questions:
    """What is sampled for, and what is not.

    Args:
        train: prompts to sample answers to.
        held: prompts that are only asked.
        source: where they come from.
        more: whether there are prompts that were not read.
        separate: whether the held-out prompts are others than those trained on.
    """

    train: tuple[Question, ...]
    held: tuple[Question, ...]
    source: str
    more: bool = False
    separate: bool = True


class Asking(Source, Protocol):
    """A request that names prompts."""

    @property
    def data(self) -> str: ...
    @property
    def own(self) -> bool: ...


def stored(name: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A stored set as rows: to train on and held out."""
    if name == "sums":
        rows = [_row(f"What is {one} plus {other}?", str(one + other)) for one, other in _SUMS]
        return [row for at, row in enumerate(rows) if at % 5 != 4], rows[4::5][:HELD_OUT]
    return [_row(one) for one in OTHER], [_row(one) for one in OTHER_HELD_OUT[:HELD_OUT]]


def _row(question: str, answer: str = "") -> dict[str, Any]:
    row: dict[str, Any] = {"prompt": [{"role": "user", "content": question}]}
    return {**row, "answer": answer} if answer else row


def stored_source(name: str) -> str:
    """What a figure calls the source of a stored set."""
    return f"stored prompts “{name}”"


def read(
    request: Asking, loaded: Loaded, reader: Reader, upload: Any = None, token: str | None = None
) -> Questions:
    """The prompts of a request, in tokens; every fifth of a visitor's own is held out.

    Raises:
        VisitorError: as `rows.objects`; a row has no prompt, or the template refuses it (it is named).
    """
    if not request.own and not upload:
        train, held = stored(request.data)
        return Questions(
            tuple(_questions(train[: request.limit], loaded, reader)),
            tuple(_questions(held, loaded, reader)),
            stored_source(request.data),
        )
    given, source, more = _given(request, upload, token)
    questions = _questions(given, loaded, reader)
    held_out = questions[4::5] or questions[-1:]
    asked = {one.ids for one in held_out}
    others = [one for one in questions if one.ids not in asked]
    if not others:
        return Questions(tuple(questions), tuple(held_out[:HELD_OUT]), source, more, separate=False)
    return Questions(tuple(others), tuple(held_out[:HELD_OUT]), source, more)


def _given(request: Asking, upload: Any, token: str | None) -> tuple[list[Any], str, bool]:
    """The rows that a request names; lines that are no JSON are questions."""
    text = request.rows.strip()
    if upload or not text or not are_lines(text):
        return objects(request, upload, token)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [_row(line) for line in lines[: request.limit]], "pasted questions", len(lines) > request.limit


def are_lines(text: str) -> bool:
    """Whether a text is one question a line: neither JSON nor a table; its columns may be refused."""
    try:
        names = {name.lower() for name in tables.header(text)[0]}
    except csv.Error:
        names = set()
    return text[:1] not in ("[", "{") and not any(set(schema) <= names for schema in SCHEMAS)


def _questions(rows: Sequence[Any], loaded: Loaded, reader: Reader) -> list[Question]:
    return [_question(row, number, loaded, reader) for number, row in enumerate(rows, 1)]


def _question(row: Any, number: int, loaded: Loaded, reader: Reader) -> Question:
    """A row's prompt: a conversation by the template, a text as it is, as TRL reads both."""
    if isinstance(row, str):
        row = _row(row)
    if not isinstance(row, dict):
        raise VisitorError(f"Row {number} is no prompt.", WANTED)
    answer = _answer(row, number)
    prompt = row.get("prompt")
    if isinstance(prompt, str):
        if not prompt.strip():
            raise VisitorError(f"The prompt of row {number} is empty.", WANTED)
        return _bounded(Question(number, prompt[-300:], tuple(plain_ids(loaded.tokenizer, prompt)), answer))
    if prompt is None and row.get("messages") is None and row.get("conversations") is None:
        keys = ", ".join(list(map(str, row))[:6]) or "no columns"
        asks = next((name for name in ASKS if name in row), "")
        remedy = f"Rename the column {asks} to “prompt”." if asks else WANTED
        raise VisitorError(f"Row {number} has no prompt ({keys[:60]}).", remedy)
    if prompt is not None:
        row = {"messages": prompt, "tools": row.get("tools")}
    talk = list(form(row, number).messages)
    while talk and talk[-1]["role"] == "assistant":  # what is to be written
        talk.pop()
    if not talk:
        raise VisitorError(f"Row {number} asks nothing: its messages are all the assistant's.", WANTED)
    content = talk[-1].get("content")
    words = content if isinstance(content, str) else ""
    if len(talk) == 1 and talk[0]["role"] == "user" and words.strip():
        ids = prompt_ids(loaded, words, "chat", remedy="Choose an instruct model, or give rows of text.")
    else:
        try:
            text = reader.write(talk, form(row, number).given, prompt=True).text
        except Refused as error:
            raise refusal(form(row, number), str(error)) from None
        ids = token_ids(loaded.tokenizer, text)
    return _bounded(Question(number, words[-300:], tuple(ids), answer))


def _bounded(question: Question) -> Question:
    if not 0 < len(question.ids) <= LONGEST:
        raise VisitorError(
            f"The prompt of row {question.number} has {len(question.ids):,} tokens.",
            f"Use prompts of 1 to {LONGEST} tokens.",
        )
    return question


def _answer(row: dict[str, Any], number: int) -> str:
    """What a row states as its answer."""
    stated = row.get("answer", "")
    text = str(stated) if isinstance(stated, (str, int, float)) else ""
    if len(text) > LONGEST_ANSWER:
        raise VisitorError(
            f"The answer of row {number} has {len(text):,} characters.",
            f"Use at most {LONGEST_ANSWER}: it is looked for in what the model writes.",
        )
    return text.strip()
