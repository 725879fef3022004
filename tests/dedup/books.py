"""Workbooks to read, written part by part: what they hold is then known to the byte."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
DAY = 's="1"'
"""Of a cell whose number is a day."""


def cell(place: str, value: object, more: str = "") -> str:
    """A cell of a sheet: a text within it, or a number as it is written."""
    if isinstance(value, str) and not more:
        return f'<c r="{place}" t="inlineStr"><is><t>{value}</t></is></c>'
    return f'<c r="{place}" {more}><v>{value}</v></c>'


def row(number: int, *cells: str) -> str:
    return f'<row r="{number}">{"".join(cells)}</row>'


def book(sheets: Mapping[str, str], texts: tuple[str, ...] = (), hidden: tuple[str, ...] = ()) -> bytes:
    """A workbook.

    Args:
        sheets: of each by name its rows.
        texts: that cells show by their numbers.
        hidden: names of sheets that are.
    """
    state = ' state="hidden"'
    names = "".join(
        f'<sheet name="{name}" sheetId="{number}" r:id="rId{number}"{state if name in hidden else ""}/>'
        for number, name in enumerate(sheets, start=1)
    )
    targets = [
        (f"rId{number}", "worksheet", f"worksheets/sheet{number}.xml") for number in range(1, len(sheets) + 1)
    ]
    targets += [("rIdS", "styles", "styles.xml"), ("rIdT", "sharedStrings", "sharedStrings.xml")]
    targets += [("rIdC", "calcChain", "calcChain.xml")]
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="xml" '
        'ContentType="application/xml"/><Override PartName="/xl/calcChain.xml" ContentType="x"/></Types>',
        "_rels/.rels": _relations([("r1", "officeDocument", "xl/workbook.xml")]),
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>{names}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": _relations(targets),
        "xl/styles.xml": f'<styleSheet xmlns="{MAIN}"><cellXfs count="2"><xf numFmtId="0"/>'
        '<xf numFmtId="14"/></cellXfs></styleSheet>',
        "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}">'
        + "".join(f"<si><t>{text}</t></si>" for text in texts)
        + "</sst>",
        "xl/calcChain.xml": f'<calcChain xmlns="{MAIN}"><c r="C3" i="1"/></calcChain>',
    }
    for number, rows in enumerate(sheets.values(), start=1):
        parts[f"xl/worksheets/sheet{number}.xml"] = (
            f'<worksheet xmlns="{MAIN}"><dimension ref="A1:C9"/><sheetData>{rows}</sheetData>'
            '<mergeCells><mergeCell ref="A2:A3"/></mergeCells></worksheet>'
        )
    with zipfile.ZipFile(buffer := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _relations(targets: list[tuple[str, str, str]]) -> str:
    lines = "".join(
        f'<Relationship Id="{key}" Type="{OFFICE}/{kind}" Target="{target}"/>'
        for key, kind, target in targets
    )
    return f'<Relationships xmlns="{PACKAGE}/relationships">{lines}</Relationships>'
