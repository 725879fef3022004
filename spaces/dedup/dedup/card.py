"""The dataset card of a pushed result."""

from __future__ import annotations

from dedup.engine import Result
from dedup.outcome import Outcome, provenance


def dataset_card(result: Result, decided: Outcome, file: str) -> str:
    """What a reader of the pushed dataset should know, as Markdown with the Hub's YAML head."""
    request = result.request
    linked = f"source_datasets:\n  - {request.dataset}\n" if "/" in request.dataset else ""
    facts = [("compared", ", ".join(map(_code, result.compared.columns))), *_facts(result, decided)]
    table = "\n".join(f"| {name} | {value} |" for name, value in facts)
    return f"""---
tags:
  - deduplicated
{linked}configs:
  - config_name: default
    data_files: "data/{file}"
---

# Deduplicated rows

{len(decided.kept):,} of {result.dataset.rows:,} rows of {_code(request.dataset or result.dataset.name)} are left; {len(decided.removed):,} were removed because
{_reason(result, decided)}

| | |
|---|---|
{table}
"""


def _reason(result: Result, decided: Outcome) -> str:
    """Why rows went, and no more than was proven of them."""
    threshold = f"{decided.threshold:g}"
    if result.request.measure == "cosine":
        return (
            f"static vectors of their text have a cosine of at least {threshold} with those of another row, which tells the subject and not "
            "the meaning: opposite sentences can be that alike."
        )
    if decided.least >= decided.threshold:
        return f"their text has a Jaccard similarity of at least {threshold} with a row that stayed."
    return (
        f"pairs of texts with a Jaccard similarity of at least {threshold} lead from them to a row that stayed, some through other rows: "
        f"the least like its row that stayed has {decided.least:.2f}."
    )


def _facts(result: Result, decided: Outcome) -> list[tuple[str, str]]:
    """Settings and measurements, by name."""
    request, recall = result.request, result.recall
    method = f"goal: {request.goal:,} rows" if decided.method == "goal" else decided.method
    kept = ("kept of a cluster", f"{_code(request.keep)} ({method})")
    if request.measure == "cosine":
        model = _code(provenance(result)["embedding"])
        return [
            ("threshold", f"{decided.threshold:g} (cosine, every pair compared)"),
            ("vectors", f"model2vec, {model}"),
            kept,
        ]
    measured = (
        "unknown: no pair was found"
        if recall.value is None
        else f"{recall.value:.4f} (95 % interval {recall.interval[0]:.4f} to {recall.interval[1]:.4f}, {recall.rows:,} rows compared with all others)"
    )
    plan = result.plan
    return [
        ("shingles", f"{request.ngram} {request.unit}s"),
        ("threshold", f"{decided.threshold:g} (exact Jaccard)"),
        kept,
        ("precision of pairs", "1: every pair that joins two rows was verified"),
        ("recall of pairs", measured),
        (
            "MinHash",
            f"rensa, {plan.num_perm} permutations, {plan.num_bands} bands of {plan.rows_per_band}, seed {request.seed}",
        ),
    ]


def _code(text: str) -> str:
    """A name as Markdown code, in a cell of a table."""
    return f"`{' '.join(text.split()).replace('`', '’').replace('|', '¦')}`"
