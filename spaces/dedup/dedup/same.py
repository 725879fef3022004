"""Whether candidates say the same: what differs in them is looked at first, then a language model reads
them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from dedup import data, reading
from dedup.arrays import Bool, Float64
from dedup.kinds import KINDS, kinds_of
from dedup.verify import Pairs

VETO: tuple[data.Kind, ...] = ("number", "sign", "negation", "emoji", "name", "tool argument")
"""Pairs that differ in this alone say something else, however near their vectors are."""

MAX_JUDGED = 20_000
"""Pairs that are looked at, the most similar first."""


@dataclass(frozen=True)
class Judged:
    """What became of the candidates.

    Args:
        nats: of each pair that stays, the score of `reading.read`; nan where only its form differs, which
            needs no reading.
        vetoed: candidates that differ in what `VETO` names, by that.
        denied: that were read and rather do not say the same.
        unread: that were too long to read, or too many.
    """

    nats: Float64
    vetoed: dict[str, int]
    denied: int
    unread: int


def _opened(texts: tuple[str, str]) -> tuple[str, str]:
    """Two texts without their first capital, which makes no name."""
    one, other = texts
    return one[:1].lower() + one[1:], other[:1].lower() + other[1:]


def judge(texts: Callable[[int], tuple[str, str]], edges: Pairs) -> Iterator[int | tuple[Bool, Judged]]:
    """Decide for each pair whether it stays.

    Args:
        texts: the two of a pair, by its place.
        edges: their similarities decide which come first.

    Yields:
        How many pairs were read, then which of them stay, and what became of the others.

    Raises:
        VisitorError: as `reading.read`.
    """
    order = np.argsort(-edges.jaccard, kind="stable")[:MAX_JUDGED]
    kinds = [KINDS[kind] for kind in kinds_of(map(_opened, map(texts, order.tolist())))]
    stays, nats = np.zeros(len(edges), dtype=bool), np.full(len(edges), np.nan)
    stays[order[[kind == "form" for kind in kinds]]] = True
    asked = order[[kind not in ("form", *VETO) for kind in kinds]]
    scores = np.zeros(0)
    for step in reading.read(list(map(texts, asked.tolist()))):
        if isinstance(step, int):
            yield step
        else:
            scores = step
    nats[asked] = scores
    stays[asked[reading.passed(scores)]] = True
    vetoed = Counter(kind for kind in kinds if kind in VETO)
    read = int((~np.isnan(scores)).sum())
    unread = len(edges) - len(order) + len(asked) - read
    yield (
        stays,
        Judged(
            nats[stays],
            {kind: vetoed[kind] for kind in VETO if vetoed[kind]},
            read - len(reading.passed(scores)),
            unread,
        ),
    )
