"""Exact Jaccard similarity: of candidate pairs, and of a sample against every row."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from dedup import compiled
from dedup.arrays import Float64, Int64, UInt8, UInt64
from dedup.shingles import Shingles

CHARACTERS_AT_ONCE = 4_000_000
"""Of the rows whose shingles are compared together."""

PAIRS_AT_ONCE = 5_000
"""Pairs that one thread compares at a time."""

LIKELY = 2**13, 2**20
"""Bytes, at least and at most, by whose bits most shingles of most rows are seen to be in no sampled row."""

AT_ONCE = 250
"""Rows of a sample that one thread compares with the others at a time."""

ROOM = 4_000
"""Pairs of a run of rows and the sample for which there is room at first."""


def jaccard_of_pairs(rows: Shingles, pairs: Int64) -> Float64:
    """Exact Jaccard similarity |A ∩ B| / |A ∪ B| of each pair of rows, 0 where both are empty.

    Args:
        pairs: int64 of shape (pairs, 2), places in `rows`.
    """
    return jaccard_of_runs(rows.hashes, rows.offsets[:-1], rows.offsets[1:], pairs)


def jaccard_of_runs(hashes: UInt64, starts: Int64, ends: Int64, pairs: Int64, floor: float = 0.0) -> Float64:
    """The same of runs that lie anywhere.

    Args:
        hashes: uint64 of all runs.
        starts: where each run begins in them.
        ends: where it ends.
        pairs: int64 of shape (pairs, 2), numbers of runs.
        floor: of pairs below it the result is some number below it.
    """
    pairs = np.ascontiguousarray(pairs, dtype=np.int64)
    shared = np.zeros(len(pairs), dtype=np.int64)

    def work(begin: int) -> None:
        part = slice(begin, begin + PAIRS_AT_ONCE)
        compiled.shared_of_pairs(hashes, starts, ends, pairs[part], floor, shared[part])

    begins = range(0, len(pairs), PAIRS_AT_ONCE)
    if len(begins) < 2:
        any(map(work, begins))
    else:
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            any(pool.map(work, begins))
    sizes = ends - starts
    together = sizes[pairs[:, 0]] + sizes[pairs[:, 1]] - shared
    return np.divide(shared, together, out=np.zeros(len(pairs)), where=together > 0)


def parts(pairs: Int64, lengths: Int64, most: int = CHARACTERS_AT_ONCE) -> list[Int64]:
    """Places of the pairs, in parts whose rows are small enough to be in memory together; rows that hang
    together by pairs are in one part where they fit, so that each is shingled once.

    Args:
        pairs: int64 of shape (pairs, 2), numbers of rows.
        lengths: characters of each row.
        most: characters of the rows of a part, about.
    """
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    if not len(pairs):
        return []
    first, second = pairs.T
    graph = csr_matrix((np.ones(len(pairs), bool), (first, second)), shape=(len(lengths), len(lengths)))
    _, label = connected_components(graph, directed=False)
    order = np.lexsort((second, first, label[first]))
    first, second = first[order], second[order]
    group = label[first]
    sizes = np.bincount(label, lengths)[group]
    new_group, new_first = np.diff(group, prepend=-1) != 0, np.diff(first, prepend=-1) != 0
    load = np.where(sizes <= most, sizes * new_group, lengths[second] + lengths[first] * new_first)
    return np.split(order, np.flatnonzero(np.diff(np.cumsum(load) // most)) + 1)


@dataclass(frozen=True)
class Pairs:
    """Pairs of rows with their similarity, first < second."""

    first: Int64
    second: Int64
    jaccard: Float64

    def __len__(self) -> int:
        return len(self.first)


NO_PAIRS = Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


class Sample:
    """Rows that are compared with all others by brute force, to measure the recall of the bands.

    Args:
        rows: the sampled rows' shingles.
        floor: the lowest similarity of a pair that counts.
    """

    def __init__(self, rows: Shingles, floor: float) -> None:
        self.floor = floor
        self.rows = rows
        hashes = self.rows.hashes
        room = 1 << max(4, 2 * len(hashes) - 1).bit_length()
        low, high = LIKELY
        likely = max(low, min(high, 1 << (2 * len(hashes)).bit_length()))
        self.row_of: Int64 = np.repeat(np.arange(len(self.rows), dtype=np.int64), self.rows.counts)
        self.slots: Int64 = np.empty(room, dtype=np.int64)
        self.following: Int64 = np.empty(len(hashes), dtype=np.int64)
        self.likely: UInt8 = np.empty(likely, dtype=np.uint8)
        compiled.index(hashes, self.rows.offsets, floor, self.slots, self.following, self.likely)

    def against(self, part: Shingles, first_row: int) -> Pairs:
        """Pairs (place in the sample, row) of at least the floor that share a shingle, for rows `first_row`
        onwards.
        """
        room = ROOM
        while True:
            pairs, jaccard = np.empty((room, 2), dtype=np.int64), np.empty(room)
            count = compiled.against(
                self.rows.hashes,
                self.rows.offsets,
                self.row_of,
                self.floor,
                self.slots,
                self.following,
                self.likely,
                part.hashes,
                part.offsets,
                pairs,
                jaccard,
            )
            if count <= room:
                first, second = pairs[:count].T.copy()
                return Pairs(first, second + first_row, jaccard[:count].copy())
            room = count


def recall_interval(hits: int, missed: Int64, chance: float) -> tuple[float, float, float]:
    """Recall of the bands and its 95 % interval, where brute force on a sample of rows shows a part of what
    they missed.

    The pairs that the bands found are all known; those they missed are estimated by Horvitz and Thompson
    (1952): each is seen with probability `chance`. Missed pairs come in clusters, so the count behind the
    interval (Poisson, after Garwood 1936) is the effective number of clusters.

    Args:
        hits: pairs that the bands found, in the whole dataset.
        missed: per cluster, the missed pairs that the sample shows.
        chance: that the sample shows a given missed pair, above 0.

    Returns:
        Recall, lower and upper end.
    """
    from scipy.stats import chi2

    total = int(missed.sum())
    weight = float((missed**2).sum() / total) if total else 1.0
    count = total / weight
    low = weight * (chi2.ppf(0.025, 2 * count) / 2 if count else 0.0) / chance
    high = weight * (chi2.ppf(0.975, 2 * count + 2) / 2) / chance
    return hits / (hits + total / chance), hits / (hits + high), hits / (hits + low)


def similarities_within(rows: Shingles) -> Float64:
    """Jaccard similarities, float64, of all pairs of the sampled rows that share a shingle, for the plan."""
    sample = Sample(rows, 0.0)

    def work(begin: int) -> Float64:
        near = sample.against(rows.part(begin, min(begin + AT_ONCE, len(rows))), begin)
        return near.jaccard[near.first < near.second]

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return np.concatenate([np.zeros(0), *pool.map(work, range(0, len(rows), AT_ONCE))])
