"""From a model's logits to the distribution that a token is taken from, the same way for model and draft."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from decoding.record import Stage
from decoding.speculative.rule import Chances


@dataclass(frozen=True)
class Warp:
    """The settings of a run as a function.

    Args:
        stages: transformers' processors, see `decoding.prepare`.
        greedy: whether the likeliest token is taken.
        width: of the model's logits; a draft's are cut or filled to it.
    """

    stages: tuple[Stage, ...]
    greedy: bool
    width: int

    def shown(self, logits: torch.Tensor, ids: Sequence[int]) -> torch.Tensor:
        """Probabilities [width] float64 after the settings, of logits [V] after a text."""
        if logits.shape[0] != self.width:  # rows of padding that one model has and the other has not
            fitted = logits.new_full((self.width,), -torch.inf)
            shared = min(self.width, logits.shape[0])
            fitted[:shared] = logits[:shared]
            logits = fitted
        if self.stages:
            context = torch.tensor([list(ids)], device=logits.device)
            scores = logits[None]
            for _, processor in self.stages:
                scores = processor(context, scores.clone())
            logits = scores[0]
        # float32 sums of a whole vocabulary are off by some 1e-6, and make ties of logits that are none
        return torch.softmax(logits.double(), dim=-1)

    def used(self, shown: torch.Tensor) -> torch.Tensor:
        """What a token is taken from: for greedy search everything lies on the likeliest."""
        return one_hot(int(shown.argmax()), shown) if self.greedy else shown

    def take(self, probabilities: torch.Tensor, chances: Chances) -> int:
        """A token of what `used` gave, or of what the rule made of it."""
        return int(probabilities.argmax()) if self.greedy else chances.token(probabilities)


def one_hot(token: int, like: torch.Tensor) -> torch.Tensor:
    """[V] probabilities with everything on one token."""
    certain = torch.zeros_like(like)
    certain[token] = 1
    return certain
