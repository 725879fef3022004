"""The engine of the Space dedup; as a library `deduplicate`, as a command `python -m dedup`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dedup.library import Deduplicated


def deduplicate(files: str | Path | Sequence[str | Path] = (), **settings: Any) -> Deduplicated:
    """Find the duplicates of files, see `dedup.library.run`."""
    from dedup.library import run  # a page does not need it

    return run(files, **settings)
