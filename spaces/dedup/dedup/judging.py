"""What the figure and the report of a run by vectors have beside the pairs: a map, pairs to be judged, and
what the labels that a visitor gave them say.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dedup import data, labels
from dedup.arrays import Int64
from dedup.engine import Result, Vectors
from dedup.outcome import outcome
from dedup.shingles import clean, parted

MAX_SPOTS = 3_000
"""Texts on a map: those with a pair first, then a sample of the others."""

MAX_EXCERPT = 80
"""Characters of a text that a map shows."""

MAX_SHOWN = 1_500
"""Characters of a text that is to be judged."""


def figure_of(result: Result, vectors: Vectors) -> data.Vectors:
    """The map and the pairs to be judged."""
    figure: data.Vectors = {
        "drawn": drawn(result),
        "spots": _spots(result, vectors),
        "spread": round(vectors.spread, 4),
        "texts": len(result.nodes),
    }
    if vectors.judged is not None:
        judged = vectors.judged
        figure["reading"] = {"vetoed": judged.vetoed, "denied": judged.denied, "unread": judged.unread}
    return figure


def drawn(result: Result) -> list[data.Drawn]:
    """Pairs to be judged, one of each stratum of similarity, the most similar first."""
    edges, heads = result.edges, result.nodes.first
    if result.vectors is None or not len(edges):
        return []
    nodes = np.unique(np.concatenate([edges.first, edges.second]))
    names = {node: labels.key_of(_text(result, int(heads[node]))) for node in nodes.tolist()}
    numbers = np.zeros(len(heads), dtype=np.uint64)
    numbers[nodes] = [int(names[node], 16) for node in nodes.tolist()]
    codes = labels.codes(numbers[edges.first], numbers[edges.second])
    nats = result.vectors.judged.nats if result.vectors.judged else np.full(len(edges), np.nan)
    found: list[data.Drawn] = []
    for place, end in labels.draw(edges.jaccard, codes, result.request.seed):
        ends = [int(edges.first[place]), int(edges.second[place])]
        one, other = sorted(ends, key=lambda node: int(result.ranks[node]))
        texts = [_shown(_text(result, int(heads[node])), MAX_SHOWN) for node in (one, other)]
        found.append(
            {
                "name": "-".join(sorted((names[one], names[other]))),
                "rows": (int(heads[one]), int(heads[other])),
                "similarity": round(float(edges.jaccard[place]), 6),
                "end": round(end, 6),
                "nats": None if np.isnan(nats[place]) else round(float(nats[place]), 4),
                "texts": (texts[0], texts[1]),
            }
        )
    return found


def by_labels(result: Result, given: Mapping[str, bool]) -> data.ByLabels | None:
    """What labels say of the run's drawn pairs; None without one."""
    pairs = drawn(result)
    judged = [given.get(pair["name"]) for pair in pairs]
    if all(label is None for label in judged):
        return None
    best = labels.proposed(labels.points([pair["end"] for pair in pairs], judged))
    answer: data.ByLabels = {
        "labels": [
            {"name": pair["name"], "rows": pair["rows"], "similarity": pair["similarity"], "same": label}
            for pair, label in zip(pairs, judged, strict=True)
            if label is not None
        ],
        "drawn": len(pairs),
        "wanted": labels.WANTED,
        "threshold": None,
    }
    if best is not None:
        answer["threshold"] = best.threshold
        answer["same"], answer["of"] = best.same, best.n
        answer["interval"] = (round(best.low, 4), round(best.high, 4))
        answer["removed"] = len(outcome(result, max(best.threshold, result.request.floor)).removed)
    return answer


def _spots(result: Result, vectors: Vectors) -> list[data.Spot]:
    paired = np.unique(np.concatenate([result.edges.first, result.edges.second]))
    rng = np.random.default_rng(result.request.seed)
    alone = np.setdiff1d(np.arange(len(result.nodes)), paired)
    chosen: Int64 = np.concatenate(
        [paired[:MAX_SPOTS], rng.permutation(alone)[: max(0, MAX_SPOTS - len(paired))]]
    )
    heads = result.nodes.first
    return [
        (
            int(heads[node]),
            round(float(vectors.spots[node, 0]), 3),
            round(float(vectors.spots[node, 1]), 3),
            _shown(_text(result, int(heads[node])), MAX_EXCERPT),
        )
        for node in np.sort(chosen).tolist()
    ]


def _text(result: Result, row: int) -> str:
    return parted(result.compared.texts[row])[1]


def _shown(text: str, most: int) -> str:
    text = clean(text)
    return text if len(text) <= most else f"{text[: most - 1]}…"
