"""The figure of items in several forms, on the stored result."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.harness import axe_finds, check_svg, draw, exported, figures, hostile, show

SPACE = Path(__file__).parents[2] / "spaces" / "evaluation"
FOLDER = SPACE / "evaluation" / "js"
STORED = json.loads((SPACE / "examples" / "forms.json").read_text(encoding="utf-8"))
VIEWS = ["forms", "asked", "counted"]
SPARE = {"kind", "run_id", "versions", "request", "device", "dtype", "task"}


@pytest.fixture
def open_page(browser):
    with figures(browser, FOLDER) as make:
        yield make


def test_scores_ranges_and_the_claim_are_drawn_where_they_belong(open_page) -> None:
    page = open_page(STORED)
    expect(page.locator(".figure-title")).to_have_text(STORED["verdicts"][0])
    marks = len(STORED["scores"]) + len(STORED["differences"]) + len(STORED["models"])
    expect(page.locator(".forms-panel .eval-mark")).to_have_count(marks)
    expect(page.locator(".eval-counts")).to_have_count(len(STORED["differences"]))
    scores = {(one["model"], one["form"]): one["count"] / one["of"] for one in STORED["scores"]}
    own = [scores[0, form] for form in range(len(STORED["forms"]))]
    places = page.locator(".forms-panel circle.series-0").evaluate_all(
        "all => all.map((one) => Number(one.getAttribute('cx')))"
    )
    mean, *rows = places
    low, high = own.index(min(own)), own.index(max(own))
    wide = (rows[high] - rows[low]) / (own[high] - own[low])
    for place, share in zip(rows, own, strict=True):
        assert place == pytest.approx(rows[low] + (share - own[low]) * wide, abs=1)
    assert mean == pytest.approx(rows[low] + (sum(own) / len(own) - own[low]) * wide, abs=1)
    band = page.locator(".eval-range").first
    assert float(band.get_attribute("x")) == pytest.approx(rows[low], abs=0.6)
    assert float(band.get_attribute("width")) == pytest.approx(rows[high] - rows[low], abs=0.6)
    claim = page.locator(".eval-claim").first
    assert float(claim.get_attribute("x1")) == pytest.approx(rows[0], abs=0.6)
    length = float(claim.get_attribute("x2")) - float(claim.get_attribute("x1"))
    assert length == pytest.approx((scores[1, 0] - scores[0, 0]) * wide, abs=1)
    check_svg(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the items in every form").click()
    lines = download.value.path().read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(STORED["forms"]) * len(STORED["items"])
    assert json.loads(lines[-1])["task"] == STORED["forms"][-1]["name"]


def test_an_item_shows_what_it_became_and_a_model_what_it_answered(open_page) -> None:
    page = open_page(STORED)
    show(page, "asked")
    expect(page.locator(".asked-panel tbody tr")).to_have_count(len(STORED["items"]))
    page.locator("[data-key=form-model]").focus()
    page.locator("[data-key=form-model]").select_option("1")
    expect(page.locator("[data-key=form-model]")).to_be_focused()
    wrong = page.locator(".asked-panel tbody td", has_text="✗")
    answers = STORED["answers"][1]
    expect(wrong).to_have_count(
        sum(
            answer != item["gold"]
            for some in answers
            for item, answer in zip(STORED["items"], some, strict=True)
        )
    )
    page.locator("[data-key=form-item-2]").focus()
    page.keyboard.press("Enter")
    texts = page.locator(".eval-form pre").evaluate_all("all => all.map((one) => one.textContent)")
    assert texts == [
        (form["sent"] or [one["prompt"] for one in form["asked"]])[2] for form in STORED["forms"]
    ]
    assert "user" in texts[-1], "the template's own words"
    show(page, "counted")
    rows = len(STORED["scores"]) + sum(one["form"] < 0 for one in STORED["differences"])
    expect(page.locator(".counted-panel tbody tr")).to_have_count(rows)


def test_it_grows_and_a_form_may_be_left_out(open_page) -> None:
    some = copy.deepcopy(STORED)
    some["answers"][0][-1] = None
    last = len(STORED["forms"]) - 1
    some["scores"] = [one for one in some["scores"] if (one["model"], one["form"]) != (0, last)]
    some["differences"] = [one for one in some["differences"] if one["form"] != last]
    page = open_page(some)
    for view in VIEWS:
        show(page, view)
    none = {"forms": [], "answers": [[], []], "scores": [], "differences": [], "spreads": [], "done": False}
    draw(page, {**STORED, **none, "verdicts": ["Before the first form"]})
    for view in VIEWS:
        show(page, view)
    draw(page, {"error": {"what": "It failed.", "remedy": "Do this."}})
    expect(page.locator("[role=alert]")).to_contain_text("It failed.")
    expect(page.locator(".eval-mark")).to_have_count(0)
    for panel in page.locator("[role=tabpanel]").all():
        expect(panel).to_be_hidden()


def test_hostile_texts_stay_text_and_phones_show_all(open_page, browser, tmp_path) -> None:
    page = open_page()
    draw(page, hostile(copy.deepcopy(STORED), "<img src=x onerror=alert(1)>\u202e", SPARE))
    for view in VIEWS:
        show(page, view)
    page = open_page(STORED, width=360, scheme="dark")
    for view in VIEWS:
        show(page, view)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert axe_finds(page) == []
    with exported(browser, tmp_path / "forms.html", STORED, FOLDER) as page:
        expect(page.locator(".eval-range")).to_have_count(len(STORED["models"]))
