"""A constraint on the decoding page: chosen, obeyed, told when it is none, and kept by the link."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from tests.browser.harness import opened, unfold


@pytest.fixture
def page(browser, suite_url):
    with opened(browser, f"{suite_url}/decoding/", "#figure .decoding-figure") as page:
        yield page


def test_a_text_obeys_what_a_visitor_writes(page):
    unfold(page, "Advanced")
    page.get_by_role("button", name="yes or no").click()
    text = page.locator("#constraint-text textarea")
    expect(text).to_have_value(r"(Yes|No)\.")
    expect(page.locator("#constraint input")).to_have_value("regular expression")
    page.locator("#prompt textarea").fill("Is water wet?")
    page.locator("#strategies textarea").fill(json.dumps([{"name": "g"}]))
    page.locator("#decode").click()
    expect(page.locator("#panel pre").first).to_contain_text("grammar_from_regex", timeout=90_000)
    page.locator('#figure [role=tab][data-view="text"]').click()
    expect(page.locator("#figure .obeyed")).to_contain_text("The text fulfils the constraint. Obeying cost")
    assert "constraint=regex" in page.url
    text.fill("(Yes|No")
    text.blur()
    expect(page.get_by_text("unclosed group").first).to_be_visible()
    page.locator("#decode").click()
    expect(page.locator("#figure")).to_contain_text("cannot be followed: unclosed group", timeout=30_000)
