"""A set of prompts from a file: text with one a line, or data (JSON, JSON lines, CSV) with one a row, its
newlines kept and its column chosen.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from typing import Any

from shared import tables
from shared.errors import VisitorError

COLUMNS = ("prompt", "instruction", "question", "text", "input", "query", "goal", "messages", "conversations")
"""Columns that hold prompts where none is named, the first that is there."""
DATA = (".json", ".jsonl", ".csv", ".tsv")
"""Endings of files that are data."""


def prompts_of(name: str, text: str, column: str = "") -> list[str]:
    """The prompts in a file.

    Args:
        name: of the file, whose ending says what it is; any other than `DATA` is text with one prompt a line.
        text: its contents.
        column: of its rows; "" for the first of `COLUMNS` that is there, or the only one with texts.

    Raises:
        VisitorError: it is not what its ending says, or its rows have no such column.
    """
    ending = name[name.rfind(".") :].lower()
    if ending == ".json":
        return from_rows(_json(text), column)
    if ending == ".jsonl":
        return from_rows(json_lines(text), column)
    if ending in (".csv", ".tsv"):
        return from_rows(_table(text, "\t" if ending == ".tsv" else ""), column)
    return [line.strip() for line in text.splitlines() if line.strip()]


def _json(text: str) -> list[Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise VisitorError(
            f"The prompts are not a JSON list ({error}).", "Write one prompt a line, or a list of texts."
        ) from error
    if isinstance(value, dict):  # columns, or one list under any name
        lists = {key: item for key, item in value.items() if isinstance(item, list)}
        if len(lists) > 1 and len({len(item) for item in lists.values()}) == 1:
            return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
        value = next(iter(lists.values()), value)
    if not isinstance(value, list):
        raise VisitorError("The prompts are not a list of texts.", 'Write one prompt a line, or ["…", "…"].')
    return value


def json_lines(text: str) -> list[Any]:
    """A value a line, empty lines left out.

    Raises:
        VisitorError: a line is not JSON.
    """
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except (ValueError, RecursionError) as error:
                raise VisitorError(
                    f"Line {number} of the prompts is not JSON ({error}).", "Write one object or text a line."
                ) from error
    return rows


def _table(text: str, delimiter: str) -> list[dict[str, str]]:
    """Rows of a table with a header; a quoted cell may hold newlines."""
    try:
        return tables.rows(text, delimiter)
    except csv.Error as error:
        raise VisitorError(f"The table could not be read ({error}).", "Save it again as CSV.") from error


def from_rows(rows: Sequence[Any], column: str = "") -> list[str]:
    """Prompts from rows that are texts, or objects with a column of texts or of chats, of which the first
    user's turn counts.

    Raises:
        VisitorError: they are neither, or have no such column.
    """
    if all(isinstance(row, str) for row in rows):
        return [row.strip() for row in rows]
    if not all(isinstance(row, dict) for row in rows):
        raise VisitorError("The prompts are not a list of texts.", 'Write one prompt a line, or ["…", "…"].')
    names = list(dict.fromkeys(str(key) for row in rows for key in row))
    texts = [name for name in names if all(_said(row.get(name)) is not None for row in rows)]
    wanted = column.strip()
    if not wanted:
        known = [name for name in COLUMNS if name in texts]
        wanted = known[0] if known else texts[0] if len(texts) == 1 else ""
    if wanted not in texts:
        what = f"no column “{wanted[:40]}” of texts" if wanted else f"{len(texts)} columns of texts"
        raise VisitorError(
            f"The rows have {what}.", f"Name one of these as the column: {', '.join(texts or names)[:160]}."
        )
    return [str(_said(row[wanted])).strip() for row in rows]


def _said(value: Any) -> str | None:
    """A text, or what the user says first in a chat; None for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        for turn in value:
            if isinstance(turn, dict) and turn.get("role", turn.get("from")) in ("user", "human"):
                words = turn.get("content", turn.get("value"))
                return words if isinstance(words, str) else None
    return None


def written(prompts: Sequence[str]) -> str:
    """Prompts as the text of a field, which `sets.read` gives back as they are: one a line, or a JSON list
    where that would lose a newline or read another list.
    """
    plain = not any("\n" in prompt or "\r" in prompt for prompt in prompts)
    if plain and not any(prompts[:1] and prompts[0].startswith(sign) for sign in "[{"):
        return "\n".join(prompts)
    return json.dumps(list(prompts), ensure_ascii=False, indent=1)
