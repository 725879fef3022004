"""The rule that makes a draft's tokens the model's own.

A token x that was drawn from the draft's q is kept with chance min(1, p(x)/q(x)). The first that is not kept
is replaced by a draw from max(0, p − q), normalised. So x comes out with probability

    q(x) · min(1, p(x)/q(x)) + (1 − Σ min(p, q)) · max(0, p(x) − q(x)) / Σ max(0, p − q)  =  p(x),

since the first part is min(p, q), and both sums behind it are the total variation TV(p, q). Greedy search is
the same rule for distributions that have everything on one token.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch


class Chances(Protocol):
    """Where the random decisions come from."""

    def below(self, chance: float) -> float:
        """A number that decides whether something of that chance happens: it does where the number is below
        it.
        """

    def token(self, probabilities: torch.Tensor) -> int:
        """A token drawn from probabilities [V]."""


class Draws:
    """Random decisions from one seed."""

    def __init__(self, seed: int, device: str) -> None:
        self._generator = torch.Generator(device=device).manual_seed(seed)
        self._device = device

    def below(self, chance: float) -> float:
        """A uniform number from 0 to below 1, whatever the chance."""
        return float(torch.rand(1, generator=self._generator, device=self._device, dtype=torch.float64))

    def token(self, probabilities: torch.Tensor) -> int:
        """A token drawn from probabilities [V]."""
        return int(torch.multinomial(probabilities, 1, generator=self._generator))


@dataclass(frozen=True)
class Meeting:
    """Where the model and its draft say what comes next.

    Args:
        p: [V] float64, the model's distribution after its settings.
        q: [V] float32, the draft's, after the same settings.
    """

    p: torch.Tensor
    q: torch.Tensor

    def chance(self, token: int) -> float:
        """With which a token that the draft drew is kept."""
        return min(1.0, float(self.p[token]) / float(self.q[token]))

    @cached_property
    def kept(self) -> torch.Tensor:
        """[V]: how often each token is drawn by the draft and kept, q · min(1, p/q)."""
        return torch.where(self.q > 0, self.q * (self.p / self.q).clamp(max=1), 0)

    @cached_property
    def overlap(self) -> float:
        """The chance that the draft's token is kept, whichever it draws: Σ min(p, q) = 1 − TV(p, q)."""
        return min(1.0, float(torch.minimum(self.p, self.q).sum()))

    @cached_property
    def residual(self) -> torch.Tensor:
        """[V]: what a replacement is drawn from, max(0, p − q) normalised. Where nothing is left of it, p and
        q are the same but for rounding, and p stands for it.
        """
        missing = (self.p - self.q).clamp(min=0)
        total = missing.sum()
        return missing / total if float(total) > 0 else self.p

    @cached_property
    def error(self) -> float:
        """How far the two ways to a token, together, are from p: the largest difference over all tokens."""
        rejected = 1 - float(self.kept.sum())
        return float((self.kept + rejected * self.residual - self.p).abs().max())
