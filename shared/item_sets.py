"""Small sets of items that ship with the suite, written for it: facts that nobody disputes, generated logic
and sums, functions of Python. Every item is a text that ends where the answer begins, with choices of one
kind and about one length; no letters stand before the choices.

Distractors are other answers of the same set, drawn by a generator whose seed is the set's name: the same in
every process. A generated set depends on the seed that it is given.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from shared import item_texts as texts
from shared.items import Item
from shared.mutants import function_item

GENERATED = 200
"""Items that a generated set has at most."""


@dataclass(frozen=True)
class ItemSet:
    """A set by name.

    Args:
        name: as requests call it.
        says: what is asked, in a few words.
        make: its items for a seed.
        generated: whether the seed decides what they are.
    """

    name: str
    says: str
    make: Callable[[int], list[Item]]
    generated: bool = False


def _generator(seed: str) -> random.Random:
    """Random numbers of a seed, the same in every process."""
    return random.Random(seed)  # noqa: S311  a draw, no secret


def _asked(
    name: str, pairs: Sequence[tuple[str, str]], prompt: str, count: int = 4, pool: Sequence[str] = ()
) -> Callable[[int], list[Item]]:
    """Items of pairs of a subject and its answer; distractors are other pairs' answers."""

    def make(_: int) -> list[Item]:
        draw = _generator(name)
        answers = list(dict.fromkeys(pool or [answer for _, answer in pairs]))
        return [
            _item(
                name,
                str(place),
                prompt.format(subject[:1].upper() + subject[1:] if prompt[:1] == "{" else subject),
                answer,
                _others(draw, answers, answer, count - 1),
                draw,
            )
            for place, (subject, answer) in enumerate(pairs, 1)
        ]

    return make


def _others(draw: random.Random, answers: Sequence[str], answer: str, count: int) -> list[str]:
    return draw.sample([other for other in answers if other != answer], count)


def _item(
    task: str,
    name: str,
    prompt: str,
    answer: str,
    others: Sequence[str],
    draw: random.Random,
    cluster: str = "",
) -> Item:
    choices = [answer, *others]
    draw.shuffle(choices)
    return Item(name, task, prompt, tuple(choices), choices.index(answer), cluster)


def _written(name: str, items: Sequence[tuple[str, ...]]) -> Callable[[int], list[Item]]:
    """Items with distractors of their own: prompt, answer, others."""

    def make(_: int) -> list[Item]:
        draw = _generator(name)
        return [
            _item(name, str(place), prompt, answer, others, draw)
            for place, (prompt, answer, *others) in enumerate(items, 1)
        ]

    return make


def _sums(seed: int) -> list[Item]:
    """Sums and differences of two numbers below 50; distractors are near."""
    draw = _generator(f"sums {seed}")
    found: dict[str, Item] = {}
    while len(found) < GENERATED:
        a, b = draw.randint(2, 49), draw.randint(2, 49)
        plus = draw.random() < 0.5 or a <= b
        right = a + b if plus else a - b
        near = [right + step for step in (-10, -2, -1, 1, 2, 10) if right + step > 0]
        prompt = f"{a} {'+' if plus else '-'} {b} ="
        others = [str(one) for one in draw.sample(near, 3)]
        found.setdefault(prompt, _item("sums", prompt, prompt, str(right), others, draw))
    return list(found.values())


def _eldest(seed: int) -> list[Item]:
    """Who is the oldest of three, from two comparisons."""
    draw = _generator(f"eldest {seed}")
    found: dict[str, Item] = {}
    while len(found) < GENERATED:
        first, second, third = draw.sample(texts.NAMES, 3)  # from the oldest to the youngest
        facts = [
            draw.choice([f"{a} is older than {b}.", f"{b} is younger than {a}."])
            for a, b in ((first, second), (second, third))
        ]
        draw.shuffle(facts)
        which, answer = draw.choice([("oldest", first), ("youngest", third)])
        prompt = f"{facts[0]} {facts[1]} The {which} of the three is"
        others = [name for name in (first, second, third) if name != answer]
        found.setdefault(prompt, _item("eldest", f"{len(found) + 1}", prompt, answer, others, draw))
    return list(found.values())


def _rooms(seed: int) -> list[Item]:
    """Short passages, each with four questions: the items of a passage are one cluster."""
    draw = _generator(f"rooms {seed}")
    found: list[Item] = []
    for passage in range(1, GENERATED // 4 + 1):
        people = draw.sample(texts.NAMES, 4)
        things, places = draw.sample(texts.THINGS, 4), draw.sample(texts.PLACES, 4)
        told = " ".join(
            f"{name} put the {thing} in the {place}."
            for name, thing, place in zip(people, things, places, strict=True)
        )
        for place in range(4):
            where = draw.random() < 0.5
            prompt = (
                f"{told} The {things[place]} is now in the"
                if where
                else f"{told} The {things[place]} was put there by"
            )
            kind = places if where else people
            others = [one for one in kind if one != kind[place]]
            name = f"{passage}.{place + 1}"
            found.append(
                _item("rooms", name, prompt, kind[place], others, draw, cluster=f"passage {passage}")
            )
    return found


EQUAL: dict[str, tuple[str, ...]] = {
    "first_repeat": ("for place in range(0, len(items)):",),
    "shared_start": ("return other[:length]",),
    "find_sorted": ("middle = (low + high) // 1", "if numbers[middle] <= wanted:"),
    "last_longest": ("for word in words[0:]:",),
}
"""Changes of the functions that leave what they answer: no wrong choices."""


@cache
def problems() -> tuple[tuple[str, str, str], ...]:
    """The functions of `function_problems`: name, head with docstring, body."""
    text = Path(__file__).with_name("function_problems.py").read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    return tuple(
        (node.name, "".join(lines[node.lineno - 1 : end]), "".join(lines[end : node.end_lineno]))
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef) and (end := node.body[0].end_lineno)
    )


def _functions(seed: int) -> list[Item]:
    """Which body a function has; the wrong ones are mutants of the right one."""
    draw = _generator(f"functions {seed}")
    found = (
        function_item("functions", name, head, body, draw, equal=EQUAL.get(name, ()))
        for name, head, body in problems()
    )
    return [item for item in found if item]


SETS: dict[str, ItemSet] = {
    one.name: one
    for one in (
        ItemSet(
            "capitals",
            "capitals of countries",
            _asked("capitals", texts.CAPITALS, "The capital of {} is"),
        ),
        ItemSet(
            "opposites",
            "opposites of words",
            _asked("opposites", texts.OPPOSITES, "The opposite of {} is"),
        ),
        ItemSet("kinds", "what kind of thing it is", _asked("kinds", texts.KINDS, "{}: a kind of")),
        ItemSet(
            "past",
            "irregular verbs in the past",
            _written("past", texts.PAST),
        ),
        ItemSet("everyday", "everyday sense", _written("everyday", texts.EVERYDAY)),
        ItemSet("code", "the right line of Python among wrong ones", _written("code", texts.CODE)),
        ItemSet("sums", "sums and differences", _sums, True),
        ItemSet("eldest", "who is the oldest of three", _eldest, True),
        ItemSet("rooms", "where things were put; four questions a passage", _rooms, True),
        ItemSet("functions", "the right body of a Python function among mutants of it", _functions, True),
    )
}
"""By name, in the order in which a page lists them."""
SHORT = tuple(name for name in SETS if name != "functions")
"""The sets that are asked where none is named: their items have a line or two."""


def drawn(name: str, seed: int, most: int) -> list[Item]:
    """Items of a set in an order that the seed decides, at most so many; those of a passage stay together,
    and the last passage may be cut.
    """
    items = SETS[name].make(seed)
    return shuffled(items, seed)[:most]


def shuffled(items: Sequence[Item], seed: int) -> list[Item]:
    """Items in random order, group by group."""
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(item.group, []).append(item)
    order = list(groups.values())
    _generator(f"order {seed}").shuffle(order)
    return [item for group in order for item in group]
