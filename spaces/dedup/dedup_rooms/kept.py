"""Results that pages ask for again, to take them home."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from shared import limits
from shared.cache import Cache
from shared.errors import VisitorError

Value = TypeVar("Value")

EXAMPLE, STATEMENTS = "example", "statements"
"""Stand for the stored examples' results, which are computed when somebody wants them."""

_RESULTS: Cache[Any] = Cache(limits.RESULTS_BYTES)
"""Of both rooms, by names that nobody can guess: a page holds the name, or all open pages would hold their
datasets.
"""


class Kept(Generic[Value]):
    """The results of a room.

    Args:
        button: what makes one.
        examples: compute the stored examples', by what stands for them.
    """

    def __init__(self, button: str, examples: Mapping[str, Callable[[], Value]]) -> None:
        self._button = button
        self._examples = examples

    def keep(self, result: Value) -> str:
        """Keep a result for as long as there is room; its name."""
        name = secrets.token_urlsafe(16)
        _RESULTS.put(name, result)
        return name

    def result_of(self, state: str | None) -> Value:
        """The result that the figure shows.

        Args:
            state: what `keep` gave, or what stands for a stored example.

        Raises:
            VisitorError: the last run has no result, or it is no longer kept.
        """
        if state is None:
            raise VisitorError("There is no result yet.", f"Press {self._button} first.")
        if state in self._examples:
            return self._examples[state]()
        known: Value | None = _RESULTS.get(state)
        if known is None:
            raise VisitorError(
                "This result made room for those of later runs.", f"Press {self._button} again."
            )
        return known
