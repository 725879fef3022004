"""Measured rows that are kept, so that a comparison with one format more measures only that one."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import replace
from typing import Any

from quantization.request import Request
from shared.models import Loaded

ROWS = 64
"""Rows that are kept."""

_rows: OrderedDict[Any, Any] = OrderedDict()
_lock = threading.Lock()


def key(request: Request, loaded: Loaded, part: Any) -> Any:
    """What a measurement depends on: the model, the texts, the settings, and the part that is measured."""
    others = replace(request, formats=(), sensitivity=(), budget=None)
    return loaded.id, loaded.revision, loaded.source, loaded.device, others, part


def recall(key: Any) -> Any:
    """What was measured for a key, or None."""
    with _lock:
        if key in _rows:
            _rows.move_to_end(key)
        return _rows.get(key)


def remember(key: Any, value: Any) -> None:
    """Keep what was measured."""
    with _lock:
        _rows[key] = value
        while len(_rows) > ROWS:
            _rows.popitem(last=False)


def forget() -> None:
    """Measure everything again from now on."""
    with _lock:
        _rows.clear()
