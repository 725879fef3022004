"""A model beside the model: modules of its own, the same weights.

Hooks and edited weights go into the twin. The model that other visitors and other Spaces use at the same moment is never
touched, whatever happens here, and nothing has to be undone.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def twin(model: PreTrainedModel) -> PreTrainedModel:
    """A copy of a model's modules and settings that shares every weight and buffer with it; milliseconds, no memory."""
    memo: dict[int, Any] = {id(value): value for value in (*model.parameters(), *model.buffers())}
    return copy.deepcopy(model, memo)
