"""Tables as text: CSV with a header, whose delimiter is found."""

from __future__ import annotations

import csv
import io

from shared import limits

DELIMITERS = ",;\t"


class TooManyCells(csv.Error):
    """A row has cells that the header does not name."""


def header(text: str, delimiter: str = "") -> tuple[list[str], str, str]:
    """The names of a table's columns, its delimiter, and the table without the line `sep=…` that a
    spreadsheet may put before it.

    Args:
        text: of the table.
        delimiter: where it is known; else the one of which the header has most.

    Raises:
        csv.Error: the first line is none of a table, or a name is too long.
    """
    csv.field_size_limit(limits.MAX_CELL_CHARACTERS)
    first, _, rest = text.partition("\n")
    if (said := first.rstrip("\r"))[:-1] == "sep=":
        return header(rest, said[-1])
    sign = delimiter or max(DELIMITERS, key=first.count)
    names = next(csv.reader([first.rstrip("\r")], delimiter=sign), [])
    return [name.strip() for name in names], sign, text


def rows(text: str, delimiter: str = "", *, cut: bool = False) -> list[dict[str, str]]:
    """The rows of a table with a header, as its columns name them; a quoted cell may hold newlines. Columns
    without a name are left out.

    Args:
        text: of the table.
        delimiter: as for `header`.
        cut: whether the text ends before its end, so that the last row may be half of one and is dropped.

    Raises:
        TooManyCells: a row has a text behind the header's last column; the row is named, from 1.
        csv.Error: a quote is not closed, or a cell is too long.
    """
    _, sign, table = header(text, delimiter)
    source = io.StringIO(table, newline="")
    found = []
    try:
        for number, row in enumerate(csv.DictReader(source, delimiter=sign, strict=True), 1):
            named = {key: value for key, value in row.items() if key is not None}
            if any(value.strip() for value in row.get(None, ())):
                count = len(named) + len(row[None])
                raise TooManyCells(f"row {number} has {count} cells, and the header {len(named)}")
            found.append({key.strip(): value for key, value in named.items() if key and value is not None})
    except TooManyCells:
        raise
    except csv.Error:
        if cut and found and not source.read(1):  # the end is inside a quoted cell
            return found
        raise
    return found[:-1] if cut and len(found) > 1 else found
