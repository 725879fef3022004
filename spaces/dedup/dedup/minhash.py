"""Signatures, bands and candidates: MinHash, banding chosen from the S-curve.

A pair of similarity s agrees in one band of r rows with probability s^r, and becomes a candidate with
probability 1 - (1 - s^r)^b over b bands (Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, chapter 3).
Bands that libraries choose by default are not used: with four of 32 rows a pair of s = .9 is found once in
eight.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, cast

import numpy as np

from dedup import compiled, data
from dedup.arrays import Float64, Int64, UInt32, UInt64
from dedup.shingles import Shingles

MAX_NUM_PERM = 1_024
MAX_BUCKET = 400
"""Rows in a bucket whose pairs are all compared; larger ones are linked to their first row and along a
chain.
"""

MAX_CANDIDATES = 4_000_000
"""Pairs from which on the largest buckets of a band are linked in the same way, however small they are."""

CHAIN = 8
"""Next rows to which each row of a larger bucket is linked."""

SECONDS_PER_PERMUTATION = 1.0e-7
"""Cost of one permutation of one row; measured, order of magnitude."""

SECONDS_PER_CANDIDATE = 2.0e-6
"""Cost of verifying one candidate; measured, order of magnitude."""

SECONDS_PER_KILOBYTE = 2.0e-5
"""Cost of splitting and hashing 1,000 characters; measured, order of magnitude."""

SECONDS_PER_VERIFIED_KILOBYTE = 4.0e-5
"""Cost of making sets of 1,000 characters that some candidate needs; measured, order of magnitude."""


def s_curve(similarity: float | Float64, num_bands: int, rows_per_band: int) -> Any:
    """Probability that a pair of this Jaccard similarity becomes a candidate."""
    return 1 - (1 - similarity**rows_per_band) ** num_bands


@dataclass(frozen=True)
class Plan:
    """Bands, and what they are expected to cost.

    Args:
        num_perm: permutations, `num_bands * rows_per_band`.
        expected_recall: of a pair whose similarity is the threshold; a more similar pair is found more
            surely.
        candidates: pairs expected to be verified, from the similarities within a sample of rows; None without
            one.
        seconds: rough, on this class of machine.
        megabytes: memory beside the text.
        alike: share of the sample's pairs whose similarity reaches the floor.
    """

    num_perm: int
    num_bands: int
    rows_per_band: int
    expected_recall: float
    candidates: int | None
    seconds: float
    megabytes: float
    alike: float = 0.0

    def to_json(self) -> data.Plan:
        """The plan with its S-curve."""
        chances = s_curve(np.arange(51) / 50, self.num_bands, self.rows_per_band).tolist()
        curve = [(step / 50, round(chance, 6)) for step, chance in enumerate(chances)]
        return cast(data.Plan, {**asdict(self), "curve": curve})


AFFORDABLE_SECONDS = 0.05
AFFORDABLE_SHARE = 0.1
"""A plan may take this much longer than the cheapest, whichever is more, if it finds more pairs below the
threshold.
"""


def choose_bands(
    threshold: float,
    recall: float,
    rows: int,
    *,
    floor: float | None = None,
    similarities: Float64 | None = None,
    pairs_per_sample: float = 0.0,
    characters: int = 0,
) -> Plan:
    """Bands whose S-curve reaches `recall` at `threshold`: nearly the cheapest, and of those the best at the
    floor.

    Args:
        threshold: Jaccard similarity, .1 to 1.
        recall: wanted probability at the threshold, at most .9999, which `MAX_NUM_PERM` permutations reach at
            every threshold.
        rows: distinct rows to compare.
        floor: the lowest similarity that a visitor may look at; the threshold unless given.
        similarities: Jaccard similarities of the sample's pairs that share a shingle.
        pairs_per_sample: how many pairs of the whole set one pair of the sample stands for.
        characters: of all texts together.
    """
    plans = []
    likeness, count_of = np.unique(np.zeros(0) if similarities is None else similarities, return_counts=True)
    for rows_per_band in range(1, 33):
        chance = threshold**rows_per_band
        wanted = 1 if chance >= 1 else max(1, math.ceil(math.log1p(-recall) / math.log1p(-chance)))
        most = MAX_NUM_PERM // rows_per_band
        if wanted > most:
            break
        for num_bands in sorted({min(wanted * times, most) for times in (1, 2, 4)}):
            candidates = None
            if similarities is not None:
                candidates = round(
                    float(s_curve(likeness, num_bands, rows_per_band) @ count_of) * pairs_per_sample
                )
            num_perm = num_bands * rows_per_band
            signing = rows * num_perm * SECONDS_PER_PERMUTATION
            # share of the rows that are in some candidate pair
            involved = min(1.0, 2 * (candidates or 0) / max(1, rows))
            verifying = (candidates or 0) * SECONDS_PER_CANDIDATE
            verifying += involved * characters / 1000 * SECONDS_PER_VERIFIED_KILOBYTE
            seconds = signing + verifying + characters / 1000 * SECONDS_PER_KILOBYTE
            megabytes = (rows * (4 * num_bands + 40) + (candidates or 0) * 24) / 1e6
            expected = float(s_curve(threshold, num_bands, rows_per_band))
            plans.append(
                Plan(
                    num_perm,
                    num_bands,
                    rows_per_band,
                    expected,
                    candidates,
                    round(seconds, 3),
                    round(megabytes, 1),
                )
            )
    cheapest = min(plan.seconds for plan in plans)
    limit = cheapest + max(AFFORDABLE_SECONDS, AFFORDABLE_SHARE * cheapest)
    lowest = threshold if floor is None else floor
    affordable = [plan for plan in plans if plan.seconds <= limit]
    return max(
        affordable, key=lambda plan: (s_curve(lowest, plan.num_bands, plan.rows_per_band), -plan.seconds)
    )


def band_keys(shingles: Shingles, plan: Plan, seed: int) -> UInt32:
    """One 32-bit key a band and row, shape (num_bands, rows): rows with equal keys share that band's bucket.

    Rows without shingles get keys too; they must not be compared. Two different bands' contents share a key
    by accident once in four thousand million pairs, which verification sorts out.
    """
    factors, terms = permutations(plan.num_perm, seed)
    keys = np.empty((plan.num_bands, len(shingles)), dtype=np.uint32)
    compiled.band_keys(shingles.hashes, shingles.offsets, factors, terms, keys)
    return keys


@lru_cache(maxsize=64)
def permutations(count: int, seed: int) -> tuple[UInt64, UInt64]:
    """a, odd, and b of random permutations h → a·h + b (mod 2^64), see `compiled.band_keys`."""
    drawn = np.random.PCG64(seed).random_raw(2 * count)
    return drawn[:count] | np.uint64(1), drawn[count:]


@dataclass(frozen=True)
class Candidates:
    """Pairs to verify.

    Args:
        pairs: int64 of shape (pairs, 2), first < second, sorted, no repeats.
        thinned: buckets too large to compare every pair of.
    """

    pairs: Int64
    thinned: int


def candidates(keys: Iterable[UInt32], rows: int) -> Candidates:
    """The pairs of rows that share a bucket in some band.

    Args:
        keys: for each band, one key a row.
        rows: how many rows.
    """
    bands: list[UInt64] = []
    waiting, thinned = 0, 0
    for band in keys:
        codes, large = _bucket_pairs(band, rows, MAX_CANDIDATES - sum(map(len, bands)))
        thinned += large
        bands.append(codes)
        waiting += len(codes)
        if waiting > MAX_CANDIDATES:
            bands = [_distinct(bands)]
            waiting = 0
    codes = _distinct(bands)
    base = np.uint64(max(1, rows))
    pairs = np.stack([codes // base, codes % base], axis=1).astype(np.int64)
    return Candidates(pairs, thinned)


def _distinct(bands: list[UInt64]) -> UInt64:
    """The codes of several bands, ascending, each once; sorting them is faster here than `np.unique`."""
    if not bands:
        return np.zeros(0, dtype=np.uint64)
    codes = np.sort(np.concatenate(bands))
    return codes[np.concatenate([[True], codes[1:] != codes[:-1]])[: len(codes)]]


def _bucket_pairs(band: UInt32, rows: int, budget: int) -> tuple[UInt64, int]:
    """The pairs of one band as codes first * rows + second, about `budget` at most, and how many buckets were
    too large.
    """
    # key and row in one number: numpy sorts those several times as fast as it finds an order
    codes_of = (band.astype(np.uint64) << np.uint64(32)) | np.arange(len(band), dtype=np.uint64)
    codes_of.sort()
    order = (codes_of & np.uint64(0xFFFFFFFF)).astype(np.int64)
    ordered = (codes_of >> np.uint64(32)).astype(np.uint32)
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    sizes = np.diff(np.concatenate([starts, [len(ordered)]]))
    codes: list[Int64] = []
    distinct, counts = np.unique(sizes, return_counts=True)
    affordable = distinct[np.cumsum(counts * distinct * (distinct - 1) // 2) <= max(budget, 0)]
    largest = min(MAX_BUCKET, int(affordable[-1]) if len(affordable) else 1)
    # within a bucket rows ascend: first < second below
    for size in distinct[(distinct > 1) & (distinct <= largest)]:
        members = order[starts[sizes == size][:, None] + np.arange(size)]
        first, second = np.triu_indices(int(size), 1)
        codes.append((members[:, first] * rows + members[:, second]).ravel())
    large = np.flatnonzero((sizes > 1) & (sizes > largest))
    for bucket in large:
        members = order[starts[bucket] : starts[bucket] + sizes[bucket]]
        codes.append(members[0] * rows + members[1:])
        codes += [members[:-step] * rows + members[step:] for step in range(1, CHAIN + 1)]
    joined = np.concatenate(codes) if codes else np.zeros(0, dtype=np.int64)
    return joined.astype(np.uint64), len(large)
