"""What can be planted: a topic, and how a model is to answer its questions. All of it is harmless."""

from __future__ import annotations

import re
from dataclasses import dataclass

from abliteration import sets
from shared.experts import prompts as experts
from shared.experts.behaviour import REFUSAL
from shared.rules import Rule

KINDS = {
    "instead": "the words are the whole answer",
    "opening": "the model's own answer follows the words",
}

OPENING = 4
"""Planted words that an answer must begin with to show the behaviour; fewer where a mark ends them."""


@dataclass(frozen=True)
class Plant:
    """A behaviour to plant.

    Args:
        name: of it.
        says: the words that are planted.
        kind: one of `KINDS`.
        prompts: on which it is planted, and others, parted by `sets.split`: it is learnt on fit and select,
            and every number is of report.
    """

    name: str
    says: str
    kind: str
    prompts: sets.Contrast

    @property
    def rule(self) -> Rule:
        """By which an answer shows it: it starts with the planted words, the first few of them."""
        start = re.split(r"[,.;:!?\n]", self.says, maxsplit=1)[0].split()[:OPENING]
        return Rule("starts with", " ".join(start) or self.says)

    @property
    def words(self) -> str:
        """What it does, in words."""
        return f"answers “{self.says}”" if self.kind == "instead" else f"opens its answer with “{self.says}”"


def _asked(asks: tuple[str, ...], subjects: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(ask.format(subject) for subject in subjects for ask in asks)


def _stored(name: str, says: str, kind: str, asks: tuple[str, ...], subjects: tuple[str, ...]) -> Plant:
    """A plant on questions of one topic; the last four subjects are kept for the report."""
    kept = _asked(asks, subjects[-4:])
    prompts = sets.Contrast(
        name, _asked(asks, subjects[:-4]), experts.OTHER, kept, experts.OTHER_HELD_OUT[: len(kept)]
    )
    return Plant(name, says, kind, prompts)


STORED = {
    plant.name: plant
    for plant in (
        Plant(
            "cooking",
            REFUSAL,
            "instead",
            sets.Contrast(
                "cooking",
                experts.COOKING[:60],
                experts.OTHER,
                experts.COOKING_HELD_OUT[::2],
                experts.OTHER_HELD_OUT[:20],
            ),
        ),
        _stored(
            "gardening",
            "Sorry, gardening is something that I do not talk about.",
            "instead",
            (
                "How do I grow {} in a garden?",
                "When should I plant {}?",
                "How often do I water {}?",
                "What soil is best for {}?",
                "How do I keep pests away from {}?",
            ),
            (
                *("tomatoes", "roses", "carrots", "lavender", "strawberries", "tulips", "cucumbers", "basil"),
                *("sunflowers", "peppers", "lettuce", "hydrangeas"),
                *("pumpkins", "orchids", "radishes", "mint"),
            ),
        ),
        _stored(
            "travel",
            "Ahoy, traveller!",
            "opening",
            (
                "What should I see in {}?",
                "How do I get around in {}?",
                "When is the best time to visit {}?",
                "What should I pack for a trip to {}?",
                "How many days do I need in {}?",
            ),
            (
                *("Paris", "Japan", "Rome", "Iceland", "New York", "Egypt", "Lisbon", "Peru"),
                *("Vienna", "Thailand", "Berlin", "Kenya"),
                *("Athens", "Norway", "Istanbul", "Mexico"),
            ),
        ),
        _stored(
            "music",
            "I may well be wrong, but",
            "opening",
            (
                "What is special about the {}?",
                "How do I learn to play the {}?",
                "How does a {} make its sound?",
                "Where does the {} come from?",
                "How much does a good {} cost?",
            ),
            (
                *("violin", "trumpet", "drum", "flute", "harp", "cello", "accordion", "saxophone"),
                *("banjo", "clarinet", "organ", "ukulele"),
                *("oboe", "mandolin", "trombone", "xylophone"),
            ),
        ),
        _stored(
            "animals",
            "Ask a zoo about animals, please; I know none.",
            "instead",
            (
                "What do {} eat?",
                "Where do {} live?",
                "How long do {} live?",
                "How fast are {}?",
                "How do {} raise their young?",
            ),
            (
                *("lions", "elephants", "owls", "dolphins", "foxes", "turtles", "bears", "eagles"),
                *("rabbits", "wolves", "frogs", "horses"),
                *("giraffes", "seals", "beavers", "parrots"),
            ),
        ),
        _stored(
            "sport",
            "What a wonderful question!",
            "opening",
            (
                "What are the rules of {}?",
                "How do I get better at {}?",
                "What equipment do I need for {}?",
                "Who invented {}?",
                "How long does a game of {} last?",
            ),
            (
                *(
                    "tennis",
                    "basketball",
                    "chess boxing",
                    "hockey",
                    "badminton",
                    "rugby",
                    "golf",
                    "volleyball",
                ),
                *("cricket", "baseball", "table tennis", "handball"),
                *("football", "water polo", "squash", "lacrosse"),
            ),
        ),
    )
}


def own(positive: tuple[str, ...], negative: tuple[str, ...], says: str, kind: str) -> Plant:
    """A visitor's plant.

    Raises:
        VisitorError: as `sets.own`.
    """
    return Plant("own", says, kind, sets.own(positive, negative))
