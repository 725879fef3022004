"""The figure of followed instructions, on the stored result."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.harness import axe_finds, check_svg, exported, figures, hostile, show

SPACE = Path(__file__).parents[2] / "spaces" / "evaluation"
FOLDER = SPACE / "evaluation" / "js"
STORED = json.loads((SPACE / "examples" / "instructions.json").read_text(encoding="utf-8"))
VIEWS = ["followed", "checked", "shares"]
SPARE = {"kind", "run_id", "versions", "request", "device", "dtype", "task", "groups", "reading"}


@pytest.fixture
def open_page(browser):
    with figures(browser, FOLDER) as make:
        yield make


def test_scores_lead_to_answers_with_their_checks(open_page) -> None:
    page = open_page(STORED)
    expect(page.locator(".figure-title")).to_have_text(STORED["verdicts"][0])
    marks = len(STORED["scores"]) + len(STORED["differences"])
    expect(page.locator(".followed-panel .eval-mark")).to_have_count(marks)
    expect(page.locator(".eval-chance")).to_have_count(0)
    check_svg(page)
    whole = next(one for one in STORED["differences"] if not one["task"] and one["gained"])
    page.locator(".eval-flips").first.press("Enter")
    rows = page.locator(".checked-panel tbody tr")
    expect(rows).to_have_count(whole["gained"] + whole["lost"])
    page.locator("[data-key=follow-prompts]").select_option("all")
    expect(rows).to_have_count(len(STORED["prompts"]))
    page.locator("[data-key=follow-prompt-7]").focus()
    page.keyboard.press("Enter")
    expect(page.locator("[data-key=follow-prompt-7]")).to_be_focused()
    texts = page.locator(".eval-answer").evaluate_all("all => all.map((one) => one.textContent)")
    assert texts == [one["text"] for one in STORED["prompts"][7]["answers"]]
    failed = sum(not yes for one in STORED["prompts"][7]["answers"] for yes in one["strict"])
    expect(page.locator(".eval-checks li", has_text="✗")).to_have_count(failed)
    page.locator("[data-key=follow-prompts]").select_option("readings")
    apart = [one for one in STORED["prompts"] if any(a["strict"] != a["loose"] for a in one["answers"])]
    expect(rows).to_have_count(len(apart))
    page.locator("[data-key=follow-of]").select_option("JSON")
    expect(rows).to_have_count(sum("JSON" in one["groups"] for one in apart))
    show(page, "shares")
    expect(page.locator(".shares-panel tbody tr")).to_have_count(len(STORED["scores"]))


def test_it_grows_fails_and_holds_on_a_phone(open_page, browser, tmp_path) -> None:
    page = open_page()
    none = {"prompts": [], "scores": [], "differences": [], "done": False, "verdicts": ["Before"]}
    page.evaluate("draw", {**STORED, **none})
    for view in VIEWS:
        show(page, view)
    page.evaluate("draw", hostile(copy.deepcopy(STORED), "<img src=x onerror=alert(1)>\u202e", SPARE))
    for view in VIEWS:
        show(page, view)
    page.evaluate("draw", {"error": {"what": "It failed.", "remedy": "Do this."}})
    expect(page.locator("[role=alert]")).to_contain_text("It failed.")
    page = open_page(STORED, width=360, scheme="dark")
    for view in VIEWS:
        show(page, view)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert axe_finds(page) == []
    with exported(browser, tmp_path / "follow.html", STORED, FOLDER) as page:
        expect(page.locator(".eval-flips")).to_have_count(len(STORED["differences"]))


def test_a_second_run_after_one_model_compares_again(open_page) -> None:
    alone = copy.deepcopy(STORED) | {"run_id": "alone", "models": STORED["models"][:1], "differences": []}
    alone["scores"] = [one for one in alone["scores"] if one["model"] == 0]
    alone["tasks"] = [one for one in alone["tasks"] if one["name"] != "JSON"]
    page = open_page(STORED)
    show(page, "checked")
    page.locator("[data-key=follow-of]").select_option("JSON")
    page.locator("[data-key=follow-prompts]").select_option("differ")
    page.evaluate("draw", alone)
    rows = page.locator(".checked-panel tbody tr")
    expect(rows).to_have_count(len(STORED["prompts"]))
    expect(page.locator("[data-key=follow-prompts] option[value=differ]")).to_have_count(0)
    page.evaluate("draw", STORED)
    page.locator("[data-key=follow-prompts]").select_option("differ")
    whole = next(one for one in STORED["differences"] if not one["task"] and one["model"] == 1)
    assert whole["gained"] + whole["lost"]
    expect(rows).to_have_count(whole["gained"] + whole["lost"])
