"""Errors that a visitor can act on: one sentence for what happened, one for what to do."""

from __future__ import annotations


class VisitorError(Exception):
    """A failure that a visitor caused or can mend.

    Args:
        what: one sentence, what happened, with the value that was refused.
        remedy: one sentence, what to do now.
    """

    def __init__(self, what: str, remedy: str) -> None:
        # What was refused may hold half a character, which no page and no JSON can carry.
        self.what, self.remedy = (text.encode("utf-8", "replace").decode() for text in (what, remedy))
        super().__init__(self.what, self.remedy)

    def __str__(self) -> str:
        return f"{self.what} {self.remedy}"

    def to_json(self) -> dict[str, dict[str, str]]:
        """The error as a figure's value: it stands where the figure would."""
        return {"error": {"what": self.what, "remedy": self.remedy}}
