"""What is minimised, as TRL computes it: SFT, DPO, ORPO and KTO on log-probabilities of tokens."""

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


def orpo(texts: Sequence[Tensor], chosen: Tensor, rejected: Tensor, weight: float) -> Tensor:
    """−Σ ln p over the tokens of the chosen texts, plus λ times the mean over pairs of −ln σ(log odds ratio),
    nats (Hong, Lee and Thorne 2024, equations 6 and 7).

    Args:
        texts: of each pair, ln p of every token of the prompt with the chosen answer, the first aside.
        chosen: ln p of each chosen answer, a token, (pairs,).
        rejected: likewise of the rejected.
        weight: λ, which TRL calls beta.
    """
    import torch

    ratio = torch.nn.functional.logsigmoid(log_odds_ratio(chosen, rejected))
    return sft(texts) - weight * ratio.mean()


def log_odds_ratio(chosen: Tensor, rejected: Tensor) -> Tensor:
    """Ln of the odds p/(1 − p) of each chosen answer over those of the rejected, p being the geometric mean
    over its tokens.

    Args:
        chosen: ln p of each chosen answer, a token, below 0, (pairs,).
        rejected: likewise of the rejected.
    """
    import torch

    return (chosen - rejected) - (torch.log(-torch.expm1(chosen)) - torch.log(-torch.expm1(rejected)))


def kto(
    moved: Tensor, wanted: Tensor, reference: Tensor, beta: float, weights: tuple[float, float] = (1.0, 1.0)
) -> Tensor:
    """Of each answer 1 − σ(β(moved − z₀)) where it is wanted and 1 − σ(β(z₀ − moved)) where not, weighed
    (Ethayarajh et al. 2024, equation 7).

    Args:
        moved: ln p of each answer minus that under the model before training, nats, (rows,).
        wanted: which answers are, bool.
        reference: z₀, as `reference_point` gives it.
        beta: how strongly to stay with the model before training.
        weights: of wanted and of unwanted answers.
    """
    import torch

    gain = torch.where(wanted, moved - reference, reference - moved)
    return torch.where(wanted, weights[0], weights[1]).to(moved) * (1 - torch.sigmoid(beta * gain))


def reference_point(moved: Tensor) -> Tensor:
    """z₀, nats: the mean over prompts with answers to other prompts of ln p minus that before training, not
    below 0, without gradient; it stands for the KL divergence from the model before training.
    """
    return moved.detach().mean().clamp(min=0)
