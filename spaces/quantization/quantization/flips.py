"""Answers that flip: questions with choices that the base model answered rightly and a format wrongly, and
the other way round. Two models of one score may differ in many answers (arXiv 2407.09141).

The questions are the suite's sets, drawn, put to the model and counted as the evaluation Space does: its
scores and differences on the same sets, number and seed are these.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from quantization import data
from quantization.comparison import Comparison, Row
from quantization.request import Request
from shared import paired
from shared.choices import Scored, scored
from shared.data import Share
from shared.item_sets import SETS, SHORT, drawn, shuffled
from shared.items import Item, clusters_of, row_of
from shared.items import Row as Read
from shared.models import Loaded

if TYPE_CHECKING:
    from transformers import PreTrainedModel

AT_ONCE = 72
"""Questions between two looks at how far it is: of so many, those of one length are read together."""


@dataclass(frozen=True)
class Questions:
    """What all models are asked.

    Args:
        items: in the order in which they are asked.
        reads: the same as the models read them.
        base: the base model's answers; none before it was asked.
    """

    items: tuple[Item, ...]
    reads: tuple[Read, ...]
    base: tuple[Scored, ...] = ()

    def to_json(self) -> data.Questions:
        """The questions, and how the base model answers them."""
        right = [one.right() for one in self.base]
        return {
            "items": [
                {
                    "task": item.task,
                    "prompt": item.prompt,
                    "choices": list(item.choices),
                    "gold": item.gold,
                    "delimiter": item.delimiter,
                }
                for item in self.items
            ],
            "groups": max(clusters_of(self.items)) + 1,
            "chance": sum(1 / len(item.choices) for item in self.items) / len(self.items),
            "right": _score(right, clusters_of(self.items)),
            "answers": [one.answer() for one in self.base],
            "margins": [_margin(one) for one in self.base],
        }


@cache
def _sizes() -> tuple[int, ...]:
    return tuple(len(SETS[name].make(0)) for name in SHORT)


def count(most: int) -> int:
    """How many questions there are where each set gives at most so many."""
    return sum(min(most, size) for size in _sizes())


def drawn_for(request: Request, loaded: Loaded) -> Questions | None:
    """The questions of a comparison; None where it asks none.

    Raises:
        VisitorError: as `items.row_of`.
    """
    if not request.questions:
        return None
    found = [item for name in SHORT for item in drawn(name, request.seed, request.questions)]
    items = tuple(shuffled(found, request.seed))
    return Questions(items, tuple(row_of(loaded, item) for item in items))


def answered(model: PreTrainedModel, questions: Questions) -> Iterator[int | tuple[Scored, ...]]:
    """Put all questions to a model; yields how many it has answered, at the end its answers.

    Raises:
        VisitorError: as `choices.scored`.
    """
    found: list[Scored] = []
    for start in range(0, len(questions.items), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        found += scored(model, questions.items[some], questions.reads[some])
        yield len(found)
    yield tuple(found)


def against(questions: Questions, answers: Sequence[Scored]) -> data.Flips:
    """A model's answers against the base model's.

    Args:
        questions: which the base has answered.
        answers: the other model's.
    """
    groups = clusters_of(questions.items)
    first, second = ([one.right() for one in some] for some in (questions.base, answers))
    found = paired.difference(first, second, groups)
    pairs = zip(questions.base, answers, strict=True)
    return {
        "right": _score(second, groups),
        "lost": found.lost,
        "gained": found.gained,
        "changed": sum(one.answer() != other.answer() for one, other in pairs),
        "mean": found.mean,
        "low": found.low,
        "high": found.high,
        "p": found.p,
        "p_corrected": found.p,  # for this row alone; the comparison knows the others
        "answers": [one.answer() for one in answers],
        "margins": [_margin(one) for one in answers],
    }


def put_base(run: Comparison, steps: int) -> Iterator[Comparison]:
    """Put the questions to the base model; yields the comparison at each step."""
    assert run.questions is not None
    for done in answered(run.loaded.model, run.questions):
        if isinstance(done, int):
            count = len(run.questions.items)
            run.progress = (f"Questions for the base model, {done} of {count}", 1, steps)
            yield run
        else:
            run.questions = Questions(run.questions.items, run.questions.reads, done)


def put(
    run: Comparison, row: Row, model: PreTrainedModel, name: str, step: int, steps: int
) -> Iterator[Comparison]:
    """Put the questions to a row's model; yields the comparison at each step."""
    assert run.questions is not None and row.facts is not None
    for done in answered(model, run.questions):
        if isinstance(done, int):
            label = f"Questions for {name}, {done} of {len(run.questions.items)}"
            run.progress = (label, step + 0.9, steps)
            yield run
        else:
            row.facts["flips"] = against(run.questions, done)


def _score(right: Sequence[bool], groups: Sequence[int]) -> Share:
    found = paired.score(right, groups)
    return {"count": found.count, "of": found.of, "low": round(found.low, 4), "high": round(found.high, 4)}


def _margin(one: Scored) -> float:
    return float(f"{one.margin():.3g}")
