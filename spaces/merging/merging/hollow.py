"""Models of the Hub whose weights are not here: their small files, and weight files that are holes."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

from merging.tensors import write_holes
from shared import hub
from shared.errors import VisitorError

KEPT = 64
"""Models that are remembered, and folders of models that are not downloaded."""


def snapshot(model: str, sha: str) -> Path | None:
    """The folder of a model at a commit in the Hub's cache, where all its weights lie there."""
    from huggingface_hub import try_to_load_from_cache

    for file in ("model.safetensors", "model.safetensors.index.json"):
        path = try_to_load_from_cache(model, file, revision=sha)
        if isinstance(path, str):
            parts = {file}
            if file.endswith(".json"):
                parts = set(json.loads(Path(path).read_text("utf-8"))["weight_map"].values())
            folder = Path(path).parent
            return folder if all((folder / part).is_file() for part in parts) else None
    return None


_lock = threading.Lock()


@cache
def _hollows() -> tempfile.TemporaryDirectory[str]:
    """Where models without weights lie, for the life of this process; called with the lock held."""
    return tempfile.TemporaryDirectory(prefix="headers-", ignore_cleanup_errors=True)


def hollow(model: str, sha: str, *, weights: bool = True) -> Path:
    """A folder with the small files of a model at a commit, and its weights as holes; made once, the least
    used ones removed.
    """
    with _lock:
        root = Path(_hollows().name)
    folder = root / f"{model.replace('/', '--')}-{sha}{'' if weights else '-adapter'}"
    try:
        if not folder.is_dir():
            partial = Path(tempfile.mkdtemp(prefix=".", dir=root))
            try:
                sizes = hub.small_files(model, sha, partial)
                if weights:
                    headers = hub.weight_headers(model, sha)
                    for file, tensors in headers.items():
                        data = sum(size for _, _, size in tensors.values())
                        if sizes.get(file, data) < data:
                            raise VisitorError(
                                f"{file} of {model} is cut off: it has {sizes[file]:,} bytes, and its header "
                                f"tells of {data:,} of weights.",
                                "Choose a model with whole weights.",
                            )
                    write_holes(partial, headers)
                with suppress(OSError):  # another check was quicker
                    partial.rename(folder)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
        with _lock:
            os.utime(folder)
            used = sorted((path.stat().st_mtime, path) for path in root.glob("[!.]*"))
            for moment, old in used[:-KEPT]:
                if time.time() - moment > 60:  # a check may be reading it
                    shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise VisitorError(
            f"The headers of {model} could not be kept ({error.strerror}).", "Try again in a minute."
        ) from error
    return folder
