"""The dataset card of a pushed result."""

from __future__ import annotations

from dedup.contamination import Contamination, Split
from dedup.engine import Result
from dedup.judging import by_labels
from dedup.labels import parsed
from dedup.outcome import Outcome
from dedup.report import provenance, removed_recall
from dedup.units import unit_name
from shared.card import Markdown, card, code, dataset_head, table


def dataset_card(result: Result, outcome: Outcome, files: list[str]) -> str:
    """What a reader of the pushed dataset should know, as Markdown with the Hub's YAML head.

    Args:
        files: of rows, as they lie in the repository.
    """
    request = result.request
    rows = files[0] if len(files) == 1 else files
    head = dataset_head(tags=["deduplicated"], sources=[request.dataset], data_files=rows)
    columns = Markdown(", ".join(map(code, result.compared.columns)))
    names = [request.dataset] if request.dataset else [part.name for part in result.dataset.files]
    source = Markdown(", ".join(map(code, names)))
    counts = f"{len(outcome.kept):,} of {result.dataset.rows:,} rows of {source} are left; "
    counts += f"{len(outcome.removed):,} were removed because {_reason(result, outcome)}"
    facts = table(["", ""], [("compared", columns), *_facts(result, outcome)])
    return card(head, "# Deduplicated rows", counts, facts)


def _reason(result: Result, outcome: Outcome) -> str:
    """Why rows went, and no more than was proven of them."""
    threshold = f"{outcome.threshold:g}"
    if result.request.measure == "meaning":
        return (
            f"a small language model read them as restatements of another row, and vectors of the two have a "
            f"cosine of at least {threshold}. The model errs."
        )
    if result.request.measure == "cosine":
        return (
            f"static vectors of their text have a cosine of at least {threshold} with those of another row, "
            "which tells the subject and not the meaning: opposite sentences can be that alike."
        )
    if outcome.least >= outcome.threshold:
        return f"their text has a Jaccard similarity of at least {threshold} with a row that stayed."
    return (
        f"pairs of texts with a Jaccard similarity of at least {threshold} lead from them to a row that "
        f"stayed, some through other rows: the least like its row that stayed has {outcome.least:.2f}."
    )


def _facts(result: Result, outcome: Outcome) -> list[tuple[str, str]]:
    """Settings and measurements, by name."""
    request, recall, plan = result.request, result.sampled.at(outcome.threshold), result.plan
    method = f"goal: {request.goal:,} rows" if outcome.method == "goal" else outcome.method
    kept = ("kept of a cluster", Markdown(f"{code(request.keep)} ({method})"))
    if request.by_vectors:
        origin = provenance(result)
        facts = [
            ("threshold", f"{outcome.threshold:g} ({origin['verification']})"),
            ("vectors", Markdown(f"model2vec, {code(origin['embedding'])}")),
            kept,
        ]
        if "reader" in origin:
            facts.insert(2, ("read by", Markdown(code(origin["reader"]))))
        said = by_labels(result, parsed(request.labels))
        if said is not None and said["threshold"] is not None:
            low, high = said["interval"]
            facts.append(
                (
                    "labelled by eye",
                    f"{said['same']} of {said['of']} pairs from {said['threshold']:.3f} on say the same "
                    f"(95 % interval of that share {low:.2f} to {high:.2f})",
                )
            )
        return facts
    low, high = recall.interval
    measured = "unknown: there was no pair"
    if recall.value is not None:
        measured = f"{recall.value:.4f} (95 % interval {low:.4f} to {high:.4f}, "
        measured += f"{recall.rows:,} rows compared with all others)"
    rows = removed_recall(result, outcome)
    gone = "unknown" if rows is None else f"{rows[0]:.4f} (95 % interval {rows[1]:.4f} to {rows[2]:.4f})"
    bands = (
        f"{plan.num_perm} permutations, {plan.num_bands} bands of {plan.rows_per_band}, seed {request.seed}"
    )
    return [
        ("shingles", f"{request.ngram} {unit_name(request.unit, request.ngram)}"),
        ("threshold", f"{outcome.threshold:g} (exact Jaccard)"),
        kept,
        ("precision of pairs", "1: every pair that joins two rows was verified"),
        ("recall of pairs", measured),
        ("recall of removed rows", gone),
        ("MinHash", bands),
    ]


MEASURE_WORDS = {
    "jaccard": "a Jaccard similarity of at least {threshold:g}",
    "containment": "at least {threshold:g} of the row's shingles in the other",
    "overlap": "any shingle in common",
    "longest": "a common run of at least {threshold:g} of the row's units",
}
"""What makes two rows a match, see `dedup.request.MEASURES`."""


def clean_card(result: Contamination, split: Split, left: int, file: str) -> str:
    """What a reader of a pushed clean split should know, as Markdown with the Hub's YAML head.

    Args:
        left: rows of the split that no other holds.
    """
    request = result.request
    head = dataset_head(tags=["decontaminated"], sources=[request.dataset], data_files=f"data/{file}")
    total = len(split.compared.texts)
    others = Markdown(", ".join(code(other.source) for other in result.splits if other is not split))
    counts = (
        f"{left:,} of {total:,} rows of {code(split.source)} are left; the others have a match in {others}."
    )
    facts = table(
        ["", ""],
        [
            ("compared", Markdown(", ".join(map(code, split.compared.columns)))),
            ("shingles", f"{request.ngram} {unit_name(request.unit, request.ngram)}"),
            ("a match has", MEASURE_WORDS[request.measure].format(threshold=request.threshold)),
            ("method", "every pair of rows that shares a shingle was compared; nothing is estimated"),
        ],
    )
    return card(head, "# A split without rows of others", counts, facts)
