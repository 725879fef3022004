"""Show me: three steps set the controls and the view, and leaving gives the visitor's own back."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.harness import axe_finds_only_gradios_own, opened, overflow


def test_three_steps_and_back(browser, suite_url):
    url = f"{suite_url}/dedup/?room=duplicates&dataset=kitchen.jsonl&columns=text&threshold=0.6&view=clusters"
    with opened(browser, url, "#figure .course-figure") as page:
        figure, bar = page.locator("#figure .course-figure"), page.get_by_role("region", name="Show me")
        expect(figure.locator(".tags")).not_to_contain_text("stored", timeout=60_000)
        figure.locator(".cluster-item").nth(1).click()
        expect(figure).to_have_attribute("data-seen", re.compile("row"))
        before, address = figure.inner_text(), page.url
        threshold = page.locator("#threshold input[type=number]")
        expect(threshold).to_have_value("0.6")

        page.get_by_role("button", name="Show me").first.press("Enter")
        expect(bar).to_contain_text("1 of 3")
        expect(bar.get_by_role("button", name="Next")).to_be_focused()
        expect(threshold).to_have_value("0.7")
        expect(figure.locator(".tags")).to_contain_text("stored example")
        expect(bar).to_contain_text(re.search(r"(\d+) removed", figure.inner_text())[1])
        axe_finds_only_gradios_own(page)
        page.keyboard.press("Enter")
        expect(bar).to_contain_text("2 of 3")
        expect(figure.get_by_label("Threshold").and_(page.locator("input"))).to_have_value("0.9")
        page.set_viewport_size({"width": 360, "height": 740})
        assert overflow(page) <= 0
        page.set_viewport_size({"width": 1280, "height": 1000})
        bar.get_by_role("button", name="Next").click()
        expect(figure.locator('[data-view="clusters"]')).to_have_attribute("aria-selected", "true")
        expect(figure.locator(".figure-title")).to_contain_text("statements")
        bar.get_by_role("button", name="Back").click()
        expect(figure.locator(".figure-title")).to_contain_text("kitchen")

        # one press closes one thing
        tip = page.locator("#term-tip")
        page.locator("dfn.term:visible").first.focus()
        expect(tip).to_be_visible()
        page.keyboard.press("Escape")
        expect(tip).to_be_hidden()
        expect(bar).to_contain_text("2 of 3")
        page.keyboard.press("Escape")
        expect(bar).to_have_count(0)
        expect(page.get_by_role("button", name="Show me").first).to_be_focused()
        expect(threshold).to_have_value("0.6")
        expect(figure).to_have_attribute("data-seen", re.compile("row"))
        expect(page).to_have_url(address)
        assert figure.inner_text() == before

        # what is run while the steps are shown is the visitor's own
        page.get_by_role("button", name="Show me").first.click()
        expect(figure.locator(".tags")).to_contain_text("stored example")
        threshold.fill("0.5")
        threshold.press("Tab")
        page.locator("#start").click()
        expect(page).to_have_url(re.compile("threshold=0.5"), timeout=60_000)
        own = page.url
        bar.get_by_role("button", name="Next").click()
        expect(figure.locator(".tags")).to_contain_text("stored example")
        bar.get_by_role("button", name="Leave").click()
        expect(figure.locator(".tags")).not_to_contain_text("stored example")
        expect(threshold).to_have_value("0.5")
        expect(page).to_have_url(own)
