"""The form of behaviours, and figures that show a visitor's own: what is typed, pasted and chosen is what the
page gets.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.harness import axe_finds, draw, figures

ROOT = Path(__file__).parents[2] / "spaces"
FOLDER = ROOT / "merging" / "merging" / "js"
MERGE = json.loads((ROOT / "merging" / "examples" / "merge.json").read_text(encoding="utf-8"))
OWN = {
    "name": "a name that is as long as names may be…",
    "prompts": ["Is it <b>late</b>?", "Is it red?"],
    "rule": "is likelier",
    "value": "Yes.",
    "against": "No.",
}


@pytest.fixture
def open_page(browser):
    with figures(browser, FOLDER) as make:
        yield make


def form(text: str) -> dict:
    from merging_rooms.behaviour_form import form_value

    return form_value(text)


def emitted(page) -> list[dict]:
    """The behaviours that the form sent last."""
    return page.evaluate("window.emitted.at(-1)[1].behaviours")


def listening(page) -> None:
    page.evaluate("window.emitted = []; window.host.emit = (...sent) => window.emitted.push(sent)")


@pytest.mark.parametrize("width", [360, 1120])
def test_rows_are_filled_in_and_sent(open_page, width) -> None:
    page = open_page(width=width)
    listening(page)
    draw(page, form(""))
    expect(page.locator(".preset-row")).to_contain_text("measured by what the experts were taught")
    page.get_by_role("button", name="answers as a pirate").click()
    assert emitted(page)[0]["name"] == "pirate" and emitted(page)[0]["prompts"] == "other"
    page.get_by_role("button", name="+ your own").click()
    row = page.locator("fieldset").nth(1)
    row.get_by_label("Name").fill("says yes")
    row.get_by_label("Prompts, one a line").fill("Is it late?\nMay I?\n")
    row.get_by_label("Rule").select_option("is likelier")
    row.get_by_label("This answer").fill("Yes, it is.")
    row.get_by_label("That answer").fill("No.")
    row.get_by_label("A search makes it").select_option("less likely")
    own = emitted(page)[1]
    assert own == {
        "name": "says yes",
        "prompts": ["Is it late?", "May I?"],
        "rule": "is likelier",
        "value": "Yes, it is.",
        "against": "No.",
        "wanted": False,
    }
    from shared.behaviour import behaviours_of, text_of

    made = behaviours_of(emitted(page))
    draw(page, form(text_of(made)))  # the echo of what was typed
    expect(row.get_by_label("That answer")).to_have_value("No.")
    page.get_by_role("button", name="Remove answers as a pirate").click()
    assert [one["name"] for one in emitted(page)] == ["says yes"]
    assert axe_finds(page) == []
    overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert overflow <= 0


def test_pasted_text_is_drawn_and_an_error_stands_in_its_place(open_page) -> None:
    page = open_page(form(json.dumps([OWN, "slop"])))
    expect(page.locator("fieldset")).to_have_count(2)
    expect(page.get_by_label("Prompts, one a line").first).to_have_value("\n".join(OWN["prompts"]))
    draw(page, form("[{"))
    expect(page.locator("#root")).to_contain_text("are not JSON")
    draw(page, form('["pirate"]'))
    expect(page.locator("fieldset")).to_have_count(1)


def test_own_behaviours_in_a_merge(open_page) -> None:
    data = copy.deepcopy(MERGE)
    for number, model in enumerate(data["models"]):
        model["shares"] = {OWN["name"]: model["shares"]["pirate"], "pirate": model["shares"]["pirate"]}
        mean = {
            "mean": number - 1.5,
            "sigma": 0.2,
            "of": 2,
            "clusters": 2,
            "low": number - 2.5,
            "high": number,
        }
        model["contrasts"] = {OWN["name"]: mean}
        for other in model.get("against", {}).values():
            other[OWN["name"]] = other["pirate"]
            for key in set(other) - {OWN["name"], "pirate"}:
                del other[key]
    data["rules"] = {OWN["name"]: "“Yes.” is likelier than “No.”, on 2 own prompts", "pirate": "x"}
    data["prompts"] = {"cooking": [], "other": data["prompts"]["other"], "own": OWN["prompts"], "asked": []}
    for width in (360, 1120):
        page = open_page(data, width=width)
        expect(page.locator("table.numbers").first).to_contain_text("mean contrast, nats a token")
        expect(page.locator("#root")).to_contain_text("the answer “Yes.” is likelier than “No.”")
        expect(page.locator("#root")).not_to_contain_text("refuses cooking")
        page.get_by_role("tab", name="Answers", exact=True).click()
        options = page.get_by_label("Question").locator("option")
        expect(options).to_have_count(len(data["prompts"]["other"]) + 2)
