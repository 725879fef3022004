"""The figure of what is trained on in a real browser, on the stored examples."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from finetuning import examples
from tests.browser.harness import axe_finds, draw, exported, figures, hostile, overflow, show

SPACE = Path(__file__).parents[2] / "spaces" / "finetuning"
FOLDER = SPACE / "finetuning" / "js"
EXAMPLES = {
    name: json.loads((SPACE / "examples" / f"{name}.json").read_text(encoding="utf-8"))
    for name in sorted(examples.EXAMPLES)
}
SILENT, RIGHT = EXAMPLES["never_stops"], EXAMPLES["right"]
VIEWS = ["tokens", "sides", "findings", "rows"]
SPARE = {"kind", "trainer", "rule", "code", "grade", "parts", "form", "run_id"}


@pytest.fixture
def open_page(browser):
    with figures(browser, FOLDER) as make:
        yield make


def labels_of(view: dict) -> list[bool]:
    labels: list[bool] = []
    for stretch in view["stretches"]:
        labels += [stretch["trained"]] * (stretch["to"] - len(labels))
    return labels


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_token_has_its_label(open_page, name) -> None:
    data = EXAMPLES[name]
    page = open_page(data)
    expect(page.locator(".figure-title")).to_have_text(data["verdict"])
    wanted = next((one["rows"][0] for one in data["findings"] if one["rows"]), 1)
    row = next(one for one in data["rows"] if one["number"] == wanted)
    tokens = page.locator(".mask-tokens .mask-token")
    expect(tokens).to_have_count(len(row["tokens"]))
    shown = tokens.evaluate_all("all => all.map((one) => one.classList.contains('trained'))")
    assert shown == (labels_of(row["views"][data["trainer"]]) or [False] * len(row["tokens"]))


def test_the_stop_token_is_chosen_first_and_says_why(open_page) -> None:
    page = open_page(SILENT)
    expect(page.locator(".mask-said")).to_contain_text("stop token of message")
    expect(page.locator(".mask-said")).to_contain_text(
        "not trained on, because the template does not mark it"
    )
    page.locator(".mask-token", has_text="October").first.click()
    expect(page.locator(".mask-said")).to_contain_text("answer of message 3 (assistant): trained on")


def test_the_keyboard_walks_over_tokens(open_page) -> None:
    page = open_page(RIGHT)
    page.locator(".mask-tokens .mask-token.selected").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect(page.locator(".mask-said")).to_contain_text("answer of message")
    assert page.evaluate("document.activeElement.dataset.token") == page.locator(
        ".mask-token.selected"
    ).get_attribute("data-token")


def test_another_trainer_and_row_can_be_chosen(open_page) -> None:
    page = open_page(SILENT)
    page.locator("[data-key=trainer]").select_option("axolotl")
    expect(page.locator(".mask-said")).to_contain_text("trained on, because it is the first EOS")
    page.locator("[data-key=row]").select_option("1")
    expect(page.locator(".mask-talk")).to_contain_text("basil")
    page.locator("[data-key=row-before]").click()
    expect(page.locator(".mask-talk")).to_contain_text("tulips")


def test_trainers_stand_side_by_side(open_page) -> None:
    page = open_page(SILENT)
    show(page, "sides")
    head = page.locator(".mask-sides thead th").all_inner_texts()
    assert [name.strip() for name in head[1:]] == list(SILENT["trainers"].values())
    expect(page.locator(".mask-differ").first).to_be_visible()
    page.locator(".mask-sides thead button", has_text="Axolotl").click()
    expect(page.locator("[data-key=trainer]")).to_have_value("axolotl")


def test_findings_come_with_their_fixes(open_page) -> None:
    page = open_page(SILENT)
    show(page, "findings")
    expect(page.locator(".mask-finding")).to_have_count(len(SILENT["findings"]))
    expect(page.locator(".mask-finding").first).to_have_class("mask-finding error")
    expect(page.locator(".mask-finding pre").first).to_be_visible()
    page.locator(".mask-rows button", has_text="3").first.click()
    expect(page.locator(".mask-talk")).to_contain_text("lavender")


def test_rows_are_counted(open_page) -> None:
    page = open_page(SILENT)
    show(page, "rows")
    expect(page.locator(".rows-panel tbody tr")).to_have_count(3)
    page.get_by_role("button", name="Look at row 2").click()
    expect(page.locator(".mask-talk")).to_contain_text("basil")


def test_an_error_and_nothing_have_words(open_page) -> None:
    page = open_page()
    draw(page, None)
    expect(page.locator(".state")).to_contain_text("Paste a conversation")
    draw(page, {"error": {"what": "There are no rows.", "remedy": "Give some."}})
    expect(page.get_by_role("alert")).to_have_text("There are no rows. Give some.")


@pytest.mark.parametrize(
    "text", ["<img src=x onerror=alert(1)>", "\n\n\t", "\u202eevil", "\ud800", "x" * 300, ""]
)
def test_hostile_texts_stay_texts(open_page, text) -> None:
    data = hostile(copy.deepcopy(SILENT), text, SPARE)
    page = open_page(data, width=360)
    for view in VIEWS:
        show(page, view)
        assert page.locator("img").count() == 0
        assert overflow(page) <= 0, view


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["never_stops", "other_eos", "thoughts"])
def test_axe_finds_nothing(open_page, name, scheme) -> None:
    page = open_page(EXAMPLES[name], scheme=scheme)
    if scheme == "dark":
        page.locator(".course-figure").evaluate("one => one.classList.add('dark')")
    for view in VIEWS:
        show(page, view)
        assert axe_finds(page) == [], view


def test_the_one_file_figure_draws_without_a_network(browser, tmp_path) -> None:
    with exported(browser, tmp_path / "figure.html", SILENT, FOLDER) as page:
        expect(page.locator(".figure-title")).to_have_text(SILENT["verdict"])
        for view in VIEWS:
            show(page, view)
            assert overflow(page) <= 0, view
