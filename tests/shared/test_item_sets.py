"""The sets that ship: no item twice, no right answer among the wrong ones, the same in every process."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from shared import item_texts
from shared.item_sets import SETS, drawn, shuffled
from shared.items import clusters_of
from tests.conftest import ROOT


@pytest.mark.parametrize("name", SETS)
def test_items_are_different_and_end_where_the_answer_begins(name):
    items = SETS[name].make(3)
    assert len(items) >= 22 and len({item.id for item in items}) == len(items)
    assert len({(item.prompt, item.choices) for item in items}) == len(items)
    for item in items:
        assert (
            item.task == name and item.prompt == item.prompt.strip() and not item.prompt.endswith(("?", "."))
        )
        assert len(set(item.choices)) == len(item.choices) >= 2
        lines = name == "functions"  # an indented body
        stripped = str.rstrip if lines else str.strip
        assert all(choice == stripped(choice) and choice for choice in item.choices)
    places = [item.gold for item in items]
    assert len(set(places)) > 1, "the right choice stands anywhere"
    again = [item.to_json() for item in SETS[name].make(4)]
    assert (again != [item.to_json() for item in items]) == SETS[name].generated


@pytest.mark.parametrize("name", ["sums", "eldest", "rooms"])
def test_generated_answers_are_right(name):
    for item in SETS[name].make(11):
        assert item.choices[item.gold] == SOLVE[name](item.prompt), item.prompt


def _eldest(prompt: str) -> str:
    older = {
        (a, b) if how == "older" else (b, a)
        for a, how, b in re.findall(r"(\w+) is (older|younger) than (\w+)\.", prompt)
    }
    people = {name for pair in older for name in pair}
    wanted = "oldest" if "The oldest" in prompt else "youngest"
    behind = {b if wanted == "oldest" else a for a, b in older}
    (answer,) = people - behind
    return answer


def _rooms(prompt: str) -> str:
    told = re.findall(r"(\w+) put the (\w+) in the (\w+)\.", prompt)
    thing = re.findall(r"The (\w+) (?:is now in the|was put there by)$", prompt)[0]
    person, _, place = next(one for one in told if one[1] == thing)
    return place if prompt.endswith("in the") else person


SOLVE = {"sums": lambda prompt: str(eval(prompt.rstrip("= "))), "eldest": _eldest, "rooms": _rooms}


def test_lines_of_code_compile_and_the_functions_do_what_they_say():
    cases = {
        "add": ((2, 3), 5),
        "subtract": ((5, 3), 2),
        "multiply": ((4, 3), 12),
        "is_even": ((4,), True),
        "is_odd": ((3,), True),
        "square": ((5,), 25),
        "first": (([7, 8, 9],), 7),
        "last": (([7, 8, 9],), 9),
        "is_positive": ((2,), True),
        "is_negative": ((-1,), True),
        "is_empty": (([],), True),
        "larger": ((2, 9), 9),
        "smaller": ((2, 9), 2),
        "absolute": ((-3,), 3),
        "mean": (([1, 2, 6],), 3.0),
        "double_all": (([1, 5],), [2, 10]),
        "evens": (([1, 2, 4],), [2, 4]),
        "reversed_text": (("abc",), "cba"),
        "shout": (("ab",), "AB"),
        "whisper": (("AB",), "ab"),
        "words": (("a b",), ["a", "b"]),
        "count_words": (("a  b c",), 3),
        "starts_with_a": (("ab",), True),
        "area_of_rectangle": ((2, 5), 10),
        "perimeter_of_square": ((3,), 12),
        "fahrenheit": ((100,), 212.0),
        "factorial": ((5,), 120),
        "hypotenuse": ((3, 4), 5.0),
    }
    for prompt, right, *wrong in item_texts.CODE:
        name = re.search(r"def (\w+)", prompt)
        for line, is_right in ((right, True), *((one, False) for one in wrong)):
            space: dict = {}
            text = f"{prompt} {line}"
            if name is None:
                compile(text, "item", "exec")
                continue
            exec(text, space)
            arguments, expected = cases[name[1]]
            try:
                found = space[name[1]](*arguments)
            except (RecursionError, ZeroDivisionError, TypeError, AttributeError, ValueError):
                found = None
            assert (found == expected) == is_right, text


def test_the_draw_is_the_same_in_every_process():
    script = "from shared.item_sets import *; print([drawn(name, 5, 9) for name in SETS])"
    told = {
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert told == {f"{[drawn(name, 5, 9) for name in SETS]}\n"}


def test_a_passages_items_stay_together():
    items = shuffled(SETS["rooms"].make(0), 1)
    groups = clusters_of(items)
    assert groups == sorted(groups) and len(set(groups)) == len(items) // 4
    assert [item.id for item in items] != [item.id for item in SETS["rooms"].make(0)]
