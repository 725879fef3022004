"""Checks of single values that come from a form, a link or the API, where a number may be text."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from shared.errors import VisitorError
from shared.limits import MAX_PROMPT_CHARACTERS


def unmarked(value: Any) -> Any:
    """A value without the byte order mark that editors and spreadsheets put before a text, and that comes
    along when the text is copied; a list or tuple without that of its texts. What is nothing else stays.
    """
    if isinstance(value, (list, tuple)):
        items = [unmarked(one) if isinstance(one, str) else one for one in value]
        return items if isinstance(value, list) else tuple(items)
    return value.lstrip("\ufeff") or value if isinstance(value, str) else value


def whole(low: int, high: int) -> Callable[[str, Any], int]:
    """A check for whole numbers from `low` to `high`: called with a value's name and the value, it returns
    the int or raises a VisitorError.
    """

    def check(name: str, value: Any) -> int:
        number = finite(value)
        if not number.is_integer() or not low <= number <= high:
            raise VisitorError(
                f"{name} is {str(value)[:40]}.", f"Use a whole number from {low:,} to {high:,}."
            )
        return int(number)

    return check


SEED = whole(0, 2**32 - 1)
"""A check for the seed of a random generator."""


def between(low: float, high: float) -> Callable[[str, Any], float]:
    """A check for numbers from `low` to `high`, called as that of `whole`."""

    def check(name: str, value: Any) -> float:
        number = finite(value)
        if not low <= number <= high:
            raise VisitorError(f"{name} is {str(value)[:40]}.", f"Use a number from {low:,} to {high:,}.")
        return number

    return check


def one_of(*known: str) -> Callable[[str, Any], str]:
    """A check for one of the named choices, called as that of `whole`."""

    def check(name: str, value: Any) -> str:
        if value not in known:
            named = f"Choose one of {', '.join(filter(None, known))}"
            raise VisitorError(
                f"{name} is “{str(value)[:40]}”.", f"{named}{', or leave it empty' * ('' in known)}."
            )
        return str(value)

    return check


def flag(name: str, value: Any) -> bool:
    """A check for true and false, called as that of `whole`."""
    if value in (True, 1, "1", "true", "True"):
        return True
    if value in (False, 0, "0", "false", "False"):
        return False
    raise VisitorError(f"{name} is {str(value)[:40]}.", "Use true or false.")


def text(name: str, value: Any) -> str:
    """A check for text, called as that of `whole`."""
    if not isinstance(value, str):
        raise VisitorError(f"{name} is {str(value)[:40]}, not text.", "Write some text.")
    return value


def system_prompt(_: str, value: Any) -> str:
    """A check for the system prompt of a chat, which may be empty."""
    if not isinstance(value, str) or len(value) > MAX_PROMPT_CHARACTERS:
        raise VisitorError(
            f"The system prompt is not text of at most {MAX_PROMPT_CHARACTERS:,} characters.",
            "Shorten it.",
        )
    return value


def finite(value: Any) -> float:
    """A value as a finite number; NaN, which fails every comparison, for anything else, booleans included."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
    return number if math.isfinite(number) else math.nan
