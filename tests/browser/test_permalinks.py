"""The link that a page gives reproduces its figure, in every Space: the same data in a visit of its own.

Links name small models, as `zoo:llama3`, where the model's size does not matter: a figure is made twice.
"""

from __future__ import annotations

import importlib
import json
import re
import urllib.request
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from shared import suite
from tests import zoo
from tests.browser.harness import opened

LINKS = {
    name: (space, *link)
    for space in suite.names()
    for name, link in importlib.import_module(f"tests.{space}.links").LINKS.items()
}
"""By name: the Space, its figure's place, and the query of a link, from `tests/<space>/links.py`."""


def with_folders(query: list[tuple[str, Any]]) -> list[tuple[str, str]]:
    """A query with the folder of every animal that it names."""

    def folder(animal: re.Match[str]) -> str:
        return str(zoo.folder(animal[1]))

    return [(key, re.sub(r"zoo:(\w+)", folder, str(value))) for key, value in query]


CLOCK = {"run_id", "seconds", "middle", "speed", "prefill", "decode", "peak_memory"}
"""Time and memory of a run: no link reproduces them."""

CHOICE = {"guessed"}
"""Who chose a setting: a link states what was left open, so its visitor is told that it was stated."""


def figure_of(page: Any, place: str) -> dict[str, Any]:
    """The data of the figure that the link has run."""
    page.locator(f"{place} .course-figure").first.wait_for(timeout=120_000)
    expect(page.locator(f"{place} .tags")).not_to_contain_text("stored example", timeout=240_000)
    expect(page.locator(f"{place} .state > *")).to_have_count(0, timeout=240_000)
    with page.expect_download() as download:
        page.locator(place).get_by_role("button", name="Download the data as JSON").click()
    data = json.loads(download.value.path().read_text(encoding="utf-8"))
    assert data["done"]
    return dict(data)


def timeless(value: Any) -> Any:
    """Data without what the machine alone decides, and without who chose a setting."""
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if key not in CLOCK | CHOICE}
    if isinstance(value, str):
        return re.sub(r"speed in llama\.cpp \([^)]*\)", "speed in llama.cpp", value)
    return [timeless(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", LINKS)
def test_the_link_of_a_figure_makes_the_same_figure(browser, suite_url, name):
    space, place, query = LINKS[name]
    query = with_folders(query)
    url = f"{suite_url}/{space}/?{urlencode(query)}"
    found = []
    for _ in range(2):
        with opened(browser, url, f"{place} .course-figure") as page:
            found.append(timeless(figure_of(page, place)))
            url = page.url
    assert found[0] == found[1]
    asked = json.dumps(found[0]["request"], ensure_ascii=False)
    assert all(
        json.dumps(value, ensure_ascii=False)[1:-1] in asked.replace("\\\\", "\\")
        for key, value in query
        if key == "prompt"
    )


@pytest.mark.parametrize("name", suite.names())
def test_the_tabs_are_set_by_events_that_do_nothing_else_to_them(suite_url, name):
    """An event that leaves its output as it is has the page write down which tab it sees open: where another
    event has just opened one, that is undone. So no event of the load, nor one of several steps, has them.
    """
    with urllib.request.urlopen(f"{suite_url}/{name}/config", timeout=60) as answer:
        config = json.load(answer)
    tabs = {one["id"] for one in config["components"] if one["type"] == "tabs"}
    setting = [one for one in config["dependencies"] if tabs & set(one["outputs"])]
    assert setting or not tabs
    for one in setting:
        assert not one["types"]["generator"] and all(event != "load" for _, event in one["targets"]), one


def test_a_link_opens_its_room_on_a_slow_phone(browser, suite_url):
    """Figure and tab arrive while the page is being built."""
    context = browser.new_context(viewport={"width": 360, "height": 640})
    page = context.new_page()
    context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": 6})
    page.goto(f"{suite_url}/dedup/?room=contamination&dataset=quiz&splits=train&splits=test&threshold=0.6")
    expect(page.locator("#contamination .course-figure")).to_be_visible(timeout=60_000)
    context.close()
