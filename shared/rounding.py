"""A model whose weights were rounded to a GGUF type: the other model of a comparison, or a draft."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from shared import ggml, models
from shared.errors import VisitorError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from shared.models import Loaded

TYPES = ("Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0")
"""GGUF types that the gguf package rounds to, 8 bits to 4, in blocks of 32 weights."""

K_TYPES = ("Q6_K", "Q5_K", "Q4_K", "Q3_K", "Q2_K")
"""GGUF types that ggml's own code alone rounds to, in blocks of 256 weights. A matrix whose rows are no
multiple of that gets the type that llama.cpp takes in its place.
"""

BLOCK = 32
"""Weights of a row that share a scale."""

_kept: WeakKeyDictionary[PreTrainedModel, tuple[str, Loaded]] = WeakKeyDictionary()
"""Of each model in memory the last one that was made of it."""


def rounded(loaded: Loaded, to: str) -> Loaded:
    """The model with the linear layers of its blocks rounded to a GGUF type and back; embeddings, head, norms
    and biases stay. The model itself is not touched.

    Args:
        loaded: the model.
        to: one of `TYPES` or `K_TYPES`, or "" for the model as it is.

    Returns:
        A model that computes in the dtype of the first; its `source` says what was rounded to what.

    Raises:
        VisitorError: no layer has rows of whole blocks, a weight is not finite, ggml's own code is missing
            for a type that needs it, or the models in use leave no memory.
    """
    import torch

    if not to:
        return loaded
    known = _kept.get(loaded.model)
    if known and known[0] == to and known[1].device == loaded.device:
        return known[1]
    _kept.pop(loaded.model, None)
    names = _rounded_names(loaded.model)
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
            kind, _ = ggml.substitute(to, int(linear.in_features))  # type: ignore[arg-type]
            linear.weight = torch.nn.Parameter(_round(linear.weight, kind), requires_grad=False)  # type: ignore[arg-type]
        models.count(copy, size)
    made = replace(loaded, model=copy, source=f"{loaded.source}, {described(loaded.model, to)}")
    _kept[loaded.model] = to, made
    return made


def _rounded_names(model: PreTrainedModel) -> list[str]:
    """The linear layers whose rows are whole blocks, all but the head."""
    import torch

    head = model.get_output_embeddings()
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head and module.in_features % BLOCK == 0
    ]


def described(model: PreTrainedModel, to: str) -> str:
    """How many matrices of a model are rounded to what, and why to something else than was asked."""
    columns = [int(model.get_submodule(name).in_features) for name in _rounded_names(model)]  # type: ignore[arg-type]
    parts = []
    for (kind, reason), count in Counter(ggml.substitute(to, one) for one in columns).most_common():
        why = f" ({reason})" if reason else ""
        parts.append(f"{count} {'matrix' if count == 1 else 'matrices'} rounded to {kind}{why}")
    return ", ".join(parts)


def _round(weight: torch.Tensor, to: str) -> torch.Tensor:
    """A matrix [out, in] rounded to a type and back, in its own dtype."""
    values = weight.detach().float().cpu()
    back = ggml.dequantize(ggml.quantize(values, to), to, values.shape[1])
    return back.to(weight.device, weight.dtype)
