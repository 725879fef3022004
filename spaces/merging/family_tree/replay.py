"""A published recipe merged again: do the weights come out the same, and if not, from where on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from merging import data
from merging.tensors import Weights, place


@dataclass(frozen=True)
class Replay:
    """Two folders of weights, tensor by tensor.

    Args:
        same: whether every tensor that either has is in both with equal values.
        tensors: how many were compared.
        different: names of those that differ, in the model's order.
        largest: largest absolute difference.
        missing: names that only one of the two has.
        verdict: in a sentence.
    """

    same: bool
    tensors: int
    different: tuple[str, ...]
    largest: float
    missing: tuple[str, ...]
    verdict: str

    def to_json(self) -> data.Replay:
        """The comparison as the figure takes it."""
        return {
            "same": self.same,
            "tensors": self.tensors,
            "different": list(self.different[:50]),
            "largest": self.largest if math.isfinite(self.largest) else None,
            "missing": list(self.missing[:50]),
            "verdict": self.verdict,
        }


def compare_weights(mine: Path, published: Path) -> Replay:
    """Compare every tensor; values are compared in the published model's dtype, since a float32 merge may
    have been saved shorter.

    Args:
        mine: folder of the replayed merge.
        published: folder of the model whose recipe it was.
    """
    import torch

    here, there = Weights(mine), Weights(published)
    names = sorted(set(here.names) & set(there.names), key=_order)
    missing = tuple(sorted(set(here.names) ^ set(there.names), key=_order))
    different: list[str] = []
    largest = 0.0
    for name in names:
        one, other = here.stored(name), there.stored(name)
        if one.shape == other.shape and torch.equal(one.to(other.dtype), other):  # which no NaN is
            continue
        different.append(name)
        gap = torch.tensor(math.inf)
        if one.shape == other.shape:
            gap = (one.to(other.dtype).float() - other.float()).abs()
        largest = max(largest, float(gap.nan_to_num(nan=math.inf).max()))
    return Replay(
        not different and not missing,
        len(names),
        tuple(different),
        largest,
        missing,
        _verdict(len(names), different, largest, missing),
    )


def _order(name: str) -> tuple[int, str]:
    spot = place(name)
    return (spot[0] if spot else -1, name)


def _verdict(count: int, different: list[str], largest: float, missing: tuple[str, ...]) -> str:
    if not count:
        return "The two have no tensor in common."
    parts = []
    if different:
        spot = place(different[0])
        where = f"layer {spot[0]}" if spot else different[0]
        parts.append(
            f"differs from {where} on: {len(different)} of {count} tensors, by {largest:.2g} at most"
        )
    if missing:
        parts.append(f"{len(missing)} tensors are in one of the two only, {missing[0]} first")
    return (
        f"The replay {'; '.join(parts)}."
        if parts
        else f"The replay reproduces the published weights: {count} tensors are equal."
    )
