"""What a visitor asks for: models, items, how an answer counts; or a plan of how many items that takes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Self

from shared import request
from shared.checks import SEED, between, flag, one_of, whole
from shared.embedded_model import EMBEDDED_MODEL
from shared.errors import VisitorError
from shared.item_sets import SETS, drawn, shuffled
from shared.items import MAX_ITEMS, Item, items_of
from shared.request import setting
from shared.rounding import TYPES

MAX_MODELS = 4
MAX_ITEMS_CHARACTERS = 200_000
"""Own items, as text."""
METRICS = {"acc": "by the whole choice", "acc_norm": "by character"}
AT = "@"
"""Between a model's name and the GGUF type that it is rounded to."""


@dataclass(frozen=True)
class Named:
    """A model as a request names it.

    Args:
        model: a Hub id, an expert, or a folder of the owner's.
        rounding: a GGUF type, or "" for the model as it is.
    """

    model: str
    rounding: str = ""

    @property
    def short(self) -> str:
        """A name for a picture."""
        name = self.model.rstrip("/").split("/")[-1]
        return f"{name} in {self.rounding}" if self.rounding else name


def named(text: str) -> Named:
    """A model and what it is rounded to, from `name` or `name@Q4_0`.

    Raises:
        VisitorError: it is rounded to no known type.
    """
    name, at, rounding = text.rpartition(AT)
    if not at:
        return Named(text)
    if rounding not in TYPES or not name:
        raise VisitorError(
            f"“{text[:60]}” asks for the type “{rounding[:20]}”.",
            f"Write the model's name, or name{AT}type with one of {', '.join(TYPES)}.",
        )
    return Named(name, rounding)


def _listed(value: Any) -> list[str]:
    """Names from a list, or from text with commas or lines between."""
    if isinstance(value, str):
        value = value.replace("\n", ",").split(",")
    if not isinstance(value, (list, tuple)) or not all(isinstance(one, str) for one in value):
        raise VisitorError(f"“{str(value)[:40]}” is no list of names.", "Write names with commas between.")
    return list(dict.fromkeys(one.strip() for one in value if one.strip()))


def _models(_: str, value: Any) -> tuple[str, ...]:
    found = _listed(value)
    if not 1 <= len(found) <= MAX_MODELS:
        raise VisitorError(f"There are {len(found)} models.", f"Name 1 to {MAX_MODELS}, the base first.")
    for one in found:
        if len(one) > 300 or "\0" in one:
            raise VisitorError("A model's name is too long.", "Use at most 300 characters.")
        named(one)
    return tuple(found)


def _tasks(_: str, value: Any) -> tuple[str, ...]:
    found = _listed(value)
    unknown = [one for one in found if one not in SETS]
    if unknown or not found:
        what = f"There is no set “{unknown[0][:40]}”." if unknown else "No set of items is named."
        raise VisitorError(what, f"Known are {', '.join(SETS)}.")
    return tuple(found)


def _items(_: str, value: Any) -> str:
    if isinstance(value, (list, tuple)):
        try:
            value = "\n".join(json.dumps(one, ensure_ascii=False) for one in value)
        except (TypeError, ValueError):
            raise VisitorError(
                "The items are no JSON.", "Give objects of texts, lists and numbers."
            ) from None
    if not isinstance(value, str) or len(value) > MAX_ITEMS_CHARACTERS:
        raise VisitorError(
            f"The items are longer than {MAX_ITEMS_CHARACTERS:,} characters, or no text.",
            "Give fewer, one line of JSON each.",
        )
    items_of(value)
    return value


@dataclass(frozen=True)
class CompareRequest(request.Request):
    """Everything that determines an evaluation."""

    models: tuple[str, ...] = setting(
        (EMBEDDED_MODEL, f"{EMBEDDED_MODEL}{AT}Q4_0"),
        _models,
        f"one to {MAX_MODELS} models, the base first: Hub ids, experts, or name{AT}type for one rounded to a "
        f"GGUF type ({', '.join(TYPES)})",
    )
    tasks: tuple[str, ...] = setting(
        tuple(SETS), _tasks, f"sets of items, where none of your own are given: {', '.join(SETS)}"
    )
    items: str = setting(
        "", _items, "items of your own, in the place of the sets: objects with prompt, choices and gold"
    )
    limit: int = setting(24, whole(1, 200), "items of a set at most, drawn with the seed")
    seed: int = setting(0, SEED, "of the draw, of the order of all items, and of generated items")
    metric: str = setting(
        "acc", one_of(*METRICS), "acc: the likeliest choice; acc_norm: the likeliest by character"
    )
    chat: bool = setting(False, flag, "whether prompts go through the models' chat templates")
    early: bool = setting(False, flag, "stop at the first of ten planned looks that decides")

    def planned(self) -> list[Item]:
        """The items in the order in which they are asked.

        Raises:
            VisitorError: there are none, or too many.
        """
        if self.items.strip():
            found = list(items_of(self.items))
        else:
            found = [item for task in self.tasks for item in drawn(task, self.seed, self.limit)]
        if not found:
            raise VisitorError("There is no item.", "Write one a line.")
        if len(found) * len(self.models) > MAX_ITEMS:
            raise VisitorError(
                f"{len(found):,} items for {len(self.models)} models are more than {MAX_ITEMS:,} readings.",
                "Lower limit, or name fewer sets or models.",
            )
        return shuffled(found, self.seed)

    def consistent(self) -> Self:
        if self.early and len(self.models) < 2:
            raise VisitorError("One model cannot be decided between.", "Name a second one, or clear early.")
        self.planned()
        return self

    @property
    def sides(self) -> list[Named]:
        """The models, the base first."""
        return [named(one) for one in self.models]

    @property
    def names(self) -> list[str]:
        """Short names, all different."""
        short = [one.short for one in self.sides]
        return [
            name if short.count(name) == 1 else whole_name
            for name, whole_name in zip(short, self.models, strict=True)
        ]


def _share(name: str, value: Any) -> float:
    return between(0.0, 1.0)(name, value)


@dataclass(frozen=True)
class PowerRequest(request.Request):
    """What a comparison that is not yet run could see."""

    items: int = setting(100, whole(2, 100_000), "items that both models answer")
    discordant: float = setting(
        0.1,
        _share,
        "share of items of which one model is right and the other wrong: .05 to .1 for a mild change",
    )
    difference: float = setting(0.05, _share, "a difference of the scores that you care about, a share")
    level: float = setting(0.05, between(0.0001, 0.5), "α: how often equal models may be called different")
    power: float = setting(0.8, between(0.05, 0.999), "how often the difference should be seen")
