"""A model that is the mean of others: mergekit's linear merge with equal weights, held in memory."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from weakref import ReferenceType, WeakKeyDictionary, ref

from shared import models
from shared.errors import VisitorError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from shared.models import Loaded

AND = "+"
"""Between the names of models whose mean is meant."""

_kept: WeakKeyDictionary[PreTrainedModel, tuple[list[ReferenceType[PreTrainedModel]], Loaded]] = (
    WeakKeyDictionary()
)
"""Of each first model in memory the last mean that was made with it, and of which others."""


def mean(parts: Sequence[Loaded]) -> Loaded:
    """The model whose every weight is the mean of that weight in some models, summed in float32 and kept in
    the first one's dtype; tokenizer and settings are the first one's. The models themselves are not touched.

    Args:
        parts: models of one shape and vocabulary; of one alone it is that model.

    Raises:
        VisitorError: they differ in shape or vocabulary, or the models in use leave no memory.
    """
    import torch

    first, *others = parts
    if not others:
        return first
    known = _kept.get(first.model)
    if known and [one() for one in known[0]] == [other.model for other in others]:
        return replace(known[1], device=known[1].model.device.type)
    _kept.pop(first.model, None)
    weights = [dict(one.model.named_parameters()) for one in parts]
    shapes = {name: weight.shape for name, weight in weights[0].items()}
    for other, theirs in zip(others, weights[1:], strict=True):
        alike = {name: weight.shape for name, weight in theirs.items()} == shapes
        if not alike or other.tokenizer.get_vocab() != first.tokenizer.get_vocab():
            what = "vocabulary" if alike else "shape"
            raise VisitorError(
                f"{first.id} and {other.id} have no mean: they differ in {what}.",
                "Name fine-tunes of one model.",
            )
    name = AND.join(one.id for one in parts)
    size = sum(weight.nbytes for weight in weights[0].values())
    with models.room_for(size, name):
        made = copy.deepcopy(first.model).to("cpu")  # type: ignore[arg-type]
        with torch.inference_mode():
            for key, weight in made.named_parameters():
                total = weights[0][key].detach().float().cpu()
                for theirs in weights[1:]:
                    total = total + theirs[key].detach().float().cpu()
                weight.data.copy_(total / len(parts))
        models.count(made, size)
    found = replace(
        first,
        model=made,
        id=name,
        revision=AND.join(one.revision for one in parts),
        source=f"mean of {len(parts)} models' weights ({first.source})",
        device="cpu",
        owners=any(one.owners for one in parts),
    )
    _kept[first.model] = [ref(other.model) for other in others], found
    return found
