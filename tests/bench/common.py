"""A line of the benchmark's table, and how ratios are measured."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the table: a figure, the goal it is held to, and how it was measured."""

    name: str
    value: float
    goal: str
    met: bool
    unit: str = "×"
    detail: str = ""


def ratio(mine: Callable[[], object], other: Callable[[], object], runs: int = 5) -> tuple[float, str]:
    """Median of pairwise ratios mine/other, run in turn after a warm-up, and the range."""
    mine(), other()
    ratios = []
    for _ in range(runs):
        a = timed(mine)
        b = timed(other)
        ratios.append(a / b)
    return statistics.median(ratios), f"{min(ratios):.2f} to {max(ratios):.2f}, n = {runs}"


def timed(function: Callable[[], object]) -> float:
    """Seconds of one call."""
    began = time.perf_counter()
    function()
    return time.perf_counter() - began
