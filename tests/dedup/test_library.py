"""The engine as a library and as a command."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from dedup import deduplicate, streamed
from dedup.__main__ import main
from dedup.contamination import Contamination, Split, compare
from dedup.read import read_file
from dedup.request import SplitsRequest
from dedup.texts import compared
from shared.errors import VisitorError

FOX, BREAD = "the quick fox jumps over the lazy dog", "he bakes bread in an oven that is fired with wood"


def test_a_library_and_a_command_do_what_the_page_does(tmp_path, capsys):
    first, second = tmp_path / "a.jsonl", tmp_path / "b.csv"
    first.write_text(f'{{"text": "{FOX}"}}\n{{"text": "{BREAD}"}}\n')
    second.write_text(f"n,text\n1,{FOX} now\n2,something else that nobody said before\n")
    done = deduplicate([first, second], threshold=0.7)
    assert done.kept == [0, 1, 3] and done.report["removed_rows"][0]["row_in"] == ("b.csv", 0)
    assert deduplicate(first).kept == [0, 1]
    folder = tmp_path / "out"
    assert main([str(first), str(second), "--threshold", "0.7", "--output", str(folder)]) == 0
    assert "3 of 4 rows kept" in capsys.readouterr().out
    assert (folder / "b-deduplicated.csv").read_text() == "n,text\n2,something else that nobody said before\n"
    assert (folder / "a-deduplicated.jsonl").read_bytes() == first.read_bytes()
    report = json.loads((folder / "removed_rows.json").read_text())
    assert (report["kept"], report["request"]["threshold"]) == (3, 0.7)
    assert main([str(first), "--columns", "text", "n", "--output", str(folder)]) == 2
    assert "There is no column “n”. Choose from: text" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "nothing to read"),
        (["missing.csv"], "no file missing.csv"),
        (["missing.csv", "--dataset", "a/b"], "Both files and a dataset"),
        (["missing.csv", "--threshold", "7"], "threshold"),
    ],
)
def test_what_the_command_refuses(arguments, words, capsys):
    assert main(arguments) == 2
    assert words in capsys.readouterr().err


def test_a_broken_file_is_named(tmp_path):
    (tmp_path / "a.jsonl").write_text("x\n")
    with pytest.raises(VisitorError, match=r"^Line 1 is not JSON"):
        deduplicate(tmp_path / "a.jsonl")


def test_lines_of_jsonl_that_are_no_rows_come_back_apart(tmp_path):
    """A broken line in the middle and a last one that was cut off: the other rows are read, and none is
    lost without a word; nor where splits are compared.
    """
    good = [f'{{"text": "{text}", "n": 1.10}}\n'.encode() for text in ("one two", "one two", "three", "four")]
    bad = [b'{"text": "fi\n', b"[1, 2]\n", b'{"text": "six", "n"']
    path = tmp_path / "rows.jsonl"
    path.write_bytes(good[0] + bad[0] + good[1] + b"\n" + good[2] + bad[1] + good[3] + bad[2])
    kept, apart = good[0] + good[2] + good[3], b"".join(bad) + b"\n"
    done = deduplicate(path)
    assert done.kept == [0, 2, 3]
    warning = "3 lines fit no row and are kept apart: 2, 6, 8."
    assert warning in done.report["warnings"]
    written = {file.name: file.read_bytes() for file in done.write(tmp_path / "out")}
    assert written["rows-deduplicated.jsonl"] == kept and written["lines_apart.jsonl"] == apart

    disk = tmp_path / "disk"
    answer = streamed.deduplicate([path], disk)
    assert (answer["kept"], answer["lines_apart"]) == (3, {"rows.jsonl": [2, 6, 8]})
    assert (disk / "rows-deduplicated.jsonl").read_bytes() == kept
    assert (disk / "rows-lines_apart.jsonl").read_bytes() == apart

    request = SplitsRequest.parse(dataset="a/b", splits="train,test")
    data = read_file(path, path.name, 10)
    split = Split("train", path.name, compared(data, request), 0, data)
    (*_, result) = compare([split, replace(split, name="test")], request)
    assert isinstance(result, Contamination)
    assert f"train: {warning}" in result.to_json()["warnings"]


def test_signs_that_cannot_be_seen_tell_no_rows_apart(tmp_path):
    """Persian has joiners within its words, Arabic marks of direction: rows that differ in those are no
    maths, and nobody is warned of them.
    """
    rows = [
        "او می‌خواهد به خانه برود",
        "او می‌خواهد به خانه برود\u200f",
        "a b c d",
        "a b c d\u200b",
        "a b\u200d c d\ufeff",
    ]
    (tmp_path / "rows.txt").write_text("\n".join(rows), encoding="utf-8")
    done = deduplicate(tmp_path / "rows.txt")
    assert (done.kept, done.report["request"]["unit"], done.report["warnings"]) == ([0, 2], "word", [])
    (tmp_path / "maths.txt").write_text("a b c d +\na b c d −\na b c d +!\n", encoding="utf-8")
    done = deduplicate(tmp_path / "maths.txt", threshold=0.3)
    assert done.report["request"]["unit"] == "symbol"
    assert not [line for line in done.report["warnings"] if "other signs" in line], "they count already"
