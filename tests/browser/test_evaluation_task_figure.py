"""The figure of a task, on the stored result."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from evaluation.finding import p_words
from tests.browser.harness import axe_finds, check_svg, exported, figures, hostile, show

SPACE = Path(__file__).parents[2] / "spaces" / "evaluation"
FOLDER = SPACE / "evaluation" / "js"
STORED = json.loads((SPACE / "examples" / "task.json").read_text(encoding="utf-8"))
VIEWS = ["measures", "documents", "values"]
SPARE = {"kind", "run_id", "versions", "request", "device", "dtype", "ended", "filter"}


@pytest.fixture
def open_page(browser):
    with figures(browser, FOLDER) as make:
        yield make


def test_scores_lead_to_documents_with_what_was_taken(open_page) -> None:
    page = open_page(STORED)
    expect(page.locator(".figure-title")).to_have_text(STORED["verdicts"][0])
    marks = len(STORED["scores"]) + len(STORED["differences"])
    expect(page.locator(".measures-panel .eval-mark")).to_have_count(marks)
    check_svg(page)
    show(page, "documents")
    rows = page.locator(".documents-panel tbody tr")
    expect(rows).to_have_count(len(STORED["documents"]))
    page.locator("[data-key=task-other]").select_option("2")
    page.locator("[data-key=task-documents]").select_option("differ")
    moved = next(one for one in STORED["differences"] if one["model"] == 2 and not one["measure"])
    expect(rows).to_have_count(moved["gained"] + moved["lost"])
    page.locator("[data-key=task-documents]").select_option("missed")
    expect(rows).to_have_count(sum(not one["answers"][0]["right"][0] for one in STORED["documents"]))
    page.locator("[data-key=task-documents]").select_option("cut")
    expect(page.locator(".eval-detail")).to_have_text("No document is like that.")
    page.locator("[data-key=task-documents]").select_option("all")
    page.locator("[data-key=task-document-3]").focus()
    page.keyboard.press("Enter")
    expect(page.locator("[data-key=task-document-3]")).to_be_focused()
    texts = page.locator(".eval-answer").evaluate_all("all => all.map((one) => one.textContent)")
    assert texts == [one["text"] for one in STORED["documents"][3]["answers"]]
    expect(page.locator(".task-text")).to_have_text(STORED["documents"][3]["prompt"])
    left = "one => one.scrollHeight - one.clientHeight - one.scrollTop"
    assert page.locator(".task-text").evaluate(left) < 2, "the question, which ends the prompt, is in view"
    wrong = sum(not yes for one in STORED["documents"][3]["answers"] for yes in one["right"])
    expect(page.locator(".eval-checks li", has_text="✗")).to_have_count(wrong)
    show(page, "values")
    expect(page.locator(".values-panel tbody tr")).to_have_count(len(STORED["scores"]))


def numbers_of_texts():
    """The stored result as if likelihoods of whole texts had been read, and one document alone."""
    data = copy.deepcopy(STORED) | {"run_id": "texts"}
    data["measures"] = [{**data["measures"][0], "name": "word_perplexity", "share": False, "filter": ""}]
    data["scores"] = [
        {**one, "value": 3.5e6, "low": None, "high": None, "count": None}
        for one in data["scores"]
        if not one["measure"]
    ]
    data["differences"] = [
        {**one, "value": -1234.5, "low": None, "high": None, "gained": None, "lost": None}
        for one in data["differences"]
        if not one["measure"]
    ]
    data["provenance"] |= {"kind": "loglikelihood_rolling", "tokens": 0}
    answer = {"right": [None], "log": -12.5, "scored": 9}
    data["documents"] = [{"id": "0", "prompt": "", "targets": ["A text"], "answers": [answer] * 3}]
    return data


def test_it_grows_fails_and_holds_on_a_phone(open_page, browser, tmp_path) -> None:
    page = open_page()
    none = {"documents": [], "scores": [], "differences": [], "done": False, "verdicts": ["Before"]}
    page.evaluate("draw", {**STORED, **none})
    for view in VIEWS:
        show(page, view)
    page.evaluate("draw", hostile(copy.deepcopy(STORED), "<img src=x onerror=alert(1)>\u202e", SPARE))
    for view in VIEWS:
        show(page, view)
    page.evaluate("draw", numbers_of_texts())
    show(page, "documents")
    expect(page.locator(".documents-panel tbody tr")).to_have_count(1)
    expect(page.locator(".eval-detail")).to_contain_text("−12.5 nats for 9 tokens")
    show(page, "values")
    expect(page.locator(".values-panel")).to_contain_text("3.5·10⁶ (– to –)")
    page.evaluate("draw", {"error": {"what": "It failed.", "remedy": "Do this."}})
    expect(page.locator("[role=alert]")).to_contain_text("It failed.")
    long = copy.deepcopy(STORED)
    long["documents"][0] |= {"targets": ["x" * 300]}
    page = open_page(long, width=360, scheme="dark")
    titles = page.locator(".measures-panel .eval-whole").all_text_contents()
    told = " ".join(titles)
    assert told.count("(more is better)") == len(STORED["measures"]) and "…" not in told
    said = page.locator(".measures-panel .eval-end").all_text_contents()
    assert said == [f"p {p_words(one['p'])}" for one in STORED["differences"]]
    for view in VIEWS:
        show(page, view)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert axe_finds(page) == []
    show(page, "documents")
    detail = page.locator(".eval-detail").evaluate("one => [one.scrollWidth, one.clientWidth]")
    assert detail[0] == detail[1], "a long word is broken"
    with exported(browser, tmp_path / "task.html", STORED, FOLDER) as page:
        expect(page.locator(".measures-panel .eval-mark").first).to_be_visible()
