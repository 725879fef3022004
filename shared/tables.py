"""Tables as text: CSV with a header, whose delimiter is found."""

from __future__ import annotations

import csv
import io

from shared import limits

DELIMITERS = ",;\t"


def header(text: str, delimiter: str = "") -> tuple[list[str], str, str]:
    """The names of a table's columns, its delimiter, and the table without the line `sep=…` that a
    spreadsheet may put before it.

    Args:
        text: of the table.
        delimiter: where it is known; else the one of which the header has most.
    """
    first, _, rest = text.partition("\n")
    if (said := first.rstrip("\r"))[:-1] == "sep=":
        return header(rest, said[-1])
    sign = delimiter or max(DELIMITERS, key=first.count)
    names = next(csv.reader([first.rstrip("\r")], delimiter=sign), [])
    return [name.strip() for name in names], sign, text


def rows(text: str, delimiter: str = "") -> list[dict[str, str]]:
    """The rows of a table with a header, as its columns name them; a quoted cell may hold newlines. Cells
    without a name are left out.

    Raises:
        csv.Error: a quote is not closed, or a cell is too long.
    """
    _, sign, table = header(text, delimiter)
    csv.field_size_limit(limits.MAX_CELL_CHARACTERS)
    found = csv.DictReader(io.StringIO(table, newline=""), delimiter=sign, strict=True)
    return [
        {key.strip(): value for key, value in row.items() if key and isinstance(value, str)} for row in found
    ]
