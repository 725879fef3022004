"""Compressed files: unpacked beside, within a limit of bytes, and read as what they hold."""

from __future__ import annotations

import lzma
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from shared import limits
from shared.errors import VisitorError, reason

PACKERS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".xz": "xz", ".zip": "zip"}
"""By the end of a name, how the file is packed."""

PIECE = 1 << 20


@contextmanager
def unpacked(path: Path, name: str, endings: tuple[str, ...]) -> Iterator[tuple[Path, str]]:
    """A file's content and the name of that; the file itself where it is not packed.

    Args:
        path: where it lies.
        name: what it was called.
        endings: of names that can be read; in an archive those files count.

    Raises:
        VisitorError: it is broken, holds no such file or several, or more than `limits.unpacked_bytes`.
    """
    packer = PACKERS.get(Path(name).suffix.lower())
    if packer is None:
        yield path, name
        return
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "unpacked"
        try:
            if packer == "zip":
                inner = _of_zip(path, target, endings)
            else:
                inner = Path(name).stem
                with _stream(path, packer) as stream:
                    _copy(stream, target, path.stat().st_size)
        except (OSError, EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile, RuntimeError) as error:
            raise VisitorError(
                f"The file cannot be unpacked ({reason(error)}).", "Check that it was written completely."
            ) from error
        yield target, inner


def _stream(path: Path, packer: str) -> Any:
    if packer == "xz":
        return lzma.open(path)
    import pyarrow as pa

    return pa.input_stream(str(path), compression=packer)


def _of_zip(path: Path, target: Path, endings: tuple[str, ...]) -> str:
    with zipfile.ZipFile(path) as archive:
        names = [
            name
            for name in archive.namelist()
            if name.lower().endswith(endings) and not PurePosixPath(name).name.startswith((".", "__"))
            if not name.startswith("__MACOSX/")
        ]
        if len(names) != 1:
            shown = f": {', '.join(names[:4])[:120]}{', …' if len(names) > 4 else ''}" if names else ""
            raise VisitorError(
                f"The archive holds {len(names) or 'no'} files that this page reads{shown}.",
                "Unpack it, and choose one of them." if names else "Pack a file of rows.",
            )
        with archive.open(names[0]) as stream:
            _copy(stream, target, path.stat().st_size)
    return PurePosixPath(names[0]).name


def _copy(stream: IO[bytes], target: Path, size: int) -> None:
    """Write what a stream holds, no more than a file of that size may hold."""
    most = limits.unpacked_bytes(size)
    held = 0
    with target.open("wb") as file:
        while piece := stream.read(PIECE):
            held += len(piece)
            if held > most:
                raise VisitorError(
                    f"The file unpacks to more than {most / 1e6:,.0f} MB, the limit for one of "
                    f"{size / 1e6:,.1f} MB.",
                    "Split it, or run the exported script.",
                )
            file.write(piece)
