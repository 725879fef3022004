"""How strong models are by pairs of their answers: Bradley and Terry's strengths, win rates, and how far two
judges agree.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shared.paired import wilson

ADDED = 0.5
"""Wins added on both sides of every pair that met: a perfect record has no finite strength."""
TIE = -1
"""Stands for no winner."""
STEPS, CLOSE = 100, 1e-10
"""Newton's steps at most, and the change in nats after which they end."""


@dataclass(frozen=True)
class Met:
    """A pair that was judged.

    Args:
        first: a model's place.
        second: another's.
        winner: one of the two, or `TIE`.
        prompt: what both answered; pairs of a prompt are not independent of each other.
    """

    first: int
    second: int
    winner: int
    prompt: int


@dataclass(frozen=True)
class Strength:
    """A model among others.

    Args:
        wins: pairs that it won, a tie half.
        of: pairs that it was in.
        low: end of the 95 % interval of its share of wins (Wilson).
        high: end of that interval.
        strength: log odds of winning against the first model, nats; the first one's is 0. None where no chain
            of pairs leads to the first.
        sigma: its standard error; 0 for the first.
    """

    wins: float
    of: int
    low: float
    high: float
    strength: float | None
    sigma: float | None


def strengths(met: Sequence[Met], models: int) -> list[Strength]:
    """Win rates, and the strengths of the model of Bradley and Terry (1952), P(i beats j) = 1 / (1 + e^(s_j −
    s_i)), by maximum likelihood with `ADDED` wins on both sides of every pair that met; a tie is half a win
    for each. Standard errors are those of the information matrix, as if pairs were independent.

    Args:
        met: the pairs.
        models: how many there are.
    """
    import numpy as np

    wins = np.zeros((models, models))
    for one in met:
        if one.winner == TIE:
            wins[one.first, one.second] += 0.5
            wins[one.second, one.first] += 0.5
        else:
            wins[one.winner, one.first + one.second - one.winner] += 1
    own, games = wins.sum(1), (wins + wins.T).sum(1)
    more = wins + ADDED * ((wins + wins.T) > 0)
    total = more + more.T
    joined = {0}
    for _ in range(models):
        joined |= {place for place in range(models) if any(total[place, other] for other in joined)}
    free = sorted(joined - {0})
    known, sigma = np.zeros(models), np.zeros(models)
    inverse: Any = np.zeros((0, 0))
    for _ in range(STEPS if free else 0):
        odds = 1 / (1 + np.exp(known[None, :] - known[:, None]))  # that the row's model wins
        curve = -total * odds * (1 - odds)
        np.fill_diagonal(curve, -curve.sum(1))
        matrix = curve[np.ix_(free, free)]
        inverse = np.linalg.inv(matrix)
        step = np.clip(inverse @ (more - total * odds).sum(1)[free], -2, 2)
        known[free] += step
        if np.abs(step).max() < CLOSE:
            break
    if free:
        slopes = np.zeros((1 + max(one.prompt for one in met), models))
        for one in met:
            odds_first = 1 / (1 + math.exp(known[one.second] - known[one.first]))
            won = 0.5 if one.winner == TIE else float(one.winner == one.first)
            slopes[one.prompt, one.first] += won - odds_first
            slopes[one.prompt, one.second] -= won - odds_first
        slopes = slopes[slopes.any(1)][:, free]
        prompts = len({one.prompt for one in met})
        more_of_few = prompts / (prompts - 1) if prompts > 1 else 1.0
        sandwich = inverse @ slopes.T @ slopes @ inverse * more_of_few
        sigma[free] = np.sqrt(np.maximum(np.diag(inverse), np.diag(sandwich)))
    found = []
    for place in range(models):
        of = round(float(games[place]))
        won = float(own[place])
        low, high = wilson(won / of, of) if of else (0.0, 1.0)
        strength = float(known[place]) if place in joined else None
        error = float(sigma[place]) if place in joined else None
        found.append(Strength(won, of, low, high, strength, error))
    return found


@dataclass(frozen=True)
class Agreement:
    """How far two judges agree.

    Args:
        same: pairs of which they say the same.
        of: pairs that both judged.
        kappa: Cohen's (1960): agreement beyond that of chance; None where chance alone would be perfect.
        low: end of its 95 % interval.
        high: end of that interval.
    """

    same: int
    of: int
    kappa: float | None
    low: float
    high: float


def agreement(pairs: Sequence[tuple[str, str]]) -> Agreement:
    """Cohen's κ, (p − e) / (1 − e) of the shares of agreement seen, p, and expected by chance, e; its
    interval is Wilson's of p put in p's place, since his own standard error is 0 where all or none agree.

    Args:
        pairs: of every pair what each judge said.
    """
    n = len(pairs)
    same = sum(a == b for a, b in pairs)
    labels = {label for pair in pairs for label in pair}
    chance = sum(
        sum(a == label for a, _ in pairs) * sum(b == label for _, b in pairs) for label in labels
    ) / max(1, n * n)
    if not n or chance >= 1:
        return Agreement(same, n, None, -1.0, 1.0)
    seen = same / n
    kappa = (seen - chance) / (1 - chance)
    low, high = ((end - chance) / (1 - chance) for end in wilson(seen, n))
    return Agreement(same, n, kappa, max(-1.0, low), high)
