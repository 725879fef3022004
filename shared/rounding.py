"""A model whose weights were rounded to a GGUF type: the other model of a comparison, or a draft."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from shared import models
from shared.errors import VisitorError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from shared.models import Loaded

TYPES = ("Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0")
"""GGUF types that the gguf package rounds to, 8 bits to 4, in blocks of 32 weights."""

BLOCK = 32
"""Weights of a row that share a scale."""

_kept: WeakKeyDictionary[PreTrainedModel, tuple[str, Loaded]] = WeakKeyDictionary()
"""Of each model in memory the last one that was made of it."""


def rounded(loaded: Loaded, to: str) -> Loaded:
    """The model with the linear layers of its blocks rounded to a GGUF type and back; embeddings, head, norms
    and biases stay. The model itself is not touched.

    Args:
        loaded: the model.
        to: one of `TYPES`, or "" for the model as it is.

    Returns:
        A model that computes in the dtype of the first; its `source` says what was rounded.

    Raises:
        VisitorError: no layer has rows of whole blocks, or the models in use leave no memory.
    """
    import torch

    if not to:
        return loaded
    known = _kept.get(loaded.model)
    if known and known[0] == to and known[1].device == loaded.device:
        return known[1]
    _kept.pop(loaded.model, None)
    head = loaded.model.get_output_embeddings()
    names = [
        name
        for name, module in loaded.model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head and module.in_features % BLOCK == 0
    ]
    if not names:
        raise VisitorError(
            f"{loaded.id} has no linear layers whose rows are whole blocks of {BLOCK} weights.",
            "Choose another model, or no rounding.",
        )
    size = sum(loaded.model.get_submodule(name).weight.nbytes for name in names)  # type: ignore[union-attr, operator]
    with models.room_for(size, f"{loaded.id} in {to}"):
        copy = models.twin(loaded.model)
        for name in names:
            linear = copy.get_submodule(name)
            linear.weight = torch.nn.Parameter(_round(linear.weight, to), requires_grad=False)  # type: ignore[arg-type]
        models.count(copy, size)
    made = replace(loaded, model=copy, source=f"{loaded.source}, {len(names)} matrices rounded to {to}")
    _kept[loaded.model] = to, made
    return made


def _round(weight: torch.Tensor, to: str) -> torch.Tensor:
    """A matrix [out, in] rounded to a type and back, in its own dtype."""
    import torch
    from gguf import GGMLQuantizationType
    from gguf.quants import dequantize, quantize

    kind = GGMLQuantizationType[to]
    values = dequantize(quantize(weight.detach().float().cpu().numpy(), kind), kind)
    return torch.from_numpy(values).to(weight.device, weight.dtype)
