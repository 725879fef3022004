"""What the rooms of the evaluation Space share."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from evaluation.examples import FOLDER
from shared import page

TITLE = "Evaluation"
RENDERER = Path(__file__).parents[1] / "evaluation" / "js"

example = partial(page.stored, FOLDER)
