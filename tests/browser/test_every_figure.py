"""What holds for the modules of every figure, because one page is put together from all of them."""

from __future__ import annotations

import json
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from shared.figure import COMMON, bundle, stylesheet
from tests.browser.harness import figures

FOLDERS = {path.parent.name: path for path in sorted((Path(__file__).parents[2] / "spaces").glob("*/*/js"))}
pytestmark = pytest.mark.parametrize("folder", FOLDERS.values(), ids=FOLDERS)


def test_top_level_names_are_unique(folder) -> None:
    names = re.findall(r"^(?:async )?(?:function\*?|const|let|class) ([\w$]+)", bundle(folder), re.MULTILINE)
    assert len(names) > 20
    assert sorted(name for name in set(names) if names.count(name) > 1) == []


def test_the_style_sheet_survives_gradio(folder) -> None:
    """Gradio puts its own class before every selector and splits them at each comma, brackets or not."""
    assert not re.search(r":(is|where|not|has)\([^)]*,", stylesheet(COMMON) + stylesheet(folder))
    rules = re.sub(
        r"/\*.*?\*/|@keyframes \w+ \{\s+[^}]*\}\s+\}|@media[^{]*\{", "", stylesheet(folder), flags=re.DOTALL
    )
    selectors = [part.strip() for rule in re.findall(r"([^{}]+)\{", rules) for part in rule.split(",")]
    figure = f".{folder.parent.name}-figure"
    assert selectors
    assert [selector for selector in selectors if not selector.startswith(figure)] == [], (
        "a figure styles itself alone"
    )


def test_imports_go_in_one_direction(folder) -> None:
    """A circle is a `CycleError`, which names its modules."""
    imports = {
        path: {
            (path.parent / name).resolve()
            for name in re.findall(
                r'^import [^;]* from "([^"]+)";', path.read_text(encoding="utf-8"), re.MULTILINE
            )
        }
        for path in [*COMMON.glob("*.js"), *folder.glob("*.js")]
    }
    assert any(imports.values())
    TopologicalSorter(imports).prepare()


def test_modules_are_short(folder) -> None:
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in folder.glob("*.js")}
    assert lengths
    assert {name: lines for name, lines in lengths.items() if lines > 400} == {}


PICTURE = """text => {
  const root = document.getElementById("root");
  root.innerHTML = `<div class="course-figure"><h3 class="figure-title"></h3><div class="panel">
    <svg class="picture" viewBox="0 0 9 9"><text></text></svg></div></div>`;
  root.querySelector(".figure-title").textContent = root.querySelector("text").textContent = text;
  root.querySelector("text").setAttribute("id", text);
  const written = new DOMParser().parseFromString(picture(), "image/svg+xml");
  return written.querySelector("parsererror")?.textContent ?? written.documentElement.textContent;
}"""


def test_a_picture_holds_any_text(browser, folder) -> None:
    """A token or a row may be a control character, or half a character; XML can hold neither."""
    odd = "".join(map(chr, [*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF]))
    with figures(browser, folder) as make:
        page = make()
        for text in (odd, "\ud800", "\udc00\ud800", "a\tb\r\nc", "ä€🙂\ufffd", "<b>&amp;</b>"):
            shown = page.evaluate(f"({PICTURE})(JSON.parse(String.raw`{json.dumps(text)}`))")
            assert "error" not in shown, (text, shown)
        assert "ä€🙂" in page.evaluate(PICTURE, "ä€🙂")


TITLES = """texts => {
  const figure = document.querySelector(".course-figure") ?? document.createElement("div");
  const caption = document.createElement("figcaption");
  const titles = texts.map((text) => {
    const title = document.createElement("b");
    title.className = "figure-title";
    title.textContent = text;
    return title;
  });
  caption.append(...titles);
  figure.append(caption);
  return titles.map((title) => title.scrollHeight - title.clientHeight);
}"""


def test_a_title_is_whole_on_a_phone(browser, folder) -> None:
    """Those of the stored results, and the longest sentence of an error; a page of text is cut."""
    drawn = folder.parents[1] / "preview" / "examples.json"  # a new Space has none yet
    stored = json.loads(drawn.read_text(encoding="utf-8")) if drawn.exists() else {}
    titles = [one["title"] for one in stored.values()]
    with figures(browser, folder) as make:
        for width in (360, 1280):
            page = make({"error": {"what": "It failed.", "remedy": "Do this."}}, width=width)
            *cut, page_of_text = page.evaluate(TITLES, [*titles, "It has words. " * 21, "words " * 1000])
            assert max(cut) <= 1, dict(zip(titles, cut, strict=False))
            assert page_of_text > 100
