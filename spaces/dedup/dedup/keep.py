"""The keep policies: which row of each text stays first, and which text before which."""

from __future__ import annotations

from typing import Any

import numpy as np

from dedup.arrays import Float64, Int64
from dedup.groups import Groups
from dedup.read import Dataset
from dedup.request import Request
from dedup.shingles import parted
from dedup.verify import Pairs


def priorities(
    groups: Groups, edges: Pairs, dataset: Dataset, texts: list[str], request: Request
) -> tuple[Groups, Int64]:
    """Each text's rows with the one to keep first, and each text's rank; the lowest is kept first.

    Args:
        groups: rows of each distinct text, ascending.
        edges: verified pairs of groups.
        texts: of all rows.
        request: its keep policy.
    """
    nodes = groups
    if request.keep == "last":
        nodes = groups.by(-groups.rows)
        values = -nodes.first.astype(float)
    elif request.keep == "longest":
        lengths = [len(parted(texts[row])[1]) for row in groups.first.tolist()]
        values = -np.array(lengths, dtype=float)
    elif request.keep == "central":
        strong = edges.jaccard >= request.threshold
        values = -np.bincount(edges.first[strong], edges.jaccard[strong], len(groups))
        values -= np.bincount(edges.second[strong], edges.jaccard[strong], len(groups))
    elif request.keep.startswith("max:"):
        column = -_numbers(dataset.column(request.keep[4:]))
        nodes = groups.by(column[groups.rows])
        values = column[nodes.first]
    else:
        values = np.zeros(len(groups))
    ranks = np.empty(len(groups), dtype=np.int64)
    ranks[np.lexsort((nodes.first, values))] = np.arange(len(groups))
    return nodes, ranks


def _numbers(cells: list[Any]) -> Float64:
    """Cells as numbers; what is no number comes last."""
    result = np.full(len(cells), -np.inf)
    for row, cell in enumerate(cells):
        try:
            number = float(cell)
        except (TypeError, ValueError, OverflowError):
            continue
        if number == number:
            result[row] = number
    return result
