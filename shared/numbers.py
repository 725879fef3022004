"""Numbers as sentences write them."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """A number with its noun, "1 item" or "1,200 items"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
