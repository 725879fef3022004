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
    texts: list[list[str]] = []
    answers: list[list[str]] = []
    conversations = False
    for name, cells in zip(columns, dataset.cells(columns), strict=True):
        first = next((cell for cell in cells if cell not in (None, "")), "")
        if turns(first) is not None:
            conversations = True
            spoken = [turns(cell) or [] for cell in cells]
            texts.append([part_of(conversation, request.part) for conversation in spoken])
            answers.append([part_of(conversation, "answer") for conversation in spoken])
        else:
            _check_text(name, cells)
            texts.append([strip_template(cell) if isinstance(cell, str) else "" for cell in cells])
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


def _check_text(name: str, cells: list[Any]) -> None:
    filled = [cell for cell in cells if cell is not None]
    if filled and not any(isinstance(cell, str) for cell in filled):
        shown = json.dumps(filled[0], default=str)[:60]
        raise VisitorError(
            f"The column “{name[:60]}” holds no text (its first value is {shown}).",
            "Choose a column of text or of conversations.",
        )
