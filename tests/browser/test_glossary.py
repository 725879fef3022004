"""The words of the field are explained where they stand."""

from __future__ import annotations

from playwright.sync_api import expect

from shared.glossary import TERMS
from tests.browser.harness import SMALL, axe_in_both_schemes, opened, overflow


def test_words_are_explained_on_focus_hover_and_touch(browser, suite_url):
    with opened(browser, f"{suite_url}/dedup/", "#figure .course-figure", has_touch=True) as page:
        tip = page.locator("#term-tip")
        page.locator("main:visible").evaluate(
            """main => main.insertAdjacentHTML(
                "beforeend", '<p id="row" style="display: flex; gap: 6px">KL 1.5, perplexity, n = 3</p>')"""
        )
        expect(page.locator("dfn.term").first).to_be_visible(timeout=20_000)
        page.wait_for_timeout(1000)
        marks = page.locator("dfn.term:visible")
        words = [word.lower() for word in marks.all_inner_texts()]
        assert len(words) > 2 and len(words) == len(set(words)), words
        known = {word.lower(): says for names, says in TERMS.items() for word in names}
        # as an item of its own a word would stand apart from what follows it
        assert page.locator("#row dfn").count() and page.locator("#row > *").count() == 1
        marks.first.focus()
        expect(tip).to_have_text(known[words[0]])
        expect(marks.first).to_have_attribute("aria-describedby", "term-tip")
        page.keyboard.press("Escape")
        expect(tip).to_be_hidden()
        marks.nth(1).hover()
        expect(tip).to_have_text(known[words[1]])
        page.mouse.move(0, 0)
        expect(tip).to_be_hidden()
        marks.nth(2).tap()
        expect(tip).to_have_text(known[words[2]])
        axe_in_both_schemes(page)


def test_on_a_phone_a_tap_opens_and_a_tap_elsewhere_closes(browser, suite_url):
    settings = {"viewport": SMALL, "has_touch": True, "is_mobile": True}
    with opened(browser, f"{suite_url}/dedup/", "#figure .course-figure", **settings) as page:
        tip, marks = page.locator("#term-tip"), page.locator("dfn.term:visible")
        expect(marks.first).to_be_visible(timeout=20_000)
        known = {word.lower(): says for names, says in TERMS.items() for word in names}
        for mark in (marks.first, marks.last):
            word = mark.inner_text().lower()
            mark.tap()
            expect(tip).to_have_text(known[word])
            box, at = tip.bounding_box(), mark.bounding_box()
            assert box["x"] >= 0 and box["x"] + box["width"] <= 360, "the explanation is cut off"
            assert box["y"] >= at["y"] + at["height"] - 1 or box["y"] + box["height"] <= at["y"] + 1, word
            assert overflow(page) <= 0
            page.mouse.wheel(0, 40)
            page.wait_for_function("scrollY > 0")
            page.wait_for_timeout(50)
            box, at = tip.bounding_box(), mark.bounding_box()
            assert (
                abs(box["y"] - at["y"] - at["height"] - 6) < 2
                or abs(box["y"] + box["height"] + 6 - at["y"]) < 2
            )
            page.evaluate("scrollTo(0, 0)")
            page.locator("h1").tap()
            expect(tip).to_be_hidden()
