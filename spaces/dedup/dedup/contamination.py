"""Rows of one dataset that another holds as well: every split against every split, exactly.

Every pair of rows that shares a shingle is compared (a sparse product), so nothing is estimated: precision
and recall are 1 by construction.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from dedup.engine import CHUNK, shingle_rows
from dedup.minhash import Float64, Int64
from dedup.request import Request
from dedup.shingles import clean, sets
from shared import limits
from shared.errors import VisitorError

MEASURES = ("jaccard", "containment")
MAX_LEAKS = 500
MAX_TEXT = 4_000

TILE = 5_000
"""Rows that `CHUNK` rows are compared with at once: where all share a shingle, the product has a number for
every pair.
"""


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
        names: of the splits.
        rows: of each.
        leaks: for each ordered pair of splits, the rows of the first that have a match in the second.
    """

    names: list[str]
    rows: list[int]
    leaks: dict[tuple[int, int], list[Leak]]
    threshold: float
    measure: str

    def to_json(self, texts: list[list[str]], request: Request) -> dict[str, Any]:
        """The figure's data; at most `MAX_LEAKS` leaks of each pair of splits, the strongest first."""
        matrix: list[list[Any]] = []
        shown: list[Leak] = []
        for first in range(len(self.names)):
            line: list[Any] = []
            for second in range(len(self.names)):
                found = self.leaks[first, second]
                count, total = len(found), self.rows[first]
                line.append({"rows": count, "share": count / total if total else 0.0})
                shown += sorted(found, key=lambda leak: (-getattr(leak, self.measure), leak.row))[:MAX_LEAKS]
            matrix.append(line)
        needed = {(leak.split, leak.row) for leak in shown} | {(leak.other, leak.match) for leak in shown}
        return {
            "kind": "contamination",
            "drawable": True,
            "done": True,
            "title": " against ".join(self.names),
            "request": {"ngram": request.ngram, "unit": request.unit},
            "splits": self.names,
            "rows": self.rows,
            "measure": self.measure,
            "threshold": self.threshold,
            "matrix": matrix,
            "leaks": [
                {
                    "split": leak.split,
                    "row": leak.row,
                    "in": leak.other,
                    "match": leak.match,
                    "jaccard": round(leak.jaccard, 6),
                    "containment": round(leak.containment, 6),
                }
                for leak in shown
            ],
            "texts": {f"{split}:{row}": clean(texts[split][row])[:MAX_TEXT] for split, row in sorted(needed)},
        }


def contamination(
    names: list[str], texts: list[list[str]], request: Request, measure: str
) -> Iterator[tuple[int, int] | Contamination]:
    """Compare every split with every split.

    Containment of a row A in a row B is |A ∩ B| / |A|: a short question inside a long document has a
    containment of 1 and a low Jaccard similarity.

    Args:
        names: of the splits.
        texts: of each split.
        request: threshold, ngram and unit.
        measure: "jaccard" or "containment".

    Yields:
        (finished, all) blocks, and the Contamination last.

    Raises:
        VisitorError: an unknown measure, or too many rows.
    """
    if measure not in MEASURES:
        raise VisitorError(f"measure is “{str(measure)[:40]}”.", f"Choose one of {', '.join(MEASURES)}.")
    rows = [len(split) for split in texts]
    if sum(rows) > limits.MAX_CONTAMINATION_ROWS:
        raise VisitorError(
            f"The splits have {sum(rows):,} rows together; at most {limits.MAX_CONTAMINATION_ROWS:,} are compared.",
            "Lower the limit of rows.",
        )
    matrix = sets([part for split in texts for part in shingle_rows(split, None, request)])
    starts = np.concatenate([[0], np.cumsum(rows)])
    leaks: dict[tuple[int, int], list[Leak]] = {
        (a, b): [] for a in range(len(rows)) for b in range(len(rows))
    }
    done, total = 0, sum(len(range(0, count, CHUNK)) for count in rows) * len(rows)
    for first in range(len(rows)):
        for begin in range(0, rows[first], CHUNK):
            here = np.arange(starts[first] + begin, min(starts[first] + begin + CHUNK, starts[first + 1]))
            for second in range(len(rows)):
                own = first == second
                found = _best(
                    matrix,
                    here,
                    int(starts[second]),
                    int(starts[second + 1]),
                    request.threshold,
                    measure,
                    own,
                )
                leaks[first, second] += [
                    Leak(first, int(here[place] - starts[first]), second, match, jaccard, containment)
                    for place, match, jaccard, containment in found
                ]
                done += 1
                yield done, total
    yield Contamination(names, rows, leaks, request.threshold, measure)


def _best(
    matrix: Any, here: Int64, start: int, end: int, threshold: float, measure: str, own: bool
) -> list[tuple[int, int, float, float]]:
    """For rows `here`, the best match among rows start to end: (place in here, row from start, jaccard,
    containment).
    """
    tiles = [
        _best_of_tile(matrix, here, (start, begin, min(begin + TILE, end)), threshold, measure, own)
        for begin in range(start, end, TILE)
    ]
    first, second, jaccard, contained = (
        (np.concatenate(parts) for parts in zip(*tiles, strict=True)) if tiles else _NOTHING
    )
    best = _strongest(first, second, jaccard, jaccard if measure == "jaccard" else contained)
    return list(
        zip(
            first[best].tolist(),
            second[best].tolist(),
            jaccard[best].tolist(),
            contained[best].tolist(),
            strict=True,
        )
    )


_NOTHING = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0)


def _best_of_tile(
    matrix: Any, here: Int64, tile: tuple[int, int, int], threshold: float, measure: str, own: bool
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
    values = jaccard if measure == "jaccard" else contained
    strong = np.flatnonzero(values >= threshold)
    best = strong[_strongest(first[strong], second[strong], jaccard[strong], values[strong])]
    return first[best].astype(np.int64), second[best].astype(np.int64), jaccard[best], contained[best]


def _strongest(first: Int64, second: Int64, jaccard: Float64, values: Float64) -> Int64:
    """Places of the strongest match of each row: of the highest value, then Jaccard similarity, then the
    earliest.
    """
    order = np.lexsort((second, -jaccard, -values, first))
    _, unique = np.unique(first[order], return_index=True)
    return order[unique]
