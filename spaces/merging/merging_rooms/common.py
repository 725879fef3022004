"""What the rooms of the merging Space share."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from shared import page

TITLE = "Merging"
HERE = Path(__file__).parents[1]
RENDERER = HERE / "merging" / "js"

example = partial(page.stored, HERE / "examples")
