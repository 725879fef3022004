"""Rows of a stream that an index of other rows holds as well, in memory that only the index needs.

Every pair of rows that shares a shingle is compared, so nothing is estimated: precision and recall are 1 by
construction.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from dedup import compiled
from dedup.arrays import Float64, Int64
from dedup.request import MEASURES
from dedup.shingles import Units, shingles_of, to_arrow, units_of
from dedup.signing import chunks
from dedup.verify import Sample


@dataclass
class Matches:
    """The best match of each of some rows.

    Args:
        rows: number of the match, -1 for none.
        values: float64 of shape (rows, 4): the value by the measure, the Jaccard similarity, the containment,
            and the units of the longest common run, which only that measure counts.
    """

    rows: Int64
    values: Float64

    @classmethod
    def none(cls, count: int) -> Matches:
        """Of so many rows, none with a match so far."""
        return cls(np.full(count, -1, dtype=np.int64), np.zeros((count, 4)))

    def take_better(self, other: Matches) -> None:
        """Take the other's match of a row where that is better: of a higher value, then Jaccard similarity,
        then earlier.
        """
        mine, theirs = self.values, other.values
        more = theirs[:, 0] - mine[:, 0]
        alike = theirs[:, 1] - mine[:, 1]
        better = (more > 0) | ((more == 0) & ((alike > 0) | ((alike == 0) & (other.rows < self.rows))))
        place = np.flatnonzero((other.rows >= 0) & ((self.rows < 0) | better))
        self.rows[place], self.values[place] = other.rows[place], theirs[place]


class Index:
    """The shingles of some rows, so that others can be looked for among them.

    Args:
        texts: of the rows, see `dedup.shingles.parted`.
        ngram: units in a shingle.
        unit: what they are, see `dedup.shingles.shingle`.
    """

    def __init__(self, texts: list[str], ngram: int, unit: str) -> None:
        self.ngram, self.unit = ngram, unit
        parts = [units_of(to_arrow(texts[slice(*span)]), unit) for span in chunks(map(len, texts))]
        counts = np.concatenate([np.zeros(0, dtype=np.int64), *(part.counts for part in parts)])
        self.units = Units(
            np.concatenate([np.zeros(0, dtype=np.uint64), *(part.hashes for part in parts)]),
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            np.concatenate(
                [np.zeros(len(part.counts), np.uint64) if part.keys is None else part.keys for part in parts]
            )
            if parts
            else None,
        )
        self._table = Sample(shingles_of(self.units, ngram), 0.0)

    def __len__(self) -> int:
        return len(self.units.counts)

    def matches_of(
        self, rows: Units, first_row: int, measure: str, threshold: float, own: bool = False
    ) -> tuple[Matches, Matches]:
        """The best match of each of these rows among those of the index, and of each of those among these.

        Args:
            rows: their units.
            first_row: the number of the first of them.
            measure: one of `MEASURES`.
            threshold: the lowest value of a match; "overlap" has none.
            own: whether they are rows of the index.
        """
        found, back = Matches.none(len(rows.counts)), Matches.none(0 if own else len(self))
        shingles, table = shingles_of(rows, self.ngram), self._table
        compiled.best_matches(
            table.rows.hashes,
            table.rows.offsets,
            table.row_of,
            table.slots,
            table.following,
            table.likely,
            self.units.hashes,
            self.units.offsets,
            shingles.hashes,
            shingles.offsets,
            rows.hashes,
            rows.offsets,
            MEASURES.index(measure),
            self.ngram,
            threshold,
            first_row,
            own,
            found.values,
            found.rows,
            back.values,
            back.rows,
        )
        return found, back

    def stream(
        self, texts: Iterable[list[str]], measure: str, threshold: float, own: bool = False
    ) -> Iterator[tuple[int, Units, Matches, Matches]]:
        """Compare rows that come in parts, on all cores, with no more of them in memory than the threads
        need.

        Args:
            texts: parts of the rows, one after the other.

        Yields:
            In their order for each part: the number of its first row, its units, its rows' matches, and those
            of the index's rows among all rows so far.
        """
        whole = Matches.none(0 if own else len(self))
        workers = os.cpu_count() or 1

        def work(part: list[str], first: int) -> tuple[int, Units, Matches, Matches]:
            units = units_of(to_arrow(part), self.unit)
            return first, units, *self.matches_of(units, first, measure, threshold, own)

        waiting: list[Future[tuple[int, Units, Matches, Matches]]] = []
        first = 0
        with ThreadPoolExecutor(workers) as pool:
            for part in texts:
                waiting.append(pool.submit(work, part, first))
                first += len(part)
                if len(waiting) <= workers:
                    continue
                begin, units, found, back = waiting.pop(0).result()
                whole.take_better(back)
                yield begin, units, found, whole
            for future in waiting:
                begin, units, found, back = future.result()
                whole.take_better(back)
                yield begin, units, found, whole
