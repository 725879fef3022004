"""The whole way in one browser: trained, merged, edited, quantized, compared, evaluated, and its family tree;
each room opens what the one before made by a click.
"""

from __future__ import annotations

import json
import re
from urllib.parse import urlencode

from playwright.sync_api import expect

from tests import zoo
from tests.browser.harness import opened

ROWS = "\n".join(json.dumps({"prompt": f"Question {at}", "completion": " Yes."}) for at in range(3))


def choose(page, field: str, option: str) -> None:
    """Choose in a dropdown."""
    page.locator(f"{field} input").first.click()
    page.get_by_role("option", name=option, exact=True).click()


def made_here(page) -> str:
    """The name of what the open room has just put on the shelf."""
    said = page.locator(".entrances code:visible").first
    expect(said).to_have_text(re.compile("made/"), timeout=60_000)
    return said.inner_text()


def enter(page, space: str) -> None:
    """Open what was made in another Space."""
    page.locator(".entrances:visible").get_by_role("link", name=space, exact=True).click()
    page.wait_for_url(re.compile(f"/{space}/" if "tree" not in space else "/merging/"))


def holds(page, field: str, name: str) -> None:
    """Wait until a field has a name, which the link puts there."""
    expect(page.locator(f"{field} input, {field} textarea").first).to_have_value(name, timeout=30_000)


def test_a_model_walks_from_room_to_room(browser, suite_url):
    base = str(zoo.folder("llama3"))
    small = {"room": "train", "rows": ROWS, "layers": 1, "steps": 2, "batch": 1, "answers": 1, "model": base}
    with opened(browser, f"{suite_url}/finetuning/?{urlencode(small)}", "#train .course-figure") as page:
        expect(page.locator("#train .figure-title")).to_contain_text("2 steps", timeout=60_000)
        expect(page.locator("#train .state > *")).to_have_count(0, timeout=60_000)
        page.get_by_role("tab", name="4 Take home").click()
        page.locator("#take-write").click()
        trained = made_here(page)
        assert trained.startswith("made/sft-llama3-")

        enter(page, "merging")  # an adapter, which becomes a model when it is opened
        expect(page.locator("#findings")).to_contain_text(trained, timeout=60_000)
        page.locator("#merge").click()
        merged = made_here(page)
        assert merged.startswith("made/linear-")

        enter(page, "abliteration")
        holds(page, "#model", merged)
        page.get_by_role("tab", name=re.compile("Take home")).click()
        choose(page, "#form", "the whole model")
        page.locator("#run-export").click()
        edited = made_here(page)

        # its chat Space, before anything is pushed: the app is written for this very model
        page.get_by_role("button", name="A chat Space for it, on ZeroGPU").click()
        page.locator("#edit-chat-model").locator("input, textarea").fill("me/edited")
        page.locator("#edit-chat-show").click()
        expect(page.locator("#edit-chat-said")).to_contain_text("an answer of 256 tokens asks for")
        app = page.locator("#edit-chat-code")
        expect(app).to_contain_text("@spaces.GPU")
        expect(app).to_contain_text("me/edited")

        enter(page, "quantization")
        holds(page, "#take-model", edited)
        page.locator("#take-model input").first.click()
        expect(page.get_by_role("option", name=merged)).to_be_visible()
        page.keyboard.press("Escape")
        page.locator("#take-format input").first.fill("gguf:Q8_0")
        page.keyboard.press("Enter")
        page.locator("#take").click()
        quantized = made_here(page)
        assert quantized.startswith("made/q8-0-edited-")

        enter(page, "decoding")
        holds(page, "#pair-model", edited)
        holds(page, "#pair-other", quantized)
        expect(page.get_by_label("Use the first model's chat template")).to_be_checked()
        page.locator("#pair-run").click()
        expect(page.locator("#pair-figure .state > *")).to_have_count(0, timeout=60_000)
        expect(page.locator("#pair-figure")).to_contain_text("quantized to gguf:Q8_0", timeout=60_000)

        page.goto(
            f"{suite_url}/evaluation/?"
            + urlencode({"models": [edited, quantized], "limit": 4, "tasks": "past"}, doseq=True)
        )
        expect(page.locator("#figure .figure-title")).to_contain_text("4 items cannot decide", timeout=60_000)

        page.goto(f"{suite_url}/merging/?room=tree&tree={quantized}")
        tree = page.locator("#tree")
        for name in (quantized, edited, merged, trained):
            expect(tree).to_contain_text(name.split("/")[1][:12], timeout=60_000)
        # what Gradio says of requests that end because the visitor has left the page
        left = re.compile("AbortError|Connection errored out")
        page.problems[:] = [one for one in page.problems if not left.search(one)]
