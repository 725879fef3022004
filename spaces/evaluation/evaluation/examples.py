"""The stored results: what each asks for."""

from __future__ import annotations

from pathlib import Path

from evaluation.request import CompareRequest
from shared.embedded_model import EMBEDDED_MODEL

FOLDER = Path(__file__).parents[1] / "examples"

EXAMPLES: dict[str, tuple[str, CompareRequest]] = {
    "experts": (
        "Did the expert or 4 bits make it worse?",
        CompareRequest(models=(EMBEDDED_MODEL, "pirate", f"{EMBEDDED_MODEL}@Q4_0")),
    ),
}
"""By name: the chip's label, and the request."""
