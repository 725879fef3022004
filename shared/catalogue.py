"""Which Spaces there are, and what their cards say."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
TITLE = "The LLM course that you can touch"


@cache
def head(name: str) -> dict[str, Any]:
    """The YAML head of a Space's card: what the Hub reads, and `course`, its place here."""
    import yaml

    text = (ROOT / "spaces" / name / "README.md").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text.split("---\n")[1]))


@cache
def names() -> list[str]:
    """The Spaces that are here, in the order of the course."""
    folders = [path.parent.name for path in (ROOT / "spaces").glob("*/app.py")]
    return sorted(folders, key=lambda name: (head(name)["course"]["place"], name))
