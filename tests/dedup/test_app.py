"""The page's functions and events, without a server."""

from __future__ import annotations

import pytest

from shared.errors import VisitorError
from shared.suite import load_app


@pytest.fixture(scope="module")
def app():
    return load_app("dedup")


def test_cancel_reaches_every_run(app):
    """The figure starts a run as well, when its threshold is taken over."""
    functions = app.demo.fns
    stopped = {functions[number].name for function in functions.values() for number in function.cancels}
    assert stopped == {"run_page", "again_page", "open_page", "compare_page"}


@pytest.mark.parametrize(
    "file", [3, {"path": 3}, {"other": "x"}, {"path": "\x00"}, "/etc/hostname", {"path": "/" + "x" * 5_000}]
)
def test_what_is_no_upload_gets_a_sentence(app, file):
    with pytest.raises(VisitorError, match="not uploaded here"):
        app.uploaded(file)


@pytest.mark.parametrize("name", ["🎉" * 100 + ".txt", "a\x00b.txt", "../../a.txt", "\ud800.txt"])
def test_every_name_gives_a_file_of_its_rows(app, tmp_path, monkeypatch, name):
    from dedup.engine import deduplicate
    from dedup.read import read_file
    from dedup.request import validate

    monkeypatch.setattr(app.frame, "result_folder", lambda: tmp_path)
    (tmp_path / "rows").write_bytes(b"one two three\nfour five six\n")
    *_, result = deduplicate(read_file(tmp_path / "rows", name, 10), validate())
    path = app.Path(app.kept_file(result, [0, 1]))
    assert path.parent == tmp_path and path.read_bytes() == (tmp_path / "rows").read_bytes()


def test_splits_that_were_cut_are_named(app):
    *_, result = app.compare_splits([], "quiz", [], [], 0.7, 3, "containment", 8, "", "word")
    assert result["warnings"] == ["Of train only the first 8 rows were read."]
