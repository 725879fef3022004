"""Which models a visitor wants to look between, and what a search should make large."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from merging.names import check_name
from merging.request import Measured
from shared.behaviour import OF_EXPERT, PRESETS, Behaviour, behaviours_of
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
class ExploreRequest(Measured):
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
        'of the search: "behaviours" or "loss" (of a text)',
    )
    seed: int = setting(0, SEED, "of the search")
    behaviours: tuple[Behaviour, ...] = setting(
        (),
        lambda _, value: behaviours_of(value),
        "what every point is measured by: presets by name, or objects with name, prompts, rule and value; "
        "those of the experts among the models where none are given",
        blank=True,
    )

    @property
    def measured(self) -> tuple[Behaviour, ...]:
        """The behaviours; where none are given, what the experts among the models were trained for, with the
        refusals that nobody wanted where one refuses.
        """
        if self.behaviours:
            return self.behaviours
        wanted = [OF_EXPERT[name] for name in (*self.others, self.origin) if name in OF_EXPERT]
        names = wanted + (["refuses_other"] if "refuses_cooking" in wanted else [])
        return tuple(PRESETS[name] for name in names)

    @property
    def names(self) -> tuple[str, ...]:
        """The models, the origin first."""
        return (self.origin, *self.others)

    def consistent(self) -> ExploreRequest:
        """No model is named twice."""
        if len(set(self.names)) != len(self.names):
            raise VisitorError("A model is named twice.", "Choose different models for the corners.")
        return self
