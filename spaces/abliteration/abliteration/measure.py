"""How much an edit changed, each number with how sure it is; the numbers are `shared.measure`'s."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from abliteration import data
from abliteration.numbers import short
from shared import texts
from shared.estimates import estimate, median
from shared.measure import Windows, kl_divergence, log_probabilities, text_windows
from shared.talk import context_limit

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from shared.models import Loaded

CONTEXT, WINDOWS = 256, 4
"""Windows of the sample text; the second half of each is scored."""


def average(groups: Tensor | Sequence[Tensor]) -> data.Average:
    """Mean, standard error and median; clusters (prompts, windows) as for `estimates.estimate`."""
    import torch

    values = groups if isinstance(groups, torch.Tensor) else torch.cat([group.flatten() for group in groups])
    return {**estimate(groups).to_json(), "median": short(median(values), 5)}


def kl_along(
    base: PreTrainedModel, edited: PreTrainedModel, prompt: list[int], answer: Sequence[int]
) -> Tensor:
    """KL(base ‖ edited) at each token of the base's answer, both models reading that answer (teacher forced):
    float64 (tokens,).
    """
    ids = [*prompt, *answer]
    one, other = (log_probabilities(model, ids, len(prompt)) for model in (base, edited))
    return kl_divergence(one, other)


def sample_windows(loaded: Loaded) -> Windows:
    """The sample text in windows, shorter ones where the model reads less.

    Raises:
        VisitorError: as `text_windows`.
    """
    context = min(CONTEXT, context_limit(loaded) or CONTEXT)
    return text_windows(loaded.tokenizer, texts.sample("evaluation"), context, WINDOWS)
