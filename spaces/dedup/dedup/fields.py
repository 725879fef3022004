"""Fields of nested rows by their dotted names: `data.text` is the field `text` of the column `data`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

DEEPEST = 4
"""Levels of fields that are looked into for text."""


def place_of(name: str, columns: Collection[str]) -> tuple[str, tuple[str, ...]] | None:
    """The column of a name and the fields below it; None where there is none. A column whose own name has
    dots comes first.
    """
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        head = ".".join(parts[:count])
        if head in columns:
            return head, tuple(parts[count:])
    return None


def field_of(cell: Any, fields: Sequence[str]) -> Any:
    """What a cell holds under some fields, one below the other, whose own names may have dots; None where it
    has none such.
    """
    while fields:
        place = place_of(".".join(fields), cell) if isinstance(cell, dict) else None
        if place is None:
            return None
        cell, fields = cell[place[0]], place[1]
    return cell


def named(row: dict[str, Any], name: str) -> Any:
    """A row's cell, or its field, of a name; None for none."""
    place = place_of(name, row)
    return None if place is None else field_of(row[place[0]], place[1])


def as_record(value: Any) -> Any:
    """A row of a list: a text alone is one of a column `text`."""
    return {"text": value} if isinstance(value, str) else value


def leaves(name: str, cell: Any, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """A cell under its name, or what its fields hold, each under its dotted name."""
    if not isinstance(cell, dict) or depth == DEEPEST:
        yield name, cell
        return
    for field, value in cell.items():
        yield from leaves(f"{name}.{field}", value, depth + 1)
