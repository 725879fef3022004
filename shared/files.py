"""Files for visitors: result folders that expire, archives, and files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.errors import VisitorError

RESULT_SECONDS = 7200
"""How long a result's files can be downloaded."""

DISK_REMEDY = "Try again later, or with less data; where the demo is yours, free some space."
"""What to do about a full disk."""


def cache_folder() -> Path:
    """The suite's folder under the user's cache folder (`XDG_CACHE_HOME`, else `~/.cache`)."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "llm-course-demos"


def upload_folder() -> Path:
    """Where Gradio puts uploads, and the only folder that it serves to whoever knows a file's path."""
    return Path(os.environ.get("GRADIO_TEMP_DIR") or Path(tempfile.gettempdir()) / "gradio").resolve()


def result_folder() -> Path:
    """A new folder with an unguessable name for one result's files; folders of earlier results go after two
    hours.
    """
    root = upload_folder()
    root.mkdir(parents=True, exist_ok=True)
    expire(root, "result-*", RESULT_SECONDS)
    folder = root / f"result-{secrets.token_urlsafe(24)}"
    folder.mkdir()
    return folder


def expire(folder: Path, pattern: str, seconds: float) -> None:
    """Remove what matches in a folder and is older than that; another run may be removing the same at this
    moment.
    """
    for path in folder.glob(pattern):
        try:
            old = time.time() - path.stat().st_mtime > seconds
        except FileNotFoundError:
            continue
        if old and path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif old:
            path.unlink(missing_ok=True)


def zipped(folder: Path, target: Path) -> Path:
    """A folder's files in one archive, stored and not compressed: weights hardly shrink."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    return target


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
        yield part
        if target.is_dir():
            shutil.rmtree(target)
        part.replace(target)
    except Exception as error:
        if is_disk_full(error):
            raise VisitorError(f"The disk is full: {what} could not be written.", DISK_REMEDY) from error
        raise
    finally:
        shutil.rmtree(part, ignore_errors=True) if part.is_dir() else part.unlink(missing_ok=True)
