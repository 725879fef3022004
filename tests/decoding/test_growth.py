"""What a growing tree sends: everything once, little twice, and the same picture in the end."""

from __future__ import annotations

import json

import pytest

from decoding.engine import decode
from decoding.request import Request
from decoding_rooms.growth import growth
from tests.decoding.tiny import tiny

STRATEGIES = [
    {"repetition_penalty": 1.2},
    {"num_beams": 4},
    {"do_sample": True, "num_return_sequences": 3},
    {"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 1.0},
]


@pytest.fixture(scope="module")
def steps() -> list[tuple[dict, dict]]:
    """The traces of a run of four strategies and 24 tokens, and what of each is sent."""
    loaded = tiny("llama", vocabulary=60)
    loaded.model.generation_config.eos_token_id = None
    request = Request.parse(prompt="w3 w5", model=loaded.id, strategies=STRATEGIES, max_new_tokens=24)
    steps = growth(trace.to_json() for trace in decode(request, loaded))
    return json.loads(json.dumps(list(steps)))


def test_a_step_sends_what_is_new(steps):
    whole, sent = (sum(len(json.dumps(step[which])) for step in steps) for which in (0, 1))
    last = len(json.dumps(steps[-1][0]))
    assert sent < min(2.5 * last, whole / 3), "every node about once, and then the complete tree"


def test_the_steps_together_are_the_tree(steps, browser):
    """The browser puts every step together; one that is missing leaves the tree as it was."""
    from tests.decoding.test_chain import SOURCE

    page = browser.new_page()
    page.add_script_tag(content=SOURCE + "\nwindow.grown = grown;")
    page.evaluate("window.now = null")
    for whole, news in steps:
        drawn = page.evaluate("(news) => { window.now = grown(window.now, news); return window.now; }", news)
        assert {**drawn, "growth": None} == {**whole, "growth": None}
    first, second, _, fourth = (news for _, news in steps[:4])
    held = page.evaluate("(steps) => steps.reduce(grown, null)", [first, second, fourth])
    assert held["runs"] == steps[1][0]["runs"]
    again = page.evaluate(
        "(steps) => steps.reduce(grown, null)", [first, second, {**second, "cancelled": True}]
    )
    assert again["runs"] == steps[1][0]["runs"] and again["cancelled"]
    page.close()
