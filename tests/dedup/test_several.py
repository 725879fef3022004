"""Several files as one dataset: one run over all rows, and a file for each that came."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dedup.card import dataset_card
from dedup.outcome import outcome
from dedup.programs import datatrove_program, rensa_program
from dedup.programs.rows import load
from dedup.read import read_file
from dedup.report import report, to_json
from dedup.request import Request
from dedup.several import of_parts, together
from dedup_rooms import source
from dedup_rooms.results import kept_file, kept_files
from shared import files, limits
from shared.errors import VisitorError
from tests.dedup.test_read import run

FOX, BREAD, SEA = "the quick fox jumps over", "he bakes bread in an oven", "waves break on the sea"


@pytest.fixture
def uploads(tmp_path, monkeypatch):
    """Write files as uploads; their paths in the order that was given."""
    monkeypatch.setattr(files, "upload_folder", lambda: tmp_path)

    def write(contents: dict[str, bytes]) -> list[str]:
        for number, (name, content) in enumerate(contents.items()):
            (tmp_path / str(number)).mkdir(exist_ok=True)
            (tmp_path / str(number) / Path(name).name).write_bytes(content)
        return [str(tmp_path / str(number) / Path(name).name) for number, name in enumerate(contents)]

    return write


def test_each_row_keeps_its_file_and_each_file_its_form(uploads, tmp_path):
    pq.write_table(pa.table({"text": [SEA, BREAD], "n": [1, 2]}), tmp_path / "t.parquet")
    contents = {
        "a.csv": f'n;text\r\n1;"{FOX}"\r\n2;{BREAD}é\r\n3;"{FOX}"\r\n'.encode("utf-16"),
        "b.jsonl": b"\xef\xbb\xbf" + f'{{"text": "{FOX}", "x": 1.10}}\n{{"text": "{SEA}\\u0021"}}\n'.encode(),
        "c.parquet": (tmp_path / "t.parquet").read_bytes(),
    }
    data = source.open_rows(Request(), uploads(contents))
    assert (data.rows, data.columns) == (7, ("n", "text", "x"))
    assert [data.place(row) for row in (0, 2, 3, 5, 6)] == [(0, 0), (0, 2), (1, 0), (2, 0), (2, 1)]
    assert data.cells(["text", "x"], 4) == [[FOX, f"{BREAD}é", FOX, FOX], [None, None, None, 1.1]]
    result, kept = run(data, threshold=0.8)
    assert kept == [0, 1, 4, 6] and result.compared.columns == ("text",)
    answer = report(result, outcome(result))
    assert [(item["row_in"], item["keeper_in"]) for item in answer["removed_rows"]] == [
        (("a.csv", 2), ("a.csv", 0)),
        (("b.jsonl", 0), ("a.csv", 0)),
        (("c.parquet", 0), ("b.jsonl", 1)),
    ]
    assert answer["provenance"]["files"][1] == {"name": "b.jsonl", "rows": 2}
    assert any(line.startswith("a.csv: The file was read as UTF-16") for line in answer["warnings"])
    paths = kept_files(result, kept)
    assert [path.name for path in paths] == [
        f"{name}-deduplicated{end}" for name, end in (("a", ".csv"), ("b", ".jsonl"), ("c", ".parquet"))
    ]
    assert paths[0].read_bytes().decode("utf-16") == f'n;text\r\n1;"{FOX}"\r\n2;{BREAD}é\r\n'
    assert paths[1].read_text("utf-8-sig") == f'{{"text": "{SEA}\\u0021"}}\n'
    assert pq.read_table(paths[2]).to_pylist() == [{"text": BREAD, "n": 2}]
    with zipfile.ZipFile(kept_file(result, kept)) as archive:
        assert archive.namelist() == [path.name for path in paths]
    card = dataset_card(result, outcome(result), [f"data/{path.name}" for path in paths])
    assert "data/b-deduplicated.jsonl" in card and "`a.csv`, `b.jsonl`" in card


def test_a_file_that_loses_all_rows_and_names_that_are_equal(uploads):
    line = f'{{"text": "{FOX}"}}\n'.encode()
    data = source.open_rows(Request(), uploads({"x/a.jsonl": line, "y/a.jsonl": line}))
    assert [part.name for part in data.files] == ["a.jsonl", "a (2).jsonl"]
    result, kept = run(data)
    first, second = kept_files(result, kept)
    assert kept == [0] and first.name != second.name and second.read_bytes() == b""
    assert of_parts(data, []) == [[], []]
    to_json(result, outcome(result))


def test_files_of_other_columns(uploads):
    texts = f'{{"text": "{FOX}"}}\n{{"text": "{BREAD}"}}\n'.encode()
    with pytest.raises(VisitorError, match=r"b\.csv has none of the columns that are compared \(text\)"):
        run(source.open_rows(Request(), uploads({"a.jsonl": texts, "b.csv": b"content,n\nwords,1\n"})))
    alpaca = [{"instruction": FOX, "input": "x", "output": SEA}], [{"instruction": FOX, "output": SEA}]
    lines = [json.dumps(own[0]).encode() + b"\n" for own in alpaca]
    result, kept = run(source.open_rows(Request(), uploads({"a.jsonl": lines[0], "b.jsonl": lines[1]})))
    assert result.compared.schema == "Alpaca" and kept == [0, 1]
    assert any(
        "b.jsonl has no column “input”: in its 1 row" in line
        for line in to_json(result, outcome(result))["warnings"]
    )
    mixed = f'{{"text": "{SEA}"}}\n{{"text": 7}}\n'.encode()
    result, _ = run(source.open_rows(Request(), uploads({"a.jsonl": texts, "b.jsonl": mixed})))
    assert any("in row 1 of b.jsonl 7" in line for line in to_json(result, outcome(result))["warnings"])


def test_limits_hold_for_all_files_together(uploads, monkeypatch):
    line = f'{{"text": "{FOX}"}}\n'.encode()
    paths = uploads({"a.jsonl": line * 3, "b.jsonl": line * 3, "c.jsonl": line})
    data = source.open_rows(Request(limit=4), paths)
    assert (data.rows, data.cut, len(data.files)) == (4, None, 2)
    assert source.open_rows(Request(limit=3), paths).cut is None
    with pytest.raises(VisitorError, match=r"b\.jsonl: Line 1 is not JSON"):
        source.open_rows(Request(), uploads({"a.jsonl": line, "b.jsonl": b"x\n"}))
    monkeypatch.setattr(limits, "MAX_PARTS", 2)
    with pytest.raises(VisitorError, match="at most 2 are read"):
        source.open_rows(Request(), paths)
    monkeypatch.setattr(limits, "MAX_FILE_BYTES", 300)
    with pytest.raises(VisitorError, match="together"):
        source.open_rows(Request(), uploads({"a.jsonl": line * 5, "b.jsonl": line * 5}))
    with pytest.raises(VisitorError, match="Both file and files"):
        source.either("a", ["b"])


def test_programs_read_several_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_text(f'{{"text": "{name}"}}\n' * 2)
    assert [row["text"] for row in load(("a.jsonl", "b.jsonl"), None, None, 3)] == ["a.jsonl"] * 2 + [
        "b.jsonl"
    ]
    data = together([read_file(tmp_path / name, name, 9) for name in ("a.jsonl", "b.jsonl")])
    result, _ = run(data)
    names = [part.name for part in data.files]
    program = rensa_program(Request(), result.plan, ["text"], names)
    assert "= ('a.jsonl', 'b.jsonl')" in program
    compile(program, "program", "exec")
    with pytest.raises(VisitorError, match="reads one file"):
        datatrove_program(Request(), result.plan, ["text"], names)
