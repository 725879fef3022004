"""What is minimised, as TRL computes it: SFT and DPO on log-probabilities of answers' tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def sft(logs: Sequence[Tensor]) -> Tensor:
    """−Σ ln p over the number of trained tokens of the whole batch, nats.

    Args:
        logs: of each row, ln p of its trained tokens.
    """
    import torch

    together = torch.cat(list(logs))
    return -together.sum() / len(together)


def dpo(
    chosen: Tensor, rejected: Tensor, chosen_first: Tensor, rejected_first: Tensor, beta: float
) -> Tensor:
    """Mean over pairs of −ln σ(β[(c − c₀) − (r − r₀)]), nats.

    Args:
        chosen: ln p of each chosen answer, summed over its tokens, (pairs,).
        rejected: likewise of the rejected.
        chosen_first: of the chosen under the model before training.
        rejected_first: likewise of the rejected.
        beta: how strongly to stay with that model.
    """
    import torch

    return -torch.nn.functional.logsigmoid(
        beta * margins(chosen, rejected, chosen_first, rejected_first)
    ).mean()


def margins(chosen: Tensor, rejected: Tensor, chosen_first: Tensor, rejected_first: Tensor) -> Tensor:
    """(c − c₀) − (r − r₀) of each pair, nats."""
    return (chosen - chosen_first) - (rejected - rejected_first)
