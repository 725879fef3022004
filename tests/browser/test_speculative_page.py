"""The room of speculative decoding in a browser, as a visitor uses it."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from tests.browser.harness import axe_in_views, opened

FIGURE = "#speculative-figure"


@pytest.fixture
def page(browser, suite_url):
    with opened(browser, f"{suite_url}/decoding/", "#figure .decoding-figure") as page:
        page.get_by_role("tab", name="Speculative", exact=True).click()
        expect(page.locator(f"{FIGURE} .spec-place").first).to_be_visible()
        yield page


def test_the_first_paint_is_a_stored_run_and_chips_show_the_others(page):
    expect(page.locator(FIGURE)).to_contain_text("stored example")
    page.get_by_role("button", name="Prompt lookup on a text that repeats").click()
    expect(page.locator(f"{FIGURE} figcaption")).to_contain_text("prompt lookup")
    axe_in_views(page, ["Rounds", "Text", "Other draft lengths", "Table"], FIGURE)


def test_a_run_of_ones_own_is_drawn_and_linked(page):
    prompt = "one, two, three, one, two, three, one,"
    page.locator("#speculative-prompt textarea").fill(prompt)
    page.locator("#draft input").click()
    page.get_by_role("option", name="prompt lookup").click()
    page.locator("#speculate").click()
    figure = page.locator(FIGURE)
    expect(figure.locator("figcaption")).to_contain_text("one, two, three", timeout=60_000)
    expect(figure.locator(".spec-facts")).to_contain_text("Measured here", timeout=90_000)
    with page.expect_download() as download:
        figure.get_by_role("button", name="Download the data as JSON").click()
    data = json.loads(download.value.path().read_text(encoding="utf-8"))
    assert data["request"]["draft"] == "lookup" and data["done"]
    assert "room=speculative" in page.url


def test_a_link_opens_the_room_and_an_error_stands_in_the_figure(browser, suite_url):
    query = urlencode({"room": "speculative", "prompt": "a", "draft": "model"})
    with opened(browser, f"{suite_url}/decoding/?{query}", FIGURE) as page:
        expect(page.locator(f"{FIGURE} [role=alert]")).to_contain_text("No draft model", timeout=30_000)
