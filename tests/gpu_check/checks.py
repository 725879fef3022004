"""What CUDA and the CPU are held to: a difference, and what it may be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Check:
    """One number on one model.

    Args:
        space: whose job it is.
        what: the difference in words, with its unit.
        model: the model's name.
        dtype: "float32" or "bfloat16".
        difference: between the two sides; NaN fails.
        tolerance: what it may be; None where it is only reported.
    """

    space: str
    what: str
    model: str
    dtype: str
    difference: float
    tolerance: float | None

    @property
    def holds(self) -> bool:
        """Whether the difference is as small as it has to be."""
        return self.tolerance is None or self.difference <= self.tolerance

    def to_json(self) -> dict[str, Any]:
        """The check with its outcome."""
        return {**self.__dict__, "holds": self.holds}


def largest(one: Any, other: Any) -> float:
    """max |one − other| over all entries, infinities in the same places left out; NaN where shapes differ."""
    import torch

    one, other = (torch.as_tensor(side).detach().cpu().double() for side in (one, other))
    if one.shape != other.shape:
        return float("nan")
    gap = (one - other).abs()
    return float(torch.where(one == other, torch.zeros_like(gap), gap).max()) if gap.numel() else 0.0


def unequal(one: Sequence[Any], other: Sequence[Any]) -> float:
    """How many entries of two lists differ."""
    return float(sum(a != b for a, b in zip(one, other, strict=True)))


def relative(value: float, reference: float) -> float:
    """|value / reference − 1|."""
    return abs(value / reference - 1) if reference else abs(value)


def worst(checks: Iterable[Check]) -> list[tuple[Check, int]]:
    """One line for each kind of check: the model where it is nearest to failing, and of how many models."""
    groups: dict[tuple[str, str, str], list[Check]] = {}
    for check in checks:
        groups.setdefault((check.space, check.what, check.dtype), []).append(check)

    def badness(check: Check) -> tuple[bool, float]:
        unknown = check.difference != check.difference
        return (not check.holds, float("inf") if unknown else check.difference)

    return [(max(group, key=badness), len(group)) for group in groups.values()]
