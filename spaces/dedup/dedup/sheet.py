"""Spreadsheets, `.xlsx`: a sheet's rows as values, and the workbook with some of them as they were.

Values are read by calamine; the kept workbook is the one that came, of whose sheet some rows are left out, so
that dates, numbers and their formats are what they were. Before calamine opens a workbook it is looked
through here: calamine holds every cell between the first and the last one, and a copy of a text for each
cell that shows it.
"""

from __future__ import annotations

import io
import json
import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from dedup.arrays import Int64
from dedup.csv_form import is_row, names_of
from dedup.rows import Rows
from dedup.shingles import clean
from shared import limits
from shared.errors import VisitorError, reason

MAX_CELLS = 10_000_000
"""Cells between the first and the last one of a sheet."""

_ROW = re.compile(rb"<((?:\w+:)?)row\b([^>]*?)(?:/>|>(.*?)</\1row>)", re.DOTALL)
_TAG = re.compile(
    rb"""<(?:[^\s<>/:]+:)?(row|c|v|is)(?=[\s/>])((?:[^"'>]|"[^"]*"|'[^']*')*?)(/?)>([^<]*)""", re.DOTALL
)
_PLACE = re.compile(rb"""\br\s*=\s*["']([A-Z]*)(\d+)["']""")
_SHARED = re.compile(rb"""\bt\s*=\s*["']s["']""")
_FORMULA = re.compile(rb"<((?:\w+:)?)f\b[^>]*?(?:/>|>.*?</\1f>)", re.DOTALL)
_DATA = re.compile(rb"<((?:\w+:)?)sheetData\b[^>]*?(?:/>|>(.*)</\1sheetData>)", re.DOTALL)
_TEXT = re.compile(rb"<((?:\w+:)?)si\b[^>]*?(?:/>|>(.*?)</\1si>)", re.DOTALL)
_SIZE = re.compile(rb"<(?:\w+:)?dimension\b[^>]*?/>")
_CHAIN = re.compile(rb"<(?:\w+:)?(?:Override|Relationship)\b[^>]*calcChain[^>]*/>")

_BROKEN = (zipfile.BadZipFile, zlib.error, ElementTree.ParseError, KeyError, EOFError, OSError, ValueError)


@dataclass(frozen=True)
class Sheet:
    """The sheet of a workbook whose rows are read.

    Args:
        name: of the sheet.
        others: names of sheets that hold something too and were not read.
        part: where the sheet lies in the workbook.
        workbook: the whole file.
        head: rows of the sheet, counted from 1, that stand before its first row of data.
        places: which row of the sheet each row is, counted from 1.
        formulas: whether cells are computed; they are written as the values that they had.
    """

    name: str
    others: tuple[str, ...]
    part: str
    workbook: bytes
    head: tuple[int, ...]
    places: Int64
    formulas: bool


@dataclass(frozen=True)
class Table:
    """What a sheet holds: names of its columns, its rows as JSON objects, and whether its first row names the
    columns; `cut` is how many rows the limit left out.
    """

    columns: tuple[str, ...]
    rows: Rows
    header: bool
    cut: int
    sheet: Sheet


def read_sheet(path: Path, limit: int) -> Table:
    """The first sheet of a workbook that shows something.

    Raises:
        VisitorError: it is no workbook, has a password, no rows, or more than fits in memory.
    """
    try:
        workbook = _repacked(path)
        with zipfile.ZipFile(io.BytesIO(workbook)) as archive:
            texts = _text_sizes(archive)
            sheets = [(name, part, archive.read(part)) for name, part in _sheets(archive)]
    except _BROKEN as error:
        raise VisitorError(
            f"The file is no XLSX workbook ({reason(error)}).",
            "Take away its password if it has one, or save the sheet as CSV.",
        ) from error
    filled = [sheet for sheet in sheets if any(tag[1] in (b"v", b"is") for tag in _TAG.finditer(sheet[2]))]
    if not filled:
        raise VisitorError("The workbook has no rows.", "Choose one with a sheet that is not hidden.")
    name, part, xml = filled[0]
    _check_size(xml, texts)
    others = tuple(clean(other) for other, *_ in filled[1:])
    rows = _values(workbook, name)
    return _table(
        rows,
        Sheet(clean(name), others, part, workbook, (), np.zeros(0, np.int64), bool(_FORMULA.search(xml))),
        limit,
    )


def _table(rows: Iterator[tuple[int, list[Any]]], sheet: Sheet, limit: int) -> Table:
    begun: list[tuple[int, list[Any]]] = []
    for row in rows:
        begun.append(row)
        if len(begun) == 50:
            break
    if not begun:
        raise VisitorError(f"The sheet “{sheet.name[:60]}” has no rows.", "Choose one with rows.")
    header = not is_row([[_shown(cell) for cell in row] for _, row in begun])
    first = begun[0][1]
    if len(first) > limits.MAX_COLUMNS:
        raise VisitorError(
            f"The sheet has {len(first):,} columns; the limit is {limits.MAX_COLUMNS:,}.",
            "Leave out those that you do not need.",
        )
    names = names_of([clean(_shown(cell)) if header else "" for cell in first])
    kept, places, cut = Rows(), list[int](), 0
    for number, row in _chained(begun[int(header) :], rows):
        if len(kept) == limit:
            cut += 1
            continue
        record = {name: cell for name, cell in zip(names, row, strict=True) if cell is not None}
        for cell in record.values():
            if isinstance(cell, str) and len(cell) > limits.MAX_CELL_CHARACTERS:
                raise VisitorError(
                    f"Row {number:,} of the sheet holds a text of {len(cell):,} characters; the limit is "
                    f"{limits.MAX_CELL_CHARACTERS:,}.",
                    "Split the text, or leave the row out.",
                )
        kept.append(json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        places.append(number)
    head = (begun[0][0],) if header else ()
    found = Sheet(
        sheet.name,
        sheet.others,
        sheet.part,
        sheet.workbook,
        head,
        np.array(places, dtype=np.int64),
        sheet.formulas,
    )
    return Table(names, kept, header, cut, found)


def _chained(begun: list[Any], rest: Iterator[Any]) -> Iterator[Any]:
    yield from begun
    yield from rest


def _values(workbook: bytes, name: str) -> Iterator[tuple[int, list[Any]]]:
    """A sheet's rows that hold something, each with its number from 1; None where a cell is empty."""
    from python_calamine import CalamineError, load_workbook

    try:
        with load_workbook(io.BytesIO(workbook)) as opened:
            for number, row in enumerate(opened.get_sheet_by_name(name).iter_rows(), start=1):
                cells = [_plain(cell) for cell in row]
                if any(cell is not None for cell in cells):
                    yield number, cells
    except CalamineError as error:
        raise VisitorError(
            f"The sheet cannot be read ({reason(error)}).", "Save it as CSV, and try again."
        ) from error


def _plain(cell: Any) -> Any:
    """A cell as JSON has it: whole numbers as such, dates and times as ISO 8601; None for an empty one."""
    if isinstance(cell, (datetime, date, time)):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        return str(cell)
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return int(cell)
    return None if cell == "" and isinstance(cell, str) else cell


def _shown(cell: Any) -> str:
    return "" if cell is None else str(cell)


def _repacked(path: Path) -> bytes:
    """A workbook's parts as they unpack here: what an archive says of their sizes may be wrong.

    Raises:
        VisitorError: they hold more than `limits.unpacked_bytes`.
    """
    most = limits.unpacked_bytes(path.stat().st_size)
    held = 0
    written = io.BytesIO()
    with (
        zipfile.ZipFile(path) as archive,
        zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as copy,
    ):
        for entry in dict.fromkeys(archive.namelist()):
            with archive.open(entry) as stream, copy.open(entry, "w") as target:
                while piece := stream.read(1 << 20):
                    held += len(piece)
                    if held > most:
                        raise VisitorError(
                            f"The workbook unpacks to more than {most / 1e6:,.0f} MB, the limit for one of "
                            f"{path.stat().st_size / 1e6:,.1f} MB.",
                            "Leave out sheets, or save the one that you need as CSV.",
                        )
                    target.write(piece)
    return written.getvalue()


def _parsed(archive: zipfile.ZipFile, part: str) -> ElementTree.Element:
    content = archive.read(part)
    if b"<!" in content.replace(b"<!--", b"") or b"\0" in content:  # no workbook declares entities
        raise ValueError(f"{part} has a document type")
    return ElementTree.fromstring(content)  # noqa: S314  without entities


def _sheets(archive: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    """Names of a workbook's sheets that are not hidden, in their order, and where each lies."""
    root = next(
        (
            element.get("Target", "").lstrip("/")
            for element in _parsed(archive, "_rels/.rels")
            if element.get("Type", "").endswith("/officeDocument")
        ),
        "xl/workbook.xml",
    )
    folder, file = posixpath.split(root)
    targets = {
        element.get("Id"): posixpath.normpath(posixpath.join("/" + folder, element.get("Target", "")))[1:]
        for element in _parsed(archive, f"{folder}/_rels/{file}.rels")
        if element.get("Type", "").endswith("/worksheet")
    }
    found = [element for element in _parsed(archive, root).iter() if element.tag.endswith("}sheet")]
    if len({element.get("name") for element in found}) != len(found):
        raise ValueError("two sheets have one name")
    for element in found:
        key = next((value for name, value in element.items() if name.endswith("}id")), None)
        if key in targets and element.get("state", "visible") == "visible":
            yield element.get("name", ""), targets[key]


def _text_sizes(archive: zipfile.ZipFile) -> list[int]:
    """Bytes of each text that cells of all sheets show."""
    parts = [name for name in archive.namelist() if name.lower().endswith("sharedstrings.xml")]
    return [len(text[2] or b"") for text in _TEXT.finditer(archive.read(parts[0]))] if parts else []


def _check_size(xml: bytes, texts: Sequence[int]) -> None:
    """Refuse a sheet whose cells would take too much memory, before they are laid out."""
    if b"<!" in xml:
        raise VisitorError("The sheet holds comments or sections of XML.", "Save it as CSV.")
    top = left = 2**40
    low = right = row = column = shown = 0
    shared = False
    for tag in _TAG.finditer(xml):
        if tag[1] in (b"row", b"c"):
            own = _PLACE.search(tag[2])
            shared = tag[1] == b"c" and bool(_SHARED.search(tag[2]))
            if tag[1] == b"row":
                row, column = int(own[2]) if own else row + 1, 0
            elif own:
                row, column = int(own[2]), _column(own[1])
            else:
                column += 1
            continue
        top, low, left, right = min(top, row), max(low, row), min(left, column), max(right, column)
        if shared and tag[4].strip().isdigit() and int(tag[4]) < len(texts):
            shown += texts[int(tag[4])]
    high, wide = low - top + 1, right - left + 1
    if high * wide > MAX_CELLS:
        raise VisitorError(
            f"The sheet’s cells lie {high:,} rows and {wide:,} columns apart; {MAX_CELLS:,} cells are the "
            "limit.",
            "Delete what lies far off, or save the sheet as CSV.",
        )
    if shown > limits.MAX_FILE_BYTES:
        raise VisitorError(
            f"The sheet’s texts take {shown / 1e6:,.0f} MB; the limit is {limits.MAX_FILE_BYTES / 1e6:,.0f}.",
            "Leave some rows out.",
        )


def _column(letters: bytes) -> int:
    """The number of a column by its letters: A is 1, AA 27."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def write_sheet(sheet: Sheet, keep: Sequence[int], path: Path) -> None:
    """Write the workbook with some rows of the sheet that was read, and all of the others.

    Cells stay as they are, with their formats, and computed ones get the value that they had. What belongs to
    places of the sheet (links, comments, merged cells, charts) is left out: rows move up.
    """
    stay = {*sheet.head, *sheet.places[np.asarray(keep, dtype=np.int64)].tolist()}
    folder, file = posixpath.split(sheet.part)
    left_out = {f"{folder}/_rels/{file}.rels"}
    with (
        zipfile.ZipFile(io.BytesIO(sheet.workbook)) as archive,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as written,
    ):
        for entry in archive.namelist():
            if entry in left_out or entry.endswith("calcChain.xml"):
                continue
            content = archive.read(entry)
            if entry == sheet.part:
                content = _with_rows(content, stay)
            elif entry == "[Content_Types].xml" or entry.endswith("workbook.xml.rels"):
                content = _CHAIN.sub(b"", content)
            written.writestr(entry, content)


def _with_rows(xml: bytes, stay: set[int]) -> bytes:
    """A sheet's XML with those of its rows."""
    data = _DATA.search(xml)
    assert data is not None
    prefix = data[1]
    rows: list[bytes] = []
    number = 0
    for row in _ROW.finditer(data[2] or b""):
        own = _PLACE.search(row[2])
        number = int(own[2]) if own else number + 1
        if number not in stay:
            continue
        place = b'r="\\g<1>%d"' % (len(rows) + 1)
        cells = re.sub(
            rb"<(?:\w+:)?c\b[^>]*>",
            lambda cell, place=place: _PLACE.sub(place, cell[0]),  # type: ignore[misc]
            _FORMULA.sub(b"", row[3] or b""),
        )
        head = _PLACE.sub(place, row[2])
        rows.append(b"<%srow%s>%s</%srow>" % (prefix, head, cells, prefix))
    opening = _SIZE.sub(b"", xml[: data.start()])
    body = b"<%ssheetData>%s</%ssheetData>" % (prefix, b"".join(rows), prefix)
    return opening + body + b"</%sworksheet>" % prefix
