"""A bare page with one Space's figures, for tests that need no server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shared.figure import COMMON, bundle, stylesheet

PAGE = """<!doctype html><html lang="en" class="standalone"><head><meta charset="utf-8"><title>harness</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>body{margin:0}%s</style></head><body><main><div id="root"></div></main>
<script>(() => {"use strict";
%s
window.emitted = [];
window.asked = [];
window.answer = null;
window.host = {
  emit: (name, detail) => emitted.push([name, detail]),
  fetch: async (name, argument) => { asked.push([name, argument]); return window.answer; },
  exported: false,
};
window.draw = (data) => render(document.getElementById("root"), data, window.host);
window.maths = { %s };
})();</script></body></html>"""


@contextmanager
def figures(browser: Any, folder: Path, maths: str = "") -> Iterator[Callable[..., Any]]:
    """A function that opens a page with a figure; errors of any page's script fail the test at the end.

    Args:
        browser: Playwright's.
        folder: the renderer's modules.
        maths: names of functions that the page puts under `window.maths`.
    """
    contexts, problems = [], []

    def make(data: Any = None, *, width: int = 1120, scheme: str = "light") -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.set_content(PAGE % (stylesheet(COMMON) + stylesheet(folder), bundle(folder), maths))
        if data is not None:
            page.evaluate("draw", data)
        return page

    yield make
    for context in contexts:
        context.close()
    assert not problems, problems[:3]


def hostile(value: Any, text: str, spare: set[str], names: tuple[str, ...] = ()) -> Any:
    """Data with every text replaced by `text`.

    Args:
        value: the data.
        text: what every text becomes.
        spare: keys whose texts steer the figure, and stay.
        names: texts that are also keys elsewhere: each becomes a `text` of its own, wherever it stands.
    """

    def swapped(item: str) -> str:
        return f"{text}{names.index(item)}" if item in names else text

    if isinstance(value, dict):
        keyed = bool(value) and set(value) <= set(names)
        return {swapped(key) if keyed else key: item if key in spare else hostile(item, text, spare, names) for key, item in value.items()}
    if isinstance(value, list):
        return [hostile(item, text, spare, names) for item in value]
    return swapped(value) if isinstance(value, str) else value


def axe_finds_nothing(page: Any, context: str = "#root") -> list[tuple[str, str]]:
    """What axe objects to, as rule and place."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, context=context).response["violations"]
    return [(rule["id"], rule["nodes"][0]["html"][:200]) for rule in found]
