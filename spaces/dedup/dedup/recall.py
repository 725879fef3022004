"""How many pairs the bands missed, from a sample of rows that was compared with all others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dedup import clusters
from dedup.arrays import Bool, Int64
from dedup.minhash import Plan
from dedup.signing import Signatures
from dedup.verify import Pairs, recall_interval

RECALL_SAMPLE = 1_500
"""Rows that are compared with all others to measure recall; a dataset of fewer rows is measured whole."""

MAX_SAMPLE_PAIRS = 200_000
"""Similar pairs expected of the recall sample; where nearly all rows are alike, fewer rows are sampled."""


@dataclass(frozen=True)
class Recall:
    """What brute force on a sample says of the bands.

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


def sample_size(plan: Plan, rows: int) -> int:
    """How many rows to compare with all others."""
    expected = max(plan.alike * rows, 1e-9)
    return int(min(RECALL_SAMPLE, max(20, MAX_SAMPLE_PAIRS / expected)))


def measure(signatures: Signatures, node_of: Int64, edges: Pairs, threshold: float) -> tuple[Recall, Pairs]:
    """The bands' recall on the sample; and the edges with those that only the sample's brute force found.

    Args:
        node_of: the node of each row, -1 for none.
        edges: verified pairs of nodes that the bands found.
    """
    count = int(node_of.max()) + 1 if len(node_of) else 0
    own, other = node_of[signatures.sample][signatures.true.first], node_of[signatures.true.second]
    first, second = np.minimum(own, other), np.maximum(own, other)
    codes = first * max(1, count) + second
    real = (own >= 0) & (other >= 0) & (first < second)
    codes, unique = np.unique(codes[real], return_index=True)
    jaccard = signatures.true.jaccard[real][unique]
    known = np.isin(codes, edges.first * max(1, count) + edges.second)
    strong = jaccard >= threshold
    sampled = node_of[signatures.sample]
    rows = len(np.unique(sampled[sampled >= 0]))
    hits = int((edges.jaccard >= threshold).sum())
    recall = _recall(rows, codes[strong], known[strong], count, hits)
    extra = ~known
    joined = Pairs(
        np.concatenate([edges.first, codes[extra] // max(1, count)]),
        np.concatenate([edges.second, codes[extra] % max(1, count)]),
        np.concatenate([edges.jaccard, jaccard[extra]]),
    )
    order = np.lexsort((joined.second, joined.first))
    return recall, Pairs(joined.first[order], joined.second[order], joined.jaccard[order])


def _recall(sampled: int, codes: Int64, known: Bool, count: int, hits: int) -> Recall:
    """Recall from the sample's pairs at or above the threshold.

    Args:
        sampled: different texts in the sample.
        codes: the sample's pairs, as first node × count + second.
        known: which of them the bands found.
        count: different texts in all.
        hits: pairs that the bands found in the whole dataset.
    """
    complete = sampled >= count
    total, found = len(codes), int(known.sum())
    if not total and not hits:
        return Recall(sampled, 0, 0, None, (0.0, 1.0), complete)
    if complete:
        share = found / total if total else 1.0
        return Recall(sampled, total, found, share, (share, share), True)
    first, second = codes[~known] // max(1, count), codes[~known] % max(1, count)
    lost = Pairs(first, second, np.ones(len(first)))
    label = clusters.cluster(lost, np.arange(count), 0.0, "components").label
    missed = np.bincount(label[first], minlength=1)
    value, low, high = recall_interval(hits, missed, 1 - (1 - sampled / count) ** 2)
    return Recall(sampled, total, found, value, (low, high), False)
