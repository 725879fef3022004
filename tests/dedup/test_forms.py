"""Rows in other forms than one a line: paragraphs, lists of texts, nested fields, packed files."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import zipfile

import pyarrow as pa
import pytest

from dedup.outcome import outcome
from dedup.programs.rows import read as program_rows
from dedup.read import write
from dedup.report import to_json
from dedup.texts import likely_columns
from shared import limits
from shared.errors import VisitorError
from tests.dedup.test_read import run, stored

FOX = "The quick fox jumps over the lazy dog\nnear the river bank today"
BREAD = "Another text tells of baking bread\nin an oven that is fired with wood"
LINES = b'{"text": "one two three four"}\n{"text": "five six seven"}\n{"text": "one two three four"}\n'


def test_paragraphs_are_rows_where_lines_are_wrapped(tmp_path):
    data = stored(tmp_path, "rows.txt", f"{FOX}\n\n{BREAD}\n \n\n{FOX}\n".encode())
    assert data.column("text") == [FOX, BREAD, FOX]
    result, kept = run(data)
    assert kept == [0, 1]
    assert any("paragraphs" in line for line in to_json(result, outcome(result))["warnings"])
    write(data, kept, tmp_path / "kept.txt")
    assert (tmp_path / "kept.txt").read_text() == f"{FOX}\n\n{BREAD}\n"


@pytest.mark.parametrize(
    "content",
    [
        "one two\nthree four\nfive six\n",
        "A first row.\nA second row.\n\nA third row.\nA fourth row.\n",
        "one\n\ntwo\n\nthree\n",
        "".join(f"row number {row}\n" + "\n" * (row % 100 == 0) for row in range(500)),
        "\n\n\n",
    ],
)
def test_other_text_has_a_row_a_line(tmp_path, content):
    data = stored(tmp_path, "rows.txt", content.encode())
    assert data.column("text") == content.splitlines()
    write(data, list(range(data.rows)), tmp_path / "kept.txt")
    assert (tmp_path / "kept.txt").read_text() == content


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    ("before", "rows", "after"),
    [
        ({}, ["one two three four", "five", "one two three four"], {}),
        (
            {"version": 1.10, "splits": ["a", "b"], "empty": []},
            [{"text": "one two three four", "n": 1}, {"text": "five"}, {"text": "one two three four"}],
            {"licence": {"name": "x"}, "n": [1]},
        ),
    ],
)
def test_lists_in_other_places(tmp_path, before, rows, after, indent):
    """Texts alone are rows; a list within an object is read, and what stands around it written as it was."""
    whole = {**before, "data": rows, **after} if before else rows
    data = stored(tmp_path, "rows.json", json.dumps(whole, indent=indent).encode())
    assert data.column("text") == ["one two three four", "five", "one two three four"]
    result, kept = run(data)
    assert kept == [0, 1]
    assert any("around" in line for line in to_json(result, outcome(result))["warnings"]) == bool(before)
    write(data, kept, tmp_path / "kept.json")
    left = rows[:2]
    assert json.loads((tmp_path / "kept.json").read_text()) == (
        {**before, "data": left, **after} if before else left
    )


def test_lines_may_be_texts(tmp_path):
    data = stored(tmp_path, "rows.jsonl", b'"one two three four"\n"five"\n"one two three four"\n')
    assert run(data)[1] == [0, 1]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"a": [1, 2]}', "not a JSON list"),
        (b'{"text": ["a b", "c d"]}', "not a JSON list"),
        (b'{"a": [{"text": "x"}], ', "not JSON"),
        (b'{"a": [{"text": "x"}]', "not JSON"),
        (b'{"a": [{"text": "x"}, "y"]}', "stands after object 1"),
    ],
)
def test_what_is_no_list_within_an_object(tmp_path, content, words):
    with pytest.raises(VisitorError, match=words):
        stored(tmp_path, "rows.json", content)


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.parquet"])
def test_nested_fields_have_dotted_names(tmp_path, name):
    rows = [
        {"data": {"text": "one two three four five", "n": 1}, "meta": {"lang": "en"}},
        {"data": {"text": "one two three four six", "n": 2}, "meta": None},
        {"data": {"text": "one two three four five", "n": 3}, "meta": {"lang": "de"}},
    ]
    if name.endswith("parquet"):
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(rows), buffer := io.BytesIO())
        content = buffer.getvalue()
    elif name.endswith("jsonl"):
        content = "\n".join(map(json.dumps, rows)).encode()
    else:
        content = json.dumps(rows).encode()
    data = stored(tmp_path, name, content)
    assert likely_columns(data).columns == ("data.text",)
    result, kept = run(data, threshold=0.9)
    assert kept == [0, 1] and result.compared.texts[1] == "one two three four six"
    assert run(data, columns=["meta.lang"])[1] == [0, 1, 2], "a field that is not there is empty"
    assert run(data, columns=["data.text"], keep="max:data.n", threshold=0.9)[1] == [1, 2]
    with pytest.raises(VisitorError, match=r"no column “other\.text”"):
        run(data, columns=["other.text"])


def test_a_column_with_dots_in_its_name_comes_first(tmp_path):
    rows = [{"a.b": "one two", "a": {"b": "three four"}}]
    assert stored(tmp_path, "rows.json", json.dumps(rows).encode()).column("a.b") == ["one two"]


def zipped(*names: str, content: bytes = LINES) -> bytes:
    with zipfile.ZipFile(buffer := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return buffer.getvalue()


PACKED = {
    "rows.jsonl.gz": gzip.compress(LINES),
    "rows.jsonl.bz2": bz2.compress(LINES),
    "rows.jsonl.xz": lzma.compress(LINES),
    "rows.jsonl.zst": pa.compress(LINES, "zstd", asbytes=True),
    "rows.zip": zipped("folder/rows.jsonl", "__MACOSX/folder/._rows.jsonl", "readme.rtf"),
}


@pytest.mark.parametrize("name", PACKED)
def test_packed_files_are_read(tmp_path, name):
    data = stored(tmp_path, name, PACKED[name])
    assert (data.name, data.packed, data.rows) == ("rows.jsonl", name, 3)
    result, kept = run(data)
    assert kept == [0, 1]
    assert f"{name} was unpacked" in to_json(result, outcome(result))["warnings"][0]
    for broken in (PACKED[name][: len(PACKED[name]) // 2], b"x" * 50):
        with pytest.raises(VisitorError, match="cannot be unpacked"):
            stored(tmp_path, name, broken)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("rows.zip", zipped("a.jsonl", "b.jsonl"), "2 files that this page reads: a.jsonl, b.jsonl"),
        ("rows.zip", zipped("a.exe"), "holds no files"),
        ("rows.exe.gz", gzip.compress(b"x", mtime=0), "“rows.exe” is not a file"),
        ("rows.txt.gz", gzip.compress(b"", mtime=0), "The file is empty"),
        ("rows.xls", b"x", "Save the sheet as XLSX or CSV"),
    ],
)
def test_what_is_packed_otherwise_gets_a_sentence(tmp_path, name, content, words):
    with pytest.raises(VisitorError, match=words):
        stored(tmp_path, name, content)


@pytest.mark.parametrize("name", ["rows.txt.gz", "rows.zip"])
def test_a_bomb_is_not_unpacked(tmp_path, name, monkeypatch):
    monkeypatch.setattr(limits, "MAX_FILE_BYTES", 3_000_000)
    content = b"word " * 2_000_000
    packed = gzip.compress(content) if name.endswith("gz") else zipped("rows.txt", content=content)
    with pytest.raises(VisitorError, match="unpacks to more than 3 MB"):
        stored(tmp_path, name, packed)


def test_fields_whose_own_names_have_dots_are_compared(tmp_path):
    rows = [{"data": {"meta.text": "one two three four five"}}] * 2
    data = stored(tmp_path, "rows.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode())
    assert likely_columns(data).columns == ("data.meta.text",)
    assert run(data)[1] == [0]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.jsonl", b'{"text": "one two"}\n{"text": "three\\r\\nfour"}\n'),
        ("rows.txt", b"one two three\nfour five six\n"),
        ("rows.txt", f"{FOX}\n\n{BREAD}\n".encode()),
        ("rows.csv", b'n,text\n1,"one\ntwo"\n2,three\n'),
    ],
    ids=["jsonl", "lines", "paragraphs", "csv"],
)
def test_lines_end_as_they_did(tmp_path, name, content, end):
    content = content.replace(b"\n", end)
    data = stored(tmp_path, name, content)
    write(data, list(range(data.rows)), tmp_path / "kept")
    assert (tmp_path / "kept").read_bytes() == content


def test_a_break_within_a_cell_is_no_end_of_a_line(tmp_path):
    content = b'n,text\n1,"one\r\ntwo"\n2,three\n'
    data = stored(tmp_path, "rows.csv", content)
    write(data, [0, 1], tmp_path / "kept")
    assert (tmp_path / "kept").read_bytes() == content


@pytest.mark.parametrize(
    "content",
    [
        b'{"labels": ["a", "b"], "empty": [], "data": [{"text": "one"}, {"text": "two"}]}',
        b'["one", "two"]',
        b'[{"text": "one"}, {"text": "two"}]',
    ],
)
def test_a_program_reads_the_list_that_the_page_reads(tmp_path, content):
    data = stored(tmp_path, "rows.json", content)
    assert data.column("text") == ["one", "two"]
    assert [row["text"] for row in program_rows(io.BytesIO(content), ".json")] == ["one", "two"]
