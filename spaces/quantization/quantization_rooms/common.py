"""What the rooms of the quantization Space share."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from shared import page

TITLE = "Quantization"
HERE = Path(__file__).parents[1]
RENDERER = HERE / "quantization" / "js"

example = partial(page.stored, HERE / "examples")
