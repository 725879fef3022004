"""The picture first: a visitor sees the figure of whichever room is open, and no page scrolls sideways."""

from __future__ import annotations

import pytest

from shared import suite
from tests.browser.harness import opened

LAPTOP = {"width": 1280, "height": 720}
PHONE = {"width": 360, "height": 800}
IN_VIEW = 400
"""Pixels of a figure that are seen without scrolling, or all of a smaller one."""

HEIGHT_IN_VIEW = """() => {
  const seen = [...document.querySelectorAll(".course-figure")].map((figure) => {
    const { top, bottom, width, height } = figure.getBoundingClientRect();
    const inView = Math.min(bottom, innerHeight) - Math.max(top, 0);
    return width ? inView + Math.max(0, IN_VIEW - height) : 0;
  });
  return seen.some(Boolean) ? Math.max(...seen) : null;
}""".replace("IN_VIEW", str(IN_VIEW))
"""Null in a room that has no figure, such as one that only pushes files."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("space", suite.names())
def test_every_room_shows_its_figure_on_arrival(browser, suite_url, space, scheme):
    url = f"{suite_url}/{space}/?__theme={scheme}"
    with opened(browser, url, ".course-figure", viewport=LAPTOP, color_scheme=scheme) as page:
        rooms = page.locator(".tab-wrapper button[role=tab]")
        for index in range(max(1, rooms.count())):
            name = "the page"
            if rooms.count():
                name = rooms.nth(index).inner_text()
                rooms.nth(index).click()
            page.wait_for_timeout(400)
            seen = page.evaluate(HEIGHT_IN_VIEW)
            assert seen is None or seen >= IN_VIEW, (
                f"{space}, {name}: {seen:.0f} px of the figure are in view"
            )


UNFOLD = """
() => {
  for (const button of document.querySelectorAll("button.label-wrap:not(.open)")) {
    if (button.checkVisibility()) button.click();
  }
}
"""
CUT_OFF = """
() => [...document.querySelectorAll(".form label, .form label span, .form input, .form textarea")]
  .filter((element) => element.checkVisibility() && element.getBoundingClientRect().width > 0)
  .filter((element) => {
    const room = element.closest(".form").getBoundingClientRect();
    return element.getBoundingClientRect().right > room.right + 2;
  })
  .map((element) => element.innerText || element.outerHTML.slice(0, 80))
"""
"""Controls that are wider than the form that holds them, which hides what does not fit."""


@pytest.mark.parametrize("space", suite.names())
def test_no_room_scrolls_sideways_on_a_phone(browser, suite_url, space):
    with opened(browser, f"{suite_url}/{space}/", ".course-figure", viewport=PHONE) as page:
        rooms = page.locator("button[role=tab]")
        names = rooms.all_inner_texts()
        for name in names or [""]:
            if name and rooms.filter(has_text=name).first.is_visible():
                rooms.filter(has_text=name).first.click()
            page.wait_for_timeout(300)
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= PHONE["width"], f"{space} {name}: {width} px wide"
            page.evaluate(UNFOLD)
            page.wait_for_timeout(400)
            assert page.evaluate(CUT_OFF) == [], f"{space} {name}"
