"""One batched pass over prompts that keeps the residual stream where it is wanted.

Prompts are padded on the right: in a causal model what comes after a token cannot change it, so no mask, no
shifted positions, and every number equals that of the prompt run alone up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from shared.errors import VisitorError
from shared.models import twin

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from abliteration.architecture import Anatomy

BATCH_TOKENS = 2048
"""Tokens in one forward pass, padding included."""


def states(
    model: PreTrainedModel, anatomy: Anatomy, prompts: list[list[int]], last: int = 1
) -> Iterator[int | Tensor]:
    """The residual stream at the last tokens of every prompt; yields how many prompts are done, at the end
    the stream.

    Index l of the first axis is block l's input (resid_pre of layer l); the last index is the last block's
    output.

    Args:
        model: a causal language model, or its twin with an edit in it.
        anatomy: of the model.
        prompts: token ids.
        last: how many tokens of each, counted from its end; each prompt has at least so many.

    Yields:
        Counts, then float32 (layers + 1, prompts, last, width) on the CPU.

    Raises:
        VisitorError: an activation is not finite.
    """
    import torch

    found = torch.empty(anatomy.layers + 1, len(prompts), last, anatomy.width)
    done = 0
    for chosen in batches(prompts):
        ids, ends = padded([prompts[index] for index in chosen], model.device)
        rows = torch.arange(len(chosen), device=ids.device)[:, None]
        places = (ends[:, None] - last + torch.arange(last, device=ids.device)).clamp(min=0)
        with torch.inference_mode():
            watched, kept = watch(model, anatomy, lambda hidden, at=(rows, places): hidden[at].float())  # type: ignore[misc]
            watched.base_model(ids, use_cache=False)
        found[:, chosen] = torch.stack(kept).cpu()
        done += len(chosen)
        yield done
    check_finite(found)
    yield found


def all_states(
    model: PreTrainedModel, anatomy: Anatomy, ids: list[int], take: Callable[[Tensor], Tensor]
) -> Tensor:
    """Something taken from the residual stream at every token of one sequence, (layers + 1, …) float32 on the
    CPU.

    Args:
        take: from (tokens, width) float32 to a tensor.
    """
    import torch

    watched, kept = watch(model, anatomy, lambda hidden: take(hidden[0].float()))
    with torch.inference_mode():
        watched.base_model(torch.tensor([ids], device=model.device), use_cache=False)
    return torch.stack(kept).cpu()


def first_tokens(
    model: PreTrainedModel, prompts: list[list[int]], anatomy: Anatomy | None = None
) -> tuple[Tensor, Tensor | None]:
    """Log-probabilities of each prompt's next token and, with an anatomy, the stream at its last token, in
    one pass.

    Returns:
        float32 (prompts, vocabulary) and None or float32 (layers + 1, prompts, width), on the CPU.
    """
    import torch

    log_p: list[Tensor] = [torch.empty(0)] * len(prompts)
    streams = torch.empty(anatomy.layers + 1, len(prompts), anatomy.width) if anatomy else None
    for chosen in batches(prompts):
        ids, ends = padded([prompts[index] for index in chosen], model.device)
        rows = torch.arange(len(chosen), device=ids.device)
        # the head is large: only where some prompt ends
        kept_places, slots = torch.unique(ends - 1, return_inverse=True)
        watched: PreTrainedModel = model
        kept: list[Tensor] = []
        if anatomy:
            watched, kept = watch(model, anatomy, lambda hidden, at=(rows, ends - 1): hidden[at].float())  # type: ignore[misc]
        with torch.inference_mode():
            logits = watched(ids, use_cache=False, logits_to_keep=kept_places).logits[rows, slots].float()
            for index, row in zip(chosen, logits.log_softmax(-1).cpu(), strict=True):
                log_p[index] = row
        if streams is not None:
            streams[:, chosen] = torch.stack(kept).cpu()
    return torch.stack(log_p), streams


def watch(
    model: PreTrainedModel, anatomy: Anatomy, take: Callable[[Tensor], Tensor], names: tuple[str, ...] = ()
) -> tuple[PreTrainedModel, list[Tensor]]:
    """A twin that keeps something of what enters some modules, and the list that it fills.

    Args:
        take: from what enters, (prompts, tokens, width), to a tensor.
        names: of modules; by default every block and the norm after the last one.
    """
    watched = twin(model)
    kept: list[Tensor] = []

    def keep(_: Any, inputs: Any) -> None:
        kept.append(take(inputs[0]).clone())

    for name in names or (*anatomy.blocks, anatomy.final):
        watched.get_submodule(name).register_forward_pre_hook(keep)
    return watched, kept


def batches(prompts: list[list[int]], tokens: int = BATCH_TOKENS) -> Iterator[list[int]]:
    """Indices of prompts of similar length, at most `tokens` tokens a batch with its padding."""
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    chosen: list[int] = []
    for index in order:
        if chosen and (len(chosen) + 1) * len(prompts[index]) > tokens:
            yield chosen
            chosen = []
        chosen.append(index)
    if chosen:
        yield chosen


def padded(prompts: list[list[int]], device: Any) -> tuple[Tensor, Tensor]:
    """Token ids (prompts, longest), padded on the right with a token that nobody looks at, and each prompt's
    length.
    """
    import torch

    longest = max(map(len, prompts))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in prompts], device=device)
    return ids, torch.tensor([len(row) for row in prompts], device=device)


def check_finite(found: Tensor) -> None:
    """Raise a VisitorError that names the first layer whose activations are not finite."""
    bad = (~found.isfinite()).flatten(1).any(1)
    if bad.any():
        layer = int(bad.nonzero()[0])
        raise VisitorError(
            f"The activations entering layer {layer} are not finite numbers.",
            "The model's weights are damaged or overflow in this precision: choose another model.",
        )
