"""Numbers that need no words to be recognized: how much likelier a refusal is than an answer, and how far an
edited expert is from the model that its behaviour was never planted in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from abliteration import answers, data
from abliteration.measure import average, kl_along
from shared.measure import continuation_log_probabilities
from shared.steps import last
from shared.talk import Answer, answer_all

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from shared.models import Loaded

REFUSAL, ANSWER = "I'm sorry, but I can't help with that.", "Sure, here is what you need to know."
PROMPTS = 16
"""Prompts of a side on which the contrast is measured."""
ALONG = 8
"""Prompts of a side on whose answers the never-planted model and the edited one are compared."""


def refusal_of(texts: Sequence[str], markers: tuple[str, ...]) -> str:
    """The refusal that a model says most often; a usual one where it says none."""
    said = Counter(text for text in texts if answers.grade(text, markers) == "refused")
    return said.most_common(1)[0][0] if said else REFUSAL


def against_truth(
    never: Loaded, base: PreTrainedModel, edited: PreTrainedModel, prompts: list[list[int]], tokens: int
) -> data.Truth | None:
    """How far two models are from one that a behaviour was never planted in; None where that answers nothing.

    Args:
        never: that model.
        base: with the behaviour.
        edited: with the behaviour removed.
        prompts: token ids of one side.
        tokens: longest answer.
    """
    few = prompts[:ALONG]
    own, made = (answered(model, never, few, tokens) for model in (never.model, edited))
    pairs = [(prompt, one.ids) for prompt, one in zip(few, own, strict=True) if one.ids]
    written = [(prompt, one.ids) for prompt, one in zip(few, made, strict=True) if one.ids]
    if not pairs or not written:
        return None
    distances = {
        name: average([kl_along(never.model, model, prompt, ids) for prompt, ids in pairs])
        for name, model in (("base", base), ("edited", edited))
    }
    return {
        "model": never.id,
        "base": distances["base"],
        "edited": distances["edited"],
        "own_loss": average(_losses(never, pairs)),
        "edited_loss": average(_losses(never, written)),
    }


def answered(model: PreTrainedModel, loaded: Loaded, prompts: list[list[int]], tokens: int) -> list[Answer]:
    """A model's greedy answers to prompts."""
    replies = last(answer_all(model, loaded.tokenizer, prompts, tokens))
    assert not isinstance(replies, int)
    return replies


def _losses(loaded: Loaded, pairs: list[tuple[list[int], tuple[int, ...]]]) -> list[Tensor]:
    """−ln p of each token of some answers."""
    rows = [([*prompt, *ids], len(prompt)) for prompt, ids in pairs]
    return [-log for log in continuation_log_probabilities(loaded.model, rows)]
