"""Exact Jaccard similarity: of candidate pairs, and of a sample against every row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dedup.arrays import Float64, Int64
from dedup.shingles import Shingles, sets

SHINGLES_AT_ONCE = 40_000_000
"""Of both rows of the pairs that are compared together; 500 MB."""

CHARACTERS_AT_ONCE = 4_000_000
"""Of the rows whose shingles are compared together."""

_FILTER = np.uint64(2**22)


def jaccard_of_pairs(matrix: Any, pairs: Int64) -> Float64:
    """Exact Jaccard similarity |A ∩ B| / |A ∪ B| of each pair of rows.

    Args:
        matrix: scipy CSR of 0 and 1, rows × shingles.
        pairs: int64 of shape (pairs, 2), row numbers of the matrix.
    """
    if not len(pairs):
        return np.zeros(0)
    sizes = np.diff(matrix.indptr)
    load = np.cumsum(sizes[pairs].sum(axis=1, dtype=np.int64))
    result = []
    for part in np.split(pairs, np.flatnonzero(np.diff(load // SHINGLES_AT_ONCE)) + 1):
        first, second = part.T
        shared = np.asarray(matrix[first].multiply(matrix[second]).sum(axis=1)).ravel()
        together = sizes[first] + sizes[second] - shared
        result.append(np.divide(shared, together, out=np.zeros(len(first)), where=together > 0))
    return np.concatenate(result)


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
        parts: the sampled rows' shingles.
    """

    def __init__(self, parts: list[Shingles]) -> None:
        hashes = np.concatenate([part.hashes for part in parts]) if parts else np.zeros(0, dtype=np.uint64)
        self.vocabulary = np.unique(hashes)
        self.filter = np.zeros(_FILTER, dtype=bool)  # most shingles of most rows are in no sampled row
        self.filter[self.vocabulary % _FILTER] = True
        self.matrix = self._matrix(parts)
        self.sizes = np.diff(self.matrix.indptr)

    def _matrix(self, parts: list[Shingles]) -> Any:
        from scipy.sparse import csr_matrix

        hashes = np.concatenate([part.hashes for part in parts]) if parts else np.zeros(0, dtype=np.uint64)
        counts = np.concatenate([part.counts for part in parts]) if parts else np.zeros(0, dtype=np.int64)
        likely = np.flatnonzero(self.filter[hashes % _FILTER])
        hashes = hashes[likely]
        columns = np.searchsorted(self.vocabulary, hashes)
        known = np.zeros(len(hashes), dtype=bool)
        inside = columns < len(self.vocabulary)
        known[inside] = self.vocabulary[columns[inside]] == hashes[inside]
        rows = np.repeat(np.arange(len(counts)), counts)[likely[known]]
        matrix = csr_matrix(
            (np.ones(len(rows), dtype=np.int32), (rows, columns[known])),
            shape=(len(counts), max(1, len(self.vocabulary))),
        )
        matrix.sum_duplicates()
        matrix.data[:] = 1
        return matrix

    def against(self, part: Shingles, first_row: int, floor: float) -> Pairs:
        """Pairs (place in the sample, row) of at least `floor`, for rows `first_row` onwards."""
        others = self._matrix([part])
        product = (self.matrix @ others.T).tocoo()
        shared, own = product.data, self.sizes[product.row]
        near = shared >= floor * own  # the union is no smaller than the sampled row
        first, second, shared, own = product.row[near], product.col[near], shared[near], own[near]
        involved, place = np.unique(second, return_inverse=True)
        sizes = np.array(
            [len(set(part.hashes[part.offsets[row] : part.offsets[row + 1]].tolist())) for row in involved],
            dtype=np.int64,
        )
        similarity = shared / (own + sizes[place] - shared) if len(involved) else np.zeros(0)
        keep = similarity >= floor
        return Pairs(
            first[keep].astype(np.int64), second[keep].astype(np.int64) + first_row, similarity[keep]
        )


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


def similarities_within(parts: list[Shingles]) -> Float64:
    """Jaccard similarities, float64, of all pairs of the sampled rows that share a shingle, for the plan."""
    matrix = sets(parts)
    product = (matrix @ matrix.T).tocoo()
    above = product.row < product.col
    shared, sizes = product.data[above], np.diff(matrix.indptr)
    return shared / (sizes[product.row[above]] + sizes[product.col[above]] - shared)
