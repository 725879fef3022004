"""The figure of blind pairs: votes by key and by click, and what follows from them."""

from __future__ import annotations

import copy
import random
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from evaluation import arena
from evaluation.arena_finding import verdicts
from evaluation.request import JudgeRequest
from evaluation.strengths import Met, agreement, strengths
from shared.paired import exchange_p
from tests.browser.harness import axe_finds, check_svg, draw, exported, figures, hostile, show

SPACE = Path(__file__).parents[2] / "spaces" / "evaluation"
FOLDER = SPACE / "evaluation" / "js"


def made() -> dict[str, Any]:
    """The result of three models on eight prompts, as a judge of a draw has it."""
    draw = random.Random(1)
    request = JudgeRequest(
        models=("base", "pirate", "concise"),
        prompts=tuple(f"Question {n}? => word" if n < 3 else f"Question {n}?" for n in range(8)),
        judge="base",
    )
    side = {"rounding": "", "device": "cpu", "packed": True, "parameters": 1, "vocabulary": 1}
    origin = {"model": "m", "revision": "r", "source": "the zoo", "dtype": "float32"}
    data: Any = {
        "kind": "judge",
        "drawable": True,
        "done": True,
        "run_id": "7",
        "request": request.to_json(),
        "models": [{"name": name, **side, "origin": origin} for name in request.names],
        "judge": "base",
        "known": [{"count": 1, "of": 3, "low": 0.1, "high": 0.7}] * 3,
        "notes": [],
        "provenance": {"versions": {}, "seed": 0},
        "progress": None,
        "seconds": 1.0,
        "example": True,
    }
    data["prompts"] = [
        {
            "prompt": ask.prompt,
            "expected": list(ask.expected),
            "answers": [
                {"text": "the same" if n == 5 else f"answer {n} of {name}", "tokens": 3, "ended": True}
                | {"knows": draw.random() < 0.5 if ask.expected else None}
                for name in request.names
            ],
        }
        for n, ask in enumerate(request.asks)
    ]
    data["pairs"] = [arena._pair(data, *one) for one in arena.pairs_of(request)]
    for pair in data["pairs"]:
        if not pair["same"]:
            shown, turned = draw.gauss(0.5, 1), draw.gauss(0.5, 1)
            left, right = shown > 0 > turned, shown < 0 < turned
            winner = pair["left"] if left else pair["right"] if right else -1
            pair["judge"] = {"shown": shown, "turned": turned, "winner": winner}
    arena._count(data, [at for at, pair in enumerate(data["pairs"]) if not pair["same"]])
    data["verdicts"] = verdicts(data)
    return data


STORED = made()
NAMES = [side["name"] for side in STORED["models"]]
OPEN = [pair for pair in STORED["pairs"] if not pair["same"]]
VIEWS = ["vote", "standing", "pairs"]
SPARE = {"kind", "run_id", "versions", "request", "device", "dtype"}


@pytest.fixture
def open_page(browser):
    with figures(browser, FOLDER, maths="strengthsOf, signP, kappaOf") as make:
        yield make


def test_a_visitor_votes_by_key_and_by_click_and_names_come_after(open_page) -> None:
    page = open_page(STORED)
    first, second, third = OPEN[:3]
    answers = page.locator(".arena-answer div")
    texts = [one["text"] for one in STORED["prompts"][first["prompt"]]["answers"]]
    expect(answers.nth(0)).to_have_text(texts[first["left"]] or "(no words)")
    expect(answers.nth(1)).to_have_text(texts[first["right"]] or "(no words)")
    expect(page.locator(".vote-panel")).not_to_contain_text("Left was")
    page.locator(".arena-vote").focus()
    page.keyboard.press("2")
    expect(page.locator(".arena-last")).to_contain_text(
        f"Left was {NAMES[first['left']]}, right {NAMES[first['right']]}. You said right"
    )
    expect(page.locator(".arena-prompt")).to_have_text(STORED["prompts"][second["prompt"]]["prompt"])
    page.get_by_role("button", name="1 Left").click()
    expect(page.locator("[data-key=vote-left]")).to_be_focused()
    page.keyboard.press("4")
    expect(page.locator(".vote-panel .said")).to_have_text(f"Pair 4 of {len(OPEN)}")
    expect(page.locator(".arena-last")).to_contain_text("You said both bad")
    page.get_by_role("button", name="Take back").click()
    expect(page.locator(".arena-prompt")).to_have_text(STORED["prompts"][third["prompt"]]["prompt"])
    expect(page.locator(".arena-last")).to_contain_text(f"Left was {NAMES[second['left']]}")
    show(page, "standing")
    won = [[first["right"], second["left"]].count(model) for model in range(len(NAMES))]
    own = page.locator(".standing-panel tbody tr", has_text="your votes")
    expect(own).to_have_count(len(NAMES))
    half = [
        sum(one["same"] for one in STORED["pairs"] if model in (one["left"], one["right"]))
        for model in range(3)
    ]
    for model, count in enumerate(won):
        text = f"{count + half[model] / 2:.1f}".removesuffix(".0")
        expect(own.nth(model)).to_contain_text(f"{text} of")
    expect(page.locator(".standing-panel .eval-sentences")).to_contain_text("You and the judge say the same")
    check_svg(page)
    show(page, "pairs")
    rows = page.locator(".pairs-panel tbody tr")
    expect(rows.nth(STORED["pairs"].index(first))).to_contain_text(NAMES[first["left"]])
    shown = page.locator(".pairs-panel td b", has_text="?")
    expect(shown).to_have_count(2 * (len(OPEN) - 2))
    page.get_by_role("button", name="Show all names").click()
    expect(shown).to_have_count(0)


def test_all_pairs_can_be_voted_and_a_new_run_forgets(open_page) -> None:
    page = open_page(STORED)
    page.locator(".arena-vote").focus()
    for number in range(len(OPEN)):
        page.keyboard.press(str(1 + number % 4))
    expect(page.locator(".vote-panel .said")).to_have_text(f"All {len(OPEN)} pairs have a vote.")
    page.keyboard.press("1")
    draw(page, {**STORED, "run_id": "1"})
    expect(page.locator(".vote-panel .said")).to_have_text(f"Pair 1 of {len(OPEN)}")
    pair = next(one for one in STORED["pairs"] if not one["same"])
    draw(page, {**STORED, "run_id": "2", "pairs": [pair]})
    page.locator(".arena-vote").focus()
    page.keyboard.press("1")
    expect(page.locator(".vote-panel .said")).to_have_text("The pair has a vote.")
    draw(page, {**STORED, "pairs": [], "prompts": [], "ranks": [], "done": False})
    for view in VIEWS:
        show(page, view)
    draw(page, {"error": {"what": "It failed.", "remedy": "Do this."}})
    for panel in page.locator("[role=tabpanel]").all():
        expect(panel).to_be_hidden()


def test_its_numbers_are_pythons(open_page) -> None:
    page = open_page(STORED)
    draw = random.Random(3)
    for models in (2, 3, 4):
        for pairs in (1, 3, 40):
            met = []
            for prompt in range(pairs):
                first, second = draw.sample(range(models), 2)
                met.append(Met(first, second, draw.choice([-1, first, first, second]), prompt // 3))
            told = page.evaluate(
                "([met, models]) => maths.strengthsOf(met, models)", [[asdict(one) for one in met], models]
            )
            for one, other in zip(told, strengths(met, models), strict=True):
                assert one == pytest.approx(asdict(other), abs=1e-6)
    for won, lost in ((0, 0), (5, 0), (7, 3), (14, 22)):
        found = page.evaluate("([won, lost]) => maths.signP(won, lost)", [won, lost])
        assert found == pytest.approx(exchange_p([1] * won + [-1] * lost))
    for size in (0, 1, 5, 60):
        said = [(draw.choice("abc"), draw.choice("abb")) for _ in range(size)]
        assert page.evaluate("all => maths.kappaOf(all)", said) == pytest.approx(asdict(agreement(said)))


def test_the_exported_file_votes_and_keeps_votes(browser, tmp_path) -> None:
    at = STORED["pairs"].index(OPEN[0])
    data = {**STORED, "votes": {str(at): "right", "7000": "left", str(at + 1): "nonsense"}}
    with exported(browser, tmp_path / "pairs.html", data, FOLDER) as page:
        expect(page.locator(".vote-panel .said")).to_have_text(f"Pair 2 of {len(OPEN)}")
        page.locator(".arena-vote").focus()
        page.keyboard.press("3")
        expect(page.locator(".arena-last")).to_contain_text("You said tie")


def test_hostile_texts_stay_text_and_it_fits_a_phone(open_page) -> None:
    page = open_page()
    draw(page, hostile(copy.deepcopy(STORED), "<img src=x onerror=alert(1)>\u202e", SPARE))
    page.locator(".arena-vote").focus()
    page.keyboard.press("1")
    for view in VIEWS:
        show(page, view)
    page = open_page(STORED, width=360, scheme="dark")
    page.get_by_role("button", name="2 Right").click()
    for view in VIEWS:
        show(page, view)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert axe_finds(page) == []
