"""Pairs of answers without names: every model answers the prompts, a judge that is a model reads every pair
in both orders, a visitor votes in the figure.
"""

from __future__ import annotations

import importlib.metadata
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from evaluation import engine
from evaluation.arena_finding import verdicts
from evaluation.data import Agreed, Arena, Pair, Rank
from evaluation.request import JudgeRequest
from evaluation.strengths import TIE, Met, agreement, strengths
from shared.choices import ROWS, scored
from shared.errors import VisitorError
from shared.estimates import Share
from shared.items import Item, Row, row_of
from shared.numbers import counted
from shared.talk import answer_all, check_length, longest_prompt, prompt_ids, render

if TYPE_CHECKING:
    from shared.models import Loaded
    from shared.talk import Answer

QUESTION = "Which answer is better, A or B?"
PLAIN = "The better answer is"
"""Where the judge has no chat template, its answer goes on behind this."""


@dataclass(frozen=True)
class Plan:
    """What is to be answered, checked before any model computes.

    Args:
        prompts: of every model, of every prompt its token ids.
    """

    prompts: tuple[tuple[tuple[int, ...], ...], ...]


def plan(request: JudgeRequest, loaded: Sequence[Loaded]) -> Plan:
    """The prompts as every model reads them.

    Raises:
        VisitorError: one is too long for a model, or has no token.
    """
    found = []
    for one in loaded[: len(request.models)]:
        some = [tuple(prompt_ids(one, ask.prompt)) for ask in request.asks]
        for ask, ids in zip(request.asks, some, strict=True):
            check_length(ask.prompt, ids, longest_prompt(one, request.tokens))
        found.append(tuple(some))
    return Plan(tuple(found))


def pairs_of(request: JudgeRequest) -> list[tuple[int, int, int]]:
    """Every pair of models on every prompt, in an order and with sides that the seed decides: prompt, the
    model on the left, the one on the right.
    """
    draw = random.Random(f"pairs {request.seed}")  # noqa: S311  no secret
    found = []
    for prompt in range(len(request.prompts)):
        for pair in combinations(range(len(request.models)), 2):
            found.append((prompt, *draw.sample(pair, 2)))
    draw.shuffle(found)
    return [(prompt, left, right) for prompt, left, right in found]


def judged(request: JudgeRequest, loaded: Sequence[Loaded], planned: Plan) -> Iterator[Arena]:
    """The growing result: the answers model by model, then the judge's readings; the complete one last.

    Args:
        request: what is asked for.
        loaded: the models and the judge, where they are to run.
        planned: as `plan` gives it.
    """
    began = time.monotonic()
    data = _started(request, loaded)
    asks, models = request.asks, len(request.models)
    most = models * len(asks)

    def step(label: str, done: int, of: int) -> Arena:
        data["seconds"] = round(time.monotonic() - began, 2)
        data["progress"] = {"label": label, "value": done, "max": of}
        return {**data}

    answers: list[list[Answer]] = []
    for place, one in enumerate(loaded[:models]):
        name = data["models"][place]["name"]
        for some in answer_all(one.model, one.tokenizer, planned.prompts[place], request.tokens):
            if isinstance(some, int):
                done = place * len(asks) + some
                yield step(f"{name}: {some} of {len(asks)} answers", done, most)
            else:
                answers.append(some)
    texts = [[one.text(loaded[place].tokenizer) for one in some] for place, some in enumerate(answers)]
    data["prompts"] = [
        {
            "prompt": ask.prompt,
            "expected": list(ask.expected),
            "answers": [
                {
                    "text": texts[place][at],
                    "tokens": len(answers[place][at].ids),
                    "ended": answers[place][at].ended,
                    "knows": ask.knows(texts[place][at]) if ask.expected else None,
                }
                for place in range(models)
            ],
        }
        for at, ask in enumerate(asks)
    ]
    data["pairs"] = [_pair(data, *one) for one in pairs_of(request)]
    known = [[one["answers"][place]["knows"] for one in data["prompts"]] for place in range(models)]
    data["known"] = [
        Share(sum(one is True for one in some), sum(one is not None for one in some)).to_json()
        for some in known
    ]
    judge = request.judged_by
    if judge is not None:
        open_pairs = [at for at, one in enumerate(data["pairs"]) if not one["same"]]
        of = counted(len(open_pairs), "pair")
        yield step(f"{data['judge']}: 0 of {of}", 0, max(1, len(open_pairs)))
        for done in _judge(loaded[judge], data, open_pairs):
            yield step(f"{data['judge']}: {done} of {of}", done, len(open_pairs))
            if time.monotonic() - began > engine.MAX_SECONDS:
                raise VisitorError(
                    f"The run took longer than {engine.MAX_SECONDS / 60:g} minutes.",
                    "Ask fewer prompts, shorter answers or smaller models.",
                )
        _count(data, open_pairs)
    data["seconds"] = round(time.monotonic() - began, 2)
    data["done"], data["progress"] = True, None
    data["verdicts"] = verdicts(data)
    yield {**data}


def _pair(data: Arena, prompt: int, left: int, right: int) -> Pair:
    one = data["prompts"][prompt]
    knows = [one["answers"][place]["knows"] for place in (left, right)]
    known = None
    if one["expected"]:
        known = TIE if knows[0] == knows[1] else (left if knows[0] else right)
    same = one["answers"][left]["text"] == one["answers"][right]["text"]
    return {
        "prompt": prompt,
        "left": left,
        "right": right,
        "same": same,
        "judge": None,
        "known": known,
    }


def reading(loaded: Loaded, prompt: str, first: str, second: str) -> tuple[Item, Row]:
    """A pair as the judge reads it: a question in its chat template where it has one that takes a question,
    else a text that ends where the letter begins.

    Raises:
        VisitorError: it is longer than what the judge reads.
    """
    text = (
        f"Here are a question and two answers to it.\n\nQuestion: {prompt}\n\nAnswer A: {first}\n\n"
        f"Answer B: {second}\n\n{QUESTION}"
    )
    chat = True
    try:
        render(loaded, text)
    except VisitorError:
        chat, text = False, f"{text}\n\n{PLAIN}"
    item = Item("pair", "judge", text, ("A", "B"), 0)
    return item, row_of(loaded, item, chat=chat)


def _judge(loaded: Loaded, data: Arena, places: Sequence[int]) -> Iterator[int]:
    """Fill in the judge's verdicts; yields how many pairs are done."""
    for start in range(0, len(places), ROWS // 2):
        some = places[start : start + ROWS // 2]
        read = []
        for at in some:
            pair = data["pairs"][at]
            one = data["prompts"][pair["prompt"]]
            left, right = (one["answers"][pair[side]]["text"] for side in ("left", "right"))
            read += [
                reading(loaded, one["prompt"], left, right),
                reading(loaded, one["prompt"], right, left),
            ]
        found = scored(loaded.model, [item for item, _ in read], [row for _, row in read])
        odds = [one.sums[0] - one.sums[1] for one in found]
        pairs = list(data["pairs"])
        for at, shown, turned in zip(some, odds[::2], odds[1::2], strict=True):
            pair = pairs[at]
            winner = TIE
            if shown > 0 > turned:
                winner = pair["left"]
            elif shown < 0 < turned:
                winner = pair["right"]
            pairs[at] = {
                **pair,
                "judge": {"shown": round(shown, 4), "turned": round(turned, 4), "winner": winner},
            }
        data["pairs"] = pairs
        yield start + len(some)


def _count(data: Arena, open_pairs: Sequence[int]) -> None:
    """What follows from the judge's verdicts."""
    data["ranks"] = ranks(data["pairs"], len(data["models"]))
    read = [one["judge"] for one in (data["pairs"][at] for at in open_pairs) if one["judge"]]
    data["flips"] = Share(sum(one["winner"] == TIE for one in read), len(read)).to_json()
    odds = [value for one in read for value in (one["shown"], one["turned"])]
    data["first"] = Share(sum(value > 0 for value in odds), len(odds)).to_json()
    both = [
        (str(one["judge"]["winner"]), str(one["known"]))
        for one in data["pairs"]
        if one["judge"] and one["known"] is not None
    ]
    data["agreed"] = agreed(both)


def ranks(pairs: Sequence[Pair], models: int) -> list[Rank]:
    """The models by the judge's verdicts; two answers that are the same text are a tie."""
    met = [
        Met(one["left"], one["right"], one["judge"]["winner"] if one["judge"] else TIE, one["prompt"])
        for one in pairs
        if one["judge"] or one["same"]
    ]
    return [
        {
            "model": model,
            "wins": one.wins,
            "of": one.of,
            "low": round(one.low, 4),
            "high": round(one.high, 4),
            "strength": None if one.strength is None else round(one.strength, 4),
            "sigma": None if one.sigma is None else round(one.sigma, 4),
        }
        for model, one in enumerate(strengths(met, models))
    ]


def agreed(both: Sequence[tuple[str, str]]) -> Agreed:
    """`strengths.agreement` as the figure has it."""
    one = agreement(both)
    return {
        "same": one.same,
        "of": one.of,
        "kappa": None if one.kappa is None else round(one.kappa, 4),
        "low": round(one.low, 4),
        "high": round(one.high, 4),
    }


def _started(request: JudgeRequest, loaded: Sequence[Loaded]) -> Arena:
    versions = ("torch", "transformers", "numpy")
    judge = request.judged_by
    name = ""
    if judge is not None:
        name = request.names[judge] if judge < len(request.models) else request.sides[judge].short
    return {
        "kind": "judge",
        "drawable": True,
        "done": False,
        "run_id": str(time.time_ns()),
        "request": request.to_json(),
        "models": [
            engine.side_of(model, side.rounding, one)
            for model, side, one in zip(request.names, request.sides, loaded, strict=False)
        ],
        "judge": name,
        "prompts": [],
        "pairs": [],
        "ranks": [],
        "flips": None,
        "first": None,
        "known": [],
        "agreed": None,
        "verdicts": ["The models answer"],
        "notes": [],
        "provenance": {
            "versions": {one: importlib.metadata.version(one) for one in versions},
            "seed": request.seed,
        },
        "progress": None,
        "seconds": 0.0,
    }
