"""Which models a visitor wants to look between, and what a search should make large."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from merging.names import check_name
from shared import request
from shared.checks import SEED, one_of
from shared.embedded_model import EMBEDDED_MODEL
from shared.errors import VisitorError
from shared.request import setting

MAX_OTHERS = 2
GOALS = ("behaviours", "loss")


def _origin(_: str, value: Any) -> str:
    name = str(value).strip()
    check_name(name)
    return name


def _others(_: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        raise VisitorError(f"The fine-tunes are {str(value)[:40]}.", "Give a list of one or two names.")
    names = tuple(str(name).strip() for name in value if name and str(name).strip())
    if not 1 <= len(names) <= MAX_OTHERS:
        raise VisitorError(f"{len(names)} fine-tunes were given.", "Name one for a line, or two for a plane.")
    for name in names:
        check_name(name)
    return names


@dataclass(frozen=True)
class ExploreRequest(request.Request):
    """Everything that determines a picture between models, or a search for their weights."""

    origin: str = setting(EMBEDDED_MODEL, _origin, "where every weight is 0", blank=True)
    others: tuple[str, ...] = setting(
        ("pirate", "cautious"),
        _others,
        "one or two fine-tunes of it; the experts pirate and cautious by default",
        link="with",
    )
    goal: str = setting(
        "behaviours",
        one_of(*GOALS),
        'of the search: "behaviours" (of the experts among the models) or "loss" (of a text)',
    )
    seed: int = setting(0, SEED, "of the search")

    @property
    def names(self) -> tuple[str, ...]:
        """The models, the origin first."""
        return (self.origin, *self.others)

    def consistent(self) -> ExploreRequest:
        """No model is named twice."""
        if len(set(self.names)) != len(self.names):
            raise VisitorError("A model is named twice.", "Choose different models for the corners.")
        return self
