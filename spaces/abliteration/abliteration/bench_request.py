"""What a visitor asks of the truth bench: what to plant, and which methods to hold against the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from abliteration import sets
from abliteration.bench_methods import METHODS, PLAIN
from abliteration.plants import KINDS, STORED, Plant, own
from shared import models, request
from shared.checks import SEED, one_of, text, whole
from shared.errors import VisitorError
from shared.request import setting

MOST_WORDS = 200
"""Characters of the planted words."""
OWN = "own"


def _name(name: str, value: Any) -> str:
    if not isinstance(value, str) or "\0" in value or not 0 < len(value.strip()) <= 200:
        raise VisitorError(f"{name} is {str(value)[:40]}.", "Write a model id of the Hub as owner/name.")
    return value.strip()


def _some(*known: str) -> Any:
    """A check for one or more of the named choices, in their own order."""

    def check(name: str, value: Any) -> tuple[str, ...]:
        given = [value] if isinstance(value, str) else value
        if not isinstance(given, (list, tuple)) or not given:
            raise VisitorError(f"There are no {name}.", f"Choose some of {', '.join(known)}.")
        for one in given:
            if one not in known:
                raise VisitorError(f"{name} holds “{str(one)[:40]}”.", f"Choose some of {', '.join(known)}.")
        return tuple(one for one in known if one in given)

    return check


def _set(_: str, value: Any) -> tuple[str, ...]:
    return sets.read(value)


def _says(name: str, value: Any) -> str:
    words = text(name, value).strip()
    if len(words) > MOST_WORDS or "\0" in words:
        raise VisitorError(f"The planted words are longer than {MOST_WORDS} characters.", "Shorten them.")
    return words


@dataclass(frozen=True)
class BenchRequest(request.Request):
    """Behaviours to plant, and what is tried against them."""

    model: str = setting(
        models.EMBEDDED_MODEL, _name, "the model that nothing was planted in: a Hub id of a small model"
    )
    plants: tuple[str, ...] = setting(
        ("gardening",),
        _some(*STORED, OWN),
        f"what is planted, one after the other: some of {', '.join(STORED)}, or own",
    )
    methods: tuple[str, ...] = setting(
        tuple(METHODS), _some(*METHODS), f"what is tried, some of {', '.join(METHODS)}"
    )
    positive: tuple[str, ...] = setting((), _set, "of an own plant, the prompts that it is planted on")
    negative: tuple[str, ...] = setting((), _set, "of an own plant, prompts that keep their answers")
    says: str = setting("", _says, "of an own plant, the words that are planted")
    form: str = setting(
        "instead",
        one_of(*KINDS),
        "of an own plant: " + "; ".join(f"{kind}, {words}" for kind, words in KINDS.items()),
    )
    layer: int | None = setting(
        None,
        whole(0, 500),
        "where directions are read; left out, chosen on the select prompts of every plant",
    )
    candidates: int = setting(5, whole(1, 30), "layers that this choice tries, spread evenly")
    steps: int = setting(30, whole(1, 80), "of training a plant")
    trials: int = setting(12, whole(1, 60), "kernels that the search tries")
    seed: int = setting(0, SEED, "of training, splits, resampling and search")

    def consistent(self) -> BenchRequest:
        """An own plant has its two sets and its words; the difference of means is always there."""
        import dataclasses

        made = self
        if PLAIN not in self.methods:
            made = dataclasses.replace(made, methods=(PLAIN, *made.methods))
        if OWN not in self.plants:
            return dataclasses.replace(made, positive=(), negative=(), says="", form="instead")
        if not self.says:
            raise VisitorError("The own plant has no words.", "Write what the model is to say.")
        if sets.own(self.positive, self.negative).remote:
            raise VisitorError("A plant's prompts are a Hub dataset.", "Write them out, one a line.")
        return made

    def chosen(self) -> list[Plant]:
        """The plants, in order."""
        return [
            own(self.positive, self.negative, self.says, self.form) if name == OWN else STORED[name]
            for name in self.plants
        ]
