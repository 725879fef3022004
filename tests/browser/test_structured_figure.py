"""What obeying a constraint cost, in the decoding figure: the stored example in a real browser."""

from __future__ import annotations

import copy
import difflib
import json
import math
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.harness import SMALL, exported, figures
from tests.browser.test_decoding_figure import HOSTILE, overflow

SPACE = Path(__file__).parents[2] / "spaces" / "decoding"
TRACE = json.loads((SPACE / "examples" / "structured.json").read_text(encoding="utf-8"))


@pytest.fixture
def open_page(browser):
    with figures(browser, SPACE / "decoding" / "js") as make:
        yield make


def steps_of(run) -> list[tuple[dict, dict]]:
    """The tokens of a run's first text, each with the decision before it."""
    by_id = {node["id"]: node for node in run["nodes"]}
    node, path = by_id[run["sequences"][0]["node"]], []
    while node["parent"] is not None:
        path.insert(0, (node, run["decisions"][str(node["parent"])]))
        node = by_id[node["parent"]]
    return path


def texts(page) -> None:
    page.locator('[role=tab][data-view="text"]').click()


def test_the_strip_and_its_words_are_the_runs_numbers(open_page):
    page = open_page(TRACE)
    texts(page)
    run = TRACE["runs"][0]
    steps = steps_of(run)
    section = page.locator(".obeyed").first
    costs = [-decision["feasible"] for _, decision in steps]
    expect(section).to_contain_text("The text fulfils the constraint.")
    expect(section).to_contain_text(f"Obeying cost {sum(costs):.2f} nats over {len(steps)} tokens")
    columns = section.locator(".obeyed-step")
    assert columns.count() == len(steps)
    heights = section.locator(".obeyed-step i").evaluate_all(
        "list => list.map((one) => one.getBoundingClientRect().height)"
    )
    most = max(1, *costs)
    assert all(math.isclose(h, 34 * c / most, abs_tol=0.2) for h, c in zip(heights, costs, strict=True))
    forced = sum(decision["allowed"] == 1 for _, decision in steps)
    assert section.locator(".obeyed-step.one").count() == forced > 0
    wishes = 0
    for node, _ in steps:
        others = [one for one in run["nodes"] if one["parent"] == node["parent"]]
        best = max(others, key=lambda one: one["logprob_raw"])
        wishes += best["stages"][0] is None
    assert section.locator(".obeyed-step s").count() == wishes > 0
    canonical, own = run["sequences"][0]["obeyed"]["canonical"], run["sequences"][0]["token_ids"]
    differing = section.locator(".obeyed-cut .differs").count()
    changes = difflib.SequenceMatcher(None, own[:-1], canonical["token_ids"], autojunk=False).get_opcodes()
    assert 0 < differing == sum(to - start for kind, _, _, start, to in changes if kind != "equal")
    free = next(run for run in TRACE["runs"] if run["config"].get("unconstrained"))
    assert (
        page.locator(".obeyed").count() == len(TRACE["runs"]) - 1 and "constraint" not in free["processors"]
    )


def test_a_click_shows_the_forbidden_tokens_struck(open_page):
    page = open_page(TRACE)
    texts(page)
    steps = steps_of(TRACE["runs"][0])
    at = max(range(len(steps)), key=lambda one: -steps[one][1]["feasible"])
    page.locator(".obeyed").first.locator(".obeyed-step").nth(at).click()
    expect(page.locator(".facts h2")).to_contain_text(f"Token {at + 1}")
    expect(page.locator(".facts")).to_contain_text("The constraint leaves")
    barred = page.locator(".odd.barred").first
    expect(barred).to_contain_text("barred")
    style = barred.locator(".token").evaluate("one => getComputedStyle(one).textDecorationLine")
    assert style == "line-through"
    page.locator(".obeyed details summary").first.click()
    assert page.locator(".obeyed-rows").first.locator("tbody tr").count() == len(steps)


def test_strange_tokens_stay_text_and_inside(open_page):
    strange = copy.deepcopy(TRACE)
    run = strange["runs"][0]
    for at, node in enumerate(run["nodes"][1:]):
        node["text"] = HOSTILE[at % len(HOSTILE)]
    run["sequences"][0]["obeyed"] = {
        "status": "unfinished",
        "canonical": {"token_ids": [1, 2], "tokens": HOSTILE[:2], "logprob": -3.5, "own": None},
    }
    page = open_page(strange, width=SMALL["width"])
    texts(page)
    expect(page.locator(".obeyed").first).to_contain_text("Unfinished: max_new_tokens came before")
    expect(page.locator(".obeyed-cut")).to_contain_text("The tokenizer alone would cut this text otherwise")
    assert page.locator(".obeyed img, .obeyed script").count() == 0 and overflow(page) <= 0


def test_it_is_there_in_one_file(browser, tmp_path):
    with exported(browser, tmp_path / "figure.html", TRACE, SPACE / "decoding" / "js") as page:
        texts(page)
        expect(page.locator(".obeyed").first).to_contain_text("Obeying cost")


def test_a_chance_below_the_smallest_number_is_still_told(open_page):
    """A text of 128 tokens may cost 1,000 nats, and e to minus that is 0 in a browser."""
    trace = copy.deepcopy(TRACE)
    run = trace["runs"][0]
    steps = steps_of(run)
    for _, decision in steps:
        decision["feasible"] = -1_000 / len(steps)
    page = open_page(trace)
    texts(page)
    expect(page.locator(".obeyed").first).to_contain_text("< 0.01 %, one in 2.0 × 10⁴³⁴")
