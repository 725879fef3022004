"""How many pairs the bands missed, from a sample of rows that was compared with all others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dedup import clusters
from dedup.arrays import Bool, Float64, Int64
from dedup.minhash import Plan
from dedup.signing import Signatures
from dedup.verify import Pairs, recall_interval

RECALL_SAMPLE = 1_500
"""Rows that are compared with all others to measure recall; a dataset of fewer rows is measured whole."""

MAX_SAMPLE_PAIRS = 200_000
"""Similar pairs expected of the recall sample; where nearly all rows are alike, fewer rows are sampled."""


@dataclass(frozen=True)
class Recall:
    """What brute force on a sample says of the bands at a threshold.

    Args:
        rows: sampled rows, each compared with every other row.
        true_pairs: pairs of a sampled row at or above the threshold.
        found: those of them that the bands found.
        value: estimated share of all pairs that the bands found; None where there is no pair at all.
        interval: its 95 % interval; the value itself where every row was sampled.
        complete: whether every row was sampled.
    """

    rows: int
    true_pairs: int
    found: int
    value: float | None
    interval: tuple[float, float]
    complete: bool


@dataclass(frozen=True)
class Sampled:
    """The sample's pairs, from which the recall follows at every threshold from the floor on.

    Args:
        nodes: the sample's different texts.
        count: different texts in all.
        pairs: pairs of a sampled text and any other, similarity at least the floor, by brute force.
        known: which of them the bands found.
        by_bands: which of the run's edges the bands found; the others are the sample's own.
        hits: similarities of those edges, ascending.
    """

    nodes: Int64
    count: int
    pairs: Pairs
    known: Bool
    by_bands: Bool
    hits: Float64

    @property
    def complete(self) -> bool:
        """Whether every text was compared with every other."""
        return len(self.nodes) >= self.count

    def at(self, threshold: float) -> Recall:
        """The recall of pairs at or above a threshold."""
        strong = self.pairs.jaccard >= threshold
        known = self.known[strong]
        rows, total, found = len(self.nodes), int(strong.sum()), int(known.sum())
        hits = len(self.hits) - int(np.searchsorted(self.hits, threshold))
        if not total and not hits:
            return Recall(rows, 0, 0, None, (0.0, 1.0), self.complete)
        if self.complete:
            share = found / total if total else 1.0
            return Recall(rows, total, found, share, (share, share), True)
        lost = np.stack([self.pairs.first[strong][~known], self.pairs.second[strong][~known]])
        involved, place = np.unique(lost, return_inverse=True)
        first, second = place.reshape(lost.shape)
        missing = Pairs(first, second, np.ones(len(first)))
        label = clusters.cluster(missing, np.arange(len(involved)), 0.0, "components").label
        missed = np.bincount(label[first], minlength=1)
        value, low, high = recall_interval(hits, missed, 1 - (1 - rows / self.count) ** 2)
        return Recall(rows, total, found, value, (low, high), False)

    def curve(self, floor: float) -> list[tuple[float, float | None, float, float, int, int]]:
        """Threshold, recall, both ends of its interval, true pairs and found ones, from `floor` to 1 in steps
        of .01.
        """
        points = []
        for step in range(round(100 * floor), 101):
            own = self.at(step / 100)
            low, high = (round(float(end), 6) for end in own.interval)
            value = None if own.value is None else round(own.value, 6)
            points.append((step / 100, value, low, high, own.true_pairs, own.found))
        return points

    def of_removed(
        self, edges: Pairs, ranks: Int64, sizes: Int64, threshold: float, method: str
    ) -> tuple[float, float, float] | None:
        """Recall of removed rows and its 95 % interval: of the rows that would go if every pair were
        compared, the share that goes by the bands alone; None where none would.

        A row that the bands let stay is missed where a row that stays as well, and comes before it, is as
        similar as the threshold. The sample shows the share of missed texts (Clopper and Pearson 1934).

        Args:
            edges: of the run; `by_bands` tells them apart.
            ranks: priority of each node.
            sizes: rows of each node.
        """
        from scipy.stats import beta

        own = self.by_bands
        found = Pairs(edges.first[own], edges.second[own], edges.jaccard[own])
        result = clusters.cluster(found, ranks, threshold, method)
        if self.complete:  # the edges are all there are
            exact = clusters.cluster(edges, ranks, threshold, method).removed
            share = float(sizes[exact & result.removed].sum() / max(1, sizes[exact].sum()))
            return (share, share, share) if exact.any() else None
        strong = (self.pairs.jaccard >= threshold) & ~self.known
        first, second = self.pairs.first[strong], self.pairs.second[strong]
        ends, others = np.concatenate([first, second]), np.concatenate([second, first])
        keeper = result.keeper
        if method == "leader":
            lost = ~result.removed[ends] & ~result.removed[others] & (ranks[others] < ranks[ends])
        else:
            lost = ~result.removed[ends] & (ranks[keeper[others]] < ranks[ends])
        missed = np.intersect1d(ends[lost], self.nodes)
        gone = float(sizes[result.removed].sum())
        if not gone and not len(missed):
            return None
        count, sample = len(missed), len(self.nodes)
        mean = float(sizes[missed].mean()) if count else 1.0

        def recall(share: float) -> float:
            return gone / (gone + share * self.count * mean) if gone else 0.0

        value = recall(count / max(1, sample))
        low = beta.ppf(0.025, count, sample - count + 1) if count else 0.0
        high = beta.ppf(0.975, count + 1, sample - count) if count < sample else 1.0
        return value, recall(float(high)), recall(float(low))


def without(sampled: Sampled, edges: Pairs, gone: Bool) -> tuple[Sampled, Pairs]:
    """The sample's pairs and the edges without some of the edges.

    Args:
        gone: of each edge.
    """
    count = max(1, sampled.count)
    spared = edges.first[gone] * count + edges.second[gone]
    stays = ~np.isin(sampled.pairs.first * count + sampled.pairs.second, spared)
    own = sampled.pairs
    left = Pairs(edges.first[~gone], edges.second[~gone], edges.jaccard[~gone])
    by_bands = sampled.by_bands[~gone]
    return Sampled(
        sampled.nodes,
        sampled.count,
        Pairs(own.first[stays], own.second[stays], own.jaccard[stays]),
        sampled.known[stays],
        by_bands,
        np.sort(left.jaccard[by_bands]),
    ), left


def every_pair(edges: Pairs, count: int) -> Sampled:
    """Of a run that compared every pair."""
    all_of_them = np.ones(len(edges), dtype=bool)
    return Sampled(np.arange(count), count, edges, all_of_them, all_of_them, np.sort(edges.jaccard))


def sample_size(plan: Plan, rows: int) -> int:
    """How many rows to compare with all others."""
    expected = max(plan.alike * rows, 1e-9)
    return int(min(RECALL_SAMPLE, max(20, MAX_SAMPLE_PAIRS / expected)))


def measure(signatures: Signatures, node_of: Int64, edges: Pairs) -> tuple[Sampled, Pairs]:
    """The sample's pairs; and the edges with those that only the sample's brute force found.

    Args:
        node_of: the node of each row, -1 for none.
        edges: verified pairs of nodes that the bands found.
    """
    count = int(node_of.max()) + 1 if len(node_of) else 0
    own, other = node_of[signatures.sample][signatures.true.first], node_of[signatures.true.second]
    first, second = np.minimum(own, other), np.maximum(own, other)
    real = (own >= 0) & (other >= 0) & (first < second)
    sampled = np.unique(node_of[signatures.sample])
    pairs = Pairs(first[real], second[real], signatures.true.jaccard[real])
    return with_sample(sampled[sampled >= 0], count, pairs, edges)


def with_sample(nodes: Int64, count: int, pairs: Pairs, edges: Pairs) -> tuple[Sampled, Pairs]:
    """The sample's pairs; and the edges with those that only the sample's brute force found.

    Args:
        nodes: of the sample.
        count: nodes in all.
        pairs: of the sample's nodes and any other, by brute force, first < second; one may come twice.
        edges: verified pairs of nodes that the search found.
    """
    codes, unique = np.unique(pairs.first * max(1, count) + pairs.second, return_index=True)
    jaccard = pairs.jaccard[unique]
    known = np.isin(codes, edges.first * max(1, count) + edges.second)
    true = Pairs(codes // max(1, count), codes % max(1, count), jaccard)
    extra = ~known
    both = Pairs(
        np.concatenate([edges.first, true.first[extra]]),
        np.concatenate([edges.second, true.second[extra]]),
        np.concatenate([edges.jaccard, jaccard[extra]]),
    )
    order = np.lexsort((both.second, both.first))
    by_bands = (np.arange(len(both)) < len(edges))[order]
    found = Sampled(nodes, count, true, known, by_bands, np.sort(edges.jaccard))
    return found, Pairs(both.first[order], both.second[order], both.jaccard[order])
