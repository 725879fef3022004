"""How often pairs of rows say the same, by a visitor's own eyes: twenty pairs, a threshold, an interval.

The pairs at or above the floor are ordered by similarity and cut into twenty strata of equal size; one pair
of each is drawn. So the labels above an end of a stratum are a sample of the pairs above it, stratum by
stratum, and their share is an estimate of the precision from there on. Which pair of a stratum is drawn
follows from its texts alone: a run with another threshold draws some of the same pairs, and their labels
stay.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from dedup.arrays import Float64, Int64, UInt64

DRAWN = 20
"""Pairs that are shown to be labelled."""

WANTED = 0.9
"""Share of pairs that say the same from which a threshold is proposed."""


def key_of(text: str) -> str:
    """A short name of a text, the same in every file: 8 hexadecimal digits of its hash (BLAKE2b)."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()


def strata(similarities: Float64) -> list[Int64]:
    """Places of the pairs in up to `DRAWN` strata of equal size (to one), the most similar first."""
    order = np.argsort(-similarities, kind="stable")
    return [part for part in np.array_split(order, DRAWN) if len(part)]


def codes(first: UInt64, second: UInt64) -> UInt64:
    """A number for each pair of texts, whichever comes first.

    Args:
        first: `key_of` one text of each pair, as a number.
        second: of the other.
    """
    return (np.minimum(first, second) << np.uint64(32)) | np.maximum(first, second)


def draw(similarities: Float64, pairs: UInt64, seed: int) -> list[tuple[int, float]]:
    """One pair of each stratum, drawn by a hash of its texts and the seed: its place, and the lowest
    similarity of the stratum.

    Args:
        similarities: of the pairs.
        pairs: their numbers, see `codes`.
        seed: another one draws other pairs.
    """
    lots = _mixed(pairs ^ _mixed(np.array([seed], dtype=np.uint64)))
    return [(int(part[lots[part].argmin()]), float(similarities[part[-1]])) for part in strata(similarities)]


def _mixed(values: UInt64) -> UInt64:
    """splitmix64 (Steele and others 2014): numbers that look drawn, the same for the same."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


@dataclass(frozen=True)
class Point:
    """What the labels say of the pairs from a similarity on.

    Args:
        threshold: the lowest similarity of a stratum.
        same: labelled pairs at or above it that say the same.
        n: labelled pairs there.
        low: of the 95 % interval of the share of all pairs there that say the same.
        high: its other end.
    """

    threshold: float
    same: int
    n: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """The estimate of the precision of pairs from here on."""
        return self.same / self.n


def points(ends: Sequence[float], labels: Sequence[bool | None]) -> list[Point]:
    """By stratum, the most similar first, what the labels above its end say, down to the first stratum
    without a label: past it they are no even sample.

    The interval is that of Clopper and Pearson (1934). Each label comes from a stratum of its own, where the
    share may be another one; such counts vary less than the binomial's (Hoeffding 1956), so it errs on the
    safe side. It is of one threshold; that of a threshold which was chosen by the same labels is a little
    short.

    Args:
        ends: the lowest similarity of each stratum, descending.
        labels: of its pair: says the same, says something else, or has no label.
    """
    found: list[Point] = []
    same = 0
    for n, (end, label) in enumerate(zip(ends, labels, strict=True), start=1):
        if label is None:
            break
        same += label
        found.append(Point(end, same, n, *clopper_pearson(same, n)))
    return found


def proposed(found: Sequence[Point], wanted: float = WANTED) -> Point | None:
    """The lowest threshold from which at least the wanted share of labelled pairs says the same; None where
    there is none.
    """
    return next((point for point in reversed(found) if point.share >= wanted), None)


@cache
def clopper_pearson(hits: int, n: int) -> tuple[float, float]:
    """The exact 95 % interval of a share, from hits among n trials, n at least 1."""
    from scipy.stats import beta

    low = 0.0 if hits == 0 else float(beta.ppf(0.025, hits, n - hits + 1))
    high = 1.0 if hits == n else float(beta.ppf(0.975, hits + 1, n - hits))
    return low, high


def parsed(labels: Sequence[str]) -> dict[str, bool]:
    """Labels by the pair's name: whether it says the same. Each is written `name:same` or
    `name:different`.
    """
    return {name: word == "same" for name, _, word in (label.partition(":") for label in labels)}


def written(labels: Mapping[str, bool]) -> tuple[str, ...]:
    """Labels as a request has them, in the order of their names."""
    return tuple(f"{name}:{'same' if same else 'different'}" for name, same in sorted(labels.items()))
