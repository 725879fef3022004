"""Which text of each row is compared."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from dedup.chat import part_of, strip_template, turns
from dedup.read import Dataset
from dedup.request import Request, SplitsRequest
from shared.errors import VisitorError

CHAT_COLUMNS = ("messages", "conversations", "conversation", "chat")

HEAD = 200
"""Rows by which the likeliest column is judged."""


@dataclass(frozen=True)
class Compared:
    """The rows as they are compared.

    Args:
        columns: the columns that were joined.
        texts: one a row; "" where there is nothing to compare.
        answers: one a row when prompts of conversations are compared, else None.
    """

    columns: tuple[str, ...]
    texts: list[str]
    answers: list[str] | None = None


def likely_column(dataset: Dataset) -> str:
    """The column to compare where the visitor named none: a conversation, else `text`, else the longest text.

    Raises:
        VisitorError: no column holds text.
    """
    for name in CHAT_COLUMNS:
        if name in dataset.columns:
            return name
    if "text" in dataset.columns:
        return "text"
    lengths = {}
    for name, cells in dataset.head(HEAD).items():
        if any(isinstance(cell, str) or turns(cell) for cell in cells):
            lengths[name] = sum(
                len(cell) if isinstance(cell, str) else 200 for cell in cells if cell is not None
            )
    if not lengths:
        raise VisitorError(
            "No column holds text.", "Choose a file with a column of text or of conversations."
        )
    return max(lengths, key=lambda name: lengths[name])


def compared(dataset: Dataset, request: Request | SplitsRequest) -> Compared:
    """The text of each row under a request.

    Raises:
        VisitorError: no such column, or one that holds no text.
    """
    columns = request.columns or (likely_column(dataset),)
    read = [_Column(name, request.part) for name in columns]
    for row in dataset.each(columns):
        for column, cell in zip(read, row, strict=True):
            column.add(cell)
    for column in read:
        column.check()
    texts = [column.texts for column in read]
    answers = [column.answers for column in read if column.spoken]
    conversations = bool(answers)
    if request.part != "all" and not conversations:
        raise VisitorError(
            f"“{columns[0][:60]}” holds no conversations, so there is no {request.part} to compare.",
            "Set part to all, or choose a column of messages.",
        )
    joined = (
        texts[0] if len(texts) == 1 else ["\n".join(parts).strip("\n") for parts in zip(*texts, strict=True)]
    )
    if request.part != "prompt":
        return Compared(columns, joined)
    return Compared(columns, joined, ["\n".join(parts) for parts in zip(*answers, strict=True)])


class _Column:
    """The texts of a column, cell by cell; it holds conversations where its first cell that is not empty is
    one.
    """

    def __init__(self, name: str, part: str) -> None:
        self.name, self.part = name, part
        self.texts: list[str] = []
        self.answers: list[str] = []
        self.spoken: bool | None = None
        self.other: Any = None
        """The first cell that is no text."""
        self.has_text = False

    def add(self, cell: Any) -> None:
        if self.spoken is None and cell not in (None, ""):
            self.spoken = turns(cell) is not None
        if self.spoken:
            conversation = turns(cell) or []
            self.texts.append(part_of(conversation, self.part))
            self.answers.append(part_of(conversation, "answer"))
            return
        self.answers.append("")
        self.texts.append(strip_template(cell) if isinstance(cell, str) else "")
        self.has_text = self.has_text or isinstance(cell, str)
        if self.other is None and not isinstance(cell, str):
            self.other = cell

    def check(self) -> None:
        """Raise a VisitorError for a column without text."""
        if self.spoken or self.has_text or self.other is None:
            return
        raise VisitorError(
            f"The column “{self.name[:60]}” holds no text (its first value is "
            f"{json.dumps(self.other, default=str)[:60]}).",
            "Choose a column of text or of conversations.",
        )
