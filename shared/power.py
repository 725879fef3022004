"""What a comparison can see before it is run: the power of McNemar's exact test, without approximation.

Of n items a share ψ is discordant (one system right, the other wrong); the second system gains (ψ + d)/2 and
loses (ψ − d)/2 of them, so its score is d higher. How many items are discordant is binomial, how many of
those are gains is binomial, and the test depends on both numbers alone.
"""

from __future__ import annotations

import math
from functools import lru_cache

from shared.paired import LEVEL

POWER = 0.8
"""How often a difference is seen that counts as one that will be seen."""
MOST = 100_000
"""Items that a plan counts up to."""


@lru_cache(maxsize=100_000)
def _needed(discordant: int, level: float) -> int:
    """The fewest items of the larger side, of so many discordant ones, for p ≤ level; one more than there are
    where none is enough.
    """
    from scipy.special import bdtrc, ndtri

    def p(larger: int) -> float:
        return 2 * float(bdtrc(larger - 1, discordant, 0.5))

    k = min(discordant + 1, round(discordant / 2 + float(ndtri(1 - level / 2)) * math.sqrt(discordant) / 2))
    while k <= discordant and p(k) > level:
        k += 1
    while k - 1 > discordant / 2 and p(k - 1) <= level:
        k -= 1
    return k


def power(n: int, difference: float, discordant: float, level: float = LEVEL) -> float:
    """How often McNemar's exact test sees a difference.

    Args:
        n: independent items.
        difference: of the scores, a share of the items, −ψ to ψ.
        discordant: ψ, the share of items of which one system is right and the other wrong, 0 to 1.
        level: α.
    """
    import numpy as np
    from scipy.special import bdtr, bdtrc, gammaln, xlog1py, xlogy

    if not n or not discordant:
        return 0.0
    middle, spread = n * discordant, 8 * math.sqrt(n * discordant * (1 - discordant)) + 8
    counts = np.arange(max(1, math.floor(middle - spread)), min(n, math.ceil(middle + spread)) + 1)
    needed = np.array([_needed(int(count), level) for count in counts])
    counts, needed = counts[needed <= counts], needed[needed <= counts]
    gain = min(1.0, max(0.0, (1 + difference / discordant) / 2))
    seen = bdtrc(needed - 1, counts, gain) + bdtr(counts - needed, counts, gain)
    choose = gammaln(n + 1) - gammaln(counts + 1) - gammaln(n - counts + 1)
    chances = np.exp(choose + xlogy(counts, discordant) + xlog1py(n - counts, -discordant))
    return min(1.0, float(np.sum(chances * seen)))


def smallest_difference(
    n: int, discordant: float, level: float = LEVEL, wanted: float = POWER
) -> float | None:
    """The smallest difference of scores that so many items will show, a share; None where even ψ itself is
    seen less often than wanted.
    """
    if power(n, discordant, discordant, level) < wanted:
        return None
    low, high = 0.0, discordant
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if power(n, middle, discordant, level) >= wanted else (middle, high)
    return high


def items_needed(
    difference: float, discordant: float, level: float = LEVEL, wanted: float = POWER
) -> int | None:
    """How many independent items show a difference of scores; None for more than `MOST`, or where the
    difference is 0 or larger than ψ. The power of an exact test falls a little at some larger numbers: this
    is the first from which one and the next ten are enough.
    """
    if not 0 < abs(difference) <= discordant:
        return None
    low, high = 1, 2
    while power(high, difference, discordant, level) < wanted:
        low, high = high, 2 * high
        if high > 2 * MOST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        enough = power(middle, difference, discordant, level) >= wanted
        low, high = (low, middle) if enough else (middle, high)
    run = 0
    while run <= 10 and high <= MOST + 10:
        run = run + 1 if power(high, difference, discordant, level) >= wanted else 0
        high += 1
    found = high - run
    return found if found <= MOST else None
