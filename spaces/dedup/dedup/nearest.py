"""Pairs of near vectors where comparing every two would take too long: cells around centres, and what they
miss.

Every row goes into the cells of its nearest centres (an inverted file, Jégou and others 2011), and rows that
share a cell are compared exactly. Two near rows without a common cell are missed; a sample of rows that is
compared with all others tells how many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from dedup.arrays import Float32, Int64

ROWS_OF_CELL = 400
"""Rows for each centre, about."""

CELLS = 4
"""Cells that a row goes into."""

ROUNDS = 6
"""Of k-means."""

LEARNING = 40
"""Rows by centre from which the centres are learnt."""

BLOCK = 1_000
"""Rows that are compared with others at a time."""


def centres_of(vectors: Float32, count: int, seed: int) -> Float32:
    """Centres by spherical k-means on a sample of rows, unit vectors of shape (count, dimensions)."""
    rng = np.random.default_rng(seed)
    rows = vectors[np.sort(rng.permutation(len(vectors))[: count * LEARNING])]
    centres = rows[rng.permutation(len(rows))[:count]].copy()
    for _ in range(ROUNDS):
        own = np.concatenate([(part @ centres.T).argmax(axis=1) for part in _blocks(rows)])
        sums = np.zeros_like(centres)
        np.add.at(sums, own, rows)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        # a cell that lost all its rows keeps its centre
        centres = np.where(lengths > 0, sums / np.maximum(lengths, 1e-12), centres).astype(np.float32)
    return centres


def cells_of(vectors: Float32, centres: Float32) -> Iterator[Int64]:
    """The rows of each cell, ascending; every row is in its `CELLS` nearest."""
    most = min(CELLS, len(centres))
    own = np.concatenate(
        [np.argpartition(-(part @ centres.T), most - 1, axis=1)[:, :most] for part in _blocks(vectors)]
    )
    order = np.argsort(own, axis=None, kind="stable")
    cells = own.ravel()[order]
    for cell in np.split(order // most, np.flatnonzero(np.diff(cells)) + 1):
        yield cell.astype(np.int64)


def _blocks(rows: Float32) -> Iterator[Float32]:
    for begin in range(0, len(rows), BLOCK):
        yield rows[begin : begin + BLOCK]


Found = tuple[Int64, Int64, Float32]
"""First rows, second rows, and their cosines."""


def near_in_cells(
    vectors: Float32, seed: int, compare: Callable[[Float32], Iterator[Found]]
) -> Iterator[Found]:
    """Pairs of rows that share a cell, first < second, cell after cell: a pair may come more than once.

    Args:
        vectors: unit vectors, float32 of shape (rows, dimensions).
        seed: of the centres.
        compare: the near pairs of some rows' vectors, by their places in it.
    """
    centres = centres_of(vectors, max(1, len(vectors) // ROWS_OF_CELL), seed)
    for rows in cells_of(vectors, centres):
        for first, second, cosine in compare(vectors[rows]):
            yield rows[first], rows[second], cosine
