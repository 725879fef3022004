"""An evaluation in a browser, as a visitor does it."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from tests import zoo
from tests.browser.harness import opened, unfold

ITEMS = "\n".join(
    json.dumps({"prompt": prompt, "choices": ["wet", "dry"], "gold": "wet"})
    for prompt in ("The sea is", "Rain is", "A lake is")
)


@pytest.fixture
def page(browser, suite_url):
    with opened(browser, f"{suite_url}/evaluation/", "#figure .course-figure") as page:
        yield page


def test_a_visitor_asks_items_of_their_own(page):
    expect(page.locator("#figure")).to_contain_text("stored example")
    expect(page.locator("#before")).to_contain_text("will be seen, 4 runs in 5")
    unfold(page, "Advanced: sets")
    page.locator("#items textarea").fill("{")
    expect(page.locator("#before")).to_contain_text("Line 1 of the items is not JSON")
    page.locator("#compare").click()
    expect(page.locator("#figure [role=alert]")).to_contain_text("Line 1 of the items is not JSON")
    expect(page.locator("#figure .eval-mark").first).to_be_hidden()
    assert not page.locator("#figure .scores-panel").is_visible(), "an earlier run's picture"
    page.locator("#items textarea").fill(ITEMS)
    expect(page.locator("#before")).to_contain_text("too few to see a difference")
    page.locator("#compare").click()
    expect(page.locator("#figure .figure-title")).to_contain_text("3 items cannot decide", timeout=120_000)
    expect(page.locator("#figure .eval-flips").first).to_be_visible()
    expect(page.locator("#panel")).to_contain_text("lm_eval")
    assert "items=" in page.url


def test_cancel_keeps_what_was_answered(browser, suite_url):
    asked = urlencode({"room": "compare", "models": "pirate", "tasks": "eldest", "limit": 200})
    with opened(browser, f"{suite_url}/evaluation/?{asked}", "#figure .course-figure") as page:
        expect(page.locator("#figure .figure-title")).to_contain_text("no verdict", timeout=120_000)
        page.locator("#cancel").click()
        expect(page.locator("#figure .tags")).to_contain_text("stopped")
        expect(page.locator("#cancel")).to_have_text("Cancel", timeout=60_000)


def test_every_room_opens(page):
    page.get_by_role("tab", name="How fragile").click()
    expect(page.locator("#fragile-figure .figure-title")).to_contain_text("forms")
    page.get_by_role("tab", name="Judge").click()
    expect(page.locator("#judge-figure .tags")).to_contain_text("stored example")
    page.locator("#judge-figure .arena-vote").focus()
    page.keyboard.press("1")
    page.locator("#judge-figure").get_by_role("button", name="4 Both bad").click()
    expect(page.locator("#judge-figure .vote-panel .said")).to_contain_text("Pair 3 of")
    page.locator("#judge-run").click(trial=True)


def test_a_link_of_the_page_without_rooms_opens_the_comparison(browser, suite_url):
    asked = urlencode({"models": str(zoo.folder("llama3")), "tasks": "past", "limit": 2})
    with opened(browser, f"{suite_url}/evaluation/?{asked}", "#figure .course-figure") as page:
        expect(page.locator("#figure .figure-title")).to_contain_text("of 2 items", timeout=120_000)
        assert page.get_by_role("tab", name="Compare").get_attribute("aria-selected") == "true"
