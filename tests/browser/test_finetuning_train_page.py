"""Training in a browser, as a visitor does it."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from tests.browser.harness import opened, unfold

ROWS = "\n".join(json.dumps({"prompt": f"Question {at}", "completion": " Yes."}) for at in range(3))
SMALL = {"room": "train", "rows": ROWS, "layers": 1, "steps": 6, "batch": 1, "answers": 1}


@pytest.fixture
def page(browser, suite_url):
    with opened(browser, f"{suite_url}/finetuning/?{urlencode(SMALL)}", "#train .course-figure") as page:
        yield page


def test_a_visitor_trains_undoes_and_goes_on(page):
    title, state = page.locator("#train .figure-title"), page.locator("#train .state > *")
    expect(title).to_contain_text("6 steps", timeout=240_000)
    expect(state).to_have_count(0, timeout=120_000)
    expect(page.get_by_role("cell", name="adapter-run-1-step-6.zip")).to_be_visible()
    page.wait_for_timeout(500)  # the run's last event lists the steps once more, and closes an open list
    page.locator("#train-since input").click()
    page.get_by_role("option", name="step 3").click()
    page.locator("#train-undo").click()
    expect(title).to_contain_text("3 steps", timeout=30_000)
    expect(page.get_by_role("cell", name="adapter-run-1-step-3.zip")).to_be_visible(timeout=30_000)
    page.locator("#train-since input").click()
    expect(page.get_by_role("option", name="step 6")).to_have_count(0)  # it is undone
    page.keyboard.press("Escape")
    unfold(page, "Advanced: your rows")
    page.locator("#train-rows textarea").fill(ROWS + "\n" + ROWS)
    page.locator("#train-on").click()
    expect(page.locator("#train [role=alert]")).to_contain_text("Set it back", timeout=60_000)
    page.locator("#train-rows textarea").fill(ROWS)
    page.locator("#train-on").click()
    expect(title).to_contain_text("6 steps", timeout=240_000)
    expect(page.locator("#train .warnings")).to_contain_text("Went on from step 3")


def test_cancel_keeps_the_last_adapter_and_an_error_says_which_row(page):
    expect(page.locator("#train-files")).to_be_visible(timeout=240_000)
    page.locator("#train-cancel").click()
    expect(page.get_by_role("cell", name="adapter-run-1-step-").first).to_be_visible()
    expect(page.locator("#train-cancel")).to_have_text("Cancel", timeout=60_000)
    unfold(page, "Advanced: your rows")
    page.locator("#train-rows textarea").fill('{"question": "a"}')
    page.locator("#train-run").click()
    expect(page.locator("#train [role=alert]")).to_contain_text("Row 1 has no form", timeout=60_000)
