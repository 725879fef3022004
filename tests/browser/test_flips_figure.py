"""Answers that flip: the verdict, the table, the plane and the questions."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.harness import axe_finds, figures

ROOT = Path(__file__).parents[2] / "spaces" / "quantization"
COMPARE = json.loads((ROOT / "examples" / "compare.json").read_text(encoding="utf-8"))


@pytest.fixture
def open_page(browser):
    with figures(browser, ROOT / "quantization" / "js", "openFlips") as make:
        yield make


def score(count: int, of: int) -> dict:
    return {"count": count, "of": of, "low": 0.5, "high": 0.8}


def flipped(p: float = 0.004, count: int = 10) -> dict:
    """The stored comparison with ten questions: its first row loses three and gains one, the others none."""
    data = copy.deepcopy(COMPARE)
    items = [
        {"task": "own", "prompt": f"<b>{at}</b> is", "choices": ["yes", "no"], "gold": 0, "delimiter": " "}
        for at in range(count)
    ]
    base = [0] * 7 + [1] * (count - 7)
    data["questions"] = {
        "items": items,
        "groups": count,
        "chance": 0.5,
        "right": score(7, count) | {"low": 0.51},
        "answers": base,
        "margins": [1.0 - 2 * answer for answer in base],
    }
    for place, row in enumerate([row for row in data["rows"] if row["status"] == "done"]):
        lost, gained = (3, 1) if not place else (0, 0)
        own = [1] * lost + base[lost : count - gained] + [0] * gained
        row["flips"] = {
            "right": score(7 - lost + gained, count),
            "lost": lost,
            "gained": gained,
            "changed": lost + gained,
            "mean": (gained - lost) / count,
            "low": -0.4,
            "high": 0.0,
            "p": p / 10,
            "p_corrected": 1.0 if place else p,
            "answers": own,
            "margins": [0.25 - 0.5 * answer for answer in own],
        }
    return data


def opened(page):
    page.get_by_role("tab", name="Flipped answers", exact=True).click()
    return page


def test_a_row_beyond_chance_is_named_and_its_questions_listed(open_page):
    data = flipped()
    first, second = [row["format"] for row in data["rows"] if row["status"] == "done"][:2]
    page = opened(open_page(data))
    verdict = page.locator(".flip-verdict")
    expect(verdict).to_contain_text(f"Worse than the base beyond chance: {first} (p = 0.0040).")
    expect(verdict).to_contain_text("10 questions cannot tell the other ")
    expect(verdict).not_to_contain_text("guessing")
    line = page.locator(f'[data-flips="{first}"]')
    expect(line).to_contain_text("−3+1")
    expect(line).to_contain_text("−20.0 (−40.0 to 0.0)")
    expect(page.locator(".flip-mark.lost")).to_have_count(3)
    expect(page.locator(".flip-mark.gained")).to_have_count(1)
    expect(page.locator(".flip-dot")).to_have_count(6)
    questions = page.locator(".flip-questions tbody tr")
    expect(questions).to_have_count(4)
    expect(questions.first).to_contain_text("▼ lost")
    expect(questions.first).to_contain_text("own: <b>0</b> is")  # text, no markup
    page.get_by_role("button", name=second).click()
    expect(page.get_by_text(f"{second} flips no answer.")).to_be_visible()
    expect(page.locator(".flip-mark")).to_have_count(0)
    expect(page.get_by_role("button", name=second)).to_be_focused()


def test_nothing_is_claimed_where_nothing_is_told(open_page):
    data = flipped(p=0.3)
    data["questions"]["right"]["low"] = 0.4
    page = opened(open_page(data))
    expect(page.locator(".flip-verdict")).to_have_text(
        "10 questions cannot tell any row's score from the base's, though up to 4 answers flipped. "
        "The base itself is not beyond guessing, which gives 50 %."
    )
    bare = open_page({**COMPARE, "questions": None})
    expect(bare.get_by_role("tab", name="Flipped answers", exact=True)).to_be_hidden()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1120), ("dark", 360)])
def test_axe_and_phones(open_page, scheme, width):
    page = opened(open_page(flipped(), width=width, scheme=scheme))
    assert axe_finds(page, "#root") == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
