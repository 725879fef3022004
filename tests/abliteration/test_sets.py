"""Prompts in: stored pairs, a visitor's own, their split, kernels and requests; and what is refused."""

from __future__ import annotations

import pytest

from abliteration import kernel, sets
from abliteration.request import Request
from shared.errors import VisitorError
from shared.experts.alarming import ALARMING, PLAIN

LEFT = [f"How do I paint wall number {number}?" for number in range(12)]
RIGHT = [f"Where is the wall number {number}?" for number in range(12)]


def test_stored_pairs():
    assert len(ALARMING) == len(set(ALARMING)) == len(PLAIN) == len(set(PLAIN)) >= 40
    assert not set(ALARMING) & set(PLAIN)
    for contrast in sets.STORED.values():
        assert sets.warnings(contrast) == []


@pytest.mark.parametrize("name", [*sets.STORED, "own"])
def test_a_split_is_disjoint_and_follows_its_seed(name):
    contrast = sets.STORED.get(name) or sets.own(LEFT, RIGHT)
    one, same, other = sets.split(contrast, 1), sets.split(contrast, 1), sets.split(contrast, 2)
    assert one == same and one != other
    for side in ("positive", "negative"):
        parts = [getattr(getattr(one, part), side) for part in ("fit", "select", "report")]
        assert all(len(part) >= 2 for part in parts)
        joined = [prompt for part in parts for prompt in part]
        assert len(joined) == len(set(joined))
    if name == "cooking":
        assert set(one.report.positive) == set(contrast.report_positive) and len(one.report.positive) == 40
    assert set(one.to_json()) == {"fit", "select", "report", "warnings"}


@pytest.mark.parametrize(
    ("positive", "negative", "said"),
    [
        (["Only this?"], RIGHT, "one prompt"),
        (LEFT[:5], RIGHT, "5 different prompts"),
        ([LEFT[0]] * 9, RIGHT, "one prompt"),
        (LEFT, LEFT[::-1], "equal"),
        (LEFT, [*RIGHT, LEFT[3]], "both sets"),
        ([], RIGHT, "no prompt"),
        ("  \n ", RIGHT, "no prompt"),
        ([*LEFT, "  "], RIGHT, "empty prompt"),
        (LEFT, [*RIGHT, "x" * 2_001], "2,000 characters"),
        ([f"{index}?" for index in range(257)], RIGHT, "257"),
        ([1, 2], RIGHT, "list of texts"),
        ('["a", ', RIGHT, "JSON"),
        ("[" * 100_000, RIGHT, "JSON"),
        ({"a": 1}, RIGHT, "list of texts"),
    ],
)
def test_bad_sets_are_refused_with_what_to_do(positive, negative, said):
    with pytest.raises(VisitorError) as caught:
        sets.own(positive, negative)
    assert said in caught.value.what and caught.value.remedy


def test_sets_are_read_from_text_and_lists():
    lines = sets.own("\n".join(LEFT), '["' + '","'.join(RIGHT) + '"]')
    assert lines == sets.own(LEFT, RIGHT)


def test_very_different_lengths_are_warned_of():
    long = [
        prompt + " Please answer in as many words as you possibly can, and then some more." for prompt in LEFT
    ]
    (warning,) = sets.split(sets.own(long, RIGHT)).warnings
    assert "positive" in warning and "length" in warning


def test_the_falloff_is_heretics():
    assert kernel.falloff(7, 1.0, 3, 2, 0.5) == (0, 0.5, 0.75, 1.0, 0.75, 0.5, 0)
    assert kernel.falloff(3, 1.2, 1, 0, 0.1) == (0, 1.2, 0)


def test_kernels():
    assert kernel.resolve({"embedding": 1, "attention": 1, "mlp": 1}, 4) == kernel.full(4)
    found = kernel.resolve(
        {"attention": [0.1, 0.2], "mlp": {"w_max": 1, "position": 0, "distance": 1, "w_min": 0}}, 2
    )
    assert (
        found == kernel.Kernel(0.0, (0.1, 0.2), (1.0, 0.0), (0.0, 0.0))
        and kernel.resolve(found.to_json(), 2) == found
    )
    assert found.bakeable() and not kernel.Kernel(0.0, (0.0,), (0.0,), (1.0,)).bakeable()
    for spec, said in (
        ({"attention": [1.0]}, "1 values"),
        ({"mlp": 2.1}, "2.1"),
        ({"mlp": "x"}, "x"),
        ({"heads": 1}, "heads"),
        ({"mlp": {"w_max": 1}}, "position"),
        ({"embedding": float("nan")}, "nan"),
        ({"attention": True}, "True"),
    ):
        with pytest.raises(VisitorError) as caught:
            kernel.resolve(spec, 3)
        assert said in caught.value.what


def test_a_strength_keeps_the_kernel_in_its_range():
    made = kernel.resolve({"attention": 0.5, "blocks": [0, 2]}, 2)
    assert made.scaled(-0.5) == kernel.Kernel(0.0, (-0.25, -0.25), (0.0, 0.0), (0.0, -1.0))
    for factor, said in ((-10, "reaches -5"), (1.5, "reaches 3")):
        with pytest.raises(VisitorError) as caught:
            made.scaled(factor)
        assert said in caught.value.what and "-1 to 2" in caught.value.remedy


@pytest.mark.parametrize(
    "values",
    [
        {},
        {
            "layer": 21,
            "projection": "biprojected",
            "strength": 0.8,
            "kernel": {"attention": [0.5, 1.0, 0.25]},
            "prompts": ["A & b?", "c=d"],
        },
        {"positive": LEFT, "negative": RIGHT, "seed": 7, "format": "plain", "method": "add"},
        {
            "kernel": {"attention": {"w_max": 1.0, "position": 3, "distance": 2, "w_min": 0.5}},
            "rule": "cosmic",
            "trials": 5,
        },
    ],
)
def test_a_link_brings_the_request_back(values):
    request = Request.parse(**values)
    assert Request.from_query(request.to_query()) == request == Request.parse(**request.to_json())
    if not values:
        assert request.to_query() == "model=cautious", "a link that says nothing would run nothing"


def test_a_link_does_not_carry_long_sets():
    assert (
        Request.parse(positive=[f"{prompt} {'x' * 400}" for prompt in LEFT], negative=RIGHT).to_query()
        is None
    )


@pytest.mark.parametrize(
    "values",
    [
        {"model": " "},
        {"contrast": "harmful"},
        {"contrast": "own"},
        {"seed": -1},
        {"seed": True},
        {"layer": 1.5},
        {"position": 0},
        {"rule": "x"},
        {"method": "delete"},
        {"strength": "much"},
        {"kernel": "[1]"},
        {"kernel": "[" * 100_000},
        {"kernel": {1: 2}},
        {"kernel": {"mlp": 10**400}},
        {"kernel": {"attention": 3}},
        {"kernel": {"attention": [1], "mlp": [1, 1]}},
        {"prompts": ["a"] * 7},
        {"answer_tokens": 0},
        {"temperature": 1},
        {"format": "xml"},
        {"positive": LEFT},
        {"trials": 10**6},
    ],
)
def test_bad_values_are_refused_with_what_to_do(values):
    with pytest.raises(VisitorError) as caught:
        Request.parse(**values)
    assert caught.value.what and caught.value.remedy
