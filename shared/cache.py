"""What is kept of earlier runs, so that the next one is faster: up to so many bytes."""

from __future__ import annotations

import dataclasses
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


def size_of(value: Any) -> int:
    """Bytes of the tensors, arrays and texts in dataclasses, dicts, lists and tuples, roughly; models and
    other objects count nothing.
    """
    if isinstance(value, (str, bytes)):
        return 64 + len(value)
    if isinstance(value, dict):
        return 64 + sum(map(size_of, value)) + sum(map(size_of, value.values()))
    if isinstance(value, (list, tuple, set, frozenset)):
        return 64 + sum(8 + size_of(item) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return sum(size_of(getattr(value, field.name)) for field in dataclasses.fields(value))
    if isinstance(value, (int, float)):
        return 24
    size = getattr(value, "nbytes", 0)  # torch and numpy
    return 100 + size if isinstance(size, int) else 0


class Cache(Generic[Value]):
    """Values by key, within a number of bytes; those that nobody asked for the longest go first.

    Args:
        most: bytes of all of them together; a value that is larger alone is not kept.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._values: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Value | None:
        """What is kept under a key."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def put(self, key: Hashable, value: Value) -> None:
        """Keep a value, in the place of an older one."""
        size = size_of(value)
        with self._lock:
            self._values.pop(key, None)
            if size > self.most:
                return
            self._values[key] = value, size
            while self.bytes > self.most:
                self._values.popitem(last=False)

    def forget(self, which: Callable[[Value], bool] = lambda _: True) -> None:
        """Keep the values no longer of which a function says so; all of them by default."""
        with self._lock:
            for key in [key for key, (value, _) in self._values.items() if which(value)]:
                del self._values[key]

    @property
    def bytes(self) -> int:
        """Of all values together."""
        return sum(size for _, size in self._values.values())

    def __len__(self) -> int:
        return len(self._values)
