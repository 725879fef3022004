"""What the check of a recipe has to say."""

from __future__ import annotations

from dataclasses import dataclass

from merging import data


@dataclass(frozen=True)
class Finding:
    """One thing that the check noticed.

    Args:
        level: "error" (the merge would fail or do something else than it says), "warning" or "note".
        where: path in the recipe, such as `models[1].parameters.weight`; "" for the whole.
        message: one sentence, what is the case.
        fix: one sentence, what to do; "" where nothing need be done.
    """

    level: data.Level
    where: str
    message: str
    fix: str

    def to_json(self) -> data.Finding:
        """The finding as the API returns it."""
        return {"level": self.level, "where": self.where, "message": self.message, "fix": self.fix}


def error(where: str, message: str, fix: str) -> Finding:
    """A finding with which the recipe cannot run."""
    return Finding("error", where, message, fix)


def warning(where: str, message: str, fix: str) -> Finding:
    """A finding that a visitor should know of."""
    return Finding("warning", where, message, fix)


def note(where: str, message: str, fix: str) -> Finding:
    """A finding that may surprise, and is no mistake."""
    return Finding("note", where, message, fix)
