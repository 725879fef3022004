"""The figure of an evaluation, on the stored result."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.harness import axe_finds, draw, exported, figures, hostile

SPACE = Path(__file__).parents[2] / "spaces" / "evaluation"
FOLDER = SPACE / "evaluation" / "js"
STORED = json.loads((SPACE / "examples" / "experts.json").read_text(encoding="utf-8"))
VIEWS = ["scores", "items", "numbers", "looks", "calibration", "share"]
SPARE = {"kind", "run_id", "versions", "request", "metric", "device", "dtype", "task"}


@pytest.fixture
def open_page(browser):
    with figures(browser, FOLDER, maths="totals, softmax, apart") as make:
        yield make


def show(page, view: str) -> None:
    page.locator(f'[role=tab][data-view="{view}"]').click()


def whole(data, model: int) -> dict:
    return next(one for one in data["differences"] if one["model"] == model and not one["task"])


def test_every_score_and_difference_is_drawn_where_it_belongs(open_page) -> None:
    page = open_page(STORED)
    expect(page.locator(".figure-title")).to_have_text(STORED["verdicts"][0])
    drawn = len(STORED["scores"]) + len(STORED["differences"])
    expect(page.locator(".scores-panel .eval-mark")).to_have_count(drawn)
    expect(page.locator(".key .eval-mark")).to_have_count(len(STORED["models"]))
    flips = page.locator(".eval-flips").all_text_contents()
    assert sorted(flips) == sorted(f"+{one['gained']} −{one['lost']}" for one in STORED["differences"])
    # the base's circles, row by row
    places = page.locator(".scores-panel circle.series-0").evaluate_all(
        "all => all.map((one) => Number(one.getAttribute('cx')))"
    )
    scores = {one["task"]: one["count"] / one["of"] for one in STORED["scores"] if one["model"] == 0}
    shares = [scores[task] for task in ("", *(task["name"] for task in STORED["tasks"]))]
    wide = (places[1] - places[0]) / (shares[1] - shares[0])
    off = [
        place - places[0] - (share - shares[0]) * wide for place, share in zip(places, shares, strict=True)
    ]
    assert max(map(abs, off)) < 1.5


def test_the_table_has_every_number(open_page) -> None:
    page = open_page(STORED)
    show(page, "numbers")
    rows = page.locator(".numbers-panel tbody tr")
    expect(rows).to_have_count(len(STORED["scores"]))
    last, score = STORED["differences"][-1], STORED["scores"][-1]
    expect(rows.last).to_contain_text(f"{score['count']} of {score['of']}")
    expect(rows.last).to_contain_text(f"+{last['gained']} −{last['lost']}")


def test_a_pair_of_numbers_opens_its_items(open_page) -> None:
    page = open_page(STORED)
    one = max(STORED["differences"], key=lambda each: (bool(each["task"]), each["gained"] + each["lost"]))
    words = f"{STORED['models'][one['model']]['name']}, {one['task']}:"
    button = page.locator(f'.eval-flips[aria-label^="{words}"]')
    button.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".items-panel tbody").first.locator("tr")).to_have_count(one["gained"] + one["lost"])
    expect(page.locator(".eval-filters")).to_contain_text(one["task"])


def test_filters_keep_the_items_that_they_name(open_page) -> None:
    page = open_page(STORED)
    show(page, "items")
    gold = [item["gold"] for item in STORED["items"]]
    first, second = ([one["answer"] for one in STORED["answers"][model]] for model in (0, 1))
    counts = {
        "all": len(gold),
        "lost": sum(a == g != b for a, b, g in zip(first, second, gold, strict=True)),
        "gained": sum(a != g == b for a, b, g in zip(first, second, gold, strict=True)),
        "changed": sum(a != b for a, b in zip(first, second, strict=True)),
        "wrong": sum(a != g for a, g in zip(first, gold, strict=True)),
    }
    for name, count in counts.items():
        page.locator("[data-key=filter]").select_option(name)
        expect(page.locator(".eval-filters .said")).to_have_text(re.compile(rf"^{count} items?$"))


def test_an_item_shows_the_tokens_and_the_numbers_of_every_model(open_page) -> None:
    page = open_page(STORED)
    show(page, "items")
    page.locator("[data-key=filter]").select_option("all")
    button = page.locator(".eval-table button").nth(3)
    button.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".eval-table button").nth(3)).to_be_focused()
    item, reads = STORED["items"][3], STORED["reads"][3]
    expect(page.locator(".eval-tokens .token")).to_have_count(len(reads[0]["context"]))
    rows = page.locator(".eval-choices tbody tr")
    expect(rows).to_have_count(len(item["choices"]) * len(STORED["models"]))
    logs = STORED["answers"][0][3]["logs"]
    for place, choice in enumerate(logs):
        expect(rows.nth(place).locator(".num").first).to_have_text(f"{sum(choice):.2f}".replace("-", "−"))
    odds = page.evaluate("all => maths.softmax(all)", [sum(choice) for choice in logs])
    assert sum(odds) == pytest.approx(1)


def test_the_line_of_the_run_ends_at_gained_less_lost(open_page) -> None:
    page = open_page(STORED)
    show(page, "looks")
    for model in range(1, len(STORED["models"])):
        totals = page.evaluate("([data, model]) => maths.totals(data, model)", [STORED, model])
        one = whole(STORED, model)
        assert totals[0] == 0 and totals[-1] == one["gained"] - one["lost"]
        assert totals[-1] == STORED["looks"][model - 1]["looks"][-1]["total"]
    bars = sum(look["boundary"] is not None for one in STORED["looks"] for look in one["looks"])
    expect(page.locator(".eval-bar")).to_have_count(2 * bars)


def test_a_run_grows_and_says_no_verdict(open_page) -> None:
    some = {
        **STORED,
        "done": False,
        "summary": None,
        "items": STORED["items"][:8],
        "reads": STORED["reads"][:8],
        "answers": [answers[:8] for answers in STORED["answers"]],
        "verdicts": ["8 of 216 items: no verdict before the end"],
        "looks": [{**one, "looks": []} for one in STORED["looks"]],
    }
    page = open_page({**some, "scores": [], "differences": [], "calibration": [], "items": [], "reads": []})
    for view in VIEWS:
        show(page, view)
    draw(page, some)
    for view in VIEWS:
        show(page, view)
    expect(page.locator(".figure-title")).to_contain_text("no verdict")
    expect(page.get_by_role("button", name="Download the scores as CSV")).to_have_count(0)
    draw(page, STORED)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the scores as CSV").click()
    assert download.value.path().read_text(encoding="utf-8") == STORED["summary"]["csv"]


def test_the_texts_of_a_model_are_saved_and_stay_chosen(open_page) -> None:
    page = open_page(STORED)
    show(page, "share")
    page.locator(".eval-share select").focus()
    page.locator(".eval-share select").select_option("1")
    expect(page.locator(".eval-share select")).to_be_focused()
    draw(page, copy.deepcopy(STORED))
    one, markdown = STORED["summary"]["models"][1], STORED["summary"]["markdown"]
    texts = page.locator(".eval-share pre").evaluate_all("all => all.map((each) => each.textContent)")
    card = f"{one['head']}\n## Evaluation\n\n{markdown}"
    assert texts == [markdown, STORED["summary"]["csv"], one["results"], card, one["command"], one["job"]]
    with page.expect_download() as download:
        page.get_by_role("button", name="Save: Results for the Hub").click()
    assert download.value.path().read_text(encoding="utf-8") == one["results"]
    draw(page, {**STORED, "run_id": "1", "done": False, "summary": None})
    expect(page.locator(".eval-share")).to_have_text("The texts come when the run is over.")


def test_long_items_and_those_that_the_two_metrics_answer_differently_are_found(open_page) -> None:
    page = open_page(STORED)
    show(page, "items")
    lengths = sorted(len(reads[0]["context"]) for reads in STORED["reads"])
    many = sum(one >= lengths[::-1][len(lengths) // 4] for one in lengths)
    apart = 0
    for item, answered in zip(STORED["items"], STORED["answers"][0], strict=True):
        whole = [sum(one) for one in answered["logs"]]
        each = [one / len(choice) for one, choice in zip(whole, item["choices"], strict=True)]
        apart += whole.index(max(whole)) != each.index(max(each))
    assert 0 < apart < many
    for name, count in (("long", many), ("apart", apart)):
        page.locator("[data-key=filter]").select_option(name)
        expect(page.locator(".items-panel .filters .said")).to_have_text(f"{count} items")


def test_calibration_is_shown_by_set(open_page) -> None:
    page = open_page(STORED)
    show(page, "calibration")
    panel = page.locator(".calibration-panel")
    panel.locator("select").select_option("capitals")
    one = next(each for each in STORED["calibration"] if each["task"] == "capitals" and not each["model"])
    assert sum(each["of"] for each in one["bins"]) == 24 and len(one["bins"]) == 3
    expect(panel.locator("tbody tr").first).to_contain_text(f"{one['bins'][0]['right']}/8")
    expect(panel.locator("tbody tr")).to_have_count(4)
    expect(panel).to_contain_text("every choice gives 0.75")


def test_an_error_leaves_no_earlier_picture(open_page) -> None:
    page = open_page(STORED)
    draw(page, {"error": {"what": "It failed.", "remedy": "Do this."}})
    expect(page.locator("[role=alert]")).to_have_text("It failed. Do this.")
    expect(page.locator(".figure-title")).to_have_text("")
    expect(page.locator(".scores-panel")).to_be_hidden()
    draw(page, STORED)
    expect(page.locator(".scores-panel")).to_be_visible()


def test_one_model_has_scores_and_no_differences(open_page) -> None:
    data = copy.deepcopy(STORED)
    data |= {"models": data["models"][:1], "answers": data["answers"][:1], "differences": [], "looks": []}
    data["scores"] = [one for one in data["scores"] if one["model"] == 0]
    data["calibration"] = data["calibration"][:1]
    page = open_page(data)
    expect(page.locator('[data-view="looks"]')).to_be_hidden()
    expect(page.locator(".eval-flips")).to_have_count(0)
    show(page, "items")
    expect(page.locator("[data-key=filter] option")).to_have_count(5)
    draw(page, STORED)  # a second run has two models again
    page.locator("[data-key=filter]").select_option("lost")
    page.locator("[data-key=task]").select_option("kinds")
    lost = next(one for one in STORED["differences"] if one["model"] == 1 and one["task"] == "kinds")["lost"]
    assert lost
    expect(page.locator(".items-panel .filters .said")).to_have_text(re.compile(f"^{lost} items?$"))
    draw(
        page,
        {**STORED, "run_id": "other", "tasks": [one for one in STORED["tasks"] if one["name"] != "kinds"]},
    )
    whole = next(one for one in STORED["differences"] if one["model"] == 1 and not one["task"])["lost"]
    expect(page.locator(".items-panel .filters .said")).to_have_text(f"{whole} items")


def test_readings_that_differ_are_both_shown(open_page) -> None:
    data = copy.deepcopy(STORED)
    data["reads"][0].append({**data["reads"][0][0], "context": ["<s>", *data["reads"][0][0]["context"]]})
    data["answers"][1][0]["read"] = 1
    page = open_page(data)
    show(page, "items")
    page.locator("[data-key=filter]").select_option("all")
    expect(page.locator(".eval-tokens")).to_have_count(2)


def in_a_corpus() -> dict:
    """The stored result as if a corpus held its first two items and eight words of the third."""
    data = copy.deepcopy(STORED)
    items = data["items"]
    nothing = {"words": 9, "run": 0, "row": -1, "eight": 0, "thirteen": 0, "answer": False, "text": ""}
    found = [{**nothing, "words": 6, "run": 6, "row": 4, "eight": 1, "thirteen": 1, "answer": True}] * 2
    found += [{**nothing, "words": 14, "run": 8, "row": 7, "eight": 0.25, "text": "eight words of it"}]
    data["contamination"] = {
        "corpus": "owner/name, split train",
        "rows": 20_000,
        "more": True,
        "ngram": 9,
        "overlaps": found + [nothing] * (len(items) - 3),
        "held": [True, True] + [False] * (len(items) - 2),
        "scores": [
            {"model": model, "held": [2, 2], "held_interval": [0.34, 1], "clean": [90, len(items) - 2]}
            | {"clean_interval": [0.4, 0.6], "p": None if model else 0.0312}
            for model in range(len(data["models"]))
        ],
        "differences": [{**one, "of": len(items) - 2} for one in data["differences"] if not one["task"]],
    }
    return data


def test_what_a_corpus_holds_is_shown_with_the_items(open_page) -> None:
    data = in_a_corpus()
    page = open_page(data, width=360)
    show(page, "corpus")
    rows = page.locator(".eval-held tbody tr")
    expect(rows).to_have_count(3)
    said = [re.sub(r"\s+", " ", " ".join(row.locator("td").all_text_contents())) for row in rows.all()]
    assert said[0] == said[1] == "held 6 of 6 with the answer 100 % 100 % 4 "
    assert said[2] == "– 8 of 14 without it 25 % 0 % 7 eight words of it"
    expect(page.locator(".corpus-panel table").first).to_contain_text(re.compile(r"2 of 2, 100\s%"))
    assert page.evaluate("document.documentElement.scrollWidth") <= 360 and axe_finds(page) == []
    show(page, "items")
    page.locator("[data-key=filter]").select_option("held")
    expect(page.locator(".items-panel tbody").first.locator("tr")).to_have_count(2)
    expect(page.locator(".eval-detail")).to_contain_text("Row 4 of the corpus has 6 of its 6 words in a row")
    draw(page, STORED)
    expect(page.locator('[data-view="corpus"]')).to_be_hidden()
    expect(page.locator("[data-key=filter] option[value=held]")).to_have_count(0)
    long = ["    total = 0\n    for number in numbers:\n        total " + end for end in ("+= 1", "-= 1")]
    said = page.evaluate("all => all.map((one) => maths.apart(one, all, 30))", long)
    assert said[0] != said[1] and said[0].startswith("…") and said[0].endswith("+= 1")
    short = ["a", "b" * 31 + "c"]
    assert page.evaluate("all => all.map((one) => maths.apart(one, all, 30))", short) == ["a", "b" * 29 + "…"]


def test_hostile_texts_stay_text(open_page) -> None:
    page = open_page()
    text = "<img src=x onerror=alert(1)>\u202e"
    draw(page, hostile(in_a_corpus(), text, SPARE))
    for view in [*VIEWS, "corpus"]:
        show(page, view)


def test_a_long_name_of_a_set_ends_before_the_picture(open_page) -> None:
    data = copy.deepcopy(STORED)
    long = ["arc_challenge", "WWWWWWWWWWWWW", "雪" * 13, "🙂" * 13]
    for one, name in zip(data["tasks"][: len(long)], long, strict=True):
        for score in (*data["scores"], *data["differences"]):
            score["task"] = name if score["task"] == one["name"] else score["task"]
        one["name"] = name
    page = open_page(data, width=360)
    ends = page.locator(".scores-panel .eval-task").evaluate_all(
        "all => all.map((one) => one.getBBox().x + one.getBBox().width)"
    )
    zero = page.locator(".scores-panel .grid-line").first.evaluate("one => Number(one.getAttribute('x1'))")
    assert max(ends) <= zero - 5  # half a mark
    expect(page.locator(".scores-panel .eval-task", has_text="arc_challenge").first).to_be_visible()


def test_it_fits_a_phone_and_axe_finds_nothing(open_page) -> None:
    page = open_page(STORED, width=360)
    for flips in (page.locator(".eval-flips").first, page.locator(".eval-flips").last):
        box, chart = flips.bounding_box(), page.locator(".eval-chart").first.bounding_box()
        assert box["x"] + box["width"] <= 360 and box["y"] + box["height"] <= chart["y"] + chart["height"]
    for view in VIEWS:
        show(page, view)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert axe_finds(page) == []


def test_the_exported_file_draws_the_same(browser, tmp_path) -> None:
    with exported(browser, tmp_path / "run.html", STORED, FOLDER) as page:
        expect(page.locator(".eval-flips")).to_have_count(len(STORED["differences"]))
