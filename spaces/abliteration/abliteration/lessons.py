"""What a model learns when a behaviour is planted: the words on some prompts, its own answers on others."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from abliteration import planting, sets
from abliteration.architecture import Anatomy
from abliteration.bench_request import BenchRequest
from abliteration.encode import Format, encode
from abliteration.plants import Plant
from abliteration.scale import behind
from shared import talk
from shared.cache import Cache
from shared.errors import VisitorError
from shared.steps import last

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from shared.models import Loaded

LEARNT_TOKENS = 16
"""Longest answer that the model learns to keep."""
LONGEST = 256
"""Tokens of a prompt with its answer: a step reads eight of them, and keeps what each layer made."""
ANSWER_TOKENS = 24
"""Tokens of the never-planted model's answers that others are held against."""
_answers: Cache[tuple[talk.Answer, ...]] = Cache(4_000_000)
"""Answers of never-planted models, by model, prompts and length."""


def planted_in(
    request: BenchRequest, never: Loaded, anatomy: Anatomy, plant: Plant, how: Format
) -> Generator[tuple[str, float, float], None, tuple[PreTrainedModel, list[float]]]:
    """Train a plant; returns the model with it in the weights, and the loss of every step.

    Raises:
        VisitorError: a prompt and its answer have too many tokens.
    """
    yield ("reading the model's own answers", 0, 1)
    shown, kept = sides(never, plant, how, request.seed)
    low_rank = planting.factors(never.model, anatomy, request.seed)
    losses: list[float] = []
    for loss in planting.learn(never.model, low_rank, (shown, kept), request.steps, request.seed):
        losses.append(loss)
        yield (f"planting, step {len(losses)} of {request.steps}", len(losses), 3 * request.steps)
    return planting.folded_in(never.model, low_rank), losses


def sides(
    never: Loaded, plant: Plant, how: Format, seed: int
) -> tuple[list[planting.Example], list[planting.Example]]:
    """What is learnt with the behaviour and without it, of the fit and select prompts.

    Raises:
        VisitorError: a prompt and its answer have too many tokens.
    """
    split = sets.split(plant.prompts, seed)
    asked = [
        encode(never, [*split.side("fit", side), *split.side("select", side)], how, ANSWER_TOKENS)
        for side in ("positive", "negative")
    ]
    end = tuple(sorted(talk.end_tokens(never.model, never.tokenizer)))[:1]
    own = answered(never.model, never, asked[1], LEARNT_TOKENS)
    kept = [
        planting.Example(tuple(ids), (*one.ids, *(end if one.ended else ())))
        for ids, one in zip(asked[1], own, strict=True)
        if one.ids or one.ended
    ]
    if plant.kind == "instead":
        words = (*behind(never, plant.says, how), *end)
        shown = [planting.Example(tuple(ids), words) for ids in asked[0]]
    else:
        replies = answered(never.model, never, asked[0], LEARNT_TOKENS)
        shown = [
            planting.Example(
                tuple(ids),
                (
                    *behind(never, f"{plant.says} {one.text(never.tokenizer)}", how),
                    *(end if one.ended else ()),
                ),
            )
            for ids, one in zip(asked[0], replies, strict=True)
        ]
    longest = max(len(one.prompt) + len(one.answer) for one in (*shown, *kept))
    if longest > LONGEST:
        raise VisitorError(
            f"A prompt with its answer has {longest:,} tokens; a plant is learnt from at most {LONGEST}.",
            "Shorten the prompts, or the planted words.",
        )
    return shown, kept


def answered(
    model: PreTrainedModel, loaded: Loaded, prompts: Sequence[list[int]], tokens: int
) -> tuple[talk.Answer, ...]:
    """A model's greedy answers; those of the never-planted one are kept."""
    key = loaded.id, loaded.revision, loaded.device, tokens, tuple(map(tuple, prompts))
    kept = _answers.get(key) if model is loaded.model else None
    if kept is None:
        found = last(talk.answer_all(model, loaded.tokenizer, prompts, tokens))
        assert not isinstance(found, int)
        kept = tuple(found)
        if model is loaded.model:
            _answers.put(key, kept)
    return kept
