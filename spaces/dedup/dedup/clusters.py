"""From verified pairs to kept and removed rows, at any threshold.

Nodes are distinct texts; a node's rows are its copies. `js/cluster.js` has the same algorithm for the page.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dedup.arrays import Bool, Float64, Int64
from dedup.verify import Pairs

METHODS = ("leader", "components")


@dataclass(frozen=True)
class Clustering:
    """Which nodes go, and which stays in the place of each.

    Args:
        removed: bool per node.
        keeper: per node the node that stays for it, itself where it is kept.
        jaccard: similarity to the keeper; nan where the two were joined through others, 1 where the node is
            kept.
        label: connected component per node.
    """

    removed: Bool
    keeper: Int64
    jaccard: Float64
    label: Int64


def cluster(
    edges: Pairs, ranks: Int64, threshold: float, method: str, pinned: Iterable[int] = ()
) -> Clustering:
    """Decide which nodes are kept.

    leader: nodes are visited by rank; one that is at least `threshold` similar to a node already kept is
        removed.
    components: of each connected component of pairs at or above `threshold`, the node of lowest rank is kept.
    Pinned nodes come first and are always kept. A removed node's keeper is the kept neighbour of highest
    similarity, then of lowest rank.

    Args:
        edges: verified pairs of nodes.
        ranks: unique priority of each node; the smallest is kept first.
        threshold: Jaccard similarity.
        method: "leader" or "components".
        pinned: nodes.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    count = len(ranks)
    strong = edges.jaccard >= threshold
    first, second, similarity = edges.first[strong], edges.second[strong], edges.jaccard[strong]
    fixed = np.zeros(count, dtype=bool)
    fixed[list(pinned)] = True
    place = np.empty(count, dtype=np.int64)
    place[np.lexsort((ranks, ~fixed))] = np.arange(count)
    ones = np.ones(len(first), dtype=np.int8)
    _, label = connected_components(coo_matrix((ones, (first, second)), shape=(count, count)), directed=False)
    label = label.astype(np.int64)
    if method == "leader":
        removed = _leaders(first, second, place, fixed)
    else:
        lowest = np.full(label.max() + 1 if count else 0, count, dtype=np.int64)
        np.minimum.at(lowest, label, place)
        has_pin = np.zeros(len(lowest), dtype=bool)
        has_pin[label[fixed]] = True
        removed = ~fixed & np.where(has_pin[label], True, place != lowest[label])
    keeper = np.arange(count)
    jaccard = np.ones(count)
    lost, kept, near = (
        np.concatenate([first, second]),
        np.concatenate([second, first]),
        np.concatenate([similarity, similarity]),
    )
    direct = removed[lost] & ~removed[kept]
    lost, kept, near = lost[direct], kept[direct], near[direct]
    order = np.lexsort((-ranks[kept], near))  # the best comes last and stays
    keeper[lost[order]] = kept[order]
    jaccard[lost[order]] = near[order]
    apart = np.flatnonzero(removed & (keeper == np.arange(count)))
    if len(apart):  # joined through others: the kept node of lowest rank in the component
        holder = np.full(label.max() + 1, -1, dtype=np.int64)
        stays = np.flatnonzero(~removed)
        stays = stays[np.argsort(-ranks[stays], kind="stable")]
        holder[label[stays]] = stays
        keeper[apart] = holder[label[apart]]
        jaccard[apart] = np.nan
    return Clustering(removed, keeper, jaccard, label)


def _leaders(first: Int64, second: Int64, place: Int64, fixed: Bool) -> Bool:
    """Greedy in order of `place`, in rounds: a node without an undecided earlier neighbour is decided."""
    earlier = np.where(place[first] < place[second], first, second)
    later = np.where(place[first] < place[second], second, first)
    free = ~fixed[later]
    earlier, later = earlier[free], later[free]
    removed = np.zeros(len(place), dtype=bool)
    while len(later):
        blocked = np.zeros(len(place), dtype=bool)
        blocked[later] = True
        kept = ~blocked[earlier]  # its own fate is settled: no live edge leads to it, so it is kept
        removed[later[kept]] = True
        live = ~removed[later] & ~removed[earlier]
        earlier, later = earlier[live], later[live]
    return removed


def chained(edges: Pairs, clustering: Clustering, threshold: float) -> Int64:
    """Components (labels) in which some two nodes are not a verified pair at `threshold`: A ~ B ~ C but A ≁
    C.
    """
    strong = edges.jaccard >= threshold
    pairs = np.bincount(
        clustering.label[edges.first[strong]],
        minlength=int(clustering.label.max()) + 1 if len(clustering.label) else 0,
    )
    sizes = np.bincount(clustering.label)
    return np.flatnonzero((sizes > 2) & (pairs < sizes * (sizes - 1) // 2))


def curve(edges: Pairs, ranks: Int64, rows: int, copies: int, floor: float, method: str) -> list[Any]:
    """Threshold, kept rows and pairs, from `floor` to 1 in steps of .01, without pins.

    Args:
        rows: of the whole dataset.
        copies: rows that repeat a node's text.
    """
    result: list[Any] = []
    for step in range(round(100 * floor), 101):
        threshold = step / 100
        removed = cluster(edges, ranks, threshold, method).removed
        result.append(
            [threshold, rows - copies - int(removed.sum()), int((edges.jaccard >= threshold).sum())]
        )
    return result


def exactly(edges: Pairs, ranks: Int64, goal: int) -> tuple[Clustering, float] | None:
    """Join the most similar nodes first until exactly `goal` nodes are left.

    Args:
        goal: nodes to keep.

    Returns:
        The clustering and the similarity of the last pair that was joined; None where the pairs do not reach
        that far.
    """
    count = len(ranks)
    parent = np.arange(count)

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = int(parent[node])
        return node

    left, last = count, 1.0
    used = []
    for edge in np.lexsort((ranks[edges.second], ranks[edges.first], -edges.jaccard)):
        if left <= goal:
            break
        one, other = root(int(edges.first[edge])), root(int(edges.second[edge]))
        if one == other:
            continue
        parent[other if ranks[one] < ranks[other] else one] = one if ranks[one] < ranks[other] else other
        left -= 1
        last = float(edges.jaccard[edge])
        used.append(edge)
    if left != goal:
        return None
    tree = np.array(used, dtype=np.int64)
    joined = Pairs(edges.first[tree], edges.second[tree], edges.jaccard[tree])
    return cluster(joined, ranks, 0.0, "components"), last
