"""Rows in groups, as two arrays: a million small arrays would take 100 MB and half a second."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from dedup.arrays import Int64


@dataclass(frozen=True, eq=False)
class Groups(Sequence[Int64]):
    """Groups of rows.

    Args:
        rows: int64, group after group.
        offsets: int64 of length groups + 1.
    """

    rows: Int64
    offsets: Int64

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, group: int) -> Int64: ...
    @overload
    def __getitem__(self, group: slice) -> list[Int64]: ...
    def __getitem__(self, group: int | slice) -> Int64 | list[Int64]:
        """The rows of a group, or of several."""
        if isinstance(group, slice):
            return [self[place] for place in range(*group.indices(len(self)))]
        if not 0 <= group < len(self):
            raise IndexError(group)
        return self.rows[self.offsets[group] : self.offsets[group + 1]]

    def __iter__(self) -> Iterator[Int64]:
        return map(self.__getitem__, range(len(self)))

    @property
    def first(self) -> Int64:
        """The first row of each group."""
        return self.rows[self.offsets[:-1]]

    @property
    def sizes(self) -> Int64:
        """Rows of each group."""
        return np.diff(self.offsets)

    @property
    def group_of(self) -> Int64:
        """The group of each of `rows`."""
        return np.repeat(np.arange(len(self), dtype=np.int64), self.sizes)

    def by(self, values: Int64 | np.ndarray) -> Groups:
        """The same groups, the rows of each in ascending order of a value; equal ones as they stand.

        Args:
            values: one for each of `rows`.
        """
        return Groups(self.rows[np.lexsort((values, self.group_of))], self.offsets)
