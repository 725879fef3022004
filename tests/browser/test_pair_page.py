"""The room of two models in a browser, as a visitor uses it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.harness import axe_in_views, opened


@pytest.fixture
def page(browser, suite_url):
    """The room with its stored example."""
    with opened(browser, f"{suite_url}/decoding/", "#figure .decoding-figure") as page:
        page.get_by_role("tab", name="Two models").click()
        expect(page.locator("#pair-figure .pair-figure")).to_be_visible(timeout=30_000)
        yield page


def test_a_visitor_compares_and_shares(page, suite_url):
    expect(page.locator("#pair-figure")).to_contain_text("stored example")
    page.get_by_role("button", name="A pirate and the model that it was").click()
    expect(page.locator("#pair-figure .figure-title")).to_contain_text("pirate", timeout=20_000)
    expect(page.locator("#pair-other input")).to_have_value("pirate")
    page.locator("#pair-prompt textarea").fill("My cat is called")
    page.locator("#pair-run").click()
    expect(page.locator("#pair-figure .provenance")).to_contain_text("My cat is called", timeout=90_000)
    expect(page.locator("#pair-figure .pair-summary")).to_be_visible(timeout=240_000)
    expect(page.locator("#pair-figure")).not_to_contain_text("stored example")
    expect(page).to_have_url(re.compile(r"room=pair&prompt=My\+cat.*other=pirate"), timeout=20_000)


def test_an_error_stands_in_the_figures_place(page):
    page.locator("#pair-prompt textarea").fill("")
    page.locator("#pair-run").click()
    alert = page.locator("#pair-figure [role=alert]")
    expect(alert).to_contain_text("The prompt is empty", timeout=30_000)


def test_axe_finds_nothing_beyond_gradios_own(page):
    axe_in_views(page, ["Tree and distance", "Texts", "Steps"], "#pair-figure")
