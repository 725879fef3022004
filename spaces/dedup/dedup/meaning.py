"""How well vectors, and the language model, tell a restatement from an opposite, on sentences of this
repository.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from dedup.arrays import Float32, Float64
from dedup.examples import FOLDER

ROUNDS = 2_000
"""Bootstrap rounds of an interval."""

HOW_SURE = (
    "A language model of 135 million parameters read each pair, and it errs: of 40 sentences that it was not "
    "tuned on it tells a restatement from an opposite in 87 of 100 cases, but from another statement on the "
    "same subject in 66. Judge some pairs under “Your labels” before you remove any."
)


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


def sentences(held_out: bool) -> list[dict[str, Any]]:
    """Sentences (`text`), each with a restatement in other words (`same`), one in nearly the same words
    (`near`), an opposite in nearly the same words (`opposite`), another statement on the same subject
    (`topic`), and what `reading.read` makes of each of them (`nats`).

    Args:
        held_out: those by which nothing was chosen, and not those by which the words between two texts and
        the
            cut were.
    """
    lines = (FOLDER / "meaning.jsonl").read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, lines) if row["held_out"] == held_out]


def triples() -> list[tuple[str, str, str]]:
    """Sentences, each with a restatement in other words and with an opposite in nearly the same words."""
    return [(row["text"], row["same"], row["opposite"]) for row in sentences(False)]


def told(vectors: Float32, seed: int = 0) -> Told:
    """The measure for vectors of all `triples`, one text after the other.

    Args:
        vectors: of shape (3 · n, dimensions); their lengths do not matter.
        seed: of the bootstrap.
    """
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    sentence, same, opposite = unit.reshape(-1, 3, unit.shape[1]).transpose(1, 0, 2).astype(np.float64)
    return told_apart((sentence * same).sum(axis=1)[:, None], (sentence * opposite).sum(axis=1), seed)


def told_apart(above: Float64, below: Float64, seed: int = 0) -> Told:
    """The measure for any scores.

    Args:
        above: of the restatements, shape (sentences, restatements of each).
        below: of what is none, one by sentence.
        seed: of the bootstrap.
    """
    rng = np.random.default_rng(seed)
    rounds = rng.integers(0, len(below), (ROUNDS, len(below)))
    low, high = np.percentile([auc(above[chosen].ravel(), below[chosen]) for chosen in rounds], [2.5, 97.5])
    return Told(auc(above.ravel(), below), float(low), float(high), len(below))


def auc(above: Float64, below: Float64) -> float:
    """The share of pairs in which a value of the first is the greater one, ties counted half."""
    apart = above[:, None] - below[None, :]
    return float(((apart > 0) + 0.5 * (apart == 0)).mean())
