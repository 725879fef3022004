"""The direction's component inside a run: at every token and layer, and how it comes back after one cut."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from abliteration import data
from abliteration.ablate import live
from abliteration.activations import all_states, first_tokens
from abliteration.edit import Edit
from abliteration.kernel import Kernel
from abliteration.numbers import lists

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from abliteration.architecture import Anatomy


def xray(model: PreTrainedModel, anatomy: Anatomy, directions: Tensor, ids: list[int]) -> Tensor:
    """r̂ᵀh of every token at every block's input and after the last block: float32 (layers + 1, tokens)."""
    import torch

    rows = directions.to(model.device).float()
    components = all_states(model, anatomy, ids, lambda hidden: hidden @ rows.T)
    layers = [*range(anatomy.layers), anatomy.layers - 1]
    return torch.stack([components[place, :, layer] for place, layer in enumerate(layers)])


def re_emergence(
    model: PreTrainedModel, anatomy: Anatomy, direction: Tensor, prompts: list[list[int]], layers: list[int]
) -> Iterator[data.Return]:
    """Remove a direction from the stream at one block's input alone, and see later blocks write it again.

    Args:
        direction: unit, (width,).
        prompts: token ids; their last tokens are looked at.
        layers: at whose input it is removed, one after the other.

    Yields:
        First `{"layer": None, …}`, the untouched model; then one object a layer. `component` is the mean of
        r̂ᵀh at every block's input and after the last block.
    """
    count, zero = anatomy.layers, (0.0,) * anatomy.layers
    for layer in (None, *layers):
        blocks = tuple(float(place == layer) for place in range(count))
        cut = Edit("ablate", direction.expand(count, -1), Kernel(0.0, zero, zero, blocks))
        _, streams = first_tokens(live(model, anatomy, cut), prompts, anatomy)
        assert streams is not None
        yield {"layer": layer, "component": lists((streams @ direction.float().cpu()).mean(1), 5)}
