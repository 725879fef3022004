"""Training by rewards and taking it home in a browser, as a visitor does it, in one load."""

from __future__ import annotations

from urllib.parse import urlencode

from playwright.sync_api import expect

from tests.browser.harness import opened

SMALL = {
    "room": "grpo",
    "reward": "about 9 characters",
    "rows": "Hello?\nIs it late?",
    "group": 2,
    "tokens": 4,
    "steps": 2,
    "layers": 1,
    "answers": 1,
}


def test_a_visitor_trains_by_a_reward_and_takes_the_adapter_home(browser, suite_url):
    address = f"{suite_url}/finetuning/?{urlencode(SMALL)}"
    with opened(browser, address, "#grpo .course-figure") as page:
        expect(page.locator("#grpo .grpo-table tbody tr")).to_have_count(2, timeout=240_000)
        expect(page.locator("#grpo .figure-title")).to_contain_text("Held-out reward", timeout=240_000)
        expect(page.locator("#grpo .state > *")).to_have_count(0, timeout=120_000)
        expect(page.get_by_role("cell", name="adapter-run-1-step-2.zip")).to_be_visible(timeout=60_000)
        page.locator("#grpo-reward textarea").fill("be nice")
        page.locator("#grpo-run").click()
        expect(page.locator("#grpo [role=alert]")).to_contain_text("no part of a reward", timeout=60_000)
        page.get_by_role("tab", name="4 Take home").click()
        page.locator("#take-write").click()
        expect(page.locator("#take-said [role=alert]")).to_contain_text("no run to take", timeout=60_000)
        page.locator("#take-source input").click()
        page.get_by_role("option", name="the last run of GRPO").click()
        page.locator("#take-write").click()
        expect(page.locator("#take-said")).to_contain_text("after 2 steps", timeout=60_000)
        expect(page.get_by_role("cell", name="README.md")).to_be_visible()
        expect(page.locator("#plan .figure-title")).to_contain_text("full training")
        page.get_by_role("tab", name="3 GRPO").click()
        page.locator("#grpo-reward textarea").fill(SMALL["reward"])
        page.locator("#grpo-run").click()
        page.get_by_role("tab", name="4 Take home").click()
        expect(page.locator("#take-said")).to_contain_text("files are of the run as it was", timeout=120_000)
