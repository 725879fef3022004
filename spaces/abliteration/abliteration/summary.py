"""What several plants say together: means over plants, which are what is independent here."""

from __future__ import annotations

import math
from collections.abc import Sequence

from abliteration import data
from abliteration.numbers import short

MEASURES: tuple[data.BenchMeasure, ...] = ("left", "near", "other")


def over_plants(
    plants: Sequence[data.Planting], methods: Sequence[str], plain: str
) -> list[data.BenchSummary]:
    """Each method's mean over plants with its 95 % interval, and its paired difference from the plain method.

    Intervals are Student's t with one degree of freedom less than plants. Those of the differences are
    Bonferroni's for the methods that are compared and the three measures, so that all of them hold together
    in 95 of 100 such benches.

    Args:
        plants: done so far.
        methods: by name, in order.
        plain: that the others are compared with.
    """
    compared = max(1, len(MEASURES) * (len(methods) - 1))
    summary: list[data.BenchSummary] = []
    for method in methods:
        found: data.BenchSummary = {"method": method, "means": {}, "against": {}}
        for measure in MEASURES:
            pairs = [(value_of(plant, method, measure), value_of(plant, plain, measure)) for plant in plants]
            values = [one for one, _ in pairs if one is not None]
            gaps = [one - other for one, other in pairs if one is not None and other is not None]
            if values:
                found["means"][measure] = within(interval(values)) if measure == "left" else interval(values)
            if gaps and method != plain:
                found["against"][measure] = interval(gaps, 0.05 / compared)
        summary.append(found)
    return summary


def value_of(plant: data.Planting, method: str, measure: data.BenchMeasure) -> float | None:
    """One number of a plant's row; None where it is not known."""
    for row in plant["rows"]:
        if row["method"] == method:
            if measure == "left":
                return row["left"]["count"] / row["left"]["of"] if row["left"]["of"] else None
            mean = row[measure]
            return None if mean is None else mean["mean"]
    return None


def within(found: data.OverPlants) -> data.OverPlants:
    """The interval of a share, which ends at 0 and 1."""
    if found["low"] is None or found["high"] is None:
        return found
    return {**found, "low": max(0.0, found["low"]), "high": min(1.0, found["high"])}


def interval(values: Sequence[float], error: float = 0.05) -> data.OverPlants:
    """A mean with its interval by Student's t; without one for a single value.

    Args:
        values: one a plant.
        error: chance that the interval misses the mean.
    """
    from scipy.special import stdtrit

    count = len(values)
    mean = math.fsum(values) / count
    if count < 2:
        return {"mean": short(mean, 5), "low": None, "high": None, "of": count}
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1) / count)
    half = float(stdtrit(count - 1, 1 - error / 2)) * spread
    return {"mean": short(mean, 5), "low": short(mean - half, 5), "high": short(mean + half, 5), "of": count}
