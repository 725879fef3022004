"""Which text of each row is compared."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dedup import compiled
from dedup.chat import (
    EMPTY,
    MARKS,
    PLACEHOLDER,
    Column,
    canonical,
    held_by_rows,
    is_text,
    joined,
    strip_template,
    turns,
)
from dedup.fields import leaves
from dedup.read import Dataset
from dedup.request import Request, SplitsRequest
from dedup.several import check_columns
from dedup.shingles import BORDER, HELD, with_held
from dedup.units import chosen_unit
from shared.errors import VisitorError

CHAT_COLUMNS = ("messages", "conversations", "conversation", "chat")

SCHEMAS: tuple[tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]], ...] = (
    ("preference pairs", ("chosen", "rejected"), ("system", "prompt", "question", "instruction"), ()),
    *((name, (name,), (), ()) for name in CHAT_COLUMNS),
    ("Alpaca", ("instruction", "output"), (), ("input",)),
    ("instruction and response", ("instruction", "response"), ("context",), ("input",)),
    ("instruction and answer", ("instruction", "answer"), ("context",), ("input",)),
    ("prompt and completion", ("prompt", "completion"), ("system",), ()),
    ("prompt and response", ("prompt", "response"), ("system",), ()),
    ("prompt and answer", ("prompt", "answer"), (), ()),
    ("question and answer", ("question", "answer"), ("context", "passage", "text"), ("choices", "options")),
    ("question and answer", ("question", "answers"), ("context", "passage", "text"), ("choices", "options")),
    ("question and response", ("question", "response"), ("system_prompt", "context"), ()),
    ("question and solution", ("question", "solution"), (), ()),
    ("problem and solution", ("problem", "solution"), (), ("answer",)),
    ("problem and answer", ("problem", "answer"), (), ()),
    ("query and response", ("query", "response"), (), ()),
    ("query and answer", ("query", "answer"), (), ()),
    ("retrieval", ("query", "positive"), (), ("negative",)),
    ("retrieval", ("anchor", "positive"), (), ("negative",)),
    ("sentence pairs", ("premise", "hypothesis"), (), ()),
    ("sentence pairs", ("sentence1", "sentence2"), (), ()),
    ("input and output", ("input", "output"), (), ()),
    ("source and target", ("source", "target"), (), ()),
)
"""What a dataset is called, columns that it has, and columns that stand before and after the first of them
where it has those too. Earlier ones count first.
"""

MEDIA_COLUMNS = ("image", "images", "audio", "audios", "video", "videos")
HELD_COLUMNS = (*MEDIA_COLUMNS, "tools", "functions")
"""Columns that are no text: rows in which they differ are never duplicates."""

ANSWER_COLUMNS = ("output", "response", "answer", "answers", "completion", "solution", "chosen", "rejected")
"""Columns of a known schema that splits are not compared by unless they are named."""

AT_ONCE = 200_000
"""Characters of plain texts that are looked through together."""

HEAD = 200
"""Rows by which the likeliest column is judged."""


@dataclass(frozen=True)
class Choice:
    """The columns that are compared where the visitor named none.

    Args:
        columns: of text, in the order in which they are joined.
        held: columns that must be equal.
        schema: what the dataset is called; "" for none that is known.
    """

    columns: tuple[str, ...]
    held: tuple[str, ...] = ()
    schema: str = ""


@dataclass(frozen=True)
class Compared:
    """The rows as they are compared.

    Args:
        columns: the columns that were joined, with a `BORDER` between them.
        texts: one a row, see `dedup.shingles.parted`; "" where there is nothing to compare.
        answers: one a row when prompts of conversations are compared, else None.
        unit: what shingles are made of; never "auto".
        held: columns beside them that must be equal.
        schema: what the dataset is called whose columns were chosen; "" where the visitor named them.
        unseen: rows with an image or the like that lies elsewhere; none of them is like another row.
        guessed: whether the units were chosen by what the rows look like.
        mixed: a column of text that also holds something else: its name, the first such row, and what.
    """

    columns: tuple[str, ...]
    texts: list[str]
    answers: list[str] | None = None
    unit: str = "word"
    held: tuple[str, ...] = ()
    schema: str = ""
    unseen: int = 0
    guessed: bool = False
    mixed: tuple[str, int, str] | None = None


def likely_columns(dataset: Dataset) -> Choice:
    """The columns to compare where the visitor named none: all of a known schema, else `text`, else the one
    with the longest text.

    Raises:
        VisitorError: no column holds text.
    """
    known = {name.lower(): name for name in reversed(dataset.columns)}
    held = tuple(known[name] for name in HELD_COLUMNS if name in known)
    for title, needed, before, after in SCHEMAS:
        if all(name in known for name in needed):
            first, *rest = needed
            names = [*before, first, *after, *rest] if len(needed) > 1 else needed
            return Choice(tuple(known[name] for name in names if name in known), held, title)
    return Choice((likely_column(dataset),), held)


def likely_column(dataset: Dataset) -> str:
    """The column that holds most of a row's words: a conversation, else `text`, else the longest text.

    Raises:
        VisitorError: no column holds text.
    """
    for name in (*CHAT_COLUMNS, "text"):
        if name in dataset.columns:
            return name
    lengths = {}
    for name, cells in _leaves(dataset.head(HEAD)).items():
        if name.lower() not in HELD_COLUMNS and any(is_text(cell) for cell in cells):
            lengths[name] = sum(
                len(cell) if isinstance(cell, str) else 200 for cell in cells if cell is not None
            )
    if not lengths:
        raise VisitorError(
            "No column holds text.", "Choose a file with a column of text or of conversations."
        )
    return max(lengths, key=lambda name: lengths[name])


def _leaves(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Columns, and in place of those that hold objects these's fields by their dotted names; conversations
    stay whole.
    """
    found: dict[str, list[Any]] = {}
    for name, cells in columns.items():
        for cell in cells:
            parts = [(name, cell)] if turns(cell) is not None else leaves(name, cell)
            for own, value in parts:
                found.setdefault(own, []).append(value)
    return found


def _choice(dataset: Dataset, request: Request | SplitsRequest) -> Choice:
    if request.columns:
        try:
            likely = likely_columns(dataset)
        except VisitorError:
            return Choice(request.columns)
        # a page names the columns that it proposed
        return likely if request.columns == likely.columns else Choice(request.columns)
    likely = likely_columns(dataset)
    if isinstance(request, SplitsRequest):  # an answer in other words is still the same question
        asked = tuple(name for name in likely.columns if name.lower() not in ANSWER_COLUMNS)
        return replace(likely, columns=asked or likely.columns)
    return likely


_CODED = [mark.encode() for mark in MARKS]
_MARKS = np.frombuffer(b"".join(_CODED), dtype=np.uint8)
_ENDS = np.cumsum([len(mark) for mark in _CODED])
_FIRST = np.isin(np.arange(256), [mark[0] for mark in _CODED])


def _read_alone(column: Column, dataset: Dataset, name: str) -> None:
    """Read the one column that is compared; of plain texts many at a time."""
    waiting: list[str] = []
    size = 0
    for (cell,) in dataset.each([name]):
        plain = column.has_text and column.written is False and column.part == "all"
        if not plain or not isinstance(cell, str):
            _add_plain(column, waiting)
            waiting, size = [], 0
            column.add(cell)
            continue
        waiting.append(cell)
        size += len(cell)
        if size >= AT_ONCE:
            _add_plain(column, waiting)
            waiting, size = [], 0
    _add_plain(column, waiting)


def _add_plain(column: Column, texts: list[str]) -> None:
    """Add texts that are no conversations, without the marks of a chat template where one has some."""
    if not texts:
        return
    content = np.frombuffer("\n".join(texts).encode("utf-8", "surrogatepass"), dtype=np.uint8)
    marked = compiled.holds_any(content, _FIRST, _MARKS, _ENDS)
    column.texts += map(strip_template, texts) if marked else texts
    column.answers += [""] * len(texts)


def compared(dataset: Dataset, request: Request | SplitsRequest) -> Compared:
    """The text of each row under a request.

    Raises:
        VisitorError: no such column, or one that holds no text.
    """
    choice = _choice(dataset, request)
    check_columns(dataset, choice.columns)
    read = [Column(request.part) for _ in choice.columns]
    beside: list[list[Any]] = [[] for _ in choice.held]
    if len(choice.columns) == 1 and not choice.held:
        _read_alone(read[0], dataset, choice.columns[0])
        rows: Iterable[Sequence[Any]] = ()
    else:
        rows = dataset.each([*choice.columns, *choice.held])
    for row in rows:
        for column, cell in zip(read, row, strict=False):
            column.add(cell)
        for held_cells, cell in zip(beside, row[len(read) :], strict=True):
            held_cells.append(canonical(cell) if cell not in EMPTY else "")
    answers = [column.answers for column in read if column.chat]
    if not any(column.has_text for column in read) and read[0].other is not None:
        raise VisitorError(
            f"The column “{choice.columns[0][:60]}” holds no text (its first value is "
            f"{json.dumps(read[0].other, default=str)[:60]}).",
            "Choose a column of text or of conversations.",
        )
    if request.part != "all" and not answers:
        raise VisitorError(
            f"“{choice.columns[0][:60]}” holds no conversations, so there is no {request.part} to compare.",
            "Set part to all, or choose a column of messages.",
        )
    texts = joined([column.texts for column in read], "\n" if request.part == "turn" else BORDER)
    held = choice.held
    if not held and any(PLACEHOLDER.search(own) for column in read for own in column.held.values()):
        known = {name.lower(): name for name in dataset.columns}
        held = tuple(known[name] for name in MEDIA_COLUMNS if name in known)
        cells = dataset.cells(held) if held else []
        beside = [[canonical(cell) if cell not in EMPTY else "" for cell in own] for own in cells]
    holding, unseen = held_by_rows([column.held for column in read], beside)
    unit = chosen_unit(texts) if request.unit == "auto" else request.unit
    return Compared(
        choice.columns,
        [with_held("\n".join(holding.get(row, ())), text) for row, text in enumerate(texts)]
        if holding or any([text[:1] == HELD for text in texts])
        else texts,
        joined(answers, "\n") if request.part == "prompt" else None,
        unit,
        held,
        choice.schema,
        unseen,
        request.unit == "auto",
        _mixed(choice.columns, read),
    )


def _mixed(names: Sequence[str], columns: list[Column]) -> tuple[str, int, str] | None:
    """The first cell that is no text of a column that holds text."""
    for name, column in zip(names, columns, strict=True):
        if column.has_text and column.other is not None and column.other_row is not None:
            return name, column.other_row, json.dumps(column.other, default=str)[:40]
    return None
