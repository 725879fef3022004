"""Small facts: whether the model still knows them."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from abliteration import data
from shared.choices import scored
from shared.items import Item, row_of
from shared.paired import difference

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from shared.models import Loaded

ITEMS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("The capital of France is", ("Paris", "London", "Berlin", "Rome")),
    ("The capital of Japan is", ("Tokyo", "Seoul", "Bangkok", "Hanoi")),
    ("The opposite of hot is", ("cold", "warm", "tall", "fast")),
    ("The opposite of up is", ("down", "left", "over", "near")),
    ("A week has seven", ("days", "hours", "months", "years")),
    ("An hour has sixty", ("minutes", "days", "weeks", "meters")),
    ("Two plus two equals", ("four", "five", "three", "seven")),
    ("Ten minus three equals", ("seven", "six", "nine", "two")),
    ("Water freezes to", ("ice", "steam", "sand", "glass")),
    ("The sun rises in the", ("east", "west", "north", "south")),
    ("A baby dog is called a", ("puppy", "kitten", "calf", "foal")),
    ("A baby cat is called a", ("kitten", "puppy", "lamb", "chick")),
    ("Bees make", ("honey", "milk", "wool", "silk")),
    ("Sheep give us", ("wool", "honey", "eggs", "silk")),
    ("The colour of grass is", ("green", "red", "purple", "orange")),
    ("On a clear day the sky is", ("blue", "green", "brown", "pink")),
    ("The largest planet in the solar system is", ("Jupiter", "Mars", "Venus", "Mercury")),
    ("The Earth goes around the", ("Sun", "Moon", "Mars", "stars")),
    ("The author of Romeo and Juliet is William", ("Shakespeare", "Wordsworth", "Blake", "Faulkner")),
    (
        "The first president of the United States was George",
        ("Washington", "Lincoln", "Jefferson", "Franklin"),
    ),
    ("The chemical formula of water is", ("H2O", "CO2", "NaCl", "O2")),
    ("Plants take in carbon", ("dioxide", "monoxide", "fibre", "copy")),
    ("The heart pumps", ("blood", "air", "water", "food")),
    ("We see with our", ("eyes", "ears", "hands", "knees")),
    ("A triangle has three", ("sides", "wheels", "colours", "circles")),
    ("Half of one hundred is", ("fifty", "twenty", "ten", "ninety")),
    ("The language that is spoken in Brazil is", ("Portuguese", "German", "Russian", "Chinese")),
    ("The currency of the United States is the", ("dollar", "euro", "yen", "pound")),
    ("A person who flies a plane is a", ("pilot", "baker", "farmer", "sailor")),
    ("A person who teaches children is a", ("teacher", "driver", "painter", "plumber")),
    ("In winter, snow falls because it is", ("cold", "hot", "dark", "late")),
    ("She was thirsty, so she drank a glass of", ("water", "sand", "paper", "bricks")),
)
"""Questions with four answers, the right one first; written for this project."""


def items() -> list[Item]:
    """The questions as the suite's item format has them, the order of choices drawn by the question. The
    blank before an answer is a part of it.
    """
    found = []
    for place, (question, (right, *others)) in enumerate(ITEMS, 1):
        choices = [f" {answer}" for answer in (right, *others)]
        random.Random(f"facts {place}").shuffle(choices)  # noqa: S311  a draw, no secret
        found.append(
            Item(str(place), "facts", question, tuple(choices), choices.index(f" {right}"), delimiter="")
        )
    return found


def capability(model: PreTrainedModel, loaded: Loaded) -> list[bool]:
    """By item, whether the right answer is the likeliest of the four by character, lm-eval's acc_norm, as the
    evaluation Space counts it.

    Items are plain text; a model that has only ever seen chats is measured the same before and after, which
    is what counts here.

    Args:
        model: a model or an edited twin.
        loaded: the model, for its tokenizer.

    Raises:
        VisitorError: as `items.row_of`.
    """
    asked = items()
    answers = scored(model, asked, [row_of(loaded, item) for item in asked])
    return [one.right("acc_norm") for one in answers]


def paired(base: list[bool], edited: list[bool]) -> data.Capability:
    """Paired counts of right answers, and the exact McNemar p-value, as `paired.difference` has them."""
    found = difference(base, edited, list(range(len(base))))
    return {
        "base": sum(base),
        "edited": sum(edited),
        "of": found.of,
        "lost": found.lost,
        "won": found.gained,
        "p": round(found.p, 4),
    }
