"""What several prompts begin with, a chat template and its system prompt, run once for all of them."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

FEWEST = 8
"""Tokens that all prompts begin with, from which on they are run once for all."""


@dataclass(frozen=True)
class Start:
    """What several prompts begin with, once run.

    Args:
        tokens: how many they are; 0 where nothing was run.
        cache: their keys and values; with copies, those of each.
    """

    tokens: int = 0
    cache: Any = None

    def memory(self, count: int) -> Any:
        """Keys and values for so many prompts, which a pass may write behind, those of a copy side by side;
        None where nothing was run.
        """
        if not self.tokens:
            return None
        cache = copy.deepcopy(self.cache)
        cache.batch_repeat_interleave(count)
        return cache

    def size(self, tokens: int) -> float:
        """Bytes of so many tokens' keys and values; 0 where nothing was run."""
        if not self.tokens:
            return 0.0
        held = sum(part.nbytes for layer in self.cache.layers for part in (layer.keys, layer.values))
        return float(held / self.tokens * tokens)

    def settings(self, count: int) -> dict[str, Any]:
        """Of a forward pass over what follows in so many prompts."""
        memory = self.memory(count)
        return {"use_cache": False} if memory is None else {"past_key_values": memory, "use_cache": True}


@dataclass(frozen=True)
class Memory:
    """What a model keeps of a prompt that it has read, for an answer to go on from.

    Args:
        start: of this prompt and those read with it.
        rest: keys and values of each layer at the prompt's tokens behind it, (heads, tokens, width).
    """

    start: Start
    rest: tuple[tuple[Tensor, Tensor], ...]


def beside(some: Sequence[Memory]) -> Any:
    """Keys and values of prompts with one start, for a pass over each one's last token, behind which the next
    one is asked for: between the start and the others the shorter prompts have padding, which a mask hides.
    """
    import torch
    from torch.nn.functional import pad

    cache, longest = some[0].start.memory(len(some)), max(one.rest[0][0].shape[1] for one in some)
    for layer in range(len(some[0].rest)):
        keys, values = (
            torch.stack([pad(part[:, :-1], (0, 0, longest - part.shape[1], 0)) for part in parts])
            for parts in zip(*(one.rest[layer] for one in some), strict=True)
        )
        cache.update(keys, values, layer)
    return cache


def without_loss(model: PreTrainedModel) -> dict[str, bool]:
    """The setting of a forward pass that makes no balancing loss, where the model has it.

    A mixture of experts whose configuration asks for its routers' logits computes that loss in every pass,
    and reads the mask as one of (rows, tokens): with tokens in a cache or a mask of the row's length squared
    it fails.
    """
    takes = "output_router_logits" in inspect.signature(model.forward).parameters
    return {"output_router_logits": False} if takes else {}


def begun(
    model: PreTrainedModel,
    prompts: Sequence[list[int]] | Sequence[tuple[int, ...]],
    last: int = 1,
    copies: int = 1,
) -> Start:
    """Run what all prompts begin with, but for the last tokens of each; nothing where that is short, or where
    a layer keeps something else than every key and value (a window, a convolution).

    Args:
        model: a causal language model, or its twin with an edit in it.
        prompts: token ids.
        last: tokens at the end of each prompt that are left to run.
        copies: rows that it is run as, where a model does not do the same to every row.
    """
    import torch
    from transformers.cache_utils import DynamicCache, DynamicLayer

    rows: list[Any] = list(prompts)
    first, end = min(rows), max(rows)  # in the order of a dictionary these two differ soonest
    most = min(map(len, prompts)) - last
    tokens = next((place for place in range(max(0, most)) if first[place] != end[place]), max(0, most))
    if tokens < FEWEST or len(prompts) < 2:
        return Start()
    device = model.get_input_embeddings().weight.device
    with torch.inference_mode():
        made = model.base_model(torch.tensor([list(first[:tokens])] * copies, device=device), use_cache=True)
    cache: Any = getattr(made, "past_key_values", None)
    if type(cache) is not DynamicCache or any(type(layer) is not DynamicLayer for layer in cache.layers):
        return Start()
    return Start(tokens, cache)
