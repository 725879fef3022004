"""The figure of a speculative run in a real browser, on the stored examples."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from decoding.speculative.forecast import independent
from tests.browser.harness import axe_finds, draw, exported, figures, hostile, show

SPACE = Path(__file__).parents[2] / "spaces" / "decoding"
FOLDER = SPACE / "decoding" / "js"
EXAMPLES = {
    name: json.loads((SPACE / "examples" / f"speculative_{name}.json").read_text(encoding="utf-8"))
    for name in ("rounded", "lookup", "layers")
}
DRAWN = EXAMPLES["rounded"]
VIEWS = ["rounds", "text", "lengths", "table"]
SPARE = {"kind", "draft", "rounding", "by", "dtype", "origin", "thinking"}


@pytest.fixture
def open_page(browser):
    with figures(browser, FOLDER, "equallyOften, rowsOf") as make:
        yield make


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_round_is_drawn_with_what_became_of_it(open_page, name):
    data = EXAMPLES[name]
    page = open_page(data)
    places = [place for one in data["rounds"] for place in one["places"]]
    expect(page.locator(".spec-place")).to_have_count(len(places))
    proposed = [place for place in places if place["proposed"] is not None]
    kept = sum(place["accepted"] for place in proposed)
    idle = sum(not place["tested"] for place in proposed)
    expect(page.locator(".spec-place.kept")).to_have_count(kept)
    expect(page.locator(".spec-place.idle")).to_have_count(idle)
    expect(page.locator(".spec-place.refused")).to_have_count(len(proposed) - kept - idle)
    assert len(page.locator(".spec-rounds > li").all()) == len(page.evaluate("maths.rowsOf", data))
    facts = page.locator(".spec-facts").inner_text()
    assert f"{len(data['tokens']) / len(data['rounds']):.2f} tokens a pass" in facts
    assert f"{data['accepted']} of {data['tested']} tested" in facts


def test_a_pill_is_filled_to_its_chance_and_marked_where_the_number_fell(open_page):
    page = open_page(DRAWN)
    tested = [
        place
        for one in DRAWN["rounds"]
        for place in one["places"]
        if place["proposed"] is not None and place["tested"]
    ]
    pills = page.locator(".spec-place:not(.own):not(.idle) .guess:first-child").all()
    assert len(pills) == len(tested) > 10
    for pill, place in zip(pills, tested, strict=True):
        box = pill.bounding_box()
        fill = pill.locator(".guess-fill").bounding_box()
        mark = pill.locator(".guess-number").bounding_box()
        inner = box["width"] - 3
        assert fill["width"] / inner == pytest.approx(place["chance"], abs=0.03)
        assert (mark["x"] + 1 - box["x"] - 1.5) / inner == pytest.approx(place["number"], abs=0.04)


def test_a_place_shows_the_two_distributions_and_the_proof(open_page):
    page = open_page(DRAWN)
    round_, at = next(
        (round_, at)
        for round_, one in enumerate(DRAWN["rounds"])
        for at, place in enumerate(one["places"])
        if place["accepted"]
    )
    place = DRAWN["rounds"][round_]["places"][at]
    page.locator(f'[data-key="{round_}/{at}"]').click()
    details = page.locator(".details")
    expect(details.locator("h2")).to_have_text(f"Round {round_ + 1}, token {place['at'] + 1} of the text")
    expect(details).to_contain_text("was kept")
    rows = details.locator(".spec-meeting tbody tr")
    meeting = place["meeting"]
    expect(rows).to_have_count(len(meeting["ids"]) + (1 if meeting["others"] else 0))
    expect(details).to_contain_text("Nothing changed.")
    expect(details).to_contain_text("rounding of float64")
    others = meeting["others_p"] + meeting["others_q"] - meeting["others_kept"]
    most = max(*meeting["p"], *meeting["q"], others)
    for index in range(min(4, len(meeting["ids"]))):
        track = rows.nth(index).locator(".spec-track > span").bounding_box()["width"]
        width = {
            kind: sum(
                part.bounding_box()["width"] for part in rows.nth(index).locator(f".spec-part.{kind}").all()
            )
            for kind in ("kept", "missing", "excess")
        }
        p, q = meeting["p"][index], meeting["q"][index]
        assert width["kept"] / track == pytest.approx(min(p, q) / most, abs=0.02)
        assert (width["kept"] + width["missing"]) / track == pytest.approx(p / most, abs=0.03)
        assert (width["kept"] + width["excess"]) / track == pytest.approx(q / most, abs=0.03)


def test_the_text_says_who_wrote_each_token(open_page):
    page = open_page(DRAWN)
    show(page, "text")
    for by in ("draft", "replaced", "bonus"):
        count = sum(token["by"] == by for token in DRAWN["tokens"])
        expect(page.locator(f".spec-text button.authored.{by}")).to_have_count(count)
    page.locator(".spec-text button.authored.replaced").first.click()
    expect(page.locator(".details")).to_contain_text("was refused")


def test_other_lengths_are_those_of_the_data_and_the_formula_is_pythons(open_page):
    page = open_page(DRAWN)
    show(page, "lengths")
    rows = page.locator(".spec-lengths tbody tr")
    expect(rows).to_have_count(len(DRAWN["forecast"]))
    cells = rows.nth(3).locator("th, td").all_inner_texts()
    passes = DRAWN["forecast"][3]["passes"]
    assert cells[0] == "4, this run" and cells[1] == f"{passes:.2f}"
    assert cells[2] == f"{len(DRAWN['tokens']) / passes:.2f}"
    for alpha in (0.0, 0.3, 0.95, 1.0):
        for count in (1, 4, 16):
            found = page.evaluate(f"maths.equallyOften({alpha}, {count})")
            assert found == pytest.approx(independent(alpha, count))


def test_the_table_lists_every_decision(open_page):
    page = open_page(DRAWN)
    show(page, "table")
    places = [place for one in DRAWN["rounds"] for place in one["places"]]
    expect(page.locator(".table-panel tbody tr")).to_have_count(len(places))


def test_rounds_with_nothing_proposed_share_a_row(open_page):
    bare = {"places": [{"proposed": None}]}
    full = {"places": [{"proposed": 3}, {"proposed": None}]}
    rounds = [bare, bare, full, bare, full, full]
    page = open_page()
    assert page.evaluate("maths.rowsOf", {"rounds": rounds}) == [[0, 1], [2, 2], [3, 3], [4, 4], [5, 5]]


def test_a_growing_figure_keeps_the_selected_place(open_page):
    data = copy.deepcopy(DRAWN)
    for one in data["rounds"]:
        for place in one["places"]:
            place.pop("meeting", None)
    data |= {"done": False, "forecast": [], "alone": None}
    data["exactness"] |= {"tokens": 0, "difference": None}
    page = open_page({**data, "rounds": data["rounds"][:3]})
    page.locator('[data-key="1/0"]').click()
    draw(page, data)
    expect(page.locator('[data-key="1/0"]')).to_have_attribute("aria-pressed", "true")
    expect(page.locator('[data-key="1/0"]')).to_be_focused()
    expect(page.locator("[data-view=lengths]")).to_be_hidden()
    draw(page, DRAWN)
    expect(page.locator(".details")).to_contain_text("Round 2")


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("width", [360, 1120])
def test_no_view_widens_its_page_and_axe_objects_to_none(open_page, view, width):
    page = open_page(DRAWN, width=width, scheme="dark" if width == 360 else "light")
    show(page, view)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert axe_finds(page) == []


def test_hostile_tokens_stay_text(open_page):
    for text in ("<img src=x onerror=alert(1)>", "שלום " + "x" * 90, "\n\n\t", ""):
        page = open_page(hostile(DRAWN, text, SPARE), width=360)
        for view in VIEWS:
            show(page, view)
            assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert page.locator("img").count() == 0


def test_an_error_and_nothing_yet(open_page):
    waiting = {
        "kind": "speculative",
        "drawable": False,
        "done": False,
        "progress": {"label": "Loading x", "value": 0, "max": 1},
    }
    page = open_page(waiting)
    expect(page.locator(".state")).to_contain_text("Loading x")
    draw(page, {"error": {"what": "It broke.", "remedy": "Mend it."}})
    expect(page.locator("[role=alert]")).to_contain_text("It broke.")


def test_the_one_file_export_works_from_disk(browser, tmp_path):
    with exported(browser, tmp_path / "speculative.html", DRAWN, FOLDER) as page:
        expect(page.locator(".spec-place").first).to_be_visible()
        page.locator(".spec-place.refused").first.click()
        expect(page.locator(".details")).to_contain_text("was refused")
        show(page, "lengths")
        expect(page.locator(".spec-line.a")).to_have_count(1)
