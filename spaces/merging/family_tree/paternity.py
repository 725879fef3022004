"""Whether a model's weights come from the parents that it declares: its task vector fitted by theirs, against
a null.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from merging import data
from merging.tensors import Weights, common
from shared.errors import VisitorError

Vector = npt.NDArray[np.float64]
ENTRIES = 2_000_000
"""Entries that are sampled over all tensors together, evenly."""
NULLS = 100
TRACE = 0.02
"""Smallest coefficient that counts as a part in the model."""
EXPLAINED = 0.98
"""Share of the task vector's energy that declared parents must explain for the list to count as complete."""


@dataclass(frozen=True)
class Paternity:
    """The result of the test.

    Args:
        parents: name, coefficient and standard error of the fit, cosine of the task vectors, verdict, for
            each declared parent.
        explained: share of the child's task vector (sum of squares) that the fit explains, 0 to 1.
        null: 95 % bound of |cosine| for an unrelated task vector: the first parent's, its entries shifted.
        entries: that were compared.
        verdict: in a sentence.
    """

    parents: tuple[data.TestedParent, ...]
    explained: float
    null: float
    entries: int
    verdict: str

    def to_json(self, of: str) -> data.Paternity:
        """The result as the figure takes it.

        Args:
            of: the tested model's name.
        """
        return {
            "of": of,
            "parents": list(self.parents),
            "explained": round(self.explained, 5),
            "null": round(self.null, 6),
            "entries": self.entries,
            "verdict": self.verdict,
        }


def paternity(
    child: Path, base: Path, parents: Mapping[str, Path], names: Collection[str] | None = None
) -> Paternity:
    """Fit child − base = Σ cᵢ (parentᵢ − base) by least squares over sampled entries of all tensors that all
    have.

    The null is the cosine that the child's task vector has with a parent's when that one's entries are
    shifted: what a model of the same spread that shares nothing with the child would show.

    Args:
        child: a folder with safetensors.
        base: what the task vectors are measured from.
        parents: folders of the declared parents, without the base.
        names: of the tensors that are looked at, where it is not all.

    Raises:
        VisitorError: no parent, no tensor in common, or the child equals the base.
    """
    if not parents:
        raise VisitorError(
            "There is no parent to test beside the base.",
            "Choose a model that declares at least one other parent.",
        )
    vectors, change = _task_vectors(child, base, parents, names)
    energy = float(change @ change)
    if energy == 0:
        raise VisitorError(
            "The model's weights equal its base's.", "There is nothing that a parent could have brought."
        )
    gram = vectors @ vectors.T
    moments = vectors @ change
    coefficients, *_ = np.linalg.lstsq(gram, moments, rcond=1e-12)
    explained = float(1 - np.square(change - coefficients @ vectors).sum() / energy)
    noise = max(0.0, 1 - explained) * energy / max(1, len(change) - len(vectors))
    errors = np.sqrt(np.clip(np.diag(np.linalg.pinv(gram, rcond=1e-12)) * noise, 0, None))
    rows: list[data.TestedParent] = []
    null = _null(change, vectors)
    for index, name in enumerate(parents):
        length = float(np.sqrt(gram[index, index] * energy))
        cosine = float(moments[index]) / length if length else 0.0
        there = abs(coefficients[index]) > max(TRACE, 5 * errors[index])
        rows.append(
            {
                "name": name,
                "coefficient": round(float(coefficients[index]), 5),
                "sigma": round(float(errors[index]), 6),
                "cosine": round(cosine, 5),
                "verdict": "its changes are in the model" if there else "no trace of its changes",
            }
        )
    return Paternity(tuple(rows), explained, null, len(change), _verdict(rows, explained))


def _task_vectors(
    child: Path, base: Path, parents: Mapping[str, Path], names: Collection[str] | None
) -> tuple[Vector, Vector]:
    """Sampled task vectors, (parents, entries), and the child's, (entries,), in float64."""
    opened = [Weights(folder) for folder in (child, base, *parents.values())]
    shapes = {name: shape for name, shape in common(opened).items() if names is None or name in names}
    if not shapes:
        raise VisitorError(
            "The models have no tensor in common.", "The test needs models of one architecture."
        )
    step = _step(list(shapes.values()))
    columns: list[Vector] = []
    for name in shapes:
        rows = [model.get(name).flatten()[::step].double().numpy() for model in opened]
        columns.append(np.stack([row - rows[1] for row in (rows[0], *rows[2:])]))
    joined = np.concatenate(columns, axis=1)
    return joined[1:], joined[0]


def _step(shapes: Sequence[Sequence[int]]) -> int:
    """Every how many entries one is sampled: about `ENTRIES` in all, and a number that shares no factor with
    any row's length, or the same few columns of a matrix would be met in every row.
    """
    total = sum(math.prod(shape) for shape in shapes)
    lengths = {shape[-1] for shape in shapes if shape}
    step = max(1, total // ENTRIES)
    while any(math.gcd(step, length) > 1 for length in lengths):
        step += 1
    return step


def _null(change: Vector, vectors: Vector) -> float:
    """95 % bound of |cosine| between the child's task vector and the first parent's, shifted so that no entry
    meets its own.
    """
    chance = np.random.default_rng(0)
    length = float(np.linalg.norm(change) * np.linalg.norm(vectors[0])) or 1.0
    shifts = chance.integers(1, max(2, len(change)), NULLS)
    drawn = [abs(float(change @ np.roll(vectors[0], shift))) / length for shift in shifts]
    return float(np.quantile(drawn, 0.95))


def _verdict(rows: Sequence[data.TestedParent], explained: float) -> str:
    absent = [row["name"] for row in rows if row["verdict"].startswith("no trace")]
    share = f"{100 * explained:.1f} %"
    if absent and explained < EXPLAINED:
        return (
            f"{', '.join(absent)} left no trace, and the declared parents explain {share} of the change: a "
            "parent is wrong."
        )
    if absent:
        return f"{', '.join(absent)} left no trace; the others explain {share} of the change."
    if explained < EXPLAINED:
        return (
            f"The declared parents are in the model and explain {share} of the change; the rest is a parent "
            "that is not declared, a method that trims or elects, or training."
        )
    return f"The declared parents explain {share} of the change: the list is complete."
