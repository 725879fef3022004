"""Which expert every token goes to: what transformers' own routers answer in the model's forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared import models

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Routed:
    """The routing of one text.

    Args:
        logits: of the routers, (tokens, layers, experts).
        weights: of the experts that a token goes to, 0 for the others; (tokens, layers, experts).
        taken: whether a token goes to an expert, whose weight may have been rounded to 0; of the same shape.
    """

    logits: Tensor
    weights: Tensor
    taken: Tensor


def routers(model: PreTrainedModel) -> list[Any]:
    """A mixture's routers, layer by layer; each has a `weight` of (experts, hidden size)."""
    return [module for name, module in model.named_modules() if name.endswith(".mlp.gate")]


def with_gates(model: PreTrainedModel, gates: Tensor, stored: Any) -> PreTrainedModel:
    """A twin of a mixture that has other gates.

    Args:
        model: the mixture.
        gates: (layers, experts, hidden size).
        stored: dtype that its files would hold them in.
    """
    import torch

    other = models.twin(model)
    for router, gate in zip(routers(other), gates, strict=True):
        value = gate.to(stored).to(router.weight.device, router.weight.dtype)
        router.weight = torch.nn.Parameter(value, requires_grad=False)
    return other


def route(model: PreTrainedModel, ids: Sequence[int]) -> Routed:
    """Read a text and keep what each router answered: its logits, and the weights that the experts' outputs
    were multiplied by.

    Args:
        model: a mixture of transformers.
        ids: of the text's tokens.
    """
    import torch

    logits: list[Tensor] = []
    weights: list[Tensor] = []
    taken: list[Tensor] = []

    def keep(_: Any, __: Any, answer: tuple[Tensor, Tensor, Tensor]) -> None:
        scores, places = answer[1].float(), answer[2]
        logits.append(answer[0].float().cpu())
        nothing = torch.zeros_like(answer[0], dtype=torch.float32)
        weights.append(nothing.scatter(1, places, scores).cpu())
        taken.append(nothing.scatter(1, places, 1.0).cpu() > 0)

    hooks = [router.register_forward_hook(keep) for router in routers(model)]
    try:
        with torch.no_grad():
            model(torch.tensor([list(ids)], device=model.device), use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    return Routed(torch.stack(logits, 1), torch.stack(weights, 1), torch.stack(taken, 1))


def load(taken: Tensor) -> list[list[float]]:
    """The share of the tokens' places that each expert gets, by layer and expert.

    Args:
        taken: (tokens, layers, experts), whether a token goes to an expert.
    """
    counts = taken.double().sum(0)
    return [[round(float(share), 4) for share in layer / layer.sum()] for layer in counts]


def entropy(logits: Tensor) -> list[float]:
    """Mean entropy of the routers' probabilities of all experts, by layer, in nats.

    Args:
        logits: (tokens, layers, experts).
    """
    import torch

    chances = torch.log_softmax(logits.double(), -1)
    return [round(float(value), 4) for value in -(chances.exp() * chances).sum(-1).mean(0)]


def agreement(logits: Tensor, other: Tensor) -> float:
    """The share of tokens and layers whose first expert is the same in two routings."""
    return round(float((logits.argmax(-1) == other.argmax(-1)).double().mean()), 4)
