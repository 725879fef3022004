"""Files: results that expire, and files that appear whole or not at all."""

from __future__ import annotations

import errno
import math
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from shared import files, limits, page
from shared.errors import VisitorError
from tests.conftest import ROOT


def aged(path: Path, seconds: float, size: int = 0) -> Path:
    """A file of that size, or a folder with one, that was changed so many seconds ago."""
    file = path if path.suffix else path / "file"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x" * size)
    for one in {file, path}:
        os.utime(one, (time.time() - seconds,) * 2)
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_old_goes_and_what_is_too_much(tmp_path):
    """First by age, then the oldest until the rest fits; what changed a moment ago is somebody's."""
    for name, seconds in (("old.bin", 9_000), ("a", 5_000), ("b.bin", 4_000), ("c", 3_000), ("new", 5)):
        aged(tmp_path / name, seconds, 10**6)
    os.utime(tmp_path / "c" / "file")  # a run writes deep in a folder, and the folder's own date stays
    (tmp_path / "elsewhere").symlink_to(tmp_path.parent)
    paths = [*tmp_path.iterdir(), tmp_path / "gone meanwhile"]
    files.trim(paths, 7_200, 4_100_000 + files.LEAST)  # a link counts too
    assert names(tmp_path) == ["a", "b.bin", "c", "elsewhere", "new"]
    files.trim(paths, 7_200, 3_100_000 + files.LEAST)
    assert names(tmp_path) == ["b.bin", "c", "elsewhere", "new"]
    files.trim(paths, 7_200, 0)
    assert names(tmp_path) == ["c", "elsewhere", "new"] and tmp_path.parent.is_dir()


def test_holes_take_no_room(tmp_path):
    with (tmp_path / "weights").open("wb") as file:
        file.truncate(10**9)
    os.utime(tmp_path / "weights", (0, 0))
    files.trim(tmp_path.iterdir(), math.inf, 10**6)
    assert names(tmp_path) == ["weights"]


def test_many_small_files_are_too_much_too(tmp_path, monkeypatch):
    """Each has a folder of its own: a million of them take little room, and minutes to look through."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(limits, "MAX_RESULTS_BYTES", 20 * files.LEAST)
    for number in range(19):
        aged(tmp_path / f"upload{number:02}", 5_000 - number, 1)
    assert not files.is_full()
    for number in range(19, 30):
        aged(tmp_path / f"upload{number:02}", 5_000 - number, 1)
    assert files.is_full()
    files.trim(tmp_path.iterdir(), files.RESULT_SECONDS, limits.MAX_RESULTS_BYTES)
    assert names(tmp_path) == [f"upload{number:02}" for number in range(10, 30)]


def test_the_sweeper_cares_for_uploads_whatever_gradio_does(tmp_path, monkeypatch):
    """Gradio's own cleaning ended for good at the first path that was no file, such as the folder of all
    uploads in an API call; no page uses it.
    """
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    aged(tmp_path / "uploads/0a1b", 8_000, 10)
    aged(tmp_path / "uploads/2c3d", 100, 10)
    aged(tmp_path / "cache/llm-course-demos/dedup/run.npz", 90_000, 10)
    aged(tmp_path / "cache/llm-course-demos/dedup/run.npz.0a.part", 90_000, 10)
    aged(tmp_path / "cache/llm-course-demos/smollm2", 900_000, 10)
    files.sweep()
    assert names(tmp_path / "uploads") == ["2c3d"]
    assert names(tmp_path / "cache/llm-course-demos") == ["dedup", "smollm2"]
    assert names(tmp_path / "cache/llm-course-demos/dedup") == []
    with page.page("A", "B.") as demo:
        pass
    assert demo.delete_cache is None and not demo.GRADIO_CACHE.endswith("/gradio")


def test_a_visitors_earlier_results_make_room_for_a_new_one(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(limits, "MAX_SESSION_BYTES", 2_100_000)
    made = {}
    for name, session in (("mine 1", "me"), ("yours", "you"), ("mine 2", "me"), ("mine 3", "me")):
        monkeypatch.setattr(files, "_visitor", lambda session=session: session)
        made[name] = aged(files.result_folder(), 1_000 - len(made), 10**6)
    monkeypatch.setattr(files, "_visitor", lambda: "me")
    made["mine 4"] = files.result_folder()
    assert [name for name, path in made.items() if path.exists()] == ["yours", "mine 2", "mine 3", "mine 4"]


PROCESS = """
import os, signal, sys, time
from shared import files
files.keep_order()
(files.result_folder() / "weights").write_bytes(b"x" * 1000)
with files.written_whole(files.cache_folder() / "dedup.npz", "it") as part:
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(b"half")
    if os.fork() == 0:
        files.clear()  # a process that ZeroGPU forks ends like this one
        os.kill(os.getpid(), signal.SIGTERM)
    os.wait()
    print(len(list(files.upload_folder().iterdir())), part.exists(), flush=True)
    time.sleep(60)
"""


def start(tmp_path: Path) -> subprocess.Popen[str]:
    """A process with a result and an unfinished file."""
    environment = {
        **os.environ,
        "TMPDIR": str(tmp_path / "tmp"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PYTHONPATH": str(ROOT),
    }
    environment.pop("GRADIO_TEMP_DIR", None)
    (tmp_path / "tmp").mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-c", PROCESS], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "1 True\n"
    return process


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_leaves_nothing_and_takes_what_a_killed_one_left(tmp_path):
    (tmp_path / "tmp").mkdir()
    aged(tmp_path / "tmp/llm-course-run-mine", 9_000)  # no name that a process takes
    killed = start(tmp_path)
    killed.kill()
    killed.wait()
    assert len(names(tmp_path / "tmp")) == 2
    running = start(tmp_path)
    folder, mine = names(tmp_path / "tmp")  # of the second: that of the first went at its start
    other = start(tmp_path)
    assert {folder, mine} < set(names(tmp_path / "tmp")) and len(names(tmp_path / "tmp")) == 3
    for process in (running, other):
        process.terminate()
        assert process.wait(30) == 128 + signal.SIGTERM
    assert names(tmp_path / "tmp") == [mine]
    assert len(names(tmp_path / "cache/llm-course-demos")) == 1  # the killed one's: nobody could remove it


def test_an_upload_is_refused_where_there_is_no_room(tmp_path, monkeypatch):
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route
    from starlette.testclient import TestClient

    from shared.uploads import UploadLimit

    async def upload(request):
        await request.body()
        return PlainTextResponse("taken")

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    app = Starlette(routes=[Route("/dedup/gradio_api/upload", upload, methods=["POST"])])
    limit = UploadLimit(app)
    visitor = TestClient(limit)
    assert visitor.post("/dedup/gradio_api/upload", content=b"x").text == "taken"
    limit.present = limits.MAX_UPLOADS_AT_ONCE
    assert visitor.post("/dedup/gradio_api/upload", content=b"x").text.startswith(
        "Other visitors are uploading files"
    )
    limit.present = 0
    aged(tmp_path / "0a1b", 10, 10**6)
    monkeypatch.setattr(limits, "MAX_RESULTS_BYTES", 10**6)
    answer = visitor.post("/dedup/gradio_api/upload", content=b"x")
    assert answer.status_code == 507 and "no more room for files" in answer.text
    assert limit.present == 0


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
    assert names(tmp_path) == ["model.zip"]  # not both: they are as large
