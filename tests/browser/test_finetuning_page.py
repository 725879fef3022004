"""The fine-tuning Space in a browser, as a visitor uses it."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect

from tests.browser.harness import axe_in_views, opened, unfold

TALK = [{"role": "user", "content": "Who keeps bees?"}, {"role": "assistant", "content": "Beekeepers."}]


@pytest.fixture
def page(browser, suite_url):
    with opened(browser, f"{suite_url}/finetuning/", "#figure .finetuning-figure") as page:
        yield page


def test_a_visitor_pastes_a_conversation_and_sees_what_is_trained_on(page):
    expect(page.locator("#figure")).to_contain_text("stored example")
    page.locator("#mask-rows textarea").fill(json.dumps(TALK))
    page.locator("#mask-run").click()
    expect(page.locator("#figure .mask-talk")).to_contain_text("bees", timeout=120_000)
    expect(page.locator("#figure .figure-title")).to_contain_text("never trained on in the row")
    expect(page).to_have_url(re.compile(r"room=mask&rows=.*bees"), timeout=20_000)
    page.get_by_role("button", name="As it should be").click()
    expect(page.locator("#figure .figure-title")).to_contain_text("Every answer", timeout=20_000)
    expect(page.locator("#mask-template input")).to_have_value("chatml-marked")


def test_a_file_takes_the_place_of_pasted_rows(page, tmp_path):
    unfold(page, "Advanced")
    (tmp_path / "rows.jsonl").write_text(json.dumps({"messages": TALK}) + "\n", encoding="utf-8")
    page.locator("#mask-file input[type=file]").set_input_files(tmp_path / "rows.jsonl")
    expect(page.locator("#mask-rows textarea")).to_have_value("", timeout=20_000)
    page.locator("#mask-run").click()
    expect(page.locator("#figure .provenance")).to_contain_text("rows.jsonl", timeout=120_000)


def test_an_error_stands_in_the_figures_place(page):
    page.locator("#mask-rows textarea").fill('{"question": "a"}')
    page.locator("#mask-run").click()
    alert = page.locator("#figure [role=alert]")
    expect(alert).to_contain_text("Row 1 has no form that is known", timeout=30_000)


def test_axe_finds_nothing_beyond_gradios_own(page):
    axe_in_views(page, ["Tokens", "Five trainers", "Findings and fixes", "Rows"])
