"""Rows as a table: CSV with columns that trainers know."""

from __future__ import annotations

import csv
import json
from typing import Any

from finetuning.row_forms import NAMED, TALKS, WANTED, are_messages
from shared import tables
from shared.errors import VisitorError

SCHEMAS = (
    *((name,) for name in (*TALKS, "text", "prompt")),
    ("chosen", "rejected"),
    *NAMED,
)
"""Columns by which a table is one of rows; what stands beside them comes along."""
TEXTS = ("prompt", "completion", "chosen", "rejected", "text")
SAID = (*TALKS, *TEXTS[:-1])
"""Columns whose cells may be messages."""
GIVEN = ("tools", "chat_template_kwargs")
TRUTHS = {"true": True, "1": True, "false": False, "0": False}


def rows(text: str, *, cut: bool = False) -> list[dict[str, Any]]:
    """The rows of a text that is CSV; none where it is no table.

    Args:
        text: what was given, and is no JSON.
        cut: whether it ends before its end, so that the last row may be half of one.

    Raises:
        VisitorError: it is CSV that cannot be read, or whose columns are of no row.
    """
    try:
        names = tables.header(text)[0]
    except csv.Error:
        return []
    known = any(set(schema) <= set(names) for schema in SCHEMAS)
    try:
        found = tables.rows(text, cut=cut)
    except csv.Error as error:
        if not known:
            return []
        if isinstance(error, tables.TooManyCells):
            raise VisitorError(
                f"This is CSV, and {error}.", "Put a text that holds the delimiter in quotes."
            ) from None
        raise VisitorError(
            f"This is CSV, and it cannot be read ({str(error)[:60]}).",
            "Save it again, with texts in quotes.",
        ) from None
    if known:
        return [{name: _cell(name, value) for name, value in row.items()} for row in found]
    if len(names) > 1 and found and all(len(row) == len(names) for row in found):
        listed = ", ".join(f"“{name[:30]}”" for name in names[:5])
        raise VisitorError(f"This is CSV, and its columns ({listed}) are of no row that is known.", WANTED)
    return []


def _cell(name: str, value: str) -> Any:
    """A cell's value: messages and what a template gets beside them are JSON, a label is a truth value, and
    what is empty beside the texts is nothing. A text stays one, and be it JSON.
    """
    if name == "label":
        return TRUTHS.get(value.strip().lower(), value)
    if name in (*SAID, *GIVEN) and value.lstrip()[:1] in ("[", "{"):
        try:
            read = json.loads(value)
        except (ValueError, RecursionError):
            return value
        return read if name in GIVEN or are_messages(read) else value
    return value if value or name in TEXTS else None
