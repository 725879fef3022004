"""Wrong versions of functions: each fails a check that the right one passes and differs from it in one place;
nothing is run to make it.
"""

from __future__ import annotations

import ast
import builtins
import copy
import doctest
import random
import sys
from types import FrameType
from typing import Any

import pytest

from shared import function_problems
from shared.errors import VisitorError
from shared.item_sets import EQUAL, SETS, problems
from shared.mutants import OPERATORS, drawn, function_item, mutants
from tests.shared.function_checks import CHECKS

STEPS = 3_000
"""Lines that a mutant may run, many of them without end."""


class TooLong(Exception):
    pass


def bounded(function: Any, arguments: tuple[Any, ...]) -> Any:
    left = STEPS

    def trace(_: FrameType, __: str, ___: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise TooLong
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        return function(*copy.deepcopy(arguments))
    finally:
        sys.settrace(before)


def answers(name: str, source: str) -> bool:
    """Whether a function of the suite's own answers as it should."""
    space: dict[str, Any] = {}
    exec(f"from __future__ import annotations\n{source}", space)
    for arguments, right in CHECKS[name]:
        try:
            found = bounded(space[name], arguments)
        except Exception:
            return False
        if found != right or type(found) is not type(right):
            return False
    return True


def changed(text: str, body: str) -> str:
    (line,) = [a for a, b in zip(text.splitlines(), body.splitlines(), strict=True) if a != b]
    return line.strip()


def test_every_reference_is_right_and_every_mutant_wrong_but_those_that_are_told():
    assert len(problems()) == len(CHECKS) >= 30
    assert doctest.testmod(function_problems).failed == 0
    used: set[str] = set()
    for name, head, body in problems():
        assert answers(name, head + body), name
        found = mutants(head, body)
        used |= {one.operator for one in found}
        equal = {changed(one.text, body) for one in found if answers(name, head + one.text)}
        assert equal == set(EQUAL.get(name, ())), name
    assert used == set(OPERATORS)


def test_items_hold_the_reference_and_mutants_that_are_wrong():
    items = [SETS["functions"].make(seed) for seed in (0, 1)]
    assert items[0] != items[1] and len(items[0]) == len(problems())
    heads = {name: (head, body) for name, head, body in problems()}
    for item in items[0]:
        head, body = heads[item.id]
        assert item.prompt + item.delimiter == head and item.choices[item.gold] + "\n" == body
        wrong = [one for place, one in enumerate(item.choices) if place != item.gold]
        assert 2 <= len(wrong) <= 3 and not any(answers(item.id, head + one) for one in wrong)
        assert {changed(one, body) for one in wrong}.isdisjoint(EQUAL.get(item.id, ()))


ODD = '''\
import math

X = 7 < 8


def helper(a, b):
    return a - b


def odd(a, b=3, *rest, c=0):
    """Text with 1 < 2, ü."""
'''


@pytest.mark.parametrize(
    ("body", "expected"),
    {
        "    # 1 < 2\n    return 'ü' if (a) < (b) else None\n": {
            "'ü' if (a) <= (b)",
            "(b) < (b)",
            "(a) < (a)",
        },
        "    return not  a\n": {"return a", "not  b"},
        "    return a not  in rest\n": {"a in rest", "b not  in"},
        "    return f'{a + 1}' + 'x'\n": {"f'{a + 1}' - 'x'"},
        "    return -1, abs(a - b)\n": {"-2, abs", "abs(a - b), -1", "a + b", "b - b", "a - a"},
        "    a //= 2; return a\n": {"a %= 2", "//= 1", "//= 3", "return b"},
        "    return math.floor(a) if True else max(a, 0)\n": {
            *("math.ceil(a)", "if False", "min(a, 0)", "max(a, 1)", "floor(b)", "max(b, 0)"),
        },
    }.items(),
)
def test_one_change_each_where_it_stands(body, expected):
    found = mutants(ODD, body)
    assert len(found) == len(expected), [one.text for one in found]
    for words in expected:
        assert sum(words in one.text for one in found) == 1, (words, [one.text for one in found])
    for one in found:
        assert one.operator in OPERATORS
        compile(ODD + one.text, "mutant", "exec")
        assert ast.dump(ast.parse(ODD + one.text)) != ast.dump(ast.parse(ODD + body))


def test_other_operators_and_places_come_first():
    _, head, body = next(one for one in problems() if one[0] == "days_apart")
    for seed in range(20):
        some = drawn(mutants(head, body), 3, random.Random(seed))
        assert len({one.operator for one in some}) == len({one.text for one in some}) == 3
    every = drawn(mutants(head, body), 99, random.Random(0))
    assert sorted(one.text for one in every) == sorted(one.text for one in mutants(head, body))


@pytest.mark.parametrize(
    "body", ["    return (\n", "    return " + "(" * 3000 + ")" * 3000, "\0", "    x = '\n"]
)
def test_what_is_no_python_is_said(body):
    with pytest.raises(VisitorError, match="no Python"):
        mutants("def f(a):\n", body)


def test_nothing_of_a_solution_is_run(monkeypatch):
    def no(*_: Any, **__: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(builtins, "print", no)
    monkeypatch.setattr(builtins, "exec", no)
    monkeypatch.setattr(builtins, "eval", no)
    body = "    print(1)\n    raise SystemExit(1 < 2)\n"
    item = function_item("t", "1", "print(0)\ndef f(a):\n", body, random.Random(0))
    assert item and item.choices[item.gold] == body.rstrip("\n")
    assert function_item("t", "1", "def f(a):\n", "    pass\n", random.Random(0)) is None
