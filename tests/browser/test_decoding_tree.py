"""Long trees and long areas stay readable: what folds, where the forks are, what is in view."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.harness import axe_finds, draw, exported, figures, overflow
from tests.browser.long_trace import TRACE, long_trace, parting

FOLDER = Path(__file__).parents[2] / "spaces" / "decoding" / "decoding" / "js"
FIRST, SECOND, THIRD = parting(64, 5, 30)
LONG = long_trace([FIRST], [SECOND], [THIRD])
TEN = long_trace(parting(32, *range(12, 30, 2)))


@pytest.fixture
def open_page(browser):
    with figures(browser, FOLDER) as make:
        yield make


def key(ids: list[int], depth: int) -> str:
    return "-".join(map(str, ids[:depth]))


def focused(page) -> str | None:
    return page.evaluate("document.activeElement.getAttribute('data-key')")


def folds(page) -> list[tuple[int, int]]:
    texts = page.locator("svg.tree .steps text").all_text_contents()
    pairs = [re.fullmatch(r"(\d+) to (\d+)", text) for text in texts]
    return [(int(found[1]), int(found[2])) for found in pairs if found]


def straight(trace: dict) -> list[tuple[int, int]]:
    """The same stretches, by looking at every step of every returned text."""
    texts = [one["token_ids"] for run in trace["runs"] for one in run["sequences"]]
    busy = {0, 1} | {len(ids) for ids in texts}
    for step in range(max(map(len, texts))):
        for ids in texts:
            followers = {one[step] for one in texts if len(one) > step and one[:step] == ids[:step]}
            if len(ids) >= step and len(followers) > 1:
                busy |= {step, step + 1}
    quiet = [step for step in range(1, max(map(len, texts)) + 1) if step not in busy]
    found: list[tuple[int, int]] = []
    for step in quiet:
        if found and found[-1][1] == step - 1:
            found[-1] = (found[-1][0], step)
        else:
            found.append((step, step))
    return [(a, b) for a, b in found if b - a >= 3]


@pytest.mark.parametrize("trace", [LONG, TEN, long_trace([FIRST]), long_trace([FIRST], [SECOND[:20]])])
def test_what_folds_is_where_no_line_parts_or_ends(open_page, trace) -> None:
    page = open_page(trace)
    assert folds(page) == straight(trace) != []
    for ids in (one["token_ids"] for run in trace["runs"] for one in run["sequences"]):
        for start, end in straight(trace):
            if len(ids) >= end:
                pill = page.locator(f'g.folded[data-key="{key(ids, start)}"]')
                expect(pill).to_have_attribute("aria-expanded", "false")
                expect(pill).to_contain_text(f"{end - start + 1} tokens")
                expect(pill).to_have_attribute(
                    "aria-label", re.compile(" ".join(f"t{n}" for n in ids[start - 1 : end]))
                )


def test_a_short_tree_is_left_as_it_is(open_page) -> None:
    page = open_page(TRACE)
    assert folds(page) == []
    page = open_page({**LONG, "done": False}, width=360)
    assert folds(page) == [], "a growing picture does not move what stands"


def test_a_stretch_says_its_text_and_unfolds_and_folds_again(open_page) -> None:
    page = open_page(LONG)
    before = folds(page)
    pill = page.locator(f'g.folded[data-key="{key(FIRST, 8)}"], g.folded[data-key="{key(FIRST, 7)}"]').first
    start = before[0][0]
    pill.hover()
    expect(page.locator(".hint .stretch")).to_have_text(
        " ".join(f"t{n}" for n in FIRST[start - 1 : before[0][1]])
    )
    expect(page.locator(".hint")).to_contain_text(f"steps {start} to {before[0][1]}, log p ")
    left = pill.bounding_box()["x"]
    pill.click()
    assert folds(page) == before[1:]
    assert focused(page) == key(FIRST, start)
    assert page.locator(f'g[data-key="{key(FIRST, start)}"]').bounding_box()["x"] == pytest.approx(
        left, abs=2
    )
    page.keyboard.press("ArrowRight")
    assert focused(page) == key(FIRST, start + 1)
    page.keyboard.press("f")
    assert folds(page) == before
    assert focused(page) == key(FIRST, start), "the keyboard is on what the place was folded into"
    page.keyboard.press("ArrowRight")
    assert focused(page) == key(FIRST, before[0][1] + 1)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    assert folds(page) == before[1:]


def test_the_switch_folds_nothing_or_all(open_page) -> None:
    page = open_page(LONG)
    switch = page.get_by_role("button", name="fold", exact=True)
    expect(switch).to_have_attribute("aria-pressed", "true")
    switch.click()
    expect(switch).to_have_attribute("aria-pressed", "false")
    assert folds(page) == []
    switch.click()
    assert folds(page) == straight(LONG)


def test_the_next_fork_is_one_key_away(open_page) -> None:
    page = open_page(LONG)
    said = page.locator(".way output")
    expect(said).to_have_text("2 forks")
    page.locator('g[data-key=""]').focus()
    page.keyboard.press("n")
    assert focused(page) == key(FIRST, 5)
    expect(said).to_have_text("fork 1 of 2")
    expect(page.locator(".hint")).to_be_visible()
    page.get_by_role("button", name="next fork").click()
    assert focused(page) == key(FIRST, 30)
    expect(said).to_have_text("fork 2 of 2")
    expect(page.locator(f'g[data-key="{key(FIRST, 31)}"]')).to_be_in_viewport()
    page.keyboard.press("n")
    assert focused(page) == key(FIRST, 30)
    page.keyboard.press("p")
    assert focused(page) == key(FIRST, 5)


def test_the_selected_token_stays_unfolded(open_page) -> None:
    page = open_page(LONG)
    page.get_by_role("button", name="fold", exact=True).click()
    page.locator('g[data-key=""]').focus()
    for _ in range(15):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="fold", exact=True).click()
    expect(page.locator("g.selected")).to_have_attribute("data-key", key(FIRST, 15))
    assert folds(page)[:2] == [(7, 14), (16, 29)]
    draw(page, {**LONG, "done": True})
    assert folds(page)[:2] == [(7, 14), (16, 29)], "the same run drawn again changes nothing"


def test_a_large_tree_draws_what_is_in_view_and_saves_the_whole(open_page) -> None:
    trace = long_trace([FIRST + FIRST], [SECOND + FIRST], [THIRD + FIRST])
    page = open_page(trace)
    page.get_by_role("button", name="fold", exact=True).click()
    page.wait_for_timeout(300)
    drawn = page.locator("svg.tree [role=treeitem]")
    total = page.evaluate("picture()").count("<text ")
    draw(page, {**trace, "done": True})
    page.locator('g[data-key=""]').focus()
    page.keyboard.press("End")
    last = "-".join(map(str, FIRST + FIRST))
    assert focused(page) == last, "the keyboard reaches what was not drawn"
    page.wait_for_timeout(300)
    assert 20 < drawn.count() < 400 < total
    expect(page.locator('[role=treeitem][tabindex="0"]')).to_have_count(1)


def test_the_map_shows_and_moves_the_view(open_page) -> None:
    page = open_page(LONG, width=600)
    page.get_by_role("button", name="fold", exact=True).click()
    overview = page.locator(".overview")
    expect(overview).to_have_attribute("aria-hidden", "true")
    expect(overview.locator("path.stroke")).to_have_count(3)
    expect(overview.locator("path.fork")).to_have_count(2)
    box = overview.bounding_box()
    x = "Number(document.querySelector('.in-view').getAttribute('x'))"
    assert page.evaluate(x) == 0
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 20, steps=4)
    page.mouse.up()
    width = page.evaluate("document.querySelector('svg.tree').viewBox.baseVal.width")
    page.wait_for_function(f"{x} > {width / 2}")
    seen = page.evaluate("document.querySelector('.in-view').getBoundingClientRect().toJSON()")
    assert seen["x"] + seen["width"] / 2 == pytest.approx(box["x"] + 0.75 * box["width"], abs=3)


def test_fit_never_makes_letters_that_cannot_be_read(open_page) -> None:
    for width, trace in ((360, LONG), (1120, TEN), (1120, TRACE)):
        page = open_page(trace, width=width)
        page.get_by_role("button", name="Fit the width").click()
        letters = page.evaluate(
            """Math.min(...[...document.querySelectorAll('svg.tree text')].map((text) =>
              parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a))"""
        )
        assert letters >= 8.99, (width, letters)


def test_ten_lanes_have_names_that_do_not_collide(open_page) -> None:
    page = open_page(TEN)
    assert page.locator(".tools select").input_value() == "1", "one other token a step"
    boxes = page.evaluate(
        "[...document.querySelectorAll('svg.tree .lane-label, svg.tree .total, g.taken, g.other')]"
        ".map((one) => { const {x, y, width, height} = one.getBBox(); const m = one.getCTM();"
        " return [x + m.e, y + m.f, width, height]; })"
    )
    assert len(page.locator(".lane-label").all()) == 10
    for index, (x, y, width, height) in enumerate(boxes):
        for left, top, wide, high in boxes[index + 1 :]:
            apart = (
                x + width <= left + 1 or left + wide <= x + 1 or y + height <= top + 2 or top + high <= y + 2
            )
            assert apart, ((x, y, width, height), (left, top, wide, high))


@pytest.mark.parametrize(("width", "scheme"), [(1120, "light"), (360, "dark")])
def test_axe_finds_nothing(open_page, width, scheme) -> None:
    page = open_page(LONG, width=width, scheme=scheme)
    page.wait_for_timeout(300)
    assert axe_finds(page) == []
    assert overflow(page) == 0
    page.locator('[role=tab][data-view="area"]').click()
    page.locator(".ways button").first.click()
    page.wait_for_timeout(300)
    assert axe_finds(page) == []
    assert overflow(page) == 0


# The probability area


def area(page) -> None:
    page.locator('[role=tab][data-view="area"]').click()


def test_step_forty_can_be_read_in_the_area(open_page) -> None:
    """By the ways on, and by selecting it in the tree."""
    page = open_page(LONG)
    area(page)
    for _ in range(40):
        button = page.locator(".ways button", has_text="greedy: on to step").first
        step = int(re.search(r"step (\d+) of 64", button.inner_text()).group(1))
        button.click()
        expect(page.locator(".crumbs [aria-current]")).to_contain_text(f"t{step}")
        if step >= 40:
            break
    assert step >= 40
    expect(page.locator(".crumbs [aria-current]")).to_contain_text("60")
    expect(page.locator(".crumbs")).to_contain_text("tokens")
    words = page.locator("svg.area .cell.taken text.token")
    assert words.count() >= 3
    page.get_by_role("button", name=re.compile("^⋯")).click()
    assert page.locator(".crumbs button").count() == step + 1


def test_what_is_selected_in_the_tree_can_be_read_in_the_area(open_page) -> None:
    page = open_page(LONG)
    page.locator('g[data-key=""]').focus()
    page.keyboard.press("n")
    page.keyboard.press("n")
    page.keyboard.press("Enter")
    area(page)
    expect(page.locator(f'.cell[data-key="{key(FIRST, 30)}"] text.token')).to_have_text("·t30")


def test_the_area_moves_to_a_branch_unless_motion_is_reduced(open_page) -> None:
    moving = "document.getAnimations().filter((one) => !(one instanceof CSSAnimation)).length"
    for reduced, wanted in (("no-preference", True), ("reduce", False)):
        page = open_page(LONG, reduced=reduced)
        area(page)
        page.locator(f'.cell[data-key="{key(FIRST, 2)}"]').click()
        assert (page.evaluate(moving) > 0) == wanted
        box = page.locator(f'.cell[data-key="{key(FIRST, 2)}"] rect')
        assert float(box.get_attribute("height")) == 440


def test_the_area_keeps_its_branch_while_the_tree_grows(open_page) -> None:
    trace = copy.deepcopy(LONG)
    page = open_page(trace)
    area(page)
    page.locator(f'.cell[data-key="{key(FIRST, 3)}"]').click()
    page.keyboard.press("n")
    expect(page.locator(".crumbs [aria-current]")).to_contain_text("t5")
    draw(page, {**trace, "done": True})
    expect(page.locator(".crumbs [aria-current]")).to_contain_text("t5")
    page.keyboard.press("Backspace")
    expect(page.locator(".crumbs [aria-current]")).to_contain_text("t4")


def test_letters_in_the_area_can_be_read_at_every_zoom(open_page) -> None:
    page = open_page(LONG)
    area(page)
    counts = []
    for _ in range(4):
        letters = page.evaluate(
            """[...document.querySelectorAll('svg.area .cell text')].map((text) =>
              parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a)"""
        )
        assert min(letters) >= 8.99
        counts.append(len(letters))
        page.get_by_role("button", name="Zoom in").click()
    assert counts[-1] > counts[0]


def test_the_exported_file_folds_and_finds_forks(browser, tmp_path) -> None:
    with exported(browser, tmp_path / "long.html", LONG, FOLDER) as page:
        assert folds(page) == straight(LONG)
        page.get_by_role("button", name="next fork").click()
        assert focused(page) == key(FIRST, 5)
        expect(page.locator(".overview path.stroke")).to_have_count(3)
