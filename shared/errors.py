"""Errors that a visitor can act on: one sentence for what happened, one for what to do."""

from __future__ import annotations

import errno
import logging
import re

from shared.data import Failed

log = logging.getLogger(__name__)


_PLACE = re.compile(r"(?<![\w:/.])(/|[A-Za-z]:\\)[\w.~-]+[/\\]|\bobject at 0x|\bat 0x")
"""A path of this machine, or an object as Python prints it."""


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

    def to_json(self) -> Failed:
        """The error as a figure's value: it stands where the figure would."""
        return {"error": {"what": self.what, "remedy": self.remedy}}


def unexpected(error: BaseException) -> VisitorError:
    """The sentences for a failure that nobody foresaw; its traceback goes to the log."""
    log.error("unexpected failure", exc_info=error)
    if type(error).__name__ == "OutOfMemoryError" or isinstance(error, MemoryError):
        return VisitorError("The machine ran out of memory.", "Choose a smaller model or a shorter run.")
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return VisitorError("The disk is full.", "Try again later, or with less data.")
    return VisitorError(
        f"The demo failed in a way it should not ({type(error).__name__}).",
        "Try again, and report it if it persists.",
    )


def reason(error: BaseException) -> str:
    """A library's error for a sentence: its own words, cut short, or its class's name where it has none or
    they name a place of this machine.
    """
    words = " ".join(str(error).split())
    if not words or _PLACE.search(words):
        return type(error).__name__
    return words if len(words) <= 120 else f"{words[:120]}…"


def for_visitor(error: BaseException) -> VisitorError:
    """Any error as one that a visitor can read."""
    return error if isinstance(error, VisitorError) else unexpected(error)
