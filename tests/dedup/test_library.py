"""The engine as a library and as a command."""

from __future__ import annotations

import json

import pytest

from dedup import deduplicate
from dedup.__main__ import main
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
