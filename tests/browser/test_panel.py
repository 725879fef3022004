"""The panel below a figure."""

from __future__ import annotations

from shared.page import PANEL, code_and_link_value
from tests.browser.harness import figures


def test_on_the_hub_the_permalink_is_that_of_the_hubs_page(browser, monkeypatch) -> None:
    """It carries the visitor's login; frames need the Space itself. The suite's pages lie below it."""
    monkeypatch.delenv("LLM_COURSE_SUITE", raising=False)

    def snippets() -> list[str]:
        with figures(browser, PANEL) as make:
            page = make(code_and_link_value("Title", {}, "room=a&b=1", live=False))
            page.locator("details").last.locator("summary").click()
            return page.locator("pre").all_inner_texts()

    assert not snippets()[0].startswith("https://huggingface.co")
    monkeypatch.setenv("SPACE_ID", "me/demo")
    link, frame, _ = snippets()
    assert link == "https://huggingface.co/spaces/me/demo?room=a&b=1"
    assert "huggingface.co" not in frame and "?room=a&amp;b=1" in frame
    monkeypatch.setenv("LLM_COURSE_SUITE", "1")
    assert not snippets()[0].startswith("https://huggingface.co")
