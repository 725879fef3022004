"""How far one model's score moves from form to form, and whether chance alone moves it so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

DRAWS = 1_999
"""Patterns of signs that are drawn."""


def spread_p(right: Sequence[Sequence[bool]], groups: Sequence[int]) -> float:
    """The p-value of the spread, the largest score less the smallest.

    Had the form no part in it, what a group of items has more in one form and less in another than in the
    mean of all forms might as well have been the other way round. The share of such sign patterns, drawn with
    a fixed seed and the one that was seen among them, whose spread is at least as large. A group keeps its
    forms together: exchanging single forms within it would take all of them for equally alike, and two draws
    of one form are more alike than two forms (up to 12 false alarms in 100).

    Args:
        right: of every form, of every item.
        groups: of every item its group.
    """
    import numpy as np

    sums = group_sums(right, groups)
    moved = len(right) * sums - sums.sum(1, keepdims=True)  # whole numbers: equal spreads are equal
    moved = moved[moved.any(1)]
    seen = _spread(moved.sum(0))
    signs = np.random.default_rng(0).choice(np.array([-1, 1]), (DRAWS, len(moved)))
    return (1 + int((_spread(signs @ moved) >= seen).sum())) / (1 + DRAWS)


def group_sums(right: Sequence[Sequence[bool]], groups: Sequence[int]) -> npt.NDArray[np.int64]:
    """Right answers of every group in every form, int64 (groups, forms)."""
    import numpy as np

    sums = np.zeros((max(groups) + 1, len(right)), dtype=np.int64)
    np.add.at(sums, np.asarray(groups), np.asarray(right, dtype=np.int64).T)
    return sums


def _spread(totals: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return totals.max(-1) - totals.min(-1)
