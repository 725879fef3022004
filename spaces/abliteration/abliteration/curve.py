"""The kernel that strengths over the layers follow: constant, heretic's falloff, or one of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from abliteration import data
from abliteration.numbers import short

LEAST = 0.005
"""Strengths that differ by less count as equal, or by less than four of their standard errors."""
_PLACES = 0.01
"""Step of the positions that are tried, in layers."""


@dataclass(frozen=True)
class Shape:
    """What strengths follow.

    Args:
        kind: "none" (all 0), "constant", "falloff" or "free".
        first: layer that is edited first; −1 for "none".
        last: that is edited last.
        height: the constant, or the falloff's w_max at its position; 0 where there is neither.
        position: of the falloff's largest strength, in layers.
        slope: by how much the falloff changes with every layer away from there.
        distance: the least and the largest distance at which the falloff may end: the layers tell no more.
            The largest is None where no unedited layer bounds it.
        gap: by how much any strength differs from the shape at most.
    """

    kind: str
    first: int = -1
    last: int = -1
    height: float = 0.0
    position: float = 0.0
    slope: float = 0.0
    distance: tuple[float, float | None] = (0.0, None)
    gap: float = 0.0

    def at(self, layer: int) -> float:
        """Its strength at a layer."""
        if self.kind in ("none", "free") or not self.first <= layer <= self.last:
            return 0.0
        return self.height + self.slope * abs(layer - self.position)

    def to_json(self) -> data.CurveShape:
        """The shape with three digits."""
        low, high = self.distance
        return {
            "kind": self.kind,
            "first": self.first,
            "last": self.last,
            "height": short(self.height, 4),
            "position": short(self.position, 4),
            "slope": short(self.slope, 3),
            "distance": (short(low, 4), None if high is None else short(high, 4)),
            "gap": short(self.gap, 2),
        }


def shape_of(strengths: Sequence[float], sigma: float = 0.0) -> Shape:
    """The simplest shape that strengths follow.

    Args:
        strengths: by layer, 0 where nothing was taken out.
        sigma: the largest standard error among them.
    """
    import numpy as np

    values = np.asarray(strengths, dtype=float)
    edited = np.flatnonzero(values)
    if not len(edited):
        return Shape("none")
    first, last = int(edited[0]), int(edited[-1])
    enough = max(LEAST, 4 * sigma)
    within = values[first : last + 1]
    mean = float(within.mean())
    gap = float(abs(within - mean).max())
    if gap <= enough:
        return Shape("constant", first, last, mean, gap=gap)
    if len(edited) == last - first + 1 and len(edited) >= 4:
        best = min(
            (_at(values, edited, position) for position in _positions(first, last)),
            key=lambda one: one.gap,
        )
        if best.gap <= enough:
            return best
    return Shape("free", first, last)


def _positions(first: int, last: int) -> list[float]:
    count = round((last - first) / _PLACES)
    return [first + index * _PLACES for index in range(count + 1)]


def _at(values: object, edited: object, position: float) -> Shape:
    """The falloff from a position that is nearest to strengths."""
    import numpy as np

    array, layers = np.asarray(values), np.asarray(edited)
    away = abs(layers - position)
    slope, height = np.polyfit(away, array[layers], 1)
    gap = float(abs(array[layers] - height - slope * away).max())
    others = np.setdiff1d(np.arange(len(array)), layers)
    end = float(abs(others - position).min()) if len(others) else None
    return Shape(
        "falloff",
        int(layers[0]),
        int(layers[-1]),
        float(height),
        float(position),
        float(slope),
        (float(away.max()), end),
        gap,
    )
