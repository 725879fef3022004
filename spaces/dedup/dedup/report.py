"""What a run tells: the figure's data, the API's report, and a run that is under way."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections import Counter
from dataclasses import asdict
from typing import cast

import numpy as np

from dedup import clusters, data, judging
from dedup.cautions import warnings
from dedup.engine import Progress, Result, texts_of_pairs
from dedup.kinds import KINDS, kinds_of
from dedup.labels import parsed
from dedup.outcome import Outcome
from dedup.reading import READER
from dedup.request import Request, SplitsRequest
from dedup.shingles import clean, parted, shingle, to_arrow
from dedup.verify import Pairs, jaccard_of_pairs

MAX_NODES = 4_000
MAX_EDGES = 40_000
MAX_TEXT = 4_000
"""Characters of one text in a figure."""
MAX_TEXTS = 1_500_000
"""Characters of all texts in a figure."""
MAX_KIND_CHARACTERS = 1_000_000
"""Of the pairs of which it is told in what they differ, the most similar first."""


def report(result: Result, outcome: Outcome) -> data.Report:
    """The API's answer: the summary and every removed row."""
    kinds = removed_kinds(result, outcome)
    removed: list[data.RemovedRow] = [
        {
            "row": item.row,
            "keeper": item.keeper,
            "jaccard": round(item.jaccard, 6),
            "copy": item.copy,
            "same_words": item.same_words,
            "kind": kinds.get(item.row),
        }
        for item in outcome.removed
    ]
    parts = result.dataset.parts
    for item in removed if parts else ():
        for key in ("row", "keeper"):
            part, own = result.dataset.place(item[key])  # type: ignore[literal-required]
            item[f"{key}_in"] = (parts[part].name, own)  # type: ignore[literal-required]
    return {
        **summary(result, outcome, kinds),
        "removed_rows": removed,
        "request": settings(result.request),
        "plan": _plan(result),
    }


def to_json(result: Result, outcome: Outcome) -> data.Deduplication:
    """The figure's data: the clusters, as much of them as a page can hold."""
    request = result.request
    places, edges, complete = _largest(result)
    index = {node: place for place, node in enumerate(places)}
    nodes: list[data.Node] = [
        {
            "rows": result.nodes[node].tolist(),
            "rank": int(result.ranks[node]),
            "words": int(result.words[node]),
        }
        for node in places
    ]
    pairs = zip(edges.first.tolist(), edges.second.tolist(), edges.jaccard.tolist(), strict=True)
    links = [(index[first], index[second], round(jaccard, 6)) for first, second, jaccard in pairs]
    apart = [
        (index[first], index[second], round(jaccard, 6))
        for first, second, jaccard in outcome.apart
        if first in index and second in index
    ]
    share = max(200, min(MAX_TEXT, MAX_TEXTS // max(1, len(nodes))))
    texts = {
        str(row): clean(parted(result.compared.texts[row])[1]) for row in (node["rows"][0] for node in nodes)
    }
    curve = clusters.curve(
        result.edges, result.ranks, result.dataset.rows, result.copies, request.floor, request.method
    )
    order = np.argsort(-edges.jaccard, kind="stable")
    ordered = Pairs(edges.first[order], edges.second[order], edges.jaccard[order])
    of_edges = np.full(len(edges), -1, dtype=np.int64)
    of_edges[order] = kinds_of(
        texts_of_pairs(result.compared.texts, result.nodes.first, ordered), MAX_KIND_CHARACTERS
    )
    figure: data.Deduplication = {
        "kind": "dedup",
        "run_id": run_id(result),
        "drawable": True,
        "title": f"{result.dataset.name} · {', '.join(result.compared.columns)}",
        "done": True,
        "request": settings(request),
        **summary(result, outcome),
        "plan": _plan(result),
        "curve": curve,
        "recall_curve": result.sampled.curve(request.floor),
        "graph": {"nodes": nodes, "edges": links, "complete": complete, "apart": apart},
        "kinds": {"names": list(KINDS), "of_edges": of_edges.tolist()},
        "texts": {
            row: text if len(text) <= share else f"{text[: share - 1]}…" for row, text in texts.items()
        },
    }
    if result.vectors is not None:
        figure["vectors"] = judging.figure_of(result, result.vectors)
    if result.compared.answers is not None:
        figure["answers"] = _answers(result.compared.answers, outcome, request.ngram)
    return figure


def waiting(progress: Progress, request: Request, title: str) -> data.Waiting:
    """A run that has no result yet, for the figure."""
    return {
        "kind": "dedup",
        "run_id": "running",
        "drawable": False,
        "title": title,
        "done": False,
        "request": settings(request),
        "progress": cast(data.RunProgress, asdict(progress)),
    }


def splits_waiting(progress: Progress, request: SplitsRequest, title: str) -> data.ContaminationWaiting:
    """A comparison of splits that has no result yet, for the figure."""
    return {
        "kind": "contamination",
        "drawable": False,
        "title": title,
        "done": False,
        "request": cast(data.SplitsRequest, request.to_json()),
        "progress": cast(data.RunProgress, asdict(progress)),
    }


def settings(request: Request) -> data.Request:
    """The request as the API takes it."""
    return cast(data.Request, request.to_json())


def summary(result: Result, outcome: Outcome, kinds: dict[int, data.Kind] | None = None) -> data.Summary:
    """The numbers of a run.

    Args:
        kinds: what `removed_kinds` says, where it is known.
    """
    recall = result.sampled.at(outcome.threshold)
    counts = Counter((removed_kinds(result, outcome) if kinds is None else kinds).values())
    low, high = (round(float(end), 6) for end in recall.interval)
    removed = removed_recall(result, outcome)
    numbers: data.Summary = {
        "rows": result.dataset.rows,
        "kept": len(outcome.kept),
        "removed": len(outcome.removed),
        "clusters": outcome.clusters,
        "pairs": outcome.pairs,
        "exact_copies": result.copies,
        "same_words": sum(item.same_words for item in outcome.removed),
        "differences": {kind: counts[kind] for kind in KINDS if counts[kind]},
        "without_text": result.without_text,
        "precision": None if result.request.by_vectors else 1.0,
        "recall": None if recall.value is None else round(recall.value, 6),
        "recall_interval": None if recall.value is None else (low, high),
        "recall_sample": {
            "rows": recall.rows,
            "true_pairs": recall.true_pairs,
            "found": recall.found,
            "complete": recall.complete,
        },
        "removed_recall": None if removed is None else round(removed[0], 6),
        "removed_recall_interval": None if removed is None else (round(removed[1], 6), round(removed[2], 6)),
        "threshold": outcome.threshold,
        "seconds": {**result.seconds, "total": round(sum(result.seconds.values()), 4)},
        "warnings": warnings(result, outcome),
        "provenance": provenance(result),
    }
    if (said := judging.by_labels(result, parsed(result.request.labels))) is not None:
        numbers["by_labels"] = said
    return numbers


def removed_kinds(result: Result, outcome: Outcome) -> dict[int, data.Kind]:
    """By removed row in what it differs from the row that stays; of copies, and past
    `MAX_KIND_CHARACTERS`, nothing.
    """
    texts = result.compared.texts
    items = sorted((item for item in outcome.removed if not item.copy), key=lambda item: -item.jaccard)
    found = kinds_of(((texts[item.row], texts[item.keeper]) for item in items), MAX_KIND_CHARACTERS)
    return {
        item.row: cast(data.Kind, KINDS[kind]) for item, kind in zip(items, found, strict=True) if kind >= 0
    }


def removed_recall(result: Result, outcome: Outcome) -> tuple[float, float, float] | None:
    """Recall of removed rows at the outcome's threshold with its interval; None where that is not known."""
    if outcome.method == "goal" or result.request.by_vectors:
        return None
    sizes = result.nodes.sizes
    threshold, method = outcome.threshold, outcome.method
    return result.sampled.of_removed(result.edges, result.ranks, sizes, threshold, method)


def provenance(result: Result) -> data.Provenance:
    """Where the numbers come from."""
    common: data.Provenance = {
        "source": result.dataset.name,
        "rows": result.dataset.rows,
        "columns": list(result.compared.columns),
        "held": list(result.compared.held),
        "schema": result.compared.schema,
        "guessed": result.compared.guessed,
        "verification": "exact Jaccard of 64-bit shingle hashes",
    }
    if result.dataset.parts:
        common["files"] = [{"name": part.name, "rows": part.rows} for part in result.dataset.parts]
    if result.request.by_vectors:
        from dedup.semantic import EXACT_ROWS, default_model

        exact = len(result.nodes) <= EXACT_ROWS
        common["model2vec"] = importlib.metadata.version("model2vec")
        common["embedding"] = result.request.embedding or default_model()
        common["verification"] = (
            f"cosine of static vectors, {'every pair' if exact else 'pairs of shared cells'}"
        )
        if result.request.measure == "meaning":
            common["verification"] += ", read by a language model"
            common["reader"] = READER
        return common
    return {
        **common,
        "num_perm": result.plan.num_perm,
        "num_bands": result.plan.num_bands,
        "seed": result.request.seed,
    }


def run_id(result: Result) -> str:
    """The same rows and settings, the same name."""
    facts = [
        result.dataset.name,
        result.dataset.rows,
        result.request.to_json(),
        len(result.edges),
        sum(result.edges.jaccard.tolist()),
    ]
    return digest_of(facts)


def digest_of(facts: list[object]) -> str:
    """A short name for some facts."""
    return hashlib.blake2b(json.dumps(facts).encode(), digest_size=8).hexdigest()


def _plan(result: Result) -> data.RunPlan | None:
    if result.request.by_vectors:
        return None
    return {**result.plan.to_json(), "candidates_found": result.candidates}


def _largest(result: Result) -> tuple[list[int], Pairs, bool]:
    """The nodes and edges to send: all that lie in a cluster, or those of the largest clusters that fit; and
    whether it is all.
    """
    edges = result.edges
    concerned = np.zeros(len(result.nodes), dtype=bool)
    concerned[edges.first] = concerned[edges.second] = True
    concerned |= result.nodes.sizes > 1
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
    pairs = Pairs(edges.first[keep], edges.second[keep], edges.jaccard[keep])
    return np.flatnonzero(concerned & chosen[label]).tolist(), pairs, False


def _answers(answers: list[str], outcome: Outcome, ngram: int) -> dict[str, tuple[int, float]]:
    """For rows that were removed because of their prompt: their keeper, and how similar its answer is."""
    removed = outcome.removed[:MAX_NODES]
    if not removed:
        return {}
    pairs = np.array([[item.row, item.keeper] for item in removed])
    involved, places = np.unique(pairs, return_inverse=True)
    rows = shingle(to_arrow([answers[row] for row in involved]), ngram, "word")
    similar = jaccard_of_pairs(rows, places.reshape(pairs.shape)).tolist()
    return {
        str(item.row): (item.keeper, round(jaccard, 6))
        for item, jaccard in zip(removed, similar, strict=True)
    }
