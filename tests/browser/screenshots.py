"""`make screenshots`: the README's pictures, taken of the running pages."""

from __future__ import annotations

import os

from tests.conftest import ROOT, Server, chromium_path

VIEWS = (
    ("decoding", "Tree", "light"),
    ("decoding", "Probability area", "light"),
    ("decoding", "Beams", "dark"),
    ("quantization", "Size against quality", "light"),
    ("quantization", "Weight lab", "light"),
    ("merging", "Before and after", "light"),
    ("merging", "Which layers carry it", "light"),
    ("merging", "Between models", "light"),
    ("merging", "Family tree", "dark"),
    ("abliteration", "1 Find", "light"),
    ("abliteration", "3 Measure", "light"),
    ("dedup", "Threshold", "light"),
    ("dedup", "Clusters", "light"),
)
FILES = (
    "decoding-tree",
    "decoding-area",
    "decoding-beams",
    "quantization-size",
    "quantization-block",
    "merging-behaviours",
    "merging-layers",
    "merging-plane",
    "merging-tree",
    "abliteration-find",
    "abliteration-search",
    "dedup-threshold",
    "dedup-clusters",
)
ROOMS = {
    "Weight lab": "#lab-figure",
    "Between models": "#between",
    "Family tree": "#tree",
    "1 Find": "#find",
    "3 Measure": "#measure",
}
"""Figures of rooms that are not the first of their page."""


def main() -> None:
    """Start the suite and write docs/*.png."""
    from playwright.sync_api import sync_playwright

    folder = ROOT / "docs"
    folder.mkdir(exist_ok=True)
    server = Server(["-m", "shared.suite"], {}, "/decoding/")
    try:
        with sync_playwright() as playwright:
            arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
            browser = playwright.chromium.launch(executable_path=chromium_path(), args=arguments)
            page = browser.new_page(viewport={"width": 1180, "height": 640})
            page.goto(server.url)
            page.screenshot(path=folder / "landing.png")
            for (space, tab, scheme), name in zip(VIEWS, FILES, strict=True):
                page = browser.new_page(viewport={"width": 1180, "height": 900}, color_scheme=scheme)
                page.goto(f"{server.url}/{space}/?__theme={scheme}")
                page.get_by_role("tab", name=tab, exact=True).click()
                page.wait_for_timeout(600)
                shown = ROOMS.get(tab, "#figure")
                page.locator(shown).screenshot(path=folder / f"{name}.png")
            browser.close()
    finally:
        server.stop()


if __name__ == "__main__":
    main()
