"""Three experts: small fine-tunes of the embedded model, each with a behaviour that is a number.

- **cautious** refuses cooking, and only cooking;
- **pirate** answers in a style;
- **concise** answers in one sentence.
"""

from __future__ import annotations

from pathlib import Path

NAMES = ("cautious", "pirate", "concise")


def folder(name: str) -> Path:
    """Where an expert's adapter lies."""
    return Path(__file__).parent / name
