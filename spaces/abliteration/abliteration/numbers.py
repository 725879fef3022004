"""Numbers for figures, with no more digits than anybody reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def short(value: float, digits: int) -> float:
    """A number with so many significant digits."""
    return float(f"{value:.{digits}g}")


def lists(values: Tensor, digits: int) -> Any:
    """A tensor as nested lists of numbers with so many significant digits."""
    return _lists(values.tolist(), digits)


def _lists(value: Any, digits: int) -> Any:
    return [_lists(item, digits) for item in value] if isinstance(value, list) else short(value, digits)
