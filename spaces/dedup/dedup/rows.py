"""The rows of a file as the bytes that they were, in little more memory than the file takes."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import overload


class Rows(Sequence[bytes]):
    """Byte strings one after the other in one buffer: 8 bytes a row beside it, where an object has 41."""

    def __init__(self) -> None:
        self._content = bytearray()
        self._ends = array("q", [0])

    def append(self, row: bytes) -> None:
        """Add a row behind the others."""
        self._content += row
        self._ends.append(len(self._content))

    def __len__(self) -> int:
        return len(self._ends) - 1

    @property
    def nbytes(self) -> int:
        """Of all rows, and of their places."""
        return len(self._content) + 8 * len(self._ends)

    def __iter__(self) -> Iterator[bytes]:
        return map(self.__getitem__, range(len(self)))

    @overload
    def __getitem__(self, place: int) -> bytes: ...
    @overload
    def __getitem__(self, place: slice) -> list[bytes]: ...
    def __getitem__(self, place: int | slice) -> bytes | list[bytes]:
        """A row, or several."""
        if isinstance(place, slice):
            return [self[row] for row in range(*place.indices(len(self)))]
        if not 0 <= place < len(self):
            raise IndexError(place)
        return bytes(self._content[self._ends[place] : self._ends[place + 1]])
