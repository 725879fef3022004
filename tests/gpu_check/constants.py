"""Linear constants from measured seconds, for the Spaces' `duration` functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Fit:
    """seconds ≈ Σ coefficientᵢ · featureᵢ, no coefficient below 0.

    Args:
        coefficients: one a feature.
        count: measurements.
        low: fewest parameters among them, in billions.
        high: most.
        worst: largest relative error of a measurement.
    """

    coefficients: tuple[float, ...]
    count: int
    low: float
    high: float
    worst: float

    def to_json(self) -> dict[str, Any]:
        """The fit with its range."""
        return {**self.__dict__, "coefficients": list(self.coefficients)}

    def __str__(self) -> str:
        numbers = ", ".join(f"{value:.4g}" for value in self.coefficients)
        span = f"n = {self.count}, {self.low:.2g} to {self.high:.2g} billion parameters"
        return f"({numbers})  {span}, off by {self.worst:.0%} at most"


def fit(rows: Sequence[tuple[Sequence[float], float, float]]) -> Fit | None:
    """Fit constants by non-negative least squares of relative errors; None with too few measurements.

    Args:
        rows: features, seconds, and billions of parameters of each measurement.
    """
    import numpy as np
    from scipy.optimize import nnls

    if not rows or len(rows) < len(rows[0][0]):
        return None
    features = np.array([[value / seconds for value in row] for row, seconds, _ in rows])
    coefficients, _ = nnls(features, np.ones(len(rows)))
    errors = np.abs(features @ coefficients - 1)
    billions = [size for _, _, size in rows]
    return Fit(tuple(map(float, coefficients)), len(rows), min(billions), max(billions), float(errors.max()))


def fits(starts: Sequence[float], records: Sequence[dict[str, Any]]) -> dict[str, Fit]:
    """Every constant that the records allow.

    Names are those of `shared.gpu`: "START"; "MOVE" (s; s for 10⁹ bytes); "READ float32" (s for a pass; for
    10⁹ parameters and 1,000 tokens); "WRITE float32" (s for a step; for a row of it; for 10⁹ parameters);
    "RECORD float32" (s for a step and a sequence of decoding); of every job its fixed seconds, and those for
    10⁹ parameters.
    """
    wanted: dict[str, list[tuple[Sequence[float], float, float]]] = {}
    for record in records:
        billions, dtype = record["parameters"] / 1e9, record["dtype"]
        if "move" in record:
            wanted.setdefault("MOVE", []).append(((1.0, record["bytes"] / 1e9), record["move"], billions))
        for tokens, seconds in record.get("passes", ()):
            row = ((1.0, billions * tokens / 1e3), seconds, billions)
            wanted.setdefault(f"READ {dtype}", []).append(row)
        for rows, seconds in record.get("steps", ()):
            row = ((1.0, float(rows), billions), seconds, billions)
            wanted.setdefault(f"WRITE {dtype}", []).append(row)
        steps = {rows: seconds for rows, seconds in record.get("steps", ())}
        for title, job in record["jobs"].items():
            wanted.setdefault(f"{title} {dtype}", []).append(((1.0, billions), job["seconds"], billions))
            if title == "decoding" and steps:
                left = job["seconds"] - job["steps"] * next(iter(steps.values()))
                if left > 0:
                    row = ((job["steps"] * job["rows"],), left, billions)
                    wanted.setdefault(f"RECORD {dtype}", []).append(row)
    known = {name: found for name, rows in wanted.items() if (found := fit(rows))}
    if starts:
        middle = sorted(starts)[len(starts) // 2]
        known["START"] = Fit((middle,), len(starts), 0, 0, max(abs(one / middle - 1) for one in starts))
    return known
