"""What is minimised, as TRL computes it: SFT, DPO, ORPO, KTO and GRPO on log-probabilities of tokens."""

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


def advantages(rewards: Tensor, scale: str) -> Tensor:
    """How much better each answer is than its group: its reward minus the group's mean, over the standard
    deviation (n − 1 in the denominator) plus 10⁻⁴ (Shao et al. 2024, section 4.1).

    Args:
        rewards: (groups, answers).
        scale: whose standard deviation: "group", "batch" for that of all rewards, or "none" for no division.
    """
    centred = rewards - rewards.mean(1, keepdim=True)
    if scale == "none":
        return centred
    return centred / ((rewards.std() if scale == "batch" else rewards.std(1, keepdim=True)) + 1e-4)


def grpo_tokens(
    now: Tensor, old: Tensor, first: Tensor, advantage: Tensor, beta: float, epsilon: float
) -> tuple[Tensor, Tensor]:
    """Of each token −min(ρA, clip(ρ, 1 − ε, 1 + ε)A) + βρ·KL, ρ being its probability over that with which it
    was sampled, and whether the clip took its gradient away.

    Args:
        now: ln p of the tokens, nats, with gradients.
        old: ln p when they were sampled.
        first: ln p under the model before training.
        advantage: of each token's answer.
        beta: weight of `divergence`.
        epsilon: how far ρ may go from 1.
    """
    import torch

    ratio = torch.exp(now - old)
    bounded = torch.clamp(ratio, 1 - epsilon, 1 + epsilon)
    each = -torch.min(ratio * advantage, bounded * advantage)
    if beta:
        each = each + beta * ratio * divergence(now, first)
    beyond = ((ratio < 1 - epsilon) & (advantage < 0)) | ((ratio > 1 + epsilon) & (advantage > 0))
    return each, beyond


def divergence(now: Tensor, first: Tensor) -> Tensor:
    """Of each sampled token e^(first − now) − (first − now) − 1, nats: its mean estimates the KL divergence
    from the model before training (Schulman 2020, k₃).
    """
    import torch

    return torch.exp(first - now) - (first - now) - 1


def grpo(each: Tensor, lengths: Sequence[int], kind: str, longest: int) -> Tensor:
    """The loss of a batch of answers from the losses of their tokens, one answer after the other.

    Args:
        each: of `grpo_tokens`.
        lengths: tokens of each answer.
        kind: "dapo": mean over all tokens; "grpo": mean over answers of their tokens' mean; "dr_grpo": sum
            over answers · `longest`.
        longest: tokens that an answer may have.
    """
    import torch

    if kind == "dapo":
        return each.sum() / len(each)
    rows = each.split(list(lengths))
    if kind == "grpo":
        return torch.stack([row.mean() for row in rows]).mean()
    return each.sum() / (len(rows) * longest)
