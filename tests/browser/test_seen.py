"""A link holds what is seen: a figure that is opened with it looks like the one that made it."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops
from playwright.sync_api import expect

from tests.browser.harness import draw, exported, figures, opened

SPACES = Path(__file__).parents[2] / "spaces"

CASES: dict[str, tuple[str, str, str, list[tuple[Any, ...]]]] = {
    "tree": (
        "decoding",
        "lighthouse",
        "tree",
        [
            ("click", "[role=treeitem]", 4),
            ("click", "[role=treeitem]", 2),
            ("press", "[role=treeitem]", "+"),
            ("scroll", ".scroll", 60),
        ],
    ),
    "area": ("decoding", "lighthouse", "area", [("click", ".ways button", 0)]),
    "beams": ("decoding", "lighthouse", "lattice", [("set", "Step of the search", "2")]),
    "two models": ("decoding", "pair_rounded", "texts", [("click", "bdi[data-key]", 5)]),
    "block": (
        "quantization",
        "lab",
        "block",
        [("set", "Show", "1"), ("click", ".code", 5), ("set", "clip", "0.7")],
    ),
    "size": ("quantization", "compare", "size", [("set", "Up", "top"), ("set", "Budget", "400")]),
    "microscope": ("quantization", "compare", "tokens", [("click", ".scored", 7)]),
    "plane": ("merging", "explore", "plane", [("press", ".map svg", "ArrowRight")]),
    "layers": ("merging", "merge", "atlas", [("set", "Map", "1")]),
    "answers": ("merging", "merge", "answers", [("click", "[aria-label='Next question']", 0)]),
    "family": ("merging", "tree", "family", [("click", ".member-box", 1), ("click", "[title='Zoom in']", 0)]),
    "threshold": ("dedup", "kitchen", "threshold", [("set", "Threshold", "0.9")]),
    "clusters": ("dedup", "kitchen", "clusters", [("click", ".cluster-item", 2), ("click", "tr .small", 0)]),
    "heatmap": ("dedup", "quiz", "heatmap", [("click", ".map-cell", 1)]),
    "direction": ("abliteration", "find", "layers", [("press", "svg[tabindex]", "ArrowLeft")]),
    "items": ("evaluation", "experts", "items", [("click", "[data-key][aria-pressed]", 1)]),
    "mask": ("finetuning", "never_stops", "tokens", [("click", ".mask-token", 6)]),
    "steps": ("finetuning", "pirate", "moved", [("set", "After step", "1")]),
}
"""By what is seen: Space, stored figure, view, and what a visitor does there."""


def stored(space: str, name: str) -> Any:
    return json.loads((SPACES / space / "examples" / f"{name}.json").read_text(encoding="utf-8"))


SET = """(control, value) => {
  control.value = value;
  for (const name of ["input", "change"]) control.dispatchEvent(new Event(name, { bubbles: true }));
}"""


def do(page: Any, doing: str, where: str, what: Any) -> None:
    """One thing that a visitor does in the open view."""
    panel = page.locator(".panel:not([hidden])")
    if doing == "set":
        control = page.locator("input, select").and_(page.get_by_label(where)).first
        control.evaluate(SET, what)
    elif doing == "click":
        panel.locator(where).nth(what).dispatch_event("click")
    elif doing == "press":
        panel.locator(where).first.focus()
        page.keyboard.press(what)
    else:
        panel.locator(where).first.evaluate("(box, by) => box.scrollBy(by, 0)", what)


def taken(page: Any) -> Image.Image:
    """A figure as it is seen, without the marks of pointer and keyboard."""
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement?.blur()")
    page.wait_for_timeout(350)
    return shot(page.locator("#root"))


def shot(part: Any) -> Image.Image:
    """A part of a page in grey."""
    return Image.open(io.BytesIO(part.screenshot(animations="disabled"))).convert("L")


def apart(one: Image.Image, other: Image.Image) -> float:
    """Share of the pixels that clearly differ."""
    if one.size != other.size:
        return 1.0
    counts = ImageChops.difference(one, other).histogram()
    return sum(counts[24:]) / sum(counts)


def seen_of(page: Any) -> str | None:
    page.wait_for_timeout(350)
    return page.locator(".course-figure").first.get_attribute("data-seen")


OPEN = """([view, seen]) => {
  document.querySelector(`[role=tab][data-view="${view}"]`).click();
  const figure = document.querySelector(".course-figure");
  figure.dispatchEvent(new CustomEvent("figure-seen", { detail: JSON.parse(seen) }));
}"""


@pytest.mark.parametrize("name", CASES)
def test_what_is_seen_comes_back(browser, name):
    space, example, view, doings = CASES[name]
    data = stored(space, example)
    with figures(browser, SPACES / space / space / "js") as make:
        first = make(data, reduced="reduce")
        first.set_default_timeout(5000)
        first.locator(f'[role=tab][data-view="{view}"]').first.click()
        assert seen_of(first) is None
        before = taken(first)
        for doing in doings:
            do(first, *doing)
        seen = seen_of(first)
        assert seen and len(seen) < 400
        wanted = taken(first)
        assert apart(before, wanted) > 0.0002, "nothing was done"
        again = make(data, reduced="reduce")
        again.evaluate(OPEN, [view, seen])
        assert seen_of(again) == seen
        assert apart(taken(again), wanted) < 0.0002, seen
        assert "does not fit" not in again.locator(".warnings").inner_text()


def test_a_file_opens_as_it_was_saved(browser, tmp_path):
    data, js = stored("dedup", "kitchen"), SPACES / "dedup" / "dedup" / "js"
    with figures(browser, js) as make:
        page = make(data)
        do(page, "set", "Threshold", "0.93")
        page.locator('[role=tab][data-view="clusters"]').click()
        page.get_by_role("button", name="Download as one HTML file").click()
        (name, argument), *_ = page.evaluate("asked")
    assert name == "standalone_file"
    assert argument["opened"] == {"view": "clusters", "seen": {"threshold": 0.93}}
    with exported(browser, tmp_path / "figure.html", argument, js) as page:
        assert page.locator('[data-view="clusters"]').get_attribute("aria-selected") == "true"
        assert json.loads(seen_of(page) or "") == {"threshold": 0.93}


UNFOLD = """() => {
  const panel = document.querySelector("#figure .panel:not([hidden])");
  for (let at = 0; at < 60; at += 1) {
    const summary = document.createElement("summary");
    summary.dataset.key = `a long enough name ${at}`;
    const fold = document.createElement("details");
    fold.append(summary);
    panel.append(fold);
  }
  for (const one of panel.querySelectorAll("summary")) one.click();
}"""


def test_a_link_holds_a_part_where_all_is_too_much_and_says_so(browser, suite_url):
    """And a file holds it all."""
    url = f"{suite_url}/dedup/?room=duplicates&dataset=kitchen.jsonl&threshold=0.6&ngram=3&fill=1"
    with opened(browser, url, "#figure .course-figure") as page:
        figure = page.locator("#figure .course-figure")
        # a link that fills in the fields says so, and what to press
        expect(page.locator("#threshold input[type=number]")).to_have_value("0.6", timeout=30_000)
        # a folded field that the link names would be passed over
        expect(page.get_by_label("ngram", exact=True)).to_be_visible()
        aside = "The fields hold what the link names; this figure is not of it yet. Press Deduplicate."
        expect(figure.locator(".warnings li").first).to_have_text(aside)
        figure.locator('[data-view="clusters"]').click()
        expect(figure.locator(".warnings li").first).to_have_text(aside)
        figure.locator(".cluster-item").nth(2).click()
        expect(figure).to_have_attribute("data-seen", re.compile("row"))
        page.evaluate(UNFOLD)
        expect(figure).to_have_attribute("data-seen-more", "")
        assert list(json.loads(figure.get_attribute("data-seen") or "")) == ["row"]
        share = page.locator("#panel:visible details").last
        share.locator("summary").click()
        expect(share).to_contain_text("a part of what you see of it now")
        with page.expect_download() as download:
            page.get_by_role("button", name="Download as one HTML file").first.click()
        assert download.value.path().read_text().count("a long enough name 59") == 1
        figure.locator('[data-view="threshold"]').click()
        expect(share).to_contain_text("shows what you see of it now")
        # the same result once more, of a run that goes on: the stored figure's sentence is not of it
        page.evaluate(
            """() => {
                const [figure] = document.querySelectorAll("#figure .course-figure");
                Object.assign(figure, { shows: { ...figure.shows, done: false } });
            }"""
        )
        figure.locator('[data-view="clusters"]').click()
        expect(figure.locator(".warnings")).not_to_contain_text("The fields")
        page.locator("#start").click()
        expect(figure.locator(".tags")).not_to_contain_text("stored", timeout=60_000)
        expect(figure.locator(".warnings")).not_to_contain_text("The fields")


@pytest.mark.parametrize(
    "wrong",
    [
        "null",
        "3",
        '{"threshold":"<b>"}',
        '{"threshold":7,"row":[1e9,null],"pins":{},"on":7,"set":{"x":"y"},"frame":[1]}',
        '{"nothing":1}',
        '{"set":{"Search":"x"}}',
    ],
)
def test_what_does_not_fit_is_said(browser, wrong):
    js = SPACES / "dedup" / "dedup" / "js"
    with figures(browser, js) as make:
        page = make(stored("dedup", "kitchen"))
        page.evaluate(OPEN, ["clusters", wrong])
        said = page.locator(".warnings").inner_text()
        assert "does not fit" in said and "copy the link below" in said
        assert seen_of(page) is None
        draw(page, stored("dedup", "kitchen"))
        assert "does not fit" not in page.locator(".warnings").inner_text()


def test_a_permalink_shows_what_its_maker_saw(browser, suite_url):
    """In the page, and alone in a frame."""
    start = f"{suite_url}/dedup/?room=duplicates&dataset=kitchen.jsonl&columns=text&threshold=0.7"
    with opened(browser, start, "#figure .course-figure", reduced_motion="reduce") as page:
        figure = page.locator("#figure .course-figure")
        expect(figure.locator(".tags")).not_to_contain_text("stored", timeout=60_000)
        figure.locator('[data-view="clusters"]').click()
        figure.locator(".cluster-item").nth(2).click()
        expect(page).to_have_url(re.compile("view=clusters&seen="))
        link = page.url
        page.mouse.move(0, 0)
        page.evaluate("document.activeElement?.blur()")
        picture = shot(figure.locator(".panels"))
        page.goto("about:blank")
        page.goto(link)
        expect(figure).to_have_attribute("data-seen", re.compile("row"), timeout=60_000)
        assert apart(shot(figure.locator(".panels")), picture) < 0.0005
        expect(page).to_have_url(link)
        page.goto(f"{link}&alone=1")
        expect(page.locator(".course-figure.alone")).to_have_attribute(
            "data-seen", re.compile("row"), timeout=60_000
        )
        page.goto(link.partition("&seen=")[0] + "&seen=%7B")
        expect(figure.locator(".warnings")).to_contain_text("does not fit", timeout=60_000)
        view = link.partition("&seen=")[0]
        page.goto(view)
        expect(figure.locator('[data-view="clusters"]')).to_have_attribute(
            "aria-selected", "true", timeout=60_000
        )
        page.wait_for_timeout(500)
        expect(page).to_have_url(view)
        # what Gradio says of requests that end because the visitor has left the page
        left = re.compile("AbortError|Connection errored out")
        page.problems[:] = [one for one in page.problems if not left.search(one)]


EXPLAIN = """() => {
  const label = document.querySelector(".panel:not([hidden]) label:has([type=radio]:not(:checked))");
  const [text] = [...label.childNodes].filter((node) => node instanceof Text && node.data.trim());
  const word = document.createElement("dfn");
  word.append(text.data);
  text.replaceWith(word);
}"""


def test_a_control_is_held_by_its_whole_name(browser):
    """Also where the page explains a word of it; a value that it cannot have leaves it as it was."""
    with figures(browser, SPACES / "decoding" / "decoding" / "js") as make:
        seen = []
        for explained in (False, True):
            page = make(stored("decoding", "lighthouse"))
            page.locator('[role=tab][data-view="text"]').first.click()
            if explained:
                page.evaluate(EXPLAIN)
            panel = page.locator(".panel:not([hidden])")
            panel.locator("[type=radio]:not(:checked)").first.check()
            seen.append(seen_of(page))
            chosen = page.locator(".panel:not([hidden]) [type=radio]:checked")
            assert chosen.count() == 1
        assert seen[0] and seen[0] == seen[1]
        name = next(name for name, value in json.loads(seen[0])["set"].items() if value == "1")
        page.evaluate(OPEN, ["text", json.dumps({"set": {name: "x"}})])
        assert chosen.count() == 1


AT_ONCE = """() => {
  document.querySelector('[role=tab][data-view="items"]').click();
  document.querySelectorAll(".panel:not([hidden]) [data-key][aria-pressed]")[1].click();
}"""


def test_what_is_done_at_once_is_held_too(browser):
    """A view opens as it is before the visitor's first click, however soon that comes."""
    with figures(browser, SPACES / "evaluation" / "evaluation" / "js") as make:
        page = make(stored("evaluation", "experts"))
        page.evaluate(AT_ONCE)
        assert json.loads(seen_of(page) or "{}").get("on")
