"""A link holds what is seen: a figure that is opened with it looks like the one that made it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops

from tests.browser.harness import exported, figures

SPACES = Path(__file__).parents[2] / "spaces"

CASES: dict[str, tuple[str, str, str, list[tuple[Any, ...]]]] = {
    "tree": (
        "decoding",
        "lighthouse",
        "tree",
        [("click", "[role=treeitem]", 4), ("click", "[role=treeitem]", 2), ("press", "[role=treeitem]", "+"), ("scroll", ".scroll", 60)],
    ),
    "area": ("decoding", "lighthouse", "area", [("click", ".ways button", 0)]),
    "beams": ("decoding", "lighthouse", "lattice", [("set", "Step of the search", "2")]),
    "two models": ("decoding", "pair_rounded", "texts", [("click", "[role=button]", 3)]),
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
    "direction": ("abliteration", "find", "layers", [("press", ".panel svg", "ArrowLeft")]),
    "items": ("evaluation", "experts", "items", [("click", "tr .plain", 3)]),
    "mask": ("finetuning", "never_stops", "tokens", [("click", ".mask-token", 6)]),
    "steps": ("finetuning", "pirate", "said", [("set", "After step", "1")]),
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
        page.locator(".course-figure").get_by_label(where, exact=True).first.evaluate(SET, what)
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
    return Image.open(io.BytesIO(page.locator("#root").screenshot(animations="disabled"))).convert("L")


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
