"""What the rooms of the fine-tuning Space share."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from finetuning.examples import FOLDER
from shared import page

TITLE = "Fine-tuning"
RENDERER = Path(__file__).parents[1] / "finetuning" / "js"

example = partial(page.stored, FOLDER)
