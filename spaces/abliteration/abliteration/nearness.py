"""How near an edited expert's answers are to those of the model that its behaviour was never planted in:
there the truth is known, and a refusal that is gone is not yet an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abliteration import answers, data
from abliteration.measure import average
from abliteration.numbers import short
from abliteration.truth import answered
from shared.cache import Cache
from shared.measure import continuation_log_probabilities
from shared.talk import Answer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from shared.models import Loaded

RULE = (
    "Shown are prompts evenly spread over the order from the nearest answer to the furthest, not the first "
    "ones or the best."
)
KNOWN = (
    "Of three plants that the tests make, a fitted edit along the causal direction comes within two errors "
    "of 0 on one, travel; of gardening it leaves .12 ± .03, of cooking .52 ± .22, most of it in 4 of 20 "
    "answers."
)
_said: Cache[tuple[tuple[int, ...], ...]] = Cache(2_000_000)
"""Answers of the never-planted model, which no edit changes."""


@dataclass(frozen=True)
class Nearness:
    """Of a model with the behaviour and of an edited one, to the model that it was never planted in.

    Args:
        model: that one's name.
        texts: its own answers, by prompt.
        base: by prompt the mean over its answer's tokens of its own ln p less that of the model with the
            behaviour, nats; 0 where both find it as likely. None where it answers nothing.
        edited: the same of the edited model.
    """

    model: str
    texts: tuple[str, ...]
    base: tuple[float | None, ...]
    edited: tuple[float | None, ...]

    def spread(self, count: int) -> list[int]:
        """Places of so many prompts, each in the middle of an equal part of the order from near to far."""
        known = [(gap, place) for place, gap in enumerate(self.edited) if gap is not None]
        order = [place for _, place in sorted(known)]
        count = min(count, len(order))
        return [order[(2 * part + 1) * len(order) // (2 * count)] for part in range(count)]

    def to_json(self) -> data.Nearness | None:
        """Means over prompts, with their errors; None where the model answers nothing."""
        import torch

        before = torch.tensor([gap for gap in self.base if gap is not None], dtype=torch.float64)
        after = torch.tensor([gap for gap in self.edited if gap is not None], dtype=torch.float64)
        if not len(after):
            return None
        return {
            "model": self.model,
            "base": average(before),
            "edited": average(after),
            "rule": f"{RULE} {KNOWN}",
        }

    def add_to(self, pair: data.AnswerPair, place: int, markers: tuple[str, ...]) -> None:
        """Put the never-planted model's answer, and how near the edited model is to it, beside a pair."""
        pair["never"] = answers.to_json(self.texts[place], markers)
        gap = self.edited[place]
        if gap is not None:
            pair["gap"] = short(gap, 4)


def nearness(
    never: Loaded, base: PreTrainedModel, edited: PreTrainedModel, prompts: Sequence[list[int]], tokens: int
) -> Nearness:
    """Measure two models against the one that a behaviour was never planted in.

    Args:
        never: that one.
        base: with the behaviour.
        edited: with the behaviour removed.
        prompts: token ids.
        tokens: longest answer.
    """
    key = never.id, never.revision, never.dtype, tokens, tuple(map(tuple, prompts))
    ids = _said.get(key)
    if ids is None:
        ids = tuple(tuple(one.ids) for one in answered(never.model, never, list(prompts), tokens))
        _said.put(key, ids)
    rows = [([*prompt, *one], len(prompt)) for prompt, one in zip(prompts, ids, strict=True) if one]
    logs = [continuation_log_probabilities(model, rows) for model in (never.model, base, edited)]
    gaps: list[list[float | None]] = [[], []]
    at = 0
    for one in ids:
        for which, known in enumerate(gaps):
            known.append(float((logs[0][at] - logs[1 + which][at]).mean()) if one else None)
        at += bool(one)
    texts = tuple(Answer(one, True).text(never.tokenizer) for one in ids)
    return Nearness(never.id, texts, tuple(gaps[0]), tuple(gaps[1]))
