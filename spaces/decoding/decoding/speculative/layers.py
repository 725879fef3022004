"""The first layers of a model as a model of their own, with its final norm and its head behind them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from shared import models
from shared.errors import VisitorError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from shared.models import Loaded


def count(loaded: Loaded) -> int:
    """How many layers a model has."""
    return int(loaded.model.config.get_text_config().num_hidden_layers)


def first_layers(loaded: Loaded, wanted: int) -> Loaded:
    """A twin that ends after some layers; it shares all weights and takes no memory. The model itself is not
    touched.

    Raises:
        VisitorError: the model has not more layers than that, or keeps them in no list.
    """
    all_of_them = count(loaded)
    if wanted >= all_of_them:
        raise VisitorError(
            f"{loaded.id} has {all_of_them} layers: its first {wanted} are no smaller model.",
            f"Use 1 to {all_of_them - 1} layers." if all_of_them > 1 else "Choose another draft.",
        )
    twin = models.twin(loaded.model)
    stack = _stack(twin, all_of_them)
    if stack is None:
        raise VisitorError(
            f"The layers of {loaded.id} could not be found.", "Choose another draft, or another model."
        )
    del stack[wanted:]
    config = twin.config.get_text_config()
    config.num_hidden_layers = wanted
    if types := vars(config).get("layer_types"):  # of some it follows from their number
        config.layer_types = list(types[:wanted])
    return replace(loaded, model=twin, source=f"{loaded.source}, {wanted} of {all_of_them} layers")


def _stack(model: PreTrainedModel, length: int) -> torch.nn.ModuleList | None:
    decoder = model.get_decoder() if hasattr(model, "get_decoder") else None
    inside = decoder if decoder is not None and decoder is not model else model
    for module in inside.modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == length:
            return module
    return None
