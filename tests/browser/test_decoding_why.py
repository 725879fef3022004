"""The card that says why a token has its odds, in a real browser."""

from __future__ import annotations

import copy
import math

import pytest
from playwright.sync_api import expect

from tests.browser.harness import SMALL, exported, figures
from tests.browser.test_decoding_figure import FOLDER, HOSTILE, TRACE, overflow

LAYERS = [(-9.0, 40, "out", -0.1), (-3.0, 5, "of", -0.7), (-0.2, 1, " into", -0.2), (-0.9, 1, " into", -0.9)]
WHY = {
    "token": " into",
    "logprob": -0.9,
    "layers": [
        {"logprob": own, "rank": rank, "likeliest": label, "best": best} for own, rank, label, best in LAYERS
    ],
    "context": [" stepped", " out", "\n"],
    "without": [-2.3, -0.4, -0.91],
    "length": 9,
    "dola": {"candidates": [1, 2], "chosen": 2},
}


@pytest.fixture
def open_page(browser):
    with figures(browser, FOLDER) as make:
        yield make


def ask(page, answer) -> None:
    """Select a token that a run took, and press the button."""
    page.evaluate("answer => { window.answer = answer; }", answer)
    page.locator(".picture .pill, .picture [data-key]").nth(2).click()
    page.get_by_role("button", name="Why this token?").click()


def test_layers_and_text_are_told_with_their_numbers(open_page):
    page = open_page(TRACE)
    ask(page, WHY)
    card = page.locator(".why-card")
    expect(card).to_contain_text("It is the likeliest from layer 2 of 3 on.")
    expect(card).to_contain_text(
        "Of the last 3 tokens, “·stepped” matters most: without it the model gives 10 % instead of 41 %."
    )
    expect(card).to_contain_text("6 earlier tokens stay untried")
    rows = card.locator("tbody tr")
    expect(rows.first).to_contain_text("3, the model")
    expect(rows.last).to_contain_text("embedding")
    expect(rows.nth(1)).to_contain_text("2 (DoLa: contrasted)")
    expect(rows.nth(2)).to_contain_text("1 (DoLa: candidate)5.0 %5of 50 %")
    shown = card.locator(".why-token small").all_inner_texts()
    assert shown == ["+1.4", "−0.50", "0"]
    assert math.isclose(-0.9 + 2.3, 1.4) and card.locator(".why-token.against").count() == 1
    name, argument = page.evaluate("window.asked.at(-1)")
    assert name == "why" and isinstance(argument["token"], int)
    assert argument["token_ids"][: len(TRACE["prompt"]["token_ids"])] == TRACE["prompt"]["token_ids"]


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ({"error": {"what": "It is gone.", "remedy": "Decode again."}}, "It is gone. Decode again."),
        (None, "The server did not answer. Press it again."),
    ],
)
def test_an_error_is_said_and_can_be_tried_again(open_page, answer, sentence):
    page = open_page(TRACE)
    ask(page, answer)
    expect(page.locator(".why-card")).to_contain_text(sentence)
    page.evaluate("answer => { window.answer = answer; }", WHY)
    page.get_by_role("button", name="Why this token?").click()
    selected = page.locator(".facts h2 .token").inner_text()
    expect(page.locator(".why-card h2")).to_have_text(f"Why {selected}")


def test_strange_answers_stay_text_and_inside(open_page):
    strange = copy.deepcopy(WHY) | {"layers": WHY["layers"] * 40, "dola": None, "logprob": None}
    strange |= {"context": HOSTILE * 20, "without": [None, -1.0, -80.0] * 60, "length": 900}
    for layer, label in zip(strange["layers"], HOSTILE * 20, strict=False):
        layer["likeliest"] = label
    page = open_page(TRACE, width=SMALL["width"])
    ask(page, strange)
    expect(page.locator(".why-card tbody tr")).to_have_count(160)
    assert page.locator(".why-card img, .why-card script").count() == 0 and overflow(page) <= 0


def test_a_token_that_stays_unlikely_and_a_model_without_a_norm(open_page):
    page = open_page(TRACE)
    never = [layer | {"rank": 7} for layer in WHY["layers"]]
    ask(page, WHY | {"layers": never})
    expect(page.locator(".why-card")).to_contain_text(
        "After no layer is it the likeliest; the whole model ranks it 7."
    )
    other = open_page(TRACE)
    ask(other, WHY | {"layers": [], "context": [], "without": []})
    expect(other.locator(".why-card")).to_contain_text("its layers cannot be asked. Nothing stands before it")


def test_a_file_has_no_button(browser, tmp_path):
    with exported(browser, tmp_path / "figure.html", TRACE, FOLDER) as page:
        page.locator(".picture .pill, .picture [data-key]").nth(2).click()
        expect(page.get_by_role("button", name="Why this token?")).to_have_count(0)
