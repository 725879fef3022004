"""What a Result means at a threshold: the rows that stay, and the rows that go with their keepers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from dedup import clusters
from dedup.engine import Result
from dedup.shingles import joined, parted, shingle, to_arrow
from dedup.signing import shingle_rows
from dedup.verify import Pairs, jaccard_of_pairs
from shared.errors import VisitorError


@dataclass(frozen=True)
class Removed:
    """A removed row, the row that stays in its place, and how similar they are.

    Args:
        jaccard: exact similarity; for rows joined through others it may lie below the threshold.
        copy: whether the two have the same text.
        same_words: whether they have the same words and differ in signs, case or spaces.
    """

    row: int
    keeper: int
    jaccard: float
    copy: bool
    same_words: bool = False


@dataclass(frozen=True)
class Outcome:
    """The rows that stay and the rows that go.

    Args:
        kept: row numbers, ascending.
        removed: ascending by row.
        clusters: groups of two rows or more.
        pairs: verified pairs of different texts at or above the threshold.
        chains: groups in which some two texts are less similar than the threshold, by comparison.
        apart: pairs of nodes that were compared to tell that, with similarities below the threshold.
        threshold: that was applied, or at which the goal was reached.
        method: of the request, or "goal" where the wanted number of rows decided.
    """

    kept: list[int]
    removed: list[Removed]
    clusters: int
    pairs: int
    chains: int
    threshold: float
    method: str
    apart: list[tuple[int, int, float]] = field(default_factory=list)

    @property
    def least(self) -> float:
        """The lowest similarity of a removed row to the row that stays in its place; 1 where none is
        removed.
        """
        return min((item.jaccard for item in self.removed), default=1.0)


def outcome(result: Result, threshold: float | None = None, pinned: tuple[int, ...] | None = None) -> Outcome:
    """Apply a threshold to verified pairs; without one the request's goal where it has one, else its
    threshold.

    Raises:
        VisitorError: the goal cannot be reached, or a threshold below the floor.
    """
    request = result.request
    goal = request.goal if threshold is None else None
    threshold = request.threshold if threshold is None else threshold
    pinned = request.pinned if pinned is None else pinned
    if threshold < request.floor:
        raise VisitorError(
            f"Pairs below {request.floor:g} were not stored.", "Run again with a lower threshold."
        )
    rows = result.dataset.rows
    node_of = np.full(rows, -1, dtype=np.int64)
    node_of[result.nodes.rows] = result.nodes.group_of
    pins = {row for row in pinned if row < rows}
    pinned_nodes = sorted({int(node_of[row]) for row in pins if node_of[row] >= 0})
    if goal is None:
        clustering = clusters.cluster(result.edges, result.ranks, threshold, request.method, pinned_nodes)
    else:
        clustering, threshold = _to_goal(result, goal)
    strong = at_least(result.edges, threshold)
    heads, sizes = result.nodes.first, result.nodes.sizes
    removed = []
    for node in np.flatnonzero(clustering.removed | (sizes > 1)).tolist():
        head, keeper = int(heads[node]), int(heads[clustering.keeper[node]])
        words = bool(result.words[node] == result.words[clustering.keeper[node]])
        jaccard = float(clustering.jaccard[node])
        for row in result.nodes[node].tolist():
            if row in pins:
                continue
            if clustering.removed[node]:
                removed.append(Removed(row, keeper, jaccard, False, words))
            elif row != head:
                removed.append(Removed(row, head, 1.0, True))
    removed.sort(key=lambda item: item.row)
    removed = _fill_chained(result, removed)
    stays = np.ones(rows, dtype=bool)
    stays[[item.row for item in removed]] = False
    kept = np.flatnonzero(stays).tolist()
    labels = {clustering.label[node_of[item.row]] for item in removed}
    chains, apart = _chains(result, clustering, threshold)
    method = request.method if goal is None else "goal"
    return Outcome(kept, removed, len(labels), len(strong), chains, threshold, method, apart)


def at_least(edges: Pairs, threshold: float) -> Pairs:
    """The edges at or above a threshold."""
    strong = edges.jaccard >= threshold
    return Pairs(edges.first[strong], edges.second[strong], edges.jaccard[strong])


MAX_CHAINS = 1_000
"""Clusters in which two texts that are no pair are looked for and compared."""

ENDS = 8
"""Such pairs of a cluster."""


def _chains(
    result: Result, clustering: clusters.Clustering, threshold: float
) -> tuple[int, list[tuple[int, int, float]]]:
    """How many clusters hold two texts that were compared and are less similar than the threshold; and pairs
    that were compared to tell, where the bands had not brought them together.
    """
    if not len(result.ranks):
        return 0, []
    label, edges = clustering.label, result.edges
    labels = clusters.chained(at_least(edges, threshold), clustering, threshold)
    if result.sampled.complete:  # every pair was compared
        return len(labels), []
    weak = (edges.jaccard < threshold) & (label[edges.first] == label[edges.second])
    certain = np.intersect1d(labels, label[edges.first[weak]])
    open_ends = [
        pair
        for own in np.setdiff1d(labels, certain)[:MAX_CHAINS].tolist()
        for pair in _ends(np.flatnonzero(label == own).tolist(), edges, threshold)
    ]
    if not open_ends:
        return len(certain), []
    pairs = np.array(open_ends, dtype=np.int64)
    involved, places = np.unique(pairs, return_inverse=True)
    request, rows = result.request, result.nodes.first[involved]
    own = joined(shingle_rows(result.compared.texts, request.ngram, request.unit, rows))
    similar = jaccard_of_pairs(own, places.reshape(pairs.shape))
    found = np.unique(label[pairs[similar < threshold, 0]])
    below = similar < threshold
    apart = [
        (first, second, jaccard)
        for (first, second), jaccard in zip(pairs[below].tolist(), similar[below].tolist(), strict=True)
    ]
    return len(certain) + len(found), apart


def _ends(nodes: list[int], edges: Pairs, threshold: float) -> list[tuple[int, int]]:
    """Pairs of a cluster's texts that are like a common neighbour and no verified pair themselves."""
    inside = np.isin(edges.first, nodes) & (edges.jaccard >= threshold)
    near: dict[int, set[int]] = {}
    for one, other in zip(edges.first[inside].tolist(), edges.second[inside].tolist(), strict=True):
        near.setdefault(one, set()).add(other)
        near.setdefault(other, set()).add(one)
    found: list[tuple[int, int]] = []
    for own in near.values():
        for place, one in enumerate(ordered := sorted(own)[: 4 * ENDS]):
            for other in ordered[place + 1 :]:
                if other not in near[one] and (one, other) not in found:
                    found.append((one, other))
                    if len(found) == ENDS:
                        return found
    return found


def _to_goal(result: Result, goal: int) -> tuple[clusters.Clustering, float]:
    rows, distinct = result.dataset.rows, len(result.nodes)
    others = rows - len(result.nodes.rows)  # rows without text
    if goal > others + distinct:
        raise VisitorError(
            f"Only {others + distinct:,} of the {rows:,} rows differ, so {goal:,} cannot be kept.",
            f"Ask for {others + distinct:,} rows or fewer.",
        )
    joined = clusters.exactly(result.edges, result.ranks, goal - others)
    if joined is None:
        fewest = others + distinct - _joinable(result)
        raise VisitorError(
            f"{goal:,} rows would need pairs less similar than {result.request.floor:g}; {fewest:,} is the "
            "fewest.",
            "Ask for more rows, or lower the threshold.",
        )
    return joined


def _joinable(result: Result) -> int:
    label = clusters.cluster(result.edges, result.ranks, result.request.floor, "components").label
    return len(result.nodes) - len(np.unique(label))


def _fill_chained(result: Result, removed: list[Removed]) -> list[Removed]:
    """The exact similarity of rows that were joined to their keeper through others."""
    open_ends = [place for place, item in enumerate(removed) if item.jaccard != item.jaccard]
    if not open_ends:
        return removed
    pairs = np.array([[removed[place].row, removed[place].keeper] for place in open_ends])
    involved, places = np.unique(pairs, return_inverse=True)
    filled = list(removed)
    own, other = places.reshape(pairs.shape).T
    if result.request.by_vectors:
        from dedup import semantic

        model = result.request.embedding or semantic.default_model()
        vectors = semantic.embed([parted(result.compared.texts[row])[1] for row in involved], model)
        similar = (vectors[own] * vectors[other]).sum(axis=1)
    else:
        texts = to_arrow([result.compared.texts[row] for row in involved])
        rows = shingle(texts, result.request.ngram, result.request.unit)
        similar = jaccard_of_pairs(rows, places.reshape(pairs.shape))
    for place, jaccard in zip(open_ends, similar.tolist(), strict=True):
        filled[place] = replace(removed[place], jaccard=jaccard)
    return filled
