"""The forms that an item is put in: the same question, its choices and its right answer, in other words.

Every form makes items of items, so that they are read and counted as any others.
"""

from __future__ import annotations

import random
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from shared.errors import VisitorError
from shared.items import Item

KINDS = {
    "plain": "the prompt alone",
    "instructed": "behind a line that says what to do",
    "listed": "behind a list of the choices",
    "lettered": "with a letter before every choice; the answer is the letter",
    "few-shot": "behind examples of the same set",
    "chat": "in the model's chat template",
}
"""By name, what each is."""
DRAWN = ("listed", "lettered", "few-shot")
"""Forms that chance has a part in: the order of the choices, or which examples."""
INSTRUCTION = "Choose the words that continue the text correctly."


@dataclass(frozen=True)
class Form:
    """A form of all items.

    Args:
        kind: one of `KINDS`.
        draw: which order or examples, from 1; 0 where there is one alone.
    """

    kind: str
    draw: int = 0

    @property
    def name(self) -> str:
        """As a picture names it."""
        return f"{self.kind} {self.draw}" if self.draw else self.kind

    @property
    def chat(self) -> bool:
        """Whether prompts go through the chat template."""
        return self.kind == "chat"


@dataclass(frozen=True)
class Formed:
    """An item in a form.

    Args:
        item: as it is asked.
        order: of every choice as it is asked its place in the item as it was.
    """

    item: Item
    order: tuple[int, ...]


def formed(item: Item, form: Form, seed: int, shots: int, pool: Sequence[Item]) -> Formed:
    """An item in a form. What is drawn depends on the seed, the draw and the item, and on nothing else.

    Args:
        item: as it was.
        form: what it becomes.
        seed: of what is drawn.
        shots: examples before it, in few-shot.
        pool: items of the same set, for examples.

    Raises:
        VisitorError: there are too few examples, or more choices than letters.
    """
    same = tuple(range(len(item.choices)))
    draw = random.Random(f"{form.kind} {seed} {form.draw} {item.task} {item.id}")  # noqa: S311  no secret
    if form.kind == "instructed":
        return Formed(replace(item, prompt=f"{INSTRUCTION}\n\n{item.prompt}"), same)
    if form.kind == "few-shot":
        told = [
            f"{one.prompt}{one.delimiter}{one.choices[one.gold]}"
            for one in _examples(item, pool, shots, draw)
        ]
        return Formed(replace(item, prompt="\n\n".join([*told, item.prompt])), same)
    if form.kind not in ("listed", "lettered"):
        return Formed(item, same)
    order = tuple(draw.sample(same, len(same)))
    shown = [item.choices[place] for place in order]
    if form.kind == "listed":
        listed = "".join(f"- {choice}\n" for choice in shown)
        return Formed(replace(item, prompt=f"Choices:\n{listed}\n{item.prompt}"), same)
    letters = string.ascii_uppercase[: len(shown)]
    listed = "".join(f"{letter}. {choice}\n" for letter, choice in zip(letters, shown, strict=True))
    return Formed(
        replace(
            item,
            prompt=f"{item.prompt}\n{listed}Answer:",
            choices=tuple(letters),
            gold=order.index(item.gold),
            delimiter=" ",
        ),
        order,
    )


def _examples(item: Item, pool: Sequence[Item], shots: int, draw: random.Random) -> list[Item]:
    """Examples for an item, none of its own group and none that asks the same."""
    others = [one for one in pool if one.group != item.group and one.prompt != item.prompt]
    if len(others) < shots:
        raise VisitorError(
            f"The set “{item.task[:40]}” has {len(others)} other items for the {shots} examples of few-shot.",
            "Lower shots, leave few-shot out, or give more items.",
        )
    return draw.sample(others, shots)


def all_formed(
    items: Sequence[Item], forms: Sequence[Form], seed: int, shots: int, pools: Mapping[str, Sequence[Item]]
) -> list[list[Formed]]:
    """Of every form every item.

    Args:
        items: as they were.
        forms: what they become.
        seed: of what is drawn.
        shots: examples before an item, in few-shot.
        pools: of every set the items that examples are drawn from.

    Raises:
        VisitorError: as `formed`.
    """
    return [[formed(item, form, seed, shots, pools[item.task]) for item in items] for form in forms]
