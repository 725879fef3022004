"""How a CSV file is written: its delimiter, its quotes, its header; and lines that do not fit."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, replace

ROWS = 50
"""Rows by which the form is judged."""

LONG_NAME = 8
"""Words of a cell from which on it is no column's name."""

_SEPARATOR = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)
_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)?")


@dataclass(frozen=True)
class Form:
    """How a CSV file is written.

    Args:
        delimiter: between cells.
        ending: of a line.
        escape: what stands before a quote inside quotes, where that is no second quote; "" else.
        before: the line that names the delimiter for a spreadsheet; "" where there is none.
        header: whether the first row names the columns.
    """

    delimiter: str = ","
    ending: str = "\n"
    escape: str = ""
    before: str = ""
    header: bool = True

    @property
    def settings(self) -> dict[str, object]:
        """For `csv.reader`."""
        escape = {"escapechar": self.escape, "doublequote": False} if self.escape else {}
        return {"delimiter": self.delimiter, **escape}


PLAIN = Form()


def form_of(start: str, name: str) -> Form:
    """The form of a file that begins like this.

    Args:
        start: of its text, a hundred rows or so.
        name: its name; one that ends in .tsv has tabs.
    """
    ending = "\r\n" if "\r\n" in start else "\r" if "\r" in start and "\n" not in start else "\n"
    said = _SEPARATOR.match(start)
    before, body = (said[0], start[said.end() :]) if said else ("", start)
    escape = "\\" if re.search(r'"[^"\n]*\\"[^",;\t|\r\n]', body) and '""' not in body else ""
    if said:
        delimiter = said[1]
    elif name.lower().endswith(".tsv"):
        delimiter = "\t"
    else:
        delimiter = max(",;\t|", key=lambda sign: _fit(_rows(body, Form(sign, escape=escape))))
        if _fit(_rows(body, Form(delimiter, escape=escape)))[0] == 0:
            head = body[: body.find("\n")] if "\n" in body else body
            delimiter = max(",;\t|", key=head.count)
            if not head.count(delimiter):  # one column, whose text has signs of its own
                delimiter = "\t" if "\t" not in body else "\x1f"
    form = Form(delimiter, ending, escape, before)
    rows = _rows(body, form)
    return Form(delimiter, ending, escape, before, header=not is_row(rows))


def ending_as(form: Form, line: str) -> Form:
    """The form with the end of a file's first row, which may lie over several lines of other ends; as it is
    where the row has none.
    """
    found = next((end for end in ("\r\n", "\n", "\r") if line.endswith(end)), form.ending)
    return replace(form, ending=found)


def _rows(body: str, form: Form) -> list[list[str]]:
    lines = io.StringIO(body, newline="")
    rows: list[list[str]] = []
    try:
        for row in csv.reader(lines, **form.settings):  # type: ignore[arg-type]
            if row:
                rows.append(row)
            if len(rows) == ROWS:
                break
    except csv.Error:
        pass
    return rows


def _fit(rows: list[list[str]]) -> tuple[float, int]:
    """The share of rows with as many cells as the first, and how many that are; nothing where it has one."""
    if not rows or len(rows[0]) < 2:
        return 0.0, 1
    count = len(rows[0])
    same = sum(len(row) >= count and fitted(row, count) is not None for row in rows[1:])
    return same / max(1, len(rows) - 1), count


def is_row(rows: list[list[str]]) -> bool:
    """Whether the first row is one like the others: it has a number where they have, or a whole sentence."""
    if len(rows) < 2:
        return False
    first, others = rows[0], rows[1:]
    for place, cell in enumerate(first):
        below = [row[place] for row in others if place < len(row)]
        if _NUMBER.fullmatch(cell.strip()) and all(_NUMBER.fullmatch(own.strip()) for own in below if own):
            return bool(below)
    return any(len(cell.split()) >= LONG_NAME for cell in first) and not any(
        len(cell.split()) < 3 and not _NUMBER.fullmatch(cell.strip()) for cell in first
    )


def fitted(row: list[str], count: int) -> list[str] | None:
    """A row with so many cells: without empty ones past the last column, or filled up with empty ones; None
    where that would lose text, or where a row runs over several lines and may hold others.
    """
    if len(row) == count:
        return row
    if len(row) > count:
        return row[:count] if not any(row[count:]) else None
    return None if any("\n" in cell for cell in row) else [*row, *[""] * (count - len(row))]


def names_of(header: list[str]) -> tuple[str, ...]:
    """Names for columns, each one of its own: an empty one by its place, a repeated one with a number."""
    names: list[str] = []
    for place, cell in enumerate(header, start=1):
        name = cell or f"column {place}"
        known = name
        number = 2
        while known in names:
            known = f"{name} ({number})"
            number += 1
        names.append(known)
    return tuple(names)
