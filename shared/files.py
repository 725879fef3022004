"""Files for visitors: where uploads and results lie, when they go, and files that appear whole or not at all.

A process keeps all of that in one folder of its own, which goes when it ends; one sweeper keeps the folder
within age and size while it runs, and takes what a killed process has left behind.
"""

from __future__ import annotations

import atexit
import base64
import errno
import logging
import os
import re
import secrets
import shutil
import signal
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from shared import limits, owner
from shared.errors import VisitorError

RESULT_SECONDS = 7200
"""How long an upload, or a result's files, stay at most."""

CHECKPOINT_SECONDS = 86_400
"""How long an interrupted run can be taken up again."""

RESULT = "result-"
"""What the name of a result's folder begins with."""

TOKEN = 16
"""Letters of its unguessable end, of five bits each."""

IDLE_SECONDS = 600
"""What was written or used more recently is not removed for want of room: somebody may be at it."""

LEAST = 500_000
"""Bytes that each counts as having, however small: the number of files has a limit too."""

SWEEP_SECONDS = 60
"""Between two looks of the sweeper."""

DISK_REMEDY = "Try again later, or with less data; where the demo is yours, free some space."
"""What to do about a full disk."""

_PREFIX = "llm-course-run-"
_NAME = re.compile(rf"{_PREFIX}[0-9a-f]{{8}}(\.gone)?")
_LOCK = ".lock"

log = logging.getLogger(__name__)

chores: list[Callable[[], None]] = []
"""What else the sweeper does each time."""

_own: Path | None = None
_owner = 0
"""The process whose folder it is: one that is forked from it uses the folder and does not remove it."""
_lock: Any = None
_sessions: dict[Path, str] = {}
"""Result folders by their visitor, the oldest first."""
_unfinished: set[Path] = set()
"""What is being written outside the process's folder."""


def cache_folder() -> Path:
    """The suite's folder under the user's cache folder (`XDG_CACHE_HOME`, else `~/.cache`)."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "llm-course-demos"


def upload_folder() -> Path:
    """Where Gradio puts uploads, and the only folder that it serves to whoever knows a file's path."""
    return Path(os.environ.get("GRADIO_TEMP_DIR") or Path(tempfile.gettempdir()) / "gradio").resolve()


def claim() -> Path:
    """The folder of this process, which need not exist yet; from now on Gradio puts uploads into it. It is to
    be called before a page is built, which remembers where its uploads go.
    """
    global _own, _owner
    if _own is None:
        root = Path(os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir()).absolute()
        for folder in (root, *root.parents):
            if _NAME.fullmatch(folder.name):  # of the process that started this one
                root = folder.parent
        _own, _owner = (root / f"{_PREFIX}{secrets.token_hex(4)}").resolve(), os.getpid()
        os.environ["GRADIO_TEMP_DIR"] = str(_own / "files")
        atexit.register(clear)
    return _own


def keep_order() -> None:
    """Start the sweeper, and see to it that nothing is left when this process ends, by a signal too.

    What libraries write for a moment goes into the process's folder as well.
    """
    from filelock import FileLock

    global _lock
    claim().parent.mkdir(parents=True, exist_ok=True)
    claim().mkdir(mode=0o700, exist_ok=True)
    scratch = claim() / "scratch"
    scratch.mkdir(exist_ok=True)
    tempfile.tempdir = os.environ["TMPDIR"] = str(scratch)
    _lock = FileLock(claim() / _LOCK)
    _lock.acquire()
    sweep()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _end)
    threading.Thread(target=_sweep_for_ever, name="sweeper", daemon=True).start()


def _end(number: int, _: FrameType | None) -> None:
    """Leave at once: a run that is deep in a computation would hold an orderly end up."""
    clear()
    os._exit(128 + number)


def _sweep_for_ever() -> None:
    while True:
        time.sleep(SWEEP_SECONDS)
        for chore in (sweep, *chores):
            try:
                chore()
            except Exception:
                log.exception("the sweeper failed")  # the next round may do better


def clear() -> None:
    """Remove this process's folder, and what it was writing elsewhere."""
    if _own is None or os.getpid() != _owner:
        return
    for path in list(_unfinished):
        remove(path)
    if _lock is not None:
        _lock.release()
    gone = _own.with_name(f"{_own.name}.gone")  # runs that still write do not find it any more
    with suppress(OSError):
        _own.rename(gone)
    for folder in (gone, _own):
        shutil.rmtree(folder, ignore_errors=True)


def sweep() -> None:
    """Remove what is too old or too much: uploads and results, what interrupted runs left, the folders of
    processes that are gone.
    """
    trim(upload_folder().glob("*"), RESULT_SECONDS, limits.MAX_RESULTS_BYTES)
    trim((cache_folder() / "dedup").glob("*"), CHECKPOINT_SECONDS, limits.MAX_CHECKPOINT_BYTES)
    for folder in list(_sessions):
        if not folder.exists():
            _sessions.pop(folder, None)
    for folder in claim().parent.glob(f"{_PREFIX}*"):
        if folder != claim() and _NAME.fullmatch(folder.name) and _is_abandoned(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_abandoned(folder: Path) -> bool:
    """Whether the process of a folder is gone: nobody holds its lock, or it has none and is old."""
    from filelock import FileLock, Timeout

    if not (folder / _LOCK).exists():
        stay = _stay(folder)
        return stay is not None and stay.idle > RESULT_SECONDS
    try:
        with FileLock(folder / _LOCK, timeout=0):
            return True
    except (Timeout, OSError):
        return False


@dataclass(frozen=True)
class Stay:
    """A file or folder with what is in it.

    Args:
        path: of it.
        bytes: on the disk, and at least `LEAST`.
        idle: seconds since the last change.
    """

    path: Path
    bytes: int
    idle: float


def _stay(path: Path) -> Stay | None:
    """How large a file or folder is, and how old; None where it is gone. Links are not followed."""
    try:
        top = path.lstat()
    except OSError:
        return None
    size, changed = _allocated(top), top.st_mtime
    for folder, _, names in () if path.is_symlink() else os.walk(path):
        for name in (".", *names):
            with suppress(OSError):  # it may go at this moment
                found = Path(folder, name).lstat()
                size += _allocated(found)
                changed = max(changed, found.st_mtime)
    return Stay(path, max(size, LEAST), time.time() - changed)


def _allocated(found: os.stat_result) -> int:
    """Bytes that a file takes; one with holes takes fewer than its length."""
    return found.st_blocks * 512 if hasattr(found, "st_blocks") else found.st_size


def trim(paths: Iterable[Path], seconds: float, most: int, idle: float = IDLE_SECONDS) -> None:
    """Remove files and folders that are older than that, then the oldest until no more than `most` bytes are
    left; another process may be doing the same.

    Args:
        paths: some may be gone.
        seconds: since the last change of anything in one.
        most: bytes of all together.
        idle: seconds for which one is safe, however much there is.
    """
    found = [stay for path in paths if (stay := _stay(path))]
    total = sum(stay.bytes for stay in found)
    for stay in sorted(found, key=lambda stay: -stay.idle):
        if stay.idle > seconds or (total > most and stay.idle > idle):
            remove(stay.path)
            total -= stay.bytes


def is_full() -> bool:
    """Whether uploads and results take all the room that they may have."""
    found = (_stay(path) for path in upload_folder().glob("*"))
    return sum(stay.bytes for stay in found if stay) >= limits.MAX_RESULTS_BYTES


def remove(path: Path) -> None:
    """Remove a file, or a folder with what is in it; another may be removing the same at this moment."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def result_folder() -> Path:
    """A new folder with an unguessable name for one result's files. Earlier results of the same visitor go,
    the oldest first, where they hold more than `limits.MAX_SESSION_BYTES`.
    """
    root = upload_folder()
    root.mkdir(parents=True, exist_ok=True)
    end = base64.b32encode(secrets.token_bytes(TOKEN * 5 // 8)).decode().lower()
    folder = root / f"{RESULT}{end}"
    visitor = _visitor()
    if visitor:
        trim(own_results(), RESULT_SECONDS, limits.MAX_SESSION_BYTES, idle=SWEEP_SECONDS)
        _sessions[folder] = visitor
    folder.mkdir()
    return folder


def own_results() -> list[Path]:
    """The result folders of whoever asks, the oldest first."""
    visitor = _visitor()
    return [path for path, other in list(_sessions.items()) if visitor and other == visitor]


def _visitor() -> str | None:
    """Whoever asks, else the session of their page, where Gradio knows one."""
    from gradio.context import LocalContext

    request = LocalContext.request.get(None)
    return owner.visitor() or getattr(request, "session_hash", None)


def zipped(folder: Path, target: Path) -> Path:
    """A folder's files, those of folders in it too, in one archive, which takes their place; stored and not
    compressed: weights hardly shrink.

    Raises:
        VisitorError: the disk is full.
    """
    with (
        written_whole(target, "the archive") as part,
        zipfile.ZipFile(part, "w", zipfile.ZIP_STORED, allowZip64=True) as archive,
    ):
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.write(path, path.relative_to(folder))
            path.unlink()
    shutil.rmtree(folder)
    return target


@contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """A path to write at that is gone when the block ends, or the process."""
    _unfinished.add(path)
    try:
        yield path
    finally:
        remove(path)
        _unfinished.discard(path)


def is_disk_full(error: BaseException) -> bool:
    """Whether an error says that the disk is full; safetensors reports that as an exception of its own."""
    return getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error)


@contextmanager
def written_whole(target: Path, what: str) -> Iterator[Path]:
    """A path beside `target` to write a file at, or to make a folder at; it takes the target's place when the
    block ends.

    Where the block fails nothing of it is left, and what stood at `target` before stays.

    Args:
        target: the file or folder.
        what: it in words, for the sentence of a full disk.

    Raises:
        VisitorError: the disk is full.
    """
    part = target.with_name(f"{target.name}.{secrets.token_hex(8)}.part")
    try:
        with unfinished(part):
            yield part
            if target.is_dir():
                shutil.rmtree(target)
            part.replace(target)
    except Exception as error:
        if is_disk_full(error):
            raise VisitorError(f"The disk is full: {what} could not be written.", DISK_REMEDY) from error
        raise
