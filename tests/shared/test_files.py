"""Files: results that expire, and files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import zipfile
from pathlib import Path

import pytest

from shared import files
from shared.errors import VisitorError


def test_expiring_a_folder_bears_another_run_doing_the_same(tmp_path, monkeypatch):
    """What was listed may be gone before it is looked at."""
    for name in ("old.npz", "gone.npz", "new.npz", "old.txt"):
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (0, 0) if "new" not in name else None)
    (tmp_path / "old-folder.npz").mkdir()
    os.utime(tmp_path / "old-folder.npz", (0, 0))
    listed = list(tmp_path.glob("*.npz"))
    (tmp_path / "gone.npz").unlink()
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter(listed))
    files.expire(tmp_path, "*.npz", 60)
    monkeypatch.undo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.npz", "old.txt"]


def test_a_file_appears_whole(tmp_path):
    target = tmp_path / "model.gguf"
    target.write_text("old")
    with files.written_whole(target, "the model") as part:
        part.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new" and [path.name for path in tmp_path.iterdir()] == ["model.gguf"]


def test_a_folder_takes_the_place_of_an_older_one(tmp_path):
    target = tmp_path / "model"
    target.mkdir()
    (target / "stale.json").write_text("{}")
    with files.written_whole(target, "the model") as part:
        part.mkdir()
        (part / "config.json").write_text("{}")
    assert [path.name for path in target.iterdir()] == ["config.json"] and [
        path.name for path in tmp_path.iterdir()
    ] == ["model"]


@pytest.mark.parametrize(
    "failure",
    [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("I/O error: No space left on device")],
)
def test_a_full_disk_is_said_and_leaves_what_was_there(tmp_path, failure):
    target = tmp_path / "rows.csv"
    target.write_text("old")
    with pytest.raises(VisitorError, match="The disk is full: the rows could not be written"):  # noqa: SIM117
        with files.written_whole(target, "the rows") as part:
            part.write_text("half")
            raise failure
    assert target.read_text() == "old" and [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


def test_another_failure_passes_and_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="why"):  # noqa: SIM117
        with files.written_whole(tmp_path / "new", "it") as part:
            part.mkdir()
            raise ValueError("why")
    assert [path.name for path in tmp_path.iterdir()] == []


def test_an_archive_holds_the_files_as_they_are(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "a.bin").write_bytes(bytes(range(256)))
    with zipfile.ZipFile(files.zipped(folder, tmp_path / "model.zip")) as archive:
        assert archive.namelist() == ["a.bin"] and archive.read("a.bin") == bytes(range(256))
