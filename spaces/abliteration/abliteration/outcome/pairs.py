"""Prompts answered by two models side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

from abliteration import answers, data
from abliteration.encode import encode
from abliteration.measure import kl_along
from abliteration.numbers import lists
from abliteration.request import Request
from abliteration.study import Study
from shared.talk import Answer, greedy

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Both = tuple[list[Answer], list[Answer]]
"""Answers of the base and of the edited model, by prompt."""


SHOWN = 2
"""Prompts of a side that are answered where a request names none."""


def prompts_of(
    request: Request, known: Study, places: Sequence[int] = ()
) -> tuple[list[str], list[list[int]]]:
    """The prompts to answer and their token ids: the request's, or `SHOWN` of each side of the report split.

    Args:
        request: of the run.
        known: its study.
        places: of the positive ones in the report split; the first ones where there are none.
    """
    report = known.split.report
    positive = [report.positive[place] for place in places] or report.positive[:SHOWN]
    prompts = list(request.prompts) or [*positive, *report.negative[:SHOWN]]
    return prompts, encode(known.loaded, prompts, request.how, request.answer_tokens)


def answer_both(known: Study, edited: PreTrainedModel, rows: list[list[int]], tokens: int) -> Iterator[Both]:
    """Greedy answers of both models, after every token.

    Args:
        known: the study, for the base model.
        edited: a twin of it.
        rows: token ids of the prompts.
        tokens: longest answer.
    """
    runs = (greedy(model, known.loaded.tokenizer, rows, tokens) for model in (known.loaded.model, edited))
    both: Both = ([], [])
    for base, other in zip_longest(*runs):
        both = (base or both[0], other or both[1])
        yield both


def pairs(request: Request, known: Study, prompts: list[str], both: Both) -> list[data.AnswerPair]:
    """Both models' answers to each prompt, judged."""
    markers = request.refusal_markers
    tokenizer = known.loaded.tokenizer
    return [
        {
            "prompt": prompt,
            "base": answers.to_json(base.text(tokenizer), markers),
            "edited": answers.to_json(edited.text(tokenizer), markers),
        }
        for prompt, base, edited in zip(prompts, *both, strict=True)
    ]


def add_divergence(
    pair: data.AnswerPair, known: Study, edited: PreTrainedModel, prompt: list[int], answer: Answer
) -> None:
    """Put KL(base ‖ edited) at each token of the base's answer into a pair."""
    divergence = kl_along(known.loaded.model, edited, prompt, answer.ids) if answer.ids else None
    pair["kl"] = [] if divergence is None else lists(divergence, 4)
    pair["kl_tokens"] = pieces(known, answer.ids)


def pieces(known: Study, ids: Sequence[int]) -> list[str]:
    """Tokens as texts, one by one."""
    return [known.loaded.tokenizer.decode([token]) for token in ids]
