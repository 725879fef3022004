"""The figure of a set of files: its table, a row that failed, a run that grows, and phones."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.harness import axe_finds, figures, overflow, show

ROOT = Path(__file__).parents[2] / "spaces" / "quantization"
SET = json.loads((ROOT / "examples" / "set.json").read_text(encoding="utf-8"))
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def open_page(browser):
    with figures(browser, ROOT / "quantization" / "js") as make:
        yield make


def failed(data: dict, place: int, words: str = "It broke.") -> dict:
    """A set whose row at that place failed."""
    data = copy.deepcopy(data)
    row = data["compared"]["rows"][place]
    name = {key: row[key] for key in ("format", "engine", "label")}
    data["compared"]["rows"][place] = {
        **name,
        "status": "failed",
        "error": {"what": words, "remedy": "Leave it out."},
    }
    data["files"] = [file for file in data["files"] if file["format"] != row["format"]]
    data["needs"] = [need for need in data["needs"] if need["format"] != row["format"]]
    return data


def test_every_format_has_its_numbers(open_page):
    page = open_page(SET)
    panel = page.locator("[role=tabpanel]:visible")
    for row in SET["compared"]["rows"]:
        line = panel.locator("tr", has=page.locator("th", has_text=row["format"]))
        expect(line).to_contain_text(f"{row['bits']:.2f}")
        need = next(need for need in SET["needs"] if need["format"] == row["format"])
        expect(line).to_contain_text("≥" if need["at_least"] else ".gguf")
    expect(page.locator("figcaption")).to_contain_text(f"{len(SET['compared']['rows'])} of")
    show(page, "size")
    expect(page.locator("svg.pareto .mark")).to_have_count(len(SET["compared"]["rows"]))
    show(page, "fits")
    expect(page.locator("[role=tabpanel]:visible .verdict")).to_contain_text("take")
    show(page, "card")
    expect(page.locator("[role=tabpanel]:visible pre")).to_have_text(SET["card"])


def test_a_row_that_failed_says_why(open_page):
    page = open_page(failed(SET, 1, HOSTILE))
    line = page.locator("tr", has_text=SET["compared"]["rows"][1]["format"])
    expect(line).to_contain_text(HOSTILE)
    expect(line).to_contain_text("Leave it out.")
    expect(page.locator("figcaption")).to_contain_text("1 failed")
    expect(page.locator("img")).to_have_count(0)


def test_a_set_grows_a_format_at_a_time(open_page):
    data = copy.deepcopy(SET)
    rows = data["compared"]["rows"]
    for place, row in enumerate(rows[1:], 1):
        name = {key: row[key] for key in ("format", "engine", "label")}
        rows[place] = {**name, "status": "running" if place == 1 else "waiting"}
    first = rows[0]["format"]
    data |= {
        "done": False,
        "card": "",
        "example": False,
        "files": [file for file in data["files"] if file["format"] == first],
        "needs": data["needs"][:1],
        "progress": {"label": "Writing it", "value": 1, "max": 5},
    }
    page = open_page(data)
    panel = page.locator("[role=tabpanel]:visible")
    expect(panel).to_contain_text("under way …")
    expect(panel.locator("td", has_text="waiting")).to_have_count(len(rows) - 2)
    expect(page.get_by_role("tab", name="Card", exact=True)).to_be_hidden()
    expect(page.locator("progress")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1120])
def test_axe_and_phones(open_page, scheme, width):
    page = open_page(failed(SET, 2), width=width, scheme=scheme)
    for view in ("files", "notes", "card"):
        show(page, view)
        assert axe_finds(page, "#root") == []
        assert overflow(page) <= 0
