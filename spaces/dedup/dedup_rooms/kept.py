"""Results that pages ask for again, to take them home."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from shared import limits
from shared.cache import Cache
from shared.errors import VisitorError

Value = TypeVar("Value")

EXAMPLE = "example"
"""Stands for the stored example's result, which is computed when somebody wants it."""

_RESULTS: Cache[Any] = Cache(limits.RESULTS_BYTES)
"""Of both rooms, by names that nobody can guess: a page holds the name, or all open pages would hold their
datasets.
"""


class Kept(Generic[Value]):
    """The results of a room.

    Args:
        button: what makes one.
        example: computes the stored example's, in a fraction of a second.
    """

    def __init__(self, button: str, example: Callable[[], Value]) -> None:
        self._button = button
        self._example = example

    def keep(self, result: Value) -> str:
        """Keep a result for as long as there is room; its name."""
        name = secrets.token_urlsafe(16)
        _RESULTS.put(name, result)
        return name

    def result_of(self, state: str | None) -> Value:
        """The result that the figure shows.

        Args:
            state: what `keep` gave, or `EXAMPLE`.

        Raises:
            VisitorError: the last run has no result, or it is no longer kept.
        """
        if state is None:
            raise VisitorError("There is no result yet.", f"Press {self._button} first.")
        if state == EXAMPLE:
            return self._example()
        known: Value | None = _RESULTS.get(state)
        if known is None:
            raise VisitorError(
                "This result made room for those of later runs.", f"Press {self._button} again."
            )
        return known
