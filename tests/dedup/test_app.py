"""The page's functions and events, without a server."""

from __future__ import annotations

import pytest

from dedup.engine import deduplicate
from dedup.read import read_file
from dedup.request import Request, SplitsRequest
from shared import files, limits
from shared.errors import VisitorError
from shared.steps import last
from shared.suite import load_app


@pytest.fixture(scope="module")
def app():
    return load_app("dedup")


def test_cancel_reaches_every_run(app):
    """The figure starts a run as well, when its threshold is taken over."""
    functions = app.demo.fns
    stopped = [functions[number].name for function in functions.values() for number in function.cancels]
    # in each room its button and its link, and where the figure takes its threshold over
    # or what is spared
    assert sorted(stopped) == ["again", "again", "handler", "handler", "opened", "opened"]


@pytest.mark.parametrize(
    "file", [3, {"path": 3}, {"other": "x"}, {"path": "\x00"}, "/etc/hostname", {"path": "/" + "x" * 5_000}]
)
def test_what_is_no_upload_gets_a_sentence(app, file):
    from dedup_rooms import source

    with pytest.raises(VisitorError, match="not uploaded here"):
        source.open_rows(Request(), file)
    with pytest.raises(VisitorError, match="not uploaded here"):
        source.open_splits(SplitsRequest(), [file])


@pytest.mark.parametrize("name", ["🎉" * 100 + ".txt", "a\x00b.txt", "../../a.txt", "\ud800.txt"])
def test_every_name_gives_a_file_of_its_rows(app, tmp_path, monkeypatch, name):
    from dedup_rooms import results

    monkeypatch.setattr(files, "result_folder", lambda: tmp_path)
    (tmp_path / "rows").write_bytes(b"one two three\nfour five six\n")
    result = last(deduplicate(read_file(tmp_path / "rows", name, 10), Request()))
    path = results.kept_file(result, [0, 1])
    assert path.parent == tmp_path and path.read_bytes() == (tmp_path / "rows").read_bytes()


def test_splits_that_were_cut_are_named(app):
    from dedup_rooms import contamination

    result = contamination.contamination(SplitsRequest.parse(dataset="quiz", limit=8, threshold=0.7))
    assert result["warnings"] == ["Of train only the first 8 rows were read."]


def test_a_file_and_a_dataset_are_not_both_read(app, tmp_path, monkeypatch):
    from dedup_rooms import source

    monkeypatch.setattr(files, "upload_folder", lambda: tmp_path)
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text("one two three\n")
    paths = [str(tmp_path / f"{name}.txt") for name in ("a", "b")]
    with pytest.raises(VisitorError, match="Both a file and a dataset"):
        source.open_rows(Request(dataset="a/b"), paths[0])
    with pytest.raises(VisitorError, match="Both a file and a dataset"):
        source.open_splits(SplitsRequest(dataset="a/b"), paths)
    assert [split.name for split in source.open_splits(SplitsRequest(dataset="quiz"), paths)] == ["a", "b"]


def test_files_have_a_size_together(app, monkeypatch, tmp_path):
    from dedup_rooms import source

    monkeypatch.setattr(files, "upload_folder", lambda: tmp_path)
    monkeypatch.setattr(limits, "MAX_FILE_BYTES", 1_500_000)
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("word " * 180_000)
    with pytest.raises(VisitorError, match="have 2 MB together; at most 2 MB"):
        source.open_splits(SplitsRequest(), [str(tmp_path / name) for name in ("a.txt", "b.txt")])


def test_an_upload_is_parsed_once(app, tmp_path, monkeypatch):
    """For the choice of columns, the plan and the run; another content or limit is read anew."""
    from dedup_rooms import duplicates, source

    monkeypatch.setattr(files, "upload_folder", lambda: tmp_path)
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "one two three"}\n')
    read: list[int] = []
    real = source.read_file
    monkeypatch.setattr(source, "read_file", lambda *given: read.append(given[-1]) or real(*given))
    first = source.open_rows(Request(), str(path))
    assert "Plan for rows.jsonl: 1 row ·" in duplicates.plan_sentence({"threshold": 0.7}, str(path))
    assert source.open_rows(Request(threshold=0.5), str(path)) is first
    assert len(read) == 1
    assert source.open_rows(Request(limit=5), str(path)) is not first
    path.write_text('{"text": "one two three"}\n' * 2)
    assert source.open_rows(Request(), str(path)).rows == 2
    assert len(read) == 3


def test_a_plan_says_what_it_is_for(app):
    """It follows every setting, and a run leaves its own."""
    from dedup_rooms import duplicates

    for values in ({"threshold": 0.7}, {"threshold": 0.55}, {"threshold": 0.7, "dataset": "quiz_test.jsonl"}):
        asked = {"dataset": "kitchen.jsonl", **values}
        said = duplicates.plan_sentence(asked, None)
        assert f"Plan for {asked['dataset']}" in said and f"a pair at {asked['threshold']:g} with" in said
    (planning,) = [function for function in app.demo.fns.values() if function.name == "plan_now"]
    watched = {app.demo.blocks[block].label for block, event in planning.targets if event == "input"}
    assert {"or a Hub dataset", "threshold", "ngram", "row limit", "wanted recall", "split"} <= watched
