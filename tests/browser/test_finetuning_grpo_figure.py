"""The figures of training by rewards and of what fits where, on the stored runs."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.harness import axe_finds, draw, exported, figures, hostile, show

SPACE = Path(__file__).parents[2] / "spaces" / "finetuning"
FOLDER = SPACE / "finetuning" / "js"
LENGTH, PLAN = (
    json.loads((SPACE / "examples" / f"{name}.json").read_text(encoding="utf-8"))
    for name in ("length", "embedded")
)
VIEWS = ["group", "rewards", "costs"]
SPARE = {"kind", "run_id", "versions", "request", "verdict", "method", "dtype", "scale", "loss"}


@pytest.fixture
def open_page(browser):
    with figures(browser, FOLDER) as make:
        yield make


def test_rows_are_answers_with_their_rewards_and_tokens_that_were_pushed(open_page) -> None:
    page = open_page(LENGTH)
    page.locator(".train-bar input").fill("0")
    group = LENGTH["rounds"][0]["groups"][0]
    rows = page.locator(".grpo-table tbody tr")
    expect(rows).to_have_count(len(group["answers"]))
    shown = page.locator(".grpo-number").all_text_contents()
    assert [float(one.replace("−", "-")) for one in shown] == pytest.approx(
        [answer["advantage"] for answer in group["answers"]], abs=0.006
    )
    for at, answer in enumerate(group["answers"]):
        tokens = rows.nth(at).locator(".grpo-token")
        down = rows.nth(at).locator(".grpo-down")
        assert tokens.count() == len(answer["tokens"])
        assert down.count() == sum(value < 0 for value in answer["moved"])
        assert rows.nth(at).locator(".grpo-clipped").count() == len(answer["clipped"])
    show(page, "rewards")
    expect(page.locator(".train-why")).to_contain_text("Why does the loss say nothing?")
    show(page, "costs")
    expect(page.locator(".costs-panel tbody").first.locator("tr")).to_have_count(len(LENGTH["changes"]))
    data = copy.deepcopy(LENGTH)
    data |= {"done": False, "marks": [], "changes": [], "run_id": "young", "rounds": data["rounds"][:1]}
    for answer in data["rounds"][0]["groups"][0]["answers"]:
        answer |= {"moved": None, "advantage": None, "reward": None, "parts": [], "clipped": []}
    data["rounds"][0]["groups"][0] |= {"mean": None, "deviation": None}
    draw(page, data)
    show(page, "group")
    expect(page.locator(".grpo-group")).to_contain_text("The answers are being sampled")
    for view in VIEWS:
        show(page, view)


def test_hostile_texts_stay_text_and_a_phone_holds_them(open_page) -> None:
    page = open_page(LENGTH, width=360, scheme="dark")
    for view in VIEWS:
        show(page, view)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert axe_finds(page) == []
    draw(page, hostile(copy.deepcopy(LENGTH), "<img src=x onerror=alert(1)>\u202e", SPARE))
    for view in VIEWS:
        show(page, view)


def test_a_plan_computes_peaks_and_fits_a_phone(open_page) -> None:
    page = open_page(PLAN, width=360)
    peaks = page.locator("tbody tr td:nth-child(2)")
    page.locator(".train-bar input").nth(1).fill("3")
    for at, method in enumerate(PLAN["methods"]):
        bytes_ = method["weights"] + method["states"] + max(8 * 1024 * method["a_token"], method["gradients"])
        assert float(peaks.nth(at).inner_text().split()[0]) == pytest.approx(bytes_ / 1e9, rel=5e-3)
    expect(page.locator(".figure-title")).to_contain_text("8 rows of 1,024 tokens")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert axe_finds(page) == []


def test_the_exported_file_draws_the_same(browser, tmp_path) -> None:
    with exported(browser, tmp_path / "run.html", LENGTH, FOLDER) as page:
        expect(page.locator(".grpo-table tbody tr")).to_have_count(LENGTH["request"]["group"])
