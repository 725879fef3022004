"""The public benchmarks of near-duplicate search, CORE and NEWS-COPY, where the Hub can be reached: `make
bench SPACE=public_dedup`.

The scores are those that text-dedup publishes, defined as it defines them; its figures stand beside ours
(https://github.com/ChenghaoMou/text-dedup, README). NEWS-COPY's re-ranked figure is of Silcock et al. (ICLR
2023).
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import numpy as np

from tests.bench.common import Row
from tests.dedup.corpus import rows_of

CORE = "pinecone/core-2020-05-10-deduplication"
NEWS = "chenghao/NEWS-COPY-eval"
PUBLISHED = {
    "precision": "text-dedup MinHash .959",
    "recall": "text-dedup MinHash .942",
    "macro F1": "text-dedup MinHash .952",
    "accuracy": "text-dedup MinHash .928",
    "ARI": "text-dedup MinHash .729, re-ranked .937",
}
"""The figures to compare with; text-dedup needs 11.1 s for CORE."""


def clusters_of(texts: list[str], threshold: float, ngram: int, unit: str) -> tuple[list[int], float]:
    """Each row's cluster, and the seconds of the run."""
    from dedup.clusters import cluster
    from dedup.engine import Result, deduplicate
    from dedup.request import Request

    data = rows_of([{"text": text} for text in texts], "rows")
    began = time.perf_counter()
    *_, result = deduplicate(
        data, Request.parse(threshold=threshold, ngram=ngram, unit=unit, method="components")
    )
    assert isinstance(result, Result)
    label = cluster(result.edges, result.ranks, threshold, "components").label
    seconds = time.perf_counter() - began
    found = list(range(-1, -len(texts) - 1, -1))  # rows without text stand alone
    for node, rows in enumerate(result.nodes):
        for row in rows.tolist():
            found[row] = int(label[node])
    return found, seconds


def core_scores(duplicates: list[set[int]], found: list[int]) -> dict[str, float]:
    """Precision and recall of documents with duplicates, macro F1 and accuracy, one verdict a document.

    A document with labelled duplicates is right when all of them are in its cluster, one without when it
    stands alone.

    Args:
        duplicates: for each row, the rows labelled as its duplicates.
        found: each row's cluster.
    """
    members: dict[int, set[int]] = {}
    for row, cluster in enumerate(found):
        members.setdefault(cluster, set()).add(row)
    verdicts: Counter[str] = Counter()
    for row, wanted in enumerate(duplicates):
        others = members[found[row]] - {row}
        if not others:
            verdicts["FN" if wanted else "TN"] += 1
        else:
            verdicts["TP" if wanted and wanted <= others else "FP"] += 1

    def f1(right: int, wrong: int, missed: int) -> tuple[float, float, float]:
        precision, recall = right / max(1, right + wrong), right / max(1, right + missed)
        return precision, recall, 2 * precision * recall / max(1e-12, precision + recall)

    precision, recall, own = f1(verdicts["TP"], verdicts["FP"], verdicts["FN"])
    *_, other = f1(verdicts["TN"], verdicts["FN"], verdicts["FP"])
    accuracy = (verdicts["TP"] + verdicts["TN"]) / max(1, len(found))
    return {"precision": precision, "recall": recall, "macro F1": (own + other) / 2, "accuracy": accuracy}


def adjusted_rand_index(truth: list[Any], found: list[Any]) -> float:
    """Agreement of two partitions, 1 for the same and 0 for chance (Hubert and Arabie 1985)."""

    def pairs(counts: Any) -> float:
        values = np.array(list(counts), dtype=float)
        return float((values * (values - 1) / 2).sum())

    both = pairs(Counter(zip(truth, found, strict=True)).values())
    rows, columns = pairs(Counter(truth).values()), pairs(Counter(found).values())
    chance = rows * columns / max(1.0, pairs([len(truth)]))
    most = (rows + columns) / 2
    return 1.0 if most == chance else (both - chance) / (most - chance)


def core() -> list[Row]:
    """100,000 scholarly documents, by title and abstract."""
    from datasets import load_dataset

    rows = load_dataset(CORE, split="train")
    number = {int(name): row for row, name in enumerate(rows["core_id"])}
    duplicates = [
        {number[int(name)] for name in names if int(name) in number} for names in rows["labelled_duplicates"]
    ]
    texts = [
        f"{title} {text}"
        for title, text in zip(rows["processed_title"], rows["processed_abstract"], strict=True)
    ]
    found, seconds = clusters_of(texts, 0.5, 5, "character")
    scores = core_scores(duplicates, found)
    return [
        Row(
            f"CORE {name}",
            value,
            PUBLISHED[name],
            True,
            unit="",
            detail=f"{len(texts):,} documents, {seconds:.1f} s",
        )
        for name, value in scores.items()
    ]


def news() -> list[Row]:
    """Digitised newspaper articles with errors of character recognition."""
    from datasets import load_dataset

    rows = load_dataset(NEWS, split="test")
    found, seconds = clusters_of(list(rows["article"]), 0.4, 5, "character")
    value = adjusted_rand_index(list(rows["cluster"]), found)
    return [
        Row(
            "NEWS-COPY ARI",
            value,
            PUBLISHED["ARI"],
            True,
            unit="",
            detail=f"{len(found):,} articles, {seconds:.1f} s",
        )
    ]


def rows() -> list[Row]:
    """Both benchmarks.

    Raises:
        SystemExit: the Hub cannot be reached.
    """
    from shared import hub

    if not hub.reachable():
        raise SystemExit("CORE and NEWS-COPY come from the Hub, which cannot be reached from here.")
    return [*core(), *news()]
