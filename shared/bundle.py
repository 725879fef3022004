"""Stage a Space as the Hub wants it: its own files, `shared/` and its requirements in one folder.

`python -m shared.bundle decoding` writes `build/decoding`.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from shared.suite import ROOT, names

_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")


def stage(name: str, target: Path | None = None) -> Path:
    """Copy a Space into a folder that runs by itself, replacing what an earlier call left there.

    Args:
        name: the Space's folder name.
        target: where to; `build/<name>` unless given.

    Returns:
        The folder.
    """
    if name not in names():
        raise SystemExit(f"There is no Space {name!r}. Choose one of: {', '.join(names())}.")
    folder = target or ROOT / "build" / name
    if folder.exists():
        shutil.rmtree(folder)
    shutil.copytree(ROOT / "spaces" / name, folder, ignore=_LEFT_OUT)
    shutil.copytree(ROOT / "shared", folder / "shared", ignore=_LEFT_OUT)
    shutil.copy(ROOT / "LICENSE", folder / "LICENSE")
    return folder


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(f"Name a Space: {', '.join(names())}.")
    print(stage(sys.argv[1]))
