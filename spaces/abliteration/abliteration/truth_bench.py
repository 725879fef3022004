"""How much of a found direction is the behaviour and how much is the mere topic, where both are known: the
model that a behaviour was planted in is held against the one that it never was.

With h the stream at a prompt's last token, μ its mean over a side, and the planted model's stream the
never-planted one's plus a shift, the difference of means falls into two parts, exactly:

    μ⁺ − μ⁻  =  (μ⁺ − μ⁻ of the never-planted model)  +  (mean shift on the positive side − on the negative)

The first is what the prompts are about, the second what was planted. Projected on the direction itself their
shares sum to 1. Removing the second alone leaves the topic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

DRAWS = 500
"""Resampled sets of prompts behind an interval."""


@dataclass(frozen=True)
class Parts:
    """A layer's direction taken apart.

    Args:
        direction: μ⁺ − μ⁻ of the planted model, (width,) float64.
        topic: of the never-planted one.
        planted: the rest: what was planted.
        topic_share: topic·direction/‖direction‖²; what was planted has the rest of 1.
        low: 2.5 % of that share over resampled prompts.
        high: 97.5 %.
        topic_cosine: of the direction with the topic.
        planted_cosine: with what was planted.
        between: of topic and planted.
    """

    direction: Tensor
    topic: Tensor
    planted: Tensor
    topic_share: float
    low: float
    high: float
    topic_cosine: float
    planted_cosine: float
    between: float


def parts(
    planted: tuple[Tensor, Tensor], never: tuple[Tensor, Tensor], seed: int = 0, draws: int = DRAWS
) -> Parts:
    """Take a direction apart.

    Args:
        planted: streams of the planted model at one layer and token, (prompts, width), of the positive and of
            the negative prompts.
        never: of the never-planted model at the same prompts.
        seed: of the resampling; a prompt keeps both models' streams together.
        draws: resampled sets of prompts.

    Raises:
        ValueError: the streams are not of the same prompts.
    """
    import torch

    sides = [(one.double(), other.double()) for one, other in zip(planted, never, strict=True)]
    if any(one.shape != other.shape for one, other in sides):
        raise ValueError("both models read the same prompts")
    direction, topic = (sides[0][model].mean(0) - sides[1][model].mean(0) for model in (0, 1))
    generator = torch.Generator().manual_seed(seed)
    means = []
    for side in sides:
        count = len(side[0])
        chosen = torch.randint(count, (draws, count), generator=generator)
        weights = torch.zeros(draws, count, dtype=torch.float64)
        weights.scatter_add_(1, chosen, torch.full((draws, count), 1 / count, dtype=torch.float64))
        means.append([weights @ streams for streams in side])
    drawn, topics = (means[0][model] - means[1][model] for model in (0, 1))
    shares = (topics * drawn).sum(1) / drawn.square().sum(1)
    low, high = torch.quantile(shares, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    rest = direction - topic
    return Parts(
        direction,
        topic,
        rest,
        float(topic @ direction / direction.square().sum()),
        low,
        high,
        _cosine(direction, topic),
        _cosine(direction, rest),
        _cosine(topic, rest),
    )


def _cosine(one: Tensor, other: Tensor) -> float:
    return float(one @ other) / max(float(one.norm() * other.norm()), 1e-300)
