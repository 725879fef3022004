"""What may be asked, and in which order items come."""

from __future__ import annotations

import json

import pytest

from evaluation.request import CompareRequest, named
from shared.embedded_model import EMBEDDED_MODEL
from shared.errors import VisitorError

ITEM = {"prompt": "The sea is", "choices": ["wet", "dry"], "gold": "wet"}


def test_models_are_named_with_what_they_are_rounded_to():
    assert named("owner/name@Q4_0").rounding == "Q4_0" and named("owner/name").model == "owner/name"
    assert named("owner/name@Q4_0").short == "name in Q4_0"
    assert named("owner/name@Q2_K").rounding == "Q2_K"
    mean = named("a/one+b/two+pirate@Q4_0")
    assert mean.parts == ["a/one", "b/two", "pirate"] and mean.short == "mean of one, two and pirate in Q4_0"
    assert named("./c++/model").parts == ["./c++/model"], "a folder's name may hold any sign"
    request = CompareRequest.parse(models="a/m, b/m\na/m")
    assert request.models == ("a/m", "b/m") and request.names == ["a/m", "b/m"], "equal short names"
    again = CompareRequest.from_query(request.to_query())
    assert again == request


def test_own_items_take_the_place_of_the_sets_and_travel_in_a_link():
    request = CompareRequest.parse(items=[ITEM, {**ITEM, "prompt": "Rain is"}], models=[EMBEDDED_MODEL])
    assert {item.task for item in request.planned()} == {"own"} and len(request.planned()) == 2
    assert CompareRequest.from_query(request.to_query()) == request
    assert CompareRequest.parse(**request.to_json()) == request


def test_the_order_and_the_draw_follow_from_the_seed():
    one, other = (CompareRequest(seed=seed).planned() for seed in (1, 2))
    assert [item.id for item in one] != [item.id for item in other]
    assert one == CompareRequest(seed=1).planned() and len(one) == 9 * 24
    tasks = [item.task for item in one[:30]]
    assert len(set(tasks)) > 4, "sets are mixed, so that a run that stops early has seen all of them"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"models": []}, "There are 0 models"),
        ({"models": list("abcde")}, "There are 5 models"),
        ({"models": "m@Q9"}, "asks for the type “Q9”"),
        ({"models": "@Q4_0"}, "asks for the type"),
        ({"models": "a+"}, "no mean of models"),
        ({"models": "a+a"}, "no mean of models"),
        ({"models": "a+b+c+d+e@Q4_0"}, "no mean of models"),
        ({"models": 7}, "no list of names"),
        ({"models": "a" * 400}, "too long"),
        ({"tasks": "hellaswag"}, "no set “hellaswag”"),
        ({"items": "{"}, "Line 1 of the items is not JSON"),
        ({"items": "x" * 500_000}, "longer than 400,000"),
        ({"items": [{1, 2}]}, "are no JSON"),
        ({"limit": 0}, "limit is 0"),
        ({"limit": 200, "models": ["a", "b", "c"]}, "more than 2,000 readings"),
        ({"metric": "f1"}, "metric is “f1”"),
        ({"early": True, "models": ["a"]}, "One model cannot be decided between"),
    ],
)
def test_what_cannot_be_asked_is_refused(asked, words):
    with pytest.raises(VisitorError, match=words):
        CompareRequest.parse(**asked)


def test_a_long_list_of_items_makes_no_link():
    request = CompareRequest.parse(items=json.dumps([{**ITEM, "prompt": f"The sea {n}"} for n in range(300)]))
    assert request.to_query() is None
