"""The direction that moves the behaviour itself: gradient attribution in the place of a difference of means.

A difference of means holds whatever the two sets differ in, their subject too. Here r̂ of layer l is
norm(mean over prompts of ∂s/∂h), with s the score that the behaviour is judged by (the log-odds of the first
tokens of answers that show it, or how much likelier one answer is than another) and h the stream behind block
l at the last token of a prompt with the behaviour: the change of h that moves s most.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from abliteration.activations import batches, padded
from shared.errors import VisitorError
from shared.models import twin

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from abliteration.architecture import Anatomy
    from abliteration.scale import Scale

PROMPTS = 16
"""Prompts whose gradients are averaged."""
TOKENS = 512
"""Tokens of a batch, whose graph is kept for the way back."""


def available(scale: Scale) -> bool:
    """Whether a score has a gradient: one that counts finished answers has none."""
    return bool(scale.tokens or scale.pair)


def rows(model: PreTrainedModel, anatomy: Anatomy, scale: Scale, prompts: list[list[int]]) -> Tensor:
    """The unit direction of every layer, float32 (layers, width) on the CPU.

    Args:
        scale: of the behaviour.
        prompts: token ids of prompts with it; each ends where the answer begins.

    Raises:
        VisitorError: the score has no gradient, or it is zero or not finite at some layer.
    """
    import torch

    if not available(scale):
        raise VisitorError(
            "Whether an answer shows this behaviour is read from the whole answer, which has no gradient.",
            "Choose another projection than causal.",
        )
    few = prompts[:PROMPTS]
    if scale.pair:
        one, other = (_gradients(model, anatomy, few, answer=list(answer)) for answer in scale.pair)
        total = one - other
    else:
        total = _gradients(model, anatomy, few, opens=list(scale.tokens))
    lengths = total.norm(dim=-1, keepdim=True)
    if not bool((torch.isfinite(lengths) & (lengths > 0)).all()):
        raise VisitorError(
            "The behaviour's score has no gradient at some layer of the model.",
            "Choose another projection than causal.",
        )
    return (total / lengths).float()


def _gradients(
    model: PreTrainedModel,
    anatomy: Anatomy,
    prompts: list[list[int]],
    opens: list[int] | None = None,
    answer: list[int] | None = None,
) -> Tensor:
    """Sum over prompts of the gradient at their last tokens, float64 (layers, width): of the log-odds of some
    next tokens, or of ln p of an answer.
    """
    import torch

    watched, streams = twin(model), list[Any]()

    def keep(_: Any, __: Any, output: Any) -> None:
        hidden = output[0] if isinstance(output, tuple) else output
        streams.append(hidden if hidden.requires_grad else hidden.requires_grad_())

    for block in anatomy.blocks:
        watched.get_submodule(block).register_forward_hook(keep)
    behind = answer or []
    full = [[*ids, *behind] for ids in prompts]
    total = torch.zeros(anatomy.layers, anatomy.width, dtype=torch.float64)
    known = "logits_to_keep" in inspect.signature(watched.forward).parameters
    for batch in batches(full, TOKENS):
        streams.clear()
        ids, ends = padded([full[index] for index in batch], model.device)
        lines = torch.arange(len(batch), device=ids.device)
        starts = ends - len(behind) - 1  # a prompt's last token
        first = int(starts.min())
        with torch.enable_grad():
            more = {"logits_to_keep": ids.shape[1] - first} if known else {}
            logits = watched(ids, use_cache=False, **more).logits
            logits = logits[:, logits.shape[1] - ids.shape[1] + first :]
            logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
            if opens is not None:
                score = _log_odds(logits[lines, starts - first], opens).sum()
            else:
                score = sum(
                    logits[lines, starts - first + place].log_softmax(-1)[:, token].sum()
                    for place, token in enumerate(behind)
                )
            # not backward(): the model's own parameters are shared, and get no gradient
            found = torch.autograd.grad(score, streams)
        for layer, gradient in enumerate(found):
            total[layer] += gradient[lines, starts].double().sum(0).cpu()
    return total


def _log_odds(logits: Tensor, tokens: list[int]) -> Tensor:
    """The log-odds, ln P − ln(1 − P), of one of some tokens, by row."""
    import torch

    rest = torch.ones(logits.shape[-1], dtype=torch.bool, device=logits.device)
    rest[tokens] = False
    return logits[:, ~rest].logsumexp(-1) - logits[:, rest].logsumexp(-1)
