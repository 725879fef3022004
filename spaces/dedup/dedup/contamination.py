"""Rows of one split that another holds as well: every split against every split, exactly.

Every pair of rows that shares a shingle is compared (a sparse product), so nothing is estimated: precision
and recall are 1 by construction.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from dedup import data
from dedup.arrays import Float64, Int64
from dedup.engine import Progress
from dedup.report import digest_of
from dedup.request import SplitsRequest
from dedup.shingles import clean, parted, sets
from dedup.signing import CHUNK, shingle_rows
from dedup.texts import Compared
from shared import limits
from shared.errors import VisitorError

MAX_LEAKS = 500
MAX_TEXT = 4_000

TILE = 5_000
"""Rows that `CHUNK` rows are compared with at once: where all share a shingle, the product has a number for
every pair.
"""


@dataclass(frozen=True)
class Split:
    """Rows that are compared with those of others.

    Args:
        name: for captions.
        source: the file's name, or the name of the Hub dataset's split.
        compared: its texts.
        cut: rows left out because of the limit; None where some were and nobody counted them.
    """

    name: str
    source: str
    compared: Compared
    cut: int | None = 0


@dataclass(frozen=True)
class Leak:
    """A row of one split and its best match in another (or the same)."""

    split: int
    row: int
    other: int
    match: int
    jaccard: float
    containment: float


@dataclass(frozen=True)
class Contamination:
    """What every split shares with every split.

    Args:
        leaks: for each ordered pair of splits, the rows of the first that have a match in the second.
    """

    request: SplitsRequest
    splits: list[Split]
    leaks: dict[tuple[int, int], list[Leak]]

    def to_json(self) -> data.Contamination:
        """The figure's data; at most `MAX_LEAKS` leaks of each pair of splits, the strongest first."""
        names = [split.name for split in self.splits]
        rows = [len(split.compared.texts) for split in self.splits]
        strongest = self._strongest()
        places = {(leak.split, leak.row) for leak in strongest} | {
            (leak.other, leak.match) for leak in strongest
        }
        settings = cast(data.SplitsRequest, self.request.to_json())
        counts = [[len(self.leaks[a, b]) for b in range(len(rows))] for a in range(len(rows))]
        return {
            "kind": "contamination",
            "run_id": digest_of([names, rows, settings, counts]),
            "drawable": True,
            "done": True,
            "title": title(names),
            "request": settings,
            "splits": names,
            "rows": rows,
            "measure": settings["measure"],
            "threshold": self.request.threshold,
            "matrix": [
                [{"rows": count, "share": count / total if total else 0.0} for count in line]
                for line, total in zip(counts, rows, strict=True)
            ],
            "leaks": [
                {
                    "split": leak.split,
                    "row": leak.row,
                    "in": leak.other,
                    "match": leak.match,
                    "jaccard": round(leak.jaccard, 6),
                    "containment": round(leak.containment, 6),
                }
                for leak in strongest
            ],
            "texts": {
                f"{split}:{row}": clean(parted(self.splits[split].compared.texts[row])[1])[:MAX_TEXT]
                for split, row in sorted(places)
            },
            "warnings": [
                f"Of {split.name} only the first {count:,} rows were read."
                for split, count in zip(self.splits, rows, strict=True)
                if split.cut != 0
            ],
            "provenance": {
                "source": ", ".join(names),
                "files": [split.source for split in self.splits],
                "columns": [list(split.compared.columns) for split in self.splits],
                "held": [list(split.compared.held) for split in self.splits],
                "ngram": self.request.ngram,
                "unit": settings["unit"],
            },
        }

    def _strongest(self) -> list[Leak]:
        measure = self.request.measure
        return [
            leak
            for leaks in self.leaks.values()
            for leak in sorted(leaks, key=lambda leak: (-getattr(leak, measure), leak.row))[:MAX_LEAKS]
        ]


def title(names: list[str]) -> str:
    """Of the comparison of splits with these names."""
    return " against ".join(names)


def compare(splits: list[Split], request: SplitsRequest) -> Iterator[Progress | Contamination]:
    """Compare every split with every split and with itself.

    Containment of a row A in a row B is |A ∩ B| / |A|: a short question inside a long document has a
    containment of 1 and a low Jaccard similarity.

    Yields:
        Progress, and the Contamination last.

    Raises:
        VisitorError: too many rows.
    """
    texts = [split.compared.texts for split in splits]
    rows = [len(split) for split in texts]
    if sum(rows) > limits.MAX_CONTAMINATION_ROWS:
        raise VisitorError(
            f"The splits have {sum(rows):,} rows together; at most {limits.MAX_CONTAMINATION_ROWS:,} are "
            "compared.",
            "Lower the limit of rows.",
        )
    request = replace(request, unit=common_unit([split.compared for split in splits]))
    matrix = sets([part for split in texts for part in shingle_rows(split, request.ngram, request.unit)])
    starts = np.concatenate([[0], np.cumsum(rows)])
    leaks: dict[tuple[int, int], list[Leak]] = {
        (a, b): [] for a in range(len(rows)) for b in range(len(rows))
    }
    done, total = 0, sum(len(range(0, count, CHUNK)) for count in rows) * len(rows)
    for first in range(len(rows)):
        for begin in range(0, rows[first], CHUNK):
            here = np.arange(starts[first] + begin, min(starts[first] + begin + CHUNK, starts[first + 1]))
            for second in range(len(rows)):
                place = int(starts[second]), int(starts[second + 1])
                matches = _matches(matrix, here, place, request, own=first == second)
                leaks[first, second] += [
                    Leak(first, int(here[row] - starts[first]), second, match, jaccard, containment)
                    for row, match, jaccard, containment in matches
                ]
                done += 1
                yield Progress("compare", "Comparing splits", done, total)
    yield Contamination(request, splits, leaks)


def _matches(
    matrix: Any, here: Int64, place: tuple[int, int], request: SplitsRequest, own: bool
) -> list[tuple[int, int, float, float]]:
    """For rows `here`, the best match among the rows of a split: (place in here, row from the split's start,
    jaccard, containment).

    Args:
        matrix: all rows' shingles.
        place: first row of the split and the one after its last.
        own: whether the rows are the split's own; none is then its own match.
    """
    start, end = place
    tiles = [
        _matches_in_tile(matrix, here, (start, begin, min(begin + TILE, end)), request, own)
        for begin in range(start, end, TILE)
    ]
    first, second, jaccard, contained = (
        (np.concatenate(parts) for parts in zip(*tiles, strict=True)) if tiles else _NOTHING
    )
    best = _best(first, second, jaccard, jaccard if request.measure == "jaccard" else contained)
    columns = (first, second, jaccard, contained)
    return list(zip(*(column[best].tolist() for column in columns), strict=True))


def common_unit(compared: list[Compared]) -> str:
    """The units that all splits are compared by: signs count where they do in one of them."""
    units = {one.unit for one in compared}
    return "symbol" if "symbol" in units else compared[0].unit


_NOTHING = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0)


def _matches_in_tile(
    matrix: Any, here: Int64, tile: tuple[int, int, int], request: SplitsRequest, own: bool
) -> tuple[Int64, Int64, Float64, Float64]:
    """The same among some of these rows, given as the split's start and the tile's begin and end; an array
    each.
    """
    start, begin, end = tile
    product = (matrix[here] @ matrix[begin:end].T).tocoo()
    sizes = np.diff(matrix.indptr)
    first, second, shared = product.row, product.col + (begin - start), product.data
    if own:
        apart = here[first] != second + start
        first, second, shared = first[apart], second[apart], shared[apart]
    contained: Float64 = shared / sizes[here[first]]
    jaccard: Float64 = shared / (sizes[here[first]] + sizes[second + start] - shared)
    values = jaccard if request.measure == "jaccard" else contained
    strong = np.flatnonzero(values >= request.threshold)
    best = strong[_best(first[strong], second[strong], jaccard[strong], values[strong])]
    return first[best].astype(np.int64), second[best].astype(np.int64), jaccard[best], contained[best]


def _best(first: Int64, second: Int64, jaccard: Float64, values: Float64) -> Int64:
    """Places of the strongest match of each row: of the highest value, then Jaccard similarity, then the
    earliest.
    """
    order = np.lexsort((second, -jaccard, -values, first))
    _, unique = np.unique(first[order], return_index=True)
    return order[unique]
