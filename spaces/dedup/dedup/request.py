"""What a visitor asks for, checked before a row is read; it converts to and from the query of a URL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlencode

from dedup.chat import PARTS
from dedup.clusters import METHODS
from dedup.shingles import UNITS, clean
from shared import limits
from shared.checks import SEED, between, one_of, whole
from shared.errors import VisitorError

KEEP = ("first", "last", "longest", "central")
"""Keep policies by name; `max:<column>` keeps the highest value of a column."""

MAX_COLUMNS = 64
"""Columns that are compared together."""


@dataclass(frozen=True)
class Request:
    """Everything that determines a run but the file itself.

    Args:
        dataset: a Hub dataset's id, or "" for a file.
        config: the Hub dataset's configuration, or "".
        split: its split.
        columns: columns that are compared, joined; empty for the likeliest one.
        part: what is compared of a conversation, see `dedup.chat.part_of`.
        threshold: Jaccard similarity from which two rows count as duplicates.
        ngram: units in a shingle.
        unit: "word", "character" or "turn".
        keep: keep policy: "first", "last", "longest", "central" or "max:<column>".
        method: "leader" or "components", see `dedup.clusters.cluster`.
        recall: probability with which a pair at the threshold is to be found.
        limit: rows to read at most.
        goal: rows to end with exactly, pinned rows that would have gone not counted; None to go by the
            threshold.
        pinned: rows that stay whatever they repeat.
        seed: of the permutations.
        measure: "jaccard" of shingles, or "cosine" of static text vectors, see `dedup.semantic`.
        embedding: for cosine: "embedded", or a model2vec model's id on the Hub; "" for the default.
    """

    dataset: str = ""
    config: str = ""
    split: str = "train"
    columns: tuple[str, ...] = ()
    part: str = "all"
    threshold: float = 0.8
    ngram: int = 3
    unit: str = "word"
    keep: str = "first"
    method: str = "leader"
    recall: float = 0.99
    limit: int = limits.MAX_DATASET_ROWS
    goal: int | None = None
    pinned: tuple[int, ...] = ()
    seed: int = 42
    measure: str = "jaccard"
    embedding: str = ""

    @property
    def floor(self) -> float:
        """The lowest similarity whose pairs are stored, so that the threshold can be moved down."""
        return max(0.1, round(self.threshold - (0.25 if self.measure == "jaccard" else 0.1), 2))

    def to_json(self) -> dict[str, Any]:
        """The request as the API takes it."""
        return {
            **self.__dict__,
            "columns": list(self.columns),
            "pinned": list(self.pinned),
            "floor": self.floor,
        }

    def to_query(self) -> str:
        """The request as the query of a URL, without the question mark; defaults are left out."""
        default = Request()
        values: list[tuple[str, Any]] = []
        for name, value in self.__dict__.items():
            if value == getattr(default, name):
                continue
            if isinstance(value, tuple):
                values += [(name, item) for item in value]
            else:
                values.append((name, value))
        return urlencode(values)

    @classmethod
    def from_query(cls, query: str) -> Request:
        """The request that a URL's query describes; missing parameters take their defaults.

        Raises:
            VisitorError: as `validate`.
        """
        given = parse_qs(query.removeprefix("?"), keep_blank_values=True)
        values: dict[str, Any] = {
            name: items[-1] for name, items in given.items() if name in cls.__dataclass_fields__
        }
        for name in ("columns", "pinned"):
            if name in given:
                values[name] = given[name]
        return validate(**values)


def validate(**values: Any) -> Request:
    """Check a request's values, which may come as text from a form or a URL.

    Raises:
        VisitorError: naming the value that was refused.
    """
    values.pop("floor", None)
    unknown = set(values) - set(Request.__dataclass_fields__)
    if unknown:
        raise VisitorError(
            f"There is no setting “{sorted(unknown)[0][:40]}”.",
            f"Known are: {', '.join(Request.__dataclass_fields__)}.",
        )
    given = {
        name: value
        for name, value in values.items()
        if value is not None and (value != "" or name in ("dataset", "config", "embedding"))
    }
    request = Request(**{name: _CHECKS[name](name, value) for name, value in given.items()})
    if "turn" in (request.unit, request.part):  # turns are compared as wholes
        request = replace(request, unit="turn", part="turn", ngram=1)
    return request


def _list(name: str, value: Any) -> list[Any]:
    if isinstance(value, (str, int)):
        return [value]
    if not isinstance(value, (list, tuple)):
        raise VisitorError(f"{name} is {str(value)[:40]}.", "Give a list.")
    return list(value)


def _columns(name: str, value: Any) -> tuple[str, ...]:
    columns = tuple(dict.fromkeys(_text(name, item) for item in _list(name, value)))
    if len(columns) > MAX_COLUMNS:
        raise VisitorError(f"{len(columns):,} columns are named; the limit is {MAX_COLUMNS}.", "Name fewer.")
    return columns


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise VisitorError(f"{name} is not a text.", "Write it as text.")
    if clean(value) != value:
        raise VisitorError(
            f"{name} contains half of a character (a lone surrogate).", "Delete it, or choose from the list."
        )
    return value.strip() if name != "columns" else value


def _keep(name: str, value: Any) -> str:
    policy = _text(name, value)
    if policy not in KEEP and not (policy.startswith("max:") and policy != "max:"):
        raise VisitorError(
            f"keep is “{policy[:40]}”.", f"Choose one of {', '.join(KEEP)}, or max: and a column's name."
        )
    return policy


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    **{name: _text for name in ("dataset", "config", "split", "embedding")},
    "keep": _keep,
    "part": one_of(*PARTS),
    "unit": one_of(*UNITS),
    "method": one_of(*METHODS),
    "measure": one_of("jaccard", "cosine"),
    "threshold": lambda name, value: round(between(0.1, 1.0)(name, value), 4),
    "recall": lambda name, value: round(between(0.5, 0.9999)(name, value), 4),
    "ngram": whole(1, 20),
    "limit": whole(1, limits.MAX_DATASET_ROWS),
    "goal": whole(1, limits.MAX_DATASET_ROWS),
    "seed": SEED,
    "columns": _columns,
    "pinned": lambda name, value: tuple(
        sorted({whole(0, limits.MAX_DATASET_ROWS)(name, item) for item in _list(name, value)})
    ),
}
