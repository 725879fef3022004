"""`make screenshots`: what links to the pages show, one picture a room, 1200 × 630 pixels."""

from __future__ import annotations

import html
import io
import json
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from shared import suite
from shared.app import Entrance
from shared.preview import EXAMPLES, SIZE, query_name
from tests.conftest import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WIDTH = 780
"""CSS pixels of a figure: narrow, so that its letters can be read where the picture is small."""
MARGIN = 32
STYLE = f"""
.course-figure .provenance, .course-figure .tags, .tools, .warnings, .said {{ display: none !important }}
#pictured {{ position: fixed; inset: 0 auto auto 0; width: {WIDTH}px; min-width: {WIDTH}px;
  background: #fff; z-index: 1000 }}
"""
"""A small picture has no room for all that a figure says, and takes it out of its row."""
_PAGE = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; width: {width}px; height: {height}px; overflow: hidden; background: #fff; color: #16181d;
  font: 600 34px/1.1 ui-sans-serif, system-ui, "Segoe UI", Roboto, sans-serif; letter-spacing: -.015em; }}
h1 {{ font: inherit; margin: 24px {margin}px 18px; }}
img {{ display: block; margin: 0 {margin}px; width: {inner}px; }}
</style><h1>{title}</h1><img src="data:image/png;base64,{picture}">"""


def composed(browser: Browser, title: str, picture: bytes) -> bytes:
    """A title above the upper part of a picture."""
    width, height = SIZE
    page = browser.new_page(viewport={"width": width, "height": height})
    page.set_content(
        _PAGE.format(
            width=width,
            height=height,
            margin=MARGIN,
            inner=width - 2 * MARGIN,
            title=html.escape(title),
            picture=b64encode(picture).decode(),
        )
    )
    taken = page.screenshot()
    page.close()
    return taken


def save(picture: bytes, path: Path) -> None:
    """Write a picture with 256 colours, which takes a third of the bytes."""
    path.parent.mkdir(exist_ok=True)
    with Image.open(io.BytesIO(picture)) as pixels:
        pixels.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def take_examples(browser: Browser, url: str, spaces: Sequence[str] = ()) -> None:
    """Pictures of the stored results that links show, with what their figures say of themselves; the one that
    a room shows first has the room's picture.
    """
    for space in spaces or suite.names():
        folder = ROOT / "spaces" / space / "preview"
        found: dict[str, dict[str, str]] = {}
        for room, entrance in suite.load_app(space).demo.rooms.items():
            for query in entrance.stored:
                first = query == entrance.first
                page = opened_figure(
                    browser, f"{url}/{space}/?room={room}{'' if first else f'&{query}'}", entrance
                )
                figure = page.locator("#pictured")
                facts = figure.locator(".key > li").all_inner_texts()
                name = entrance.picture if first else query_name(room, query)
                found[f"{room}?{query}"] = {
                    "title": " ".join(figure.locator(".figure-title").inner_text().split()),
                    "sentence": " · ".join(" ".join(fact.split()) for fact in facts[:5]),
                    "picture": name,
                }
                if not first:
                    taken = page.locator("#pictured").screenshot()
                    save(composed(browser, entrance.title, taken), folder / f"{name}.png")
                page.close()
        text = json.dumps(found, ensure_ascii=False, indent=1)
        (folder / EXAMPLES).write_text(f"{text}\n", encoding="utf-8")


def opened_figure(browser: Browser, address: str, entrance: Entrance) -> Page:
    """A page whose figure is ready for its picture, as `#pictured`."""
    page = browser.new_page(
        viewport={"width": WIDTH + 60, "height": 900},
        color_scheme="light",
        device_scale_factor=(SIZE[0] - 2 * MARGIN) / WIDTH,
    )
    page.goto(f"{address}&__theme=light")
    figure = page.locator(f"#{entrance.figure} .course-figure")
    figure.wait_for()
    page.wait_for_timeout(1500)
    figure.evaluate("element => { element.id = 'pictured' }")
    page.add_style_tag(content=STYLE)
    page.wait_for_timeout(500)
    return page


def take_all(browser: Browser, url: str, spaces: Sequence[str] = ()) -> None:
    """Pictures of the rooms of every Space, or of some, and of the landing page, from a running suite."""
    for space in spaces or suite.names():
        demo = suite.load_app(space).demo
        for room in dict.fromkeys(entrance.picture for entrance in demo.rooms.values()):
            page = opened_figure(browser, f"{url}/{space}/?room={room}", demo.rooms[room])
            taken = page.locator("#pictured").screenshot()
            picture = composed(browser, demo.rooms[room].title, taken)
            save(picture, ROOT / "spaces" / space / "preview" / f"{room}.png")
            page.close()
    take_examples(browser, url, spaces)
    page = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]})
    page.goto(f"{url}/")
    save(page.screenshot(), ROOT / suite.PREVIEW)
    page.close()
