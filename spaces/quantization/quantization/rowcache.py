"""Measured rows that are kept, so that a comparison with one format more measures only that one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from quantization.request import Request
from shared import limits
from shared.cache import Cache
from shared.models import Loaded

rows: Cache[Any] = Cache(limits.KEPT_BYTES)


def key(request: Request, loaded: Loaded, part: Any) -> Any:
    """What a measurement depends on: the model, the texts, the settings, and the part that is measured."""
    others = replace(request, formats=(), sensitivity=(), budget=None, floor=False)
    return loaded.id, loaded.revision, loaded.source, loaded.device, loaded.dtype, others, part
