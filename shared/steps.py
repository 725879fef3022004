"""Runs are generators that yield their growing result; the complete one comes last."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

UPDATE_SECONDS = 0.3
"""Time between two updates of a running figure; each carries the whole figure."""


def last(steps: Iterable[Item]) -> Item:
    """The last item of a run; unlike `*_, last = steps` it does not keep all the others."""
    return deque(steps, maxlen=1).pop()


def paced(steps: Iterable[Item], is_result: Callable[[Item], bool]) -> Iterator[Item]:
    """A run's results, and of the steps between them those that come `UPDATE_SECONDS` or more after the last
    one shown.

    Args:
        steps: the run.
        is_result: whether an item must not be left out.
    """
    shown = -math.inf
    for step in steps:
        if is_result(step) or time.monotonic() - shown >= UPDATE_SECONDS:
            yield step
            shown = time.monotonic()
