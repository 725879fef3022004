"""Workbooks and Arrow files: read as they are, written back as they were."""

from __future__ import annotations

import datetime
import io
import json
import zipfile

import pyarrow as pa
import pytest

from dedup.outcome import outcome
from dedup.programs.rows import read as program_rows
from dedup.read import write
from dedup.report import to_json
from shared import limits
from shared.errors import VisitorError
from tests.dedup.books import DAY, book, cell, row
from tests.dedup.test_read import run, stored

ROWS = (
    row(3, cell("B3", "text"), cell("C3", "day"), cell("D3", "price"))
    + row(5, cell("B5", 0, 't="s"'), cell("C5", 45000, DAY), cell("D5", "1.10", 'x="y"'))
    + row(6, cell("B6", "another row tells of bread"), cell("C6", 45001, DAY), cell("D6", 2, 'x="y"'))
    + row(7, cell("B7", 0, 't="s"'), '<c r="D7" t="str"><f>D5*2</f><v>2.20</v></c>')
)
FOX = "the quick fox jumps over a lazy dog"
WORKBOOK = book(
    {"Hidden": row(1, cell("A1", "no")), "Empty": "", "A &amp; B": ROWS, "Notes": row(1, cell("A1", "see"))},
    texts=(FOX,),
    hidden=("Hidden",),
)


def test_a_workbook_is_read_and_written_as_it_was(tmp_path):
    data = stored(tmp_path, "rows.xlsx", WORKBOOK)
    assert data.columns == ("text", "day", "price")
    assert data.column("text") == [FOX, "another row tells of bread", FOX]
    assert data.cells(["day", "price"]) == [["2023-03-15", "2023-03-16", None], [1.1, 2, "2.20"]]
    result, kept = run(data)
    assert kept == [0, 1]
    said = " ".join(to_json(result, outcome(result))["warnings"])
    assert "“A & B”; “Notes” was not read" in said and "formulas become" in said
    write(data, [1, 2], tmp_path / "kept.xlsx")
    with zipfile.ZipFile(tmp_path / "kept.xlsx") as archive:
        xml = archive.read("xl/worksheets/sheet3.xml").decode()
        assert "calcChain" not in " ".join(archive.namelist()) + archive.read("[Content_Types].xml").decode()
        assert "calcChain" not in archive.read("xl/_rels/workbook.xml.rels").decode()
        before = zipfile.ZipFile(io.BytesIO(WORKBOOK))
        for part in ("xl/styles.xml", "xl/sharedStrings.xml", "xl/worksheets/sheet4.xml"):
            assert archive.read(part) == before.read(part)
    assert '<c r="C2" s="1"><v>45001</v></c>' in xml and '<c r="D3" t="str"><v>2.20</v></c>' in xml
    assert "<f>" not in xml and "merge" not in xml and 'r="4"' not in xml
    again = stored(tmp_path, "kept.xlsx", (tmp_path / "kept.xlsx").read_bytes())
    assert again.column("text") == ["another row tells of bread", FOX]
    write(data, list(range(3)), tmp_path / "all.xlsx")
    whole = stored(tmp_path, "all.xlsx", (tmp_path / "all.xlsx").read_bytes())
    assert whole.cells(whole.columns) == data.cells(data.columns)
    shown = [one["text"] for one in program_rows(io.BytesIO(WORKBOOK), ".xlsx")]
    assert shown == data.column("text")


def test_a_sheet_without_names_keeps_its_first_row(tmp_path):
    rows = "".join(row(place, cell(f"A{place}", place, 'x="y"'), cell(f"B{place}", FOX)) for place in (1, 2))
    data = stored(tmp_path, "rows.xlsx", book({"A": rows}))
    assert data.rows == 2 and data.columns == ("column 1", "column 2")
    assert run(data, columns=["column 2"])[1] == [0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (book({"A": ""}), "no rows"),
        (book({"A": row(1, cell("A1", "x"))}, hidden=("A",)), "no rows"),
        (book({"A": row(1, cell("A1", "text"))}), "no rows"),
        (b"no zip at all", "no XLSX workbook"),
        (WORKBOOK[: len(WORKBOOK) // 2], "no XLSX workbook"),
        (book({"A": row(1, cell("A1", "x")) + row(1048576, cell("XFD1048576", "y"))}), "columns apart"),
        (book({"A": "<row><c r='A1'><v>1</v></c><c r='XFD1048576'><v>1</v></c></row>"}), "columns apart"),
        (book({"A": '<row><c x=">" r="A1"><v>1</v></c><c x=">" r="XFD99999"><v>1</v></c></row>'}), "apart"),
        (book({"A": "<!-- x -->" + ROWS}), "comments"),
    ],
    ids=["empty", "hidden", "names", "no zip", "cut", "far", "quotes", "signs", "comment"],
)
def test_workbooks_that_are_refused(tmp_path, content, words):
    with pytest.raises(VisitorError, match=words):
        stored(tmp_path, "rows.xlsx", content)


def test_a_text_that_many_cells_show_is_counted_for_each(tmp_path, monkeypatch):
    rows = "".join(row(place, cell(f"A{place}", 0, "t='s'")) for place in range(1, 200))
    content = book({"A": rows}, texts=("x" * 20_000,))
    monkeypatch.setattr(limits, "MAX_FILE_BYTES", 3_000_000)
    with pytest.raises(VisitorError, match="texts take 4 MB"):
        stored(tmp_path, "rows.xlsx", content)
    with pytest.raises(VisitorError, match="unpacks to more than 3 MB"):
        stored(tmp_path, "rows.xlsx", book({"A": rows}, texts=("x" * 4_000_000,)))


TABLE = pa.table(
    {
        "text": pa.array(["one two three four", "five six seven", "one two three four"], pa.string_view()),
        "tag": pa.array(["a", "b", "a"]).dictionary_encode(),
        "meta": [{"n": 1, "at": datetime.date(2020, 1, 1)}, None, {"n": 3, "at": None}],
        "all": [["x", "y"], [], None],
        "price": pa.array([1, 2, 3], pa.decimal128(9, 2)),
    },
    metadata={"origin": "a test"},
)


def arrow(table: pa.Table, stream: bool = False, **settings) -> bytes:
    opened = pa.ipc.new_stream if stream else pa.ipc.new_file
    with opened(buffer := io.BytesIO(), table.schema, options=pa.ipc.IpcWriteOptions(**settings)) as file:
        file.write_table(table)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "stream", "compression"),
    [
        ("rows.arrow", True, None),
        ("rows.arrow", False, None),
        ("rows.feather", False, "lz4"),
        ("rows.ipc", True, "zstd"),
    ],
)
def test_arrow_files_come_back(tmp_path, name, stream, compression):
    content = arrow(TABLE, stream, compression=compression)
    data = stored(tmp_path, name, content)
    assert data.column("meta.n") == [1, None, 3]
    assert run(data, columns=["text"])[1] == [0, 1]
    write(data, [0, 2], tmp_path / name)
    assert (tmp_path / name).read_bytes()[:6] == content[:6]
    source = pa.BufferReader((tmp_path / name).read_bytes())
    again = (pa.ipc.open_stream if stream else pa.ipc.open_file)(source).read_all()
    assert again.schema.equals(TABLE.schema, check_metadata=True)
    assert again.to_pylist() == [TABLE.to_pylist()[0], TABLE.to_pylist()[2]]
    assert len(list(program_rows(io.BytesIO(content), ".arrow"))) == 3
    first = stored(tmp_path, name, content)
    assert first.cells(["text"], 1) == [["one two three four"]]


@pytest.mark.parametrize("kind", ["dictionary", "views", "packed", "run ends", "nested dictionary"])
def test_arrow_that_would_take_much_memory_is_refused(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(limits, "MAX_FILE_BYTES", 3_000_000)
    many = pa.array([0] * 5_000, pa.int32())
    long = "x" * 100_000
    if kind == "dictionary":
        column = pa.DictionaryArray.from_arrays(many, pa.array([long]))
    elif kind == "nested dictionary":
        column = pa.StructArray.from_arrays([pa.DictionaryArray.from_arrays(many, pa.array([long]))], ["a"])
    elif kind == "views":
        one = pa.array([long], pa.string_view())
        shown, data = one.buffers()[1:]
        column = pa.Array.from_buffers(
            pa.string_view(), 5_000, [None, pa.py_buffer(shown.to_pybytes()[:16] * 5_000), data]
        )
    elif kind == "run ends":
        column = pa.RunEndEncodedArray.from_arrays(pa.array([5_000], pa.int32()), pa.array([long]))
    else:
        column = pa.array([long] * 50)
    with pytest.raises(
        VisitorError, match=r"hold more than 3 MB|unpacks to more than 3 MB|stored as references"
    ):
        stored(tmp_path, "rows.arrow", arrow(pa.table({"text": column}), compression="zstd"))


@pytest.mark.parametrize(
    "content",
    [
        b"FEA1" + b"x" * 50,
        b"ARROW1\0\0" + b"x" * 50,
        b"x" * 50,
        arrow(TABLE)[:300],
        b"\xff\xff\xff\xff\x10\0\0\0" + b"\0" * 30,
    ],
    ids=["feather 1", "magic", "none", "cut", "zeros"],
)
def test_what_is_no_arrow_gets_a_sentence(tmp_path, content):
    with pytest.raises(VisitorError, match=r"Feather of version 1|not Arrow|no rows"):
        stored(tmp_path, "rows.arrow", content)


def test_places_outside_an_arrow_file_are_found(tmp_path):
    """A text whose end lies behind all bytes would be read from other memory."""
    content = arrow(pa.table({"text": ["abcdefg"]}), stream=True)
    right, wrong = (b"\0\0\0\0" + end.to_bytes(4, "little") + b"abcdefg" for end in (7, 2**28))
    assert content.count(right) == 1
    with pytest.raises(VisitorError, match="not Arrow"):
        stored(tmp_path, "rows.arrow", content.replace(right, wrong))


def test_sheets_are_json_inside(tmp_path):
    data = stored(tmp_path, "rows.xlsx", WORKBOOK)
    assert json.loads(data.lines[1]) == {
        "text": "another row tells of bread",
        "day": "2023-03-16",
        "price": 2,
    }
