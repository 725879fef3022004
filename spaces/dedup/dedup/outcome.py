"""What a Result means at a threshold: kept rows, removed rows with their keepers, and the figure's data."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dedup import clusters
from dedup.engine import Progress, Result
from dedup.shingles import clean, sets, shingle, to_arrow
from dedup.verify import Pairs, jaccard_of_pairs
from shared.errors import VisitorError

Int64 = npt.NDArray[np.int64]

MAX_NODES = 4_000
MAX_EDGES = 40_000
MAX_TEXT = 4_000
"""Characters of one text in a figure."""
MAX_TEXTS = 1_500_000
"""Characters of all texts in a figure."""


@dataclass(frozen=True)
class Removed:
    """A removed row, the row that stays in its place, and how similar they are.

    Args:
        jaccard: exact similarity; for rows joined through others it may lie below the threshold.
        copy: whether the two have the same text.
    """

    row: int
    keeper: int
    jaccard: float
    copy: bool


@dataclass(frozen=True)
class Outcome:
    """The rows that stay and the rows that go.

    Args:
        kept: row numbers, ascending.
        removed: ascending by row.
        clusters: groups of two rows or more.
        pairs: verified pairs of different texts at or above the threshold.
        chains: groups in which some two texts are less similar than the threshold.
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
    to_goal = request.goal is not None and threshold is None
    threshold = request.threshold if threshold is None else threshold
    pinned = request.pinned if pinned is None else pinned
    if threshold < request.floor:
        raise VisitorError(
            f"Pairs below {request.floor:g} were not stored.", "Run again with a lower threshold."
        )
    rows = result.dataset.rows
    node_of = np.full(rows, -1, dtype=np.int64)
    for node, members in enumerate(result.nodes):
        node_of[members] = node
    pins = {row for row in pinned if row < rows}
    pinned_nodes = sorted({int(node_of[row]) for row in pins if node_of[row] >= 0})
    if to_goal:
        clustering, threshold = _to_goal(result, request.goal)
    else:
        clustering = clusters.cluster(result.edges, result.ranks, threshold, request.method, pinned_nodes)
    strong = at_least(result.edges, threshold)
    removed = []
    for node, members in enumerate(result.nodes):
        head = int(members[0])
        keeper = int(result.nodes[clustering.keeper[node]][0])
        jaccard = float(clustering.jaccard[node])
        for row in members.tolist():
            if row in pins:
                continue
            if clustering.removed[node]:
                removed.append(Removed(row, keeper, jaccard, False))
            elif row != head:
                removed.append(Removed(row, head, 1.0, True))
    removed.sort(key=lambda item: item.row)
    removed = _fill_chained(result, removed)
    gone = {item.row for item in removed}
    kept = [row for row in range(rows) if row not in gone]
    labels = {clustering.label[node_of[item.row]] for item in removed}
    chains = len(clusters.chained(strong, clustering, threshold)) if len(result.ranks) else 0
    return Outcome(
        kept, removed, len(labels), len(strong), chains, threshold, "goal" if to_goal else request.method
    )


def at_least(edges: Pairs, threshold: float) -> Pairs:
    """The edges at or above a threshold."""
    strong = edges.jaccard >= threshold
    return Pairs(edges.first[strong], edges.second[strong], edges.jaccard[strong])


def _to_goal(result: Result, goal: int | None) -> tuple[clusters.Clustering, float]:
    assert goal is not None
    rows, distinct = result.dataset.rows, len(result.nodes)
    others = rows - sum(map(len, result.nodes))  # rows without text
    if goal > others + distinct:
        raise VisitorError(
            f"Only {others + distinct:,} of the {rows:,} rows differ, so {goal:,} cannot be kept.",
            f"Ask for {others + distinct:,} rows or fewer.",
        )
    found = clusters.exactly(result.edges, result.ranks, goal - others)
    if found is None:
        fewest = others + distinct - _joinable(result)
        raise VisitorError(
            f"{goal:,} rows would need pairs less similar than {result.request.floor:g}; {fewest:,} is the fewest.",
            "Ask for more rows, or lower the threshold.",
        )
    return found


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
    if result.request.measure == "cosine":
        from dedup import semantic

        vectors = semantic.embed(
            [result.compared.texts[row] for row in involved],
            result.request.embedding or semantic.default_model(),
        )
        for place, (first, second) in zip(open_ends, places.reshape(pairs.shape), strict=True):
            filled[place] = replace(removed[place], jaccard=float(vectors[first] @ vectors[second]))
        return filled
    texts = to_arrow([result.compared.texts[row] for row in involved])
    matrix = sets([shingle(texts, result.request.ngram, result.request.unit)])
    for place, jaccard in zip(
        open_ends, jaccard_of_pairs(matrix, places.reshape(pairs.shape)).tolist(), strict=True
    ):
        filled[place] = replace(removed[place], jaccard=jaccard)
    return filled


def summary(result: Result, decided: Outcome) -> dict[str, Any]:
    """What the API returns beside the file."""
    recall = result.recall
    return {
        "rows": result.dataset.rows,
        "kept": len(decided.kept),
        "removed": len(decided.removed),
        "clusters": decided.clusters,
        "pairs": decided.pairs,
        "exact_copies": sum(map(len, result.nodes)) - len(result.nodes),
        "without_text": result.without_text,
        "precision": 1.0
        if result.request.measure == "jaccard"
        else None,  # of pairs: each that joins two rows was verified
        "recall": None if recall.value is None else round(recall.value, 6),
        "recall_interval": None
        if recall.value is None
        else [round(float(end), 6) for end in recall.interval],
        "recall_sample": {
            "rows": recall.rows,
            "true_pairs": recall.true_pairs,
            "found": recall.found,
            "complete": recall.complete,
        },
        "threshold": decided.threshold,
        "seconds": {**result.seconds, "total": round(sum(result.seconds.values()), 4)},
        "warnings": warnings(result, decided),
        "provenance": provenance(result),
    }


def provenance(result: Result) -> dict[str, Any]:
    """Where the numbers come from."""
    common = {
        "source": result.dataset.name,
        "rows": result.dataset.rows,
        "columns": list(result.compared.columns),
    }
    if result.request.measure == "cosine":
        from dedup.semantic import default_model

        return {
            **common,
            "model2vec": importlib.metadata.version("model2vec"),
            "embedding": result.request.embedding or default_model(),
            "verification": "cosine of static vectors, every pair",
        }
    return {
        **common,
        "rensa": importlib.metadata.version("rensa"),
        "num_perm": result.plan.num_perm,
        "num_bands": result.plan.num_bands,
        "seed": result.request.seed,
        "verification": "exact Jaccard of 64-bit shingle hashes",
    }


def warnings(result: Result, decided: Outcome) -> list[str]:
    """What a careful visitor should know."""
    said = []
    if result.request.measure == "cosine":
        said.append(
            "Cosine of static vectors is a hint, not a proof: it is blind to word order and to “not”. Look at the pairs before you remove any."
        )
    if result.dataset.cut != 0:
        count = "Rows" if result.dataset.cut is None else f"{result.dataset.cut:,} rows"
        said.append(
            f"{count} past the limit of {result.request.limit:,} were not read; they are not in the kept file."
        )
    if result.without_text:
        rows = "row has" if result.without_text == 1 else "rows have"
        said.append(f"{result.without_text:,} {rows} nothing to compare; all are kept.")
    if result.thinned:
        said.append(
            f"{result.thinned:,} buckets were too large to compare every pair; their rows were compared with the first and with near ones."
        )
    if decided.chains:
        groups = "cluster holds" if decided.chains == 1 else "clusters hold"
        said.append(
            f"{decided.chains:,} {groups} rows that are like a common neighbour but not like each other (A ~ B ~ C, A ≁ C)."
        )
    return said


def api_json(result: Result, decided: Outcome) -> dict[str, Any]:
    """The API's answer: the summary and every removed row."""
    removed = [
        {"row": item.row, "keeper": item.keeper, "jaccard": round(item.jaccard, 6), "copy": item.copy}
        for item in decided.removed
    ]
    return {
        **summary(result, decided),
        "removed_rows": removed,
        "request": result.request.to_json(),
        "plan": _plan(result),
    }


def _plan(result: Result) -> dict[str, Any] | None:
    if result.request.measure == "cosine":
        return None
    return {**result.plan.to_json(), "candidates_found": result.candidates}


def to_json(result: Result, decided: Outcome) -> dict[str, Any]:
    """The figure's data, see `data.Deduplication`: the clusters, as much of them as a page can hold."""
    kept_nodes, edges, complete = _shown(result)
    index = {node: place for place, node in enumerate(kept_nodes)}
    nodes = [{"rows": result.nodes[node].tolist(), "rank": int(result.ranks[node])} for node in kept_nodes]
    links = [
        [index[first], index[second], round(jaccard, 6)]
        for first, second, jaccard in zip(
            edges.first.tolist(), edges.second.tolist(), edges.jaccard.tolist(), strict=True
        )
    ]
    share = max(200, min(MAX_TEXT, MAX_TEXTS // max(1, len(nodes))))
    heads = [node["rows"][0] for node in nodes]
    copies = sum(map(len, result.nodes)) - len(result.nodes)
    data = {
        "kind": "dedup",
        "run_id": run_id(result),
        "drawable": True,
        "title": f"{result.dataset.name} · {', '.join(result.compared.columns)}",
        "done": True,
        "request": result.request.to_json(),
        **summary(result, decided),
        "plan": _plan(result),
        "curve": clusters.curve(
            result.edges,
            result.ranks,
            result.dataset.rows,
            copies,
            result.request.floor,
            result.request.method,
        ),
        "graph": {"nodes": nodes, "edges": links, "complete": complete},
        "texts": {str(row): _cut(clean(result.compared.texts[row]), share) for row in heads},
    }
    if result.compared.answers is not None:
        data["answers"] = _answers(result, decided)
    return data


def run_id(result: Result) -> str:
    """The same rows and settings, the same name."""
    said = json.dumps(
        [
            result.dataset.name,
            result.dataset.rows,
            result.request.to_json(),
            len(result.edges),
            sum(result.edges.jaccard.tolist()),
        ]
    )
    return hashlib.blake2b(said.encode(), digest_size=8).hexdigest()


def _cut(text: str, share: int) -> str:
    return text if len(text) <= share else text[: share - 1] + "…"


def _shown(result: Result) -> tuple[list[int], Pairs, bool]:
    """The nodes and edges to send: all that lie in a cluster, or those of the largest clusters that fit."""
    edges = result.edges
    concerned = np.zeros(len(result.nodes), dtype=bool)
    concerned[edges.first] = concerned[edges.second] = True
    concerned |= np.array([len(rows) > 1 for rows in result.nodes], dtype=bool)
    if concerned.sum() <= MAX_NODES and len(edges) <= MAX_EDGES:
        return np.flatnonzero(concerned).tolist(), edges, True
    label = clusters.cluster(edges, result.ranks, result.request.floor, "components").label
    node_count = np.bincount(label[concerned], minlength=label.max() + 1)
    edge_count = np.bincount(label[edges.first], minlength=label.max() + 1)
    chosen = np.zeros(label.max() + 1, dtype=bool)
    left_nodes, left_edges = MAX_NODES, MAX_EDGES
    for component in np.argsort(-node_count, kind="stable"):
        if not node_count[component]:
            break
        if node_count[component] <= left_nodes and edge_count[component] <= left_edges:
            chosen[component] = True
            left_nodes -= int(node_count[component])
            left_edges -= int(edge_count[component])
    keep = chosen[label[edges.first]]
    shown = Pairs(edges.first[keep], edges.second[keep], edges.jaccard[keep])
    return np.flatnonzero(concerned & chosen[label]).tolist(), shown, False


def _answers(result: Result, decided: Outcome) -> dict[str, list[Any]]:
    """For rows removed because of their prompt: how similar their answer is to the keeper's."""
    assert result.compared.answers is not None
    texts = result.compared.answers
    pairs = np.array(
        [[item.row, item.keeper] for item in decided.removed[:MAX_NODES]], dtype=np.int64
    ).reshape(-1, 2)
    if not len(pairs):
        return {}
    involved, places = np.unique(pairs, return_inverse=True)
    matrix = sets([shingle(to_arrow([texts[row] for row in involved]), result.request.ngram, "word")])
    similar = jaccard_of_pairs(matrix, places.reshape(pairs.shape)).tolist()
    return {
        str(row): [keeper, round(jaccard, 6)]
        for (row, keeper), jaccard in zip(pairs.tolist(), similar, strict=True)
    }


def progress_json(progress: Progress, result_request: dict[str, Any], title: str) -> dict[str, Any]:
    """A run that has no result yet, for the figure."""
    return {
        "kind": "dedup",
        "run_id": "running",
        "drawable": False,
        "title": title,
        "done": False,
        "request": result_request,
        "progress": {
            "stage": progress.stage,
            "label": progress.label,
            "value": progress.value,
            "max": progress.max,
            "counts": progress.counts,
        },
    }
