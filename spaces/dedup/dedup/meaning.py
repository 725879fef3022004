"""How well vectors tell a restatement from an opposite, on sentences of this repository."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from dedup.arrays import Float32, Float64
from dedup.examples import FOLDER

ROUNDS = 2_000
"""Bootstrap rounds of an interval."""


@dataclass(frozen=True)
class Told:
    """How often a restatement is more like its sentence than an opposite of some sentence.

    Args:
        auc: that share, ties counted half; 1 is right, .5 a guess, and below it opposites look more alike.
        low: of its 95 % interval over sentences (bootstrap by percentiles).
        high: its other end.
        n: sentences.
    """

    auc: float
    low: float
    high: float
    n: int


def triples() -> list[tuple[str, str, str]]:
    """Sentences, each with a restatement in other words and with an opposite in nearly the same words."""
    lines = (FOLDER / "meaning.jsonl").read_text(encoding="utf-8").splitlines()
    return [(row["text"], row["same"], row["opposite"]) for row in map(json.loads, lines)]


def told(vectors: Float32, seed: int = 0) -> Told:
    """The measure for vectors of all `triples`, one text after the other.

    Args:
        vectors: of shape (3 · n, dimensions); their lengths do not matter.
        seed: of the bootstrap.
    """
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    sentence, same, opposite = unit.reshape(-1, 3, unit.shape[1]).transpose(1, 0, 2).astype(np.float64)
    near, far = (sentence * same).sum(axis=1), (sentence * opposite).sum(axis=1)
    rng = np.random.default_rng(seed)
    rounds = rng.integers(0, len(near), (ROUNDS, len(near)))
    low, high = np.percentile([auc(near[chosen], far[chosen]) for chosen in rounds], [2.5, 97.5])
    return Told(auc(near, far), float(low), float(high), len(near))


def auc(above: Float64, below: Float64) -> float:
    """The share of pairs in which a value of the first is the greater one, ties counted half."""
    apart = above[:, None] - below[None, :]
    return float(((apart > 0) + 0.5 * (apart == 0)).mean())
