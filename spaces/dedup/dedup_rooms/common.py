"""What the rooms of the dedup Space share."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from dedup.examples import FOLDER
from shared import page

TITLE = "Dedup"
RENDERER = Path(__file__).parents[1] / "dedup" / "js"

example = partial(page.stored, FOLDER)
