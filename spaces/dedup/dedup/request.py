"""What a visitor asks for: one dataset without its duplicates, or the rows that several splits share."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from dedup import labels
from dedup.chat import PARTS
from dedup.clusters import METHODS
from dedup.kinds import KINDS
from dedup.shingles import UNITS
from shared import checks, limits, request
from shared.checks import SEED, between, one_of, whole
from shared.errors import VisitorError
from shared.request import Check, setting

KEEP = ("first", "last", "longest", "central")
"""Keep policies by name; `max:<column>` keeps the highest value of a column."""

MEASURES = ("jaccard", "containment", "overlap", "longest")
"""Of rows of two splits: Jaccard similarity; the share of a row's own shingles; any shingle in common; the
longest common run of units as a share of the row's own.
"""

MAX_LABELS = 500
"""Labels that one request brings along."""

_LABEL = re.compile(r"[0-9a-f]{8}-[0-9a-f]{8}:(?:same|different)")

MAX_COLUMNS = 64
"""Columns that are compared together."""


def _items(name: str, value: Any) -> list[Any]:
    if isinstance(value, (str, int)):
        return [value]
    if not isinstance(value, (list, tuple)):
        raise VisitorError(f"{name} is {str(value)[:40]}.", "Give a list.")
    return list(value)


def _columns(name: str, value: Any) -> tuple[str, ...]:
    columns = tuple(dict.fromkeys(checks.text(name, item) for item in _items(name, value)))
    if len(columns) > MAX_COLUMNS:
        raise VisitorError(f"{len(columns):,} columns are named; the limit is {MAX_COLUMNS}.", "Name fewer.")
    return columns


def _rows(name: str, value: Any) -> tuple[int, ...]:
    return tuple(sorted({whole(0, limits.MAX_DATASET_ROWS)(name, item) for item in _items(name, value)}))


def _splits(name: str, value: Any) -> tuple[str, ...]:
    """Names of splits: a list, or text with commas or lines between them."""
    items = value.replace("\n", ",").split(",") if isinstance(value, str) else _items(name, value)
    splits = tuple(filter(None, (_name(name, item) for item in items)))
    if len(splits) > limits.MAX_UPLOADS:
        raise VisitorError(f"More than {limits.MAX_UPLOADS} splits were given.", "Compare fewer at once.")
    return splits


def _name(name: str, value: Any) -> str:
    """A name, however it was typed or pasted."""
    return checks.text(name, value).strip()


def _keep(name: str, value: Any) -> str:
    policy = _name(name, value)
    if policy not in KEEP and not (policy.startswith("max:") and policy != "max:"):
        raise VisitorError(
            f"keep is “{policy[:40]}”.", f"Choose one of {', '.join(KEEP)}, or max: and a column's name."
        )
    return policy


def _kinds(name: str, value: Any) -> tuple[str, ...]:
    chosen = {one_of(*KINDS)(name, item) for item in _items(name, value)}
    return tuple(kind for kind in KINDS if kind in chosen)


def _labels(name: str, value: Any) -> tuple[str, ...]:
    """Names of pairs, each with a word: a list, or text with lines, commas or blanks between them."""
    items = re.split(r"[\s,]+", value) if isinstance(value, str) else _items(name, value)
    found = tuple(filter(None, (checks.text(name, item) for item in items)))
    for label in found:
        if not _LABEL.fullmatch(label):
            raise VisitorError(
                f"{name} holds “{label[:40]}”.", "Write a pair's name, a colon, and same or different."
            )
    if len(found) > MAX_LABELS:
        raise VisitorError(f"More than {MAX_LABELS:,} labels were given.", "Give fewer.")
    return labels.written(labels.parsed(found))  # the last word on a pair counts


def _share(low: float, high: float) -> Check:
    return lambda name, value: round(between(low, high)(name, value), 4)


class _OfDataset(request.Request):
    """A request that a link can carry only where it names a dataset: a visitor's file stays with the
    visitor.
    """

    dataset: str

    def to_query(self) -> str | None:
        return super().to_query() if self.dataset else None


@dataclass(frozen=True)
class Request(_OfDataset):
    """Everything that determines a run but the file itself."""

    DERIVED: ClassVar[tuple[str, ...]] = ("floor",)

    dataset: str = setting("", _name, "instead of a file, a dataset's id on the Hub", blank=True)
    config: str = setting("", _name, "configuration of the Hub dataset", blank=True)
    split: str = setting("train", _name, "of that dataset")
    columns: tuple[str, ...] = setting(
        (), _columns, "columns to compare, joined; by default those of a known schema, else the likeliest one"
    )
    part: str = setting("all", one_of(*PARTS), f"of conversations: {', '.join(PARTS[:-1])} or {PARTS[-1]}")
    threshold: float = setting(
        0.8, _share(0.1, 1.0), "similarity from which two rows count as duplicates, 0.1 to 1"
    )
    ngram: int = setting(3, whole(1, 20), "words (or characters) in a shingle")
    unit: str = setting("auto", one_of(*UNITS), f"{', '.join(UNITS[:-1])} or {UNITS[-1]}")
    keep: str = setting("first", _keep, f"{', '.join(KEEP)} or max:<column>")
    method: str = setting("leader", one_of(*METHODS), " or ".join(METHODS))
    recall: float = setting(
        0.99, _share(0.5, 0.9999), "wanted probability that a pair at the threshold is found"
    )
    limit: int = setting(limits.MAX_DATASET_ROWS, whole(1, limits.MAX_DATASET_ROWS), "rows to read at most")
    goal: int | None = setting(
        None, whole(1, limits.MAX_DATASET_ROWS), "rows to end with exactly, instead of a threshold"
    )
    pinned: tuple[int, ...] = setting((), _rows, "numbers of rows that stay whatever they repeat")
    seed: int = setting(42, SEED, "of the MinHash permutations")
    measure: str = setting(
        "jaccard",
        one_of("jaccard", "cosine", "meaning"),
        "jaccard (of words, proven), cosine (of static text vectors, a hint) or meaning (such pairs, each "
        "read by a language model, without those that differ in a fact)",
    )
    embedding: str = setting(
        "", _name, "for cosine and meaning: embedded, or a model2vec model's id on the Hub", blank=True
    )

    spare: tuple[str, ...] = setting(
        (), _kinds, f"pairs that differ so are no duplicates: {', '.join(KINDS[:-1])} or {KINDS[-1]}"
    )
    labels: tuple[str, ...] = setting(
        (),
        _labels,
        "pairs that you have judged, by the names that a run gives them: name:same or name:different",
    )

    @property
    def by_vectors(self) -> bool:
        """Whether rows are compared by vectors, and not by their words."""
        return self.measure != "jaccard"

    @property
    def floor(self) -> float:
        """The lowest similarity whose pairs are stored, so that the threshold can be moved down."""
        return max(0.1, round(self.threshold - (0.1 if self.by_vectors else 0.25), 2))

    def consistent(self) -> Self:
        """Turns are compared as wholes."""
        if "turn" in (self.unit, self.part):
            return replace(self, unit="turn", part="turn", ngram=1)
        return self


@dataclass(frozen=True)
class SplitsRequest(_OfDataset):
    """Everything that determines a comparison of splits but the files themselves."""

    dataset: str = setting("", _name, "instead of files, a dataset's id on the Hub", blank=True)
    splits: tuple[str, ...] = setting((), _splits, "of that dataset, two or more")
    columns: tuple[str, ...] = setting(
        (),
        _columns,
        "columns to compare; by default each split's columns that hold questions, else its likeliest one",
    )
    threshold: float = setting(0.8, _share(0.1, 1.0), "from which a row counts as held by the other split")
    ngram: int = setting(3, whole(1, 20), "words (or characters) in a shingle")
    measure: str = setting(
        "containment",
        one_of(*MEASURES),
        "jaccard; containment (share of the row's own shingles); overlap (any shingle in common, whatever "
        "the threshold); or longest (the longest common run, as a share of the row)",
    )
    limit: int = setting(
        limits.MAX_DATASET_ROWS,
        whole(1, limits.MAX_DATASET_ROWS),
        "rows to read of each split at most",
    )
    clean: str = setting(
        "", _name, "split that loses the rows that others hold; the first unless named", blank=True
    )
    config: str = setting("", _name, "configuration of the Hub dataset", blank=True)
    unit: str = setting("auto", one_of(*UNITS), f"{', '.join(UNITS[:-1])} or {UNITS[-1]}")

    @property
    def part(self) -> str:
        """What is compared of conversations."""
        return "turn" if self.unit == "turn" else "all"

    def consistent(self) -> Self:
        """Turns are compared as wholes."""
        return replace(self, ngram=1) if self.unit == "turn" else self

    def to_form(self) -> dict[str, Any]:
        """The splits' names as one line."""
        return {**super().to_form(), "splits": ", ".join(self.splits)}
