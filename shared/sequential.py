"""Looking at a comparison while it runs, without cheating: a group-sequential form of the exact test in
`shared.paired`.

All planned looks together may call equal systems different in 5 % of runs. How much of that is spent by when
is O'Brien and Fleming's spending function (Lan and DeMets 1983), 2 − 2Φ(z/√t) at the share t of the planned
groups: hardly anything early, nearly all at the end. At every look the distribution of the total over all
sign patterns is known exactly, patterns that would have stopped before are taken out, and the boundary is
the smallest total that keeps within what may be spent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from shared.paired import LEVEL, exchanges

LOOKS = 10


def spending(share: float, level: float = LEVEL) -> float:
    """How much of α may be spent once this share of the planned groups was seen."""
    from scipy.special import ndtr, ndtri

    if share <= 0:
        return 0.0
    return float(2 * ndtr(ndtri(level / 2) / math.sqrt(min(1.0, share))))


def look_places(groups: int, looks: int = LOOKS) -> list[int]:
    """After how many groups one looks: evenly, the last time at the end."""
    return sorted({math.ceil(groups * (look + 1) / looks) for look in range(looks)})


@dataclass(frozen=True)
class Look:
    """What is known at a look.

    Args:
        groups: seen by then.
        total: gained less lost, of all items so far.
        boundary: the total, up or down, from which the run may stop; None where nothing is enough yet.
        spent: chance that equal systems have been called different by then.
    """

    groups: int
    total: int
    boundary: int | None
    spent: float

    @property
    def stops(self) -> bool:
        """Whether the run may stop here and call the systems different."""
        return self.boundary is not None and abs(self.total) >= self.boundary


def looks_at(sums: Sequence[int], places: Sequence[int], level: float = LEVEL) -> list[Look]:
    """The looks so far.

    Args:
        sums: of every group so far, (second right − first right), in a random order that was fixed before.
        places: of all planned looks, as `look_places` gives them.
        level: α of all looks together.
    """
    import numpy as np

    chances, before, spent, total = np.ones(1), 0, 0.0, 0
    found: list[Look] = []
    for place in places:
        if place > len(sums):
            break
        new = sums[before:place]
        total += sum(new)
        chances = exchanges([abs(one) for one in new if one], chances)
        middle = len(chances) // 2
        may = spending(place / places[-1], level) - spent
        # tails[k] is the chance that the total is k or more, or −k or less
        beyond = np.cumsum(chances[::-1])[::-1][middle:]
        tails = 2 * beyond[1:]
        allowed = np.flatnonzero(tails <= may + 1e-12)
        boundary: int | None = int(allowed[0]) + 1 if len(allowed) and tails[allowed[0]] > 0 else None
        if boundary is not None:
            spent += float(tails[boundary - 1])
            chances = chances.copy()
            chances[middle + boundary :] = 0
            chances[: middle - boundary + 1] = 0
        found.append(Look(place, total, boundary, spent))
        before = place
    return found
