"""Two systems on the same items: which answers flipped, how far scores are apart, and whether that is more
than chance.

One test serves all: under the hypothesis that neither is better, every group of items that belong together
might as well have had the two systems the other way round. The groups' sums of (second right − first right)
are whole numbers, so the distribution over all such exchanges is known exactly. Where every item stands
alone it is McNemar's exact test.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.estimates import Z95, Share

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

LEVEL = 0.05
"""α of every test: how often equal systems may be called different."""


@dataclass(frozen=True)
class Score:
    """A share of right answers with the 95 % interval that its groups allow.

    Args:
        count: right answers.
        of: items.
        low: end of the interval.
        high: end of the interval.
        groups: independent groups of items.
    """

    count: int
    of: int
    low: float
    high: float
    groups: int


def score(right: Sequence[bool], groups: Sequence[int]) -> Score:
    """A share of right answers. Its interval is Wilson's; where items share a group, that of as many
    independent items as have the same standard error (n divided by the design effect, never above n); where
    all or none are right, that of one answer a group.

    Args:
        right: of every item.
        groups: of every item its group.
    """
    n, count = len(right), sum(map(bool, right))
    sums, sizes = _sums([float(one) for one in right], groups)
    independent = float(n)
    if len(sums) < n:
        independent = float(len(sums))
        if 0 < count < n and len(sums) > 1:
            p, k = count / n, len(sums)
            variance = k / (k - 1) * sum((s - p * m) ** 2 for s, m in zip(sums, sizes, strict=True)) / n**2
            independent = min(n, p * (1 - p) / variance) if variance else n
    low, high = wilson(count / n, independent) if n else (0.0, 1.0)
    return Score(count, n, low, high, len(sums))


def wilson(p: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share from n independent answers, which need not be a whole number."""
    if float(n).is_integer() and float(p * n).is_integer():
        return Share(int(p * n), int(n)).interval
    centre = (p + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 * math.sqrt(p * (1 - p) / n + Z95**2 / (4 * n**2)) / (1 + Z95**2 / n)
    return 0.0 if p == 0 else centre - half, 1.0 if p == 1 else centre + half


def _sums(values: Sequence[float], groups: Sequence[int]) -> tuple[list[float], list[int]]:
    """Sum and size of every group, in the order in which groups come."""
    sums: dict[int, float] = {}
    sizes: dict[int, int] = {}
    for value, group in zip(values, groups, strict=True):
        sums[group] = sums.get(group, 0.0) + value
        sizes[group] = sizes.get(group, 0) + 1
    return list(sums.values()), list(sizes.values())


@dataclass(frozen=True)
class Difference:
    """How far the second system's score is from the first one's.

    Args:
        mean: second less first, a share of the items.
        low: end of its 95 % interval.
        high: end of its 95 % interval.
        gained: items that the first had wrong and the second has right.
        lost: the other way round.
        of: items.
        groups: independent groups of items.
        p: of the exact two-sided test that neither is better.
    """

    mean: float
    low: float
    high: float
    gained: int
    lost: int
    of: int
    groups: int
    p: float

    @property
    def discordant(self) -> float:
        """Share of the items of which one system is right and the other wrong."""
        return (self.gained + self.lost) / self.of if self.of else 0.0


def difference(first: Sequence[bool], second: Sequence[bool], groups: Sequence[int]) -> Difference:
    """Compare two systems' answers to the same items.

    The interval is that of Agresti and Min (2005) for matched pairs, Wald's with half an item added to each
    of the four cells; where items share groups it is that of the groups' errors with Student's t, if that is
    wider.

    Args:
        first: whether its answers are right.
        second: likewise, of the same items.
        groups: of every item its group.
    """
    n = len(first)
    moved = [int(b) - int(a) for a, b in zip(first, second, strict=True)]
    gained, lost = moved.count(1), moved.count(-1)
    sums, sizes = _sums([float(value) for value in moved], groups)
    k = len(sums)
    if not n:
        return Difference(0.0, -1.0, 1.0, 0, 0, 0, 0, 1.0)
    mean = (gained - lost) / n
    low, high = agresti_min(gained, lost, n)
    if k < n:
        from scipy.special import stdtrit

        if k == 1:
            low, high = -1.0, 1.0
        else:
            spread = sum((s - mean * m) ** 2 for s, m in zip(sums, sizes, strict=True))
            half = float(stdtrit(k - 1, 0.975)) * math.sqrt(k / (k - 1) * spread) / n
            low, high = min(low, mean - half), max(high, mean + half)
    return Difference(
        mean, max(-1.0, low), min(1.0, high), gained, lost, n, k, exchange_p([int(one) for one in sums])
    )


def agresti_min(gained: int, lost: int, n: int) -> tuple[float, float]:
    """The 95 % interval of (gained − lost)/n for n matched pairs: Wald's with half an item more in each of
    the four cells (Agresti and Min 2005).
    """
    b, c, m = gained + 0.5, lost + 0.5, n + 2
    centre = (b - c) / m
    half = Z95 * math.sqrt(max(0.0, b + c - (b - c) ** 2 / m)) / m
    return centre - half, centre + half


def exchange_p(sums: Sequence[int]) -> float:
    """The exact two-sided p-value of sums that might as well have had the other sign, each by itself: the
    share of all sign patterns whose total is at least as far from 0. With sums of ±1 it is McNemar's exact p.
    """
    import numpy as np

    total = abs(sum(sums))
    if not total:
        return 1.0
    chances = exchanges([abs(one) for one in sums if one])
    middle = len(chances) // 2
    return min(1.0, 2 * float(np.sum(chances[middle + total :])))


def exchanges(sizes: Sequence[int], start: npt.NDArray[np.float64] | None = None) -> npt.NDArray[np.float64]:
    """The distribution of Σ ±size over independent fair signs, from −Σ to Σ: float64 (2·Σ + 1,).

    Args:
        sizes: above 0.
        start: the distribution that they are added to; by default the one that is 0.
    """
    import numpy as np

    chances = np.ones(1) if start is None else start
    for size in sizes:
        wider = np.zeros(len(chances) + 2 * size)
        wider[: len(chances)] += chances / 2
        wider[2 * size :] += chances / 2
        chances = wider
    return chances


def holm(ps: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm 1979): each may be held against α as it is."""
    order = sorted(range(len(ps)), key=ps.__getitem__)
    corrected, least = [0.0] * len(ps), 0.0
    for rank, place in enumerate(order):
        least = max(least, min(1.0, (len(ps) - rank) * ps[place]))
        corrected[place] = least
    return corrected
