"""`make screenshots`: the pictures of the README and of the Spaces' cards, taken of the running pages."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass

from shared import suite
from tests.browser import previews
from tests.conftest import ROOT, Server, chromium_path


@dataclass(frozen=True)
class Picture:
    """One picture of a Space, from `tests/<space>/pictures.py`.

    Args:
        name: of the file, `spaces/<space>/docs/<name>.png`.
        tab: of the page or the figure that has to be open.
        element: what is pictured.
        scheme: light or dark.
    """

    name: str
    tab: str
    element: str = "#figure"
    scheme: str = "light"


def main() -> None:
    """Start the suite and take them all."""
    from playwright.sync_api import sync_playwright

    server = Server(["-m", "shared.suite"], {}, "/decoding/")
    try:
        with sync_playwright() as playwright:
            arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
            browser = playwright.chromium.launch(executable_path=chromium_path(), args=arguments)
            page = browser.new_page(viewport={"width": 1180, "height": 640})
            page.goto(server.url)
            previews.save(page.screenshot(full_page=True), ROOT / "docs/landing.png")
            for space in suite.names():
                if not (ROOT / f"tests/{space}/pictures.py").exists():
                    continue
                for picture in importlib.import_module(f"tests.{space}.pictures").PICTURES:
                    taken = take(browser, f"{server.url}/{space}/", picture).screenshot()
                    previews.save(taken, ROOT / "spaces" / space / "docs" / f"{picture.name}.png")
            previews.take_all(browser, server.url)
            browser.close()
    finally:
        server.stop()


def take(browser, url: str, picture: Picture):
    """The element of a picture on a page of its own."""
    page = browser.new_page(viewport={"width": 1180, "height": 900}, color_scheme=picture.scheme)
    page.goto(f"{url}?__theme={picture.scheme}")
    page.get_by_role("tab", name=picture.tab, exact=True).click()
    figure = page.locator(picture.element)
    figure.locator(".course-figure").first.wait_for()  # a closed tab asks for its data when it is seen
    page.wait_for_timeout(600)
    return figure


if __name__ == "__main__":
    main()
