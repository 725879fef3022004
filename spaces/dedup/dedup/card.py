"""The dataset card of a pushed result."""

from __future__ import annotations

from dedup.engine import Result
from dedup.outcome import Outcome


def dataset_card(result: Result, decided: Outcome, file: str) -> str:
    """What a reader of the pushed dataset should know, as Markdown with the Hub's YAML head."""
    request, recall = result.request, result.recall
    source = request.dataset or result.dataset.name
    measured = (
        "unknown: no pair was found"
        if recall.value is None
        else (
            f"{recall.value:.4f} (95 % interval {recall.interval[0]:.4f} to {recall.interval[1]:.4f}, {recall.rows:,} rows compared with all others)"
        )
    )
    linked = f"source_datasets:\n  - {request.dataset}\n" if "/" in request.dataset else ""
    return f"""---
tags:
  - deduplicated
{linked}configs:
  - config_name: default
    data_files: "data/{file}"
---

# Deduplicated rows

{len(decided.kept):,} of {result.dataset.rows:,} rows of `{source}` are left; {len(decided.removed):,} were removed because their
text has a Jaccard similarity of at least {decided.threshold:g} with a row that stayed.

| | |
|---|---|
| compared | {", ".join(f"`{column}`" for column in result.compared.columns)} |
| shingles | {request.ngram} {request.unit}s |
| threshold | {decided.threshold:g} (exact Jaccard) |
| kept of a cluster | {request.keep} ({request.method}) |
| precision | 1: every pair was verified |
| recall | {measured} |
| MinHash | rensa, {result.plan.num_perm} permutations, {result.plan.num_bands} bands of {result.plan.rows_per_band}, seed {request.seed} |
"""
