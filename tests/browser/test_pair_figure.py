"""The figure of two models in a real browser, on the stored examples."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.harness import axe_in_light_and_dark, draw, exported, figures, overflow, show

SPACE = Path(__file__).parents[2] / "spaces" / "decoding"
FOLDER = SPACE / "decoding" / "js"
PAIR, EXPERT = (
    json.loads((SPACE / "examples" / f"{name}.json").read_text(encoding="utf-8"))
    for name in ("pair_rounded", "pair_expert")
)
VIEWS = ["tree", "texts", "steps"]
HOSTILE = ["<img src=x onerror=alert(1)>", "שלום", "\n\n\t", "\u202eevil", "\ud800", "x" * 90]


@pytest.fixture
def open_page(browser):
    with figures(browser, FOLDER) as make:
        yield make


def same() -> dict:
    """A comparison whose texts are equal: the first text alone."""
    pair = copy.deepcopy(PAIR)
    pair["texts"], pair["parting"] = pair["texts"][:1], None
    pair["trace"]["runs"][1] = {**pair["trace"]["runs"][0], "name": "again", "color": 1}
    return pair


def growing(pair: dict, step: int) -> dict:
    """The comparison as it was after so many tokens of both."""
    pair = copy.deepcopy(pair)
    pair |= {"done": False, "texts": [], "parting": None, "finding": "", "meaning": []}
    pair["trace"]["done"] = False
    for run in pair["trace"]["runs"]:
        nodes = {node["id"]: node for node in run["nodes"]}
        for sequence in run["sequences"]:
            while nodes[sequence["node"]]["step"] > step:
                sequence["node"] = nodes[sequence["node"]]["parent"]
        run["nodes"] = [node for node in run["nodes"] if node["step"] <= step]
    return pair


@pytest.mark.parametrize("pair", [PAIR, EXPERT, same()], ids=["rounded", "expert", "same"])
def test_every_step_has_its_bar_and_its_rank(open_page, pair) -> None:
    page = open_page(pair)
    expect(page.locator(".figure-title")).to_have_text(pair["finding"])
    parted = (pair["parting"] or {"step": 1})["step"] - 1
    counts = [len(text["steps"]) for text in pair["texts"]]
    expect(page.locator(".strip .column")).to_have_count(sum(counts) - (parted if len(counts) > 1 else 0))
    ranks = page.locator(".strip .rank").all_text_contents()
    first = [step["ranks"][1][0] for step in pair["texts"][0]["steps"]]
    assert [int(rank.replace(",", "")) for rank in ranks[: len(first)]] == first
    expect(page.locator(".lane-label")).to_have_count(1 if pair["parting"] is None else 2)
    assert page.locator("circle.fork").count() == (1 if pair["parting"] else 0)
    height = page.locator("svg.tree").bounding_box()["height"]
    strip = page.locator(".strip").bounding_box()
    tree = page.locator("svg.tree").bounding_box()
    assert strip["y"] + strip["height"] <= tree["y"] + height + 1


def test_bars_are_as_high_as_the_roots_of_their_nats(open_page) -> None:
    page = open_page(PAIR)
    heights = page.locator(".strip .bar.series-0").evaluate_all(
        "bars => bars.map(bar => Number(bar.getAttribute('height')))"
    )
    nats = [step["forward"] for step in PAIR["texts"][0]["steps"]]
    largest = max(range(len(nats)), key=nats.__getitem__)
    for height, value in zip(heights, nats, strict=True):
        assert height == pytest.approx(heights[largest] * (value / nats[largest]) ** 0.5, abs=0.01)


def test_the_parting_is_selected_and_a_click_selects_a_step(open_page) -> None:
    page = open_page(PAIR)
    parting = PAIR["parting"]
    expect(page.locator(".pair-step h2")).to_contain_text(f"Token {parting['step']}")
    expect(page.locator(".pair-step h2")).to_contain_text("where they part")
    page.locator(".strip .column").nth(1).click()
    expect(page.locator(".pair-step h2")).to_contain_text("Token 2")
    step = PAIR["texts"][0]["steps"][1]
    expect(page.locator(".pair-odds li")).to_have_count(len(step["ids"]))
    expect(page.locator(".strip .chosen")).to_have_count(1)
    page.locator('g[data-key=""]').focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator(".pair-step h2")).to_contain_text("Token 1")
    show(page, "steps")
    page.locator(".steps-panel button").nth(2).click()
    expect(page.locator(".pair-step h2")).to_contain_text("Token 3")
    expect(page.locator(".steps-panel tr.current")).to_have_count(1)
    show(page, "texts")
    page.locator(".prose").first.locator("bdi").nth(3).click()
    expect(page.locator(".pair-step h2")).to_contain_text("Token 4")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator(".pair-step h2")).to_contain_text("Token 5")


def test_a_lane_has_the_odds_of_its_own_model(open_page) -> None:
    """And at its end that model's log-probability, though the trunk is the first one's."""
    page = open_page(PAIR)
    totals = page.locator("text.total").all_text_contents()
    for total, text in zip(totals, PAIR["texts"], strict=True):
        value = float(total.removeprefix("log p ").replace("−", "-"))
        assert value == pytest.approx(text["logprob"][text["of"]], abs=0.02)
    marks = page.locator(".other-tick")
    assert marks.count() > len(PAIR["texts"][0]["steps"])


def test_the_table_has_the_texts_numbers(open_page) -> None:
    page = open_page(EXPERT)
    cells = page.locator(".pair-summary tbody tr").first.locator("td").all_inner_texts()
    text = EXPERT["texts"][0]
    assert cells[0] == str(len(text["token_ids"]))
    for cell, value in zip(cells[1:3], text["logprob"], strict=True):
        assert float(cell.replace("−", "-")) == pytest.approx(value, abs=0.006)
    assert cells[6] == f"{text['same_top']['count']} of {text['same_top']['of']}"
    for words in EXPERT["meaning"]:
        expect(page.locator(".pair-summary")).to_contain_text(words)


def hostile_pair() -> dict:
    pair = copy.deepcopy(PAIR)
    pair["finding"] = pair["meaning"][0] = "<img src=x onerror=alert(2)> " + "long " * 60
    pair["notes"] = ["<b>note</b> " + "x" * 300]
    for place, run in enumerate(pair["trace"]["runs"]):
        run["name"] = f"<i>{place}</i>" + "y" * 60
        for index, node in enumerate(run["nodes"][1:]):
            node["text"] = HOSTILE[index % len(HOSTILE)]
    for text in pair["texts"]:
        for index, step in enumerate(text["steps"]):
            step["text"] = HOSTILE[index % len(HOSTILE)]
            step["texts"] = [HOSTILE[(index + at) % len(HOSTILE)] for at in range(len(step["ids"]))]
    return pair


@pytest.mark.parametrize("width", [1120, 360])
def test_hostile_texts_stay_text_and_widen_nothing(open_page, width) -> None:
    page = open_page(hostile_pair(), width=width)
    for view in VIEWS:
        show(page, view)
        assert page.locator("#root img, #root script, #root b > b, #root i > i").count() == 0
        assert overflow(page) == 0, view


def test_axe_finds_nothing(open_page) -> None:
    page = open_page(PAIR)
    for view in VIEWS:
        show(page, view)
        page.wait_for_timeout(250)
        assert axe_in_light_and_dark(page) == [], view


def test_a_growing_comparison_keeps_its_height(open_page) -> None:
    page = open_page(growing(EXPERT, 3))
    expect(page.locator(".strip")).to_contain_text("once both texts are written")
    height = page.locator("svg.tree").bounding_box()["height"]
    expect(page.locator(".pair-summary")).to_have_count(0)
    draw(page, EXPERT)
    expect(page.locator(".pair-summary")).to_have_count(1)
    assert page.locator("svg.tree").bounding_box()["height"] == pytest.approx(height, abs=2)


VISIBLE = """() => {
  const root = document.getElementById("root").cloneNode(true);
  for (const panel of root.querySelectorAll("[role=tabpanel][hidden]")) panel.remove();
  for (const element of root.querySelectorAll("*")) { // in whatever order they were set
    const set = [...element.attributes].sort((one, other) => (one.name < other.name ? -1 : 1));
    for (const { name } of set) element.removeAttribute(name);
    for (const { name, value } of set) element.setAttribute(name, value);
  }
  return root.innerHTML;
}"""


@pytest.mark.parametrize("view", VIEWS)
def test_what_is_drawn_over_another_looks_as_if_drawn_anew(open_page, view) -> None:
    pictures = []
    for before in ([EXPERT, same()], []):
        page = open_page()
        for data in [*before, PAIR]:
            draw(page, data)
            show(page, view)
        pictures.append(page.evaluate(VISIBLE))
    assert pictures[0] == pictures[1]


def test_the_other_figure_follows_and_comes_back(open_page) -> None:
    """A page has one renderer for all figures of the Space."""
    trace = json.loads((SPACE / "examples" / "lighthouse.json").read_text(encoding="utf-8"))
    page = open_page(PAIR)
    draw(page, trace)
    expect(page.locator(".figure-title")).to_contain_text("lighthouse")
    draw(page, PAIR)
    expect(page.locator(".figure-title")).to_have_text(PAIR["finding"])


def test_an_error_and_a_cancelled_run(open_page) -> None:
    page = open_page({"error": {"what": "It failed.", "remedy": "Try <b>again</b>."}})
    expect(page.get_by_role("alert")).to_contain_text("It failed. Try <b>again</b>.")
    draw(page, {**growing(EXPERT, 4), "cancelled": True})
    expect(page.locator(".tags")).to_contain_text("stopped early")
    expect(page.locator(".state > *")).to_have_count(0)


def test_the_export_works_from_disk(browser, tmp_path) -> None:
    with exported(browser, tmp_path / "pair.html", PAIR, FOLDER) as page:
        expect(page.locator(".figure-title")).to_have_text(PAIR["finding"])
        page.locator(".strip .column").nth(1).click()
        expect(page.locator(".pair-step h2")).to_contain_text("Token 2")
        for view in VIEWS:
            show(page, view)
            assert overflow(page) == 0, view


def test_the_picture_is_a_static_svg(open_page) -> None:
    picture = open_page(PAIR).evaluate("picture()")
    assert picture.startswith("<svg") and "<script" not in picture and "var(--" not in picture
    assert "rank in second" in picture and "the triangle its probability" in picture
