"""Texts that models are measured on and calibrated with; both were written for this project."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def sample(name: str) -> str:
    """A text by name: "evaluation", or "calibration", which shares no sentence with it."""
    return (Path(__file__).parent / f"{name}.txt").read_text(encoding="utf-8")
