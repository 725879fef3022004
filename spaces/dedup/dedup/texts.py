"""Which text of each row is compared."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from dedup.chat import EMPTY, PLACEHOLDER, Column, canonical, held_by_rows, is_text, joined
from dedup.read import Dataset
from dedup.request import Request, SplitsRequest
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
    """

    columns: tuple[str, ...]
    texts: list[str]
    answers: list[str] | None = None
    unit: str = "word"
    held: tuple[str, ...] = ()
    schema: str = ""
    unseen: int = 0
    guessed: bool = False


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
    for name, cells in dataset.head(HEAD).items():
        if name.lower() not in HELD_COLUMNS and any(is_text(cell) for cell in cells):
            lengths[name] = sum(
                len(cell) if isinstance(cell, str) else 200 for cell in cells if cell is not None
            )
    if not lengths:
        raise VisitorError(
            "No column holds text.", "Choose a file with a column of text or of conversations."
        )
    return max(lengths, key=lambda name: lengths[name])


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


def compared(dataset: Dataset, request: Request | SplitsRequest) -> Compared:
    """The text of each row under a request.

    Raises:
        VisitorError: no such column, or one that holds no text.
    """
    choice = _choice(dataset, request)
    read = [Column(request.part) for _ in choice.columns]
    beside: list[list[Any]] = [[] for _ in choice.held]
    for row in dataset.each([*choice.columns, *choice.held]):
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
        if holding or any(text.startswith(HELD) for text in texts)
        else texts,
        joined(answers, "\n") if request.part == "prompt" else None,
        unit,
        held,
        choice.schema,
        unseen,
        request.unit == "auto",
    )
