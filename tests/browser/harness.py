"""A bare page with one Space's figures, for tests that need no server."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from shared.figure import COMMON, bundle, standalone_html, stylesheet

BASELINE = Path(__file__).parent / "axe_baseline.json"
SMALL = {"width": 360, "height": 800}
WIDE = {"width": 1280, "height": 1000}

PAGE = """<!doctype html><html lang="en" class="standalone"><head><meta charset="utf-8"><title>harness</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{margin:0}%s</style></head><body><main><div id="root"></div></main>
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
window.picture = () => pictureAsSvg(document.getElementById("root"));
window.draw = (data) => render(document.getElementById("root"), data, window.host);
followTheme();
window.maths = { %s };
})();</script></body></html>"""


@contextmanager
def figures(browser: Any, folder: Path, maths: str = "") -> Iterator[Callable[..., Any]]:
    """A function that opens a page with a figure; at the end no page may have logged, asked the network or
    opened a dialog.

    Args:
        browser: Playwright's.
        folder: the renderer's modules.
        maths: names of functions that the page puts under `window.maths`.
    """
    contexts, problems = [], []

    def make(
        data: Any = None, *, width: int = 1120, scheme: str = "light", reduced: str = "no-preference"
    ) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion=reduced
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console",
            lambda message: problems.append(message.text) if message.type in ("error", "warning") else None,
        )
        page.on("dialog", lambda dialog: (problems.append("a dialog opened"), dialog.dismiss()))
        page.on(
            "request",
            lambda request: problems.append(request.url) if request.url.startswith("http") else None,
        )
        page.set_content(
            PAGE
            % (
                stylesheet(COMMON) + stylesheet(folder),
                bundle(folder).replace("</script", "<\\/script"),
                maths,
            )
        )
        if data is not None:
            draw(page, data)
        return page

    yield make
    for context in contexts:
        context.close()
    assert not problems, problems[:3]


def draw(page: Any, data: Any) -> None:
    """Draw data on a page of `figures`. It goes there as one text: as an argument Playwright would pack every
    number by itself, which takes seconds of a stored comparison.
    """
    page.evaluate("text => draw(JSON.parse(text))", json.dumps(data))


@contextmanager
def exported(
    browser: Any, path: Path, data: Any, folder: Path, *, width: int = 360, scheme: str = "dark"
) -> Iterator[Any]:
    """A figure's one-file export, opened from the disk with no network; it may log nothing.

    Args:
        browser: Playwright's.
        path: of the file to write.
        data: of the figure.
        folder: the renderer's modules.
        width: of the window, pixels.
        scheme: light or dark.
    """
    path.write_text(standalone_html(data, folder, title="Figure"), encoding="utf-8")
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda message: problems.append(message.text) if message.type in ("error", "warning") else None,
    )
    page.goto(path.as_uri())
    yield page
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
        return {
            swapped(key) if keyed else key: item if key in spare else hostile(item, text, spare, names)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [hostile(item, text, spare, names) for item in value]
    return swapped(value) if isinstance(value, str) else value


def watch(page: Any) -> list[str]:
    """A list that collects errors of a page's scripts; a missing favicon is none."""
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda m: (
            problems.append(m.text) if m.type == "error" and "Failed to load resource" not in m.text else None
        ),
    )
    return problems


@contextmanager
def opened(browser: Any, url: str, first: str, **settings: Any) -> Iterator[Any]:
    """A Space's page once its first figure stands; its scripts may report no error. `page.problems` has what
    they reported.

    Args:
        browser: Playwright's.
        url: of the page.
        first: selector of what must be visible.
        settings: of the browser context, beyond a wide window.
    """
    context = browser.new_context(**{"viewport": WIDE, "accept_downloads": True, **settings})
    page = context.new_page()
    page.problems = watch(page)
    page.goto(url)
    expect(page.locator(first).first).to_be_visible(timeout=60_000)
    yield page
    assert not page.problems, page.problems
    context.close()


@contextmanager
def downloaded(
    page: Any, browser: Any, path: Path, *, size: Any, scheme: str, figure: str = "#figure"
) -> Iterator[Any]:
    """A figure of a page, downloaded as one file and opened from the disk with no network; it may log
    nothing and ask for nothing.

    Args:
        page: a Space's page.
        browser: Playwright's.
        path: of the file to write.
        size: of the window, as Playwright takes it.
        scheme: light or dark.
        figure: its selector.
    """
    with page.expect_download(timeout=30_000) as download:
        page.locator(figure).get_by_role("button", name="Download as one HTML file").click()
    download.value.save_as(path)
    context = browser.new_context(viewport=size, color_scheme=scheme, offline=True)
    export = context.new_page()
    problems = watch(export)
    requests: list[str] = []
    export.on("request", lambda request: requests.append(request.url))
    export.goto(path.as_uri())
    yield export
    assert requests == [path.as_uri()]
    assert problems == []
    context.close()


def check_svg(page: Any) -> None:
    """The picture that a figure offers is an SVG which needs nothing from the page, and runs nothing."""
    picture = page.evaluate("picture()")
    assert picture.startswith("<svg")
    assert [text for text in ("<script", "var(--", "onclick") if text in picture] == []
    script = "text => new DOMParser().parseFromString(text, 'image/svg+xml')"
    assert page.evaluate(f"{script}.querySelector('parsererror, img, script') === null", picture)


def unfold(page: Any, title: str) -> None:
    """Open an accordion. Gradio writes a field's value once more about 0.2 s after it has mounted it: nobody
    types that soon. The page's own clock tells when, since a busy machine delays it as it delays Gradio's.
    """
    button = page.get_by_role("button", name=title).first
    button.click()
    expect(button).to_have_class(re.compile(r"\bopen\b"))
    page.evaluate("() => new Promise((done) => setTimeout(() => requestAnimationFrame(done), 600))")


def show(page: Any, view: str) -> None:
    """Open a view of a figure by its tab."""
    page.locator(f'[role=tab][data-view="{view}"]').click()


def overflow(page: Any) -> int:
    """Pixels by which a page is wider than its window."""
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


OF_COLOURS = ("color-contrast", "link-in-text-block")
"""The rules of axe that another colour scheme can break; all others are of the structure."""


def axe_finds(page: Any, context: str = "#root", rules: Sequence[str] = ()) -> list[tuple[str, str]]:
    """What axe objects to, as rule and place; by some rules alone, or by all. What it passed it need not
    list: that takes it ten times as long where a figure has thousands of marks.
    """
    from axe_playwright_python.sync_playwright import Axe

    only = {"runOnly": {"type": "rule", "values": list(rules)}} if rules else {}
    options = {"resultTypes": ["violations"], **only}
    found = Axe().run(page, context=context, options=options).response["violations"]
    return [(rule["id"], rule["nodes"][0]["html"][:200]) for rule in found]


def axe_in_light_and_dark(page: Any, context: str = "#root") -> list[tuple[str, str]]:
    """What axe objects to on a light page of `figures`, and of colours once it is dark."""
    found = axe_finds(page, context)
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(
            "dark => document.documentElement.classList.contains('dark') === dark", arg=scheme == "dark"
        )
        if scheme == "dark":
            found += axe_finds(page, context, OF_COLOURS)
    return found


def axe_finds_only_gradios_own(page: Any) -> None:
    """A whole page breaks no rule beyond those recorded, which Gradio's own widgets break."""
    page.wait_for_timeout(600)  # while Gradio still loads, its notes of that stand outside every landmark
    known = set(json.loads(BASELINE.read_text(encoding="utf-8")))
    assert [found for found in axe_finds(page, "body") if found[0] not in known] == []


def axe_in_both_schemes(page: Any) -> None:
    """A page that is light breaks no rule, and once it is dark none that is of colours."""
    axe_finds_only_gradios_own(page)
    page.emulate_media(color_scheme="dark")
    page.evaluate("document.body.classList.add('dark')")
    known = set(json.loads(BASELINE.read_text(encoding="utf-8")))
    assert [found for found in axe_finds(page, "body", OF_COLOURS) if found[0] not in known] == []
    page.evaluate("document.body.classList.remove('dark')")
    page.emulate_media(color_scheme="light")


def axe_in_views(page: Any, views: Sequence[str], figure: str = "#figure") -> None:
    """A figure breaks no rule in any of its views, and the page around it only Gradio's own."""
    axe_finds_only_gradios_own(page)
    for view in views:
        page.get_by_role("tab", name=view, exact=True).click()
        page.wait_for_timeout(300)
        assert axe_finds(page, figure) == [], view
