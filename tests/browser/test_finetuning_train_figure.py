"""The figure of a model that learns, on the stored runs."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.harness import axe_finds, draw, exported, figures, hostile, show

SPACE = Path(__file__).parents[2] / "spaces" / "finetuning"
FOLDER = SPACE / "finetuning" / "js"
PIRATE = json.loads((SPACE / "examples" / "pirate.json").read_text(encoding="utf-8"))
RUNS = {
    "pirate": PIRATE,
    "two": {
        **PIRATE,
        "runs": [
            {**PIRATE["runs"][0], "name": "seed 42"},
            {**PIRATE["runs"][0], "name": "seed 1", "marks": PIRATE["runs"][0]["marks"][:4]},
        ],
    },
}


def preferring(chosen: float, rejected: float) -> dict:
    """The stored run as one of DPO would be: by how much ln p of both answers changes until its end."""
    data = copy.deepcopy(PIRATE)
    data["objective"] = "dpo"
    marks = data["runs"][0]["marks"]
    for at, mark in enumerate(marks):
        for name, value in {"chosen": chosen, "rejected": rejected, "margin": chosen - rejected}.items():
            mean = value * at / (len(marks) - 1)
            mark[name] = {**mark["held_out"], "mean": mean, "low": mean - 1, "high": mean + 1}
    return data


VIEWS = ["cooling", "curves", "said", "moved"]
SPARE = {"kind", "objective", "run_id", "name", "source", "changes", "versions", "request"}


@pytest.fixture
def open_page(browser):
    with figures(browser, FOLDER) as make:
        yield make


def test_a_column_is_as_tall_as_its_tokens_loss(open_page) -> None:
    data = RUNS["pirate"]
    page = open_page(data)
    for at in (0, len(data["runs"][0]["marks"]) - 1):
        page.locator(".train-bar input").fill(str(at))
        losses = [loss for row in data["runs"][0]["marks"][at]["tokens"] for loss in row]
        heights = page.locator(".train-heat").evaluate_all(
            "all => all.map((one) => parseFloat(one.style.height))"
        )
        assert heights == pytest.approx([100 * min(1, loss / 8) for loss in losses], abs=0.06)
        expect(page.locator(".train-bar output")).to_have_text(str(data["runs"][0]["marks"][at]["step"]))


def test_two_runs_and_their_lines_have_names(open_page) -> None:
    data = RUNS["two"]
    page = open_page(data)
    show(page, "curves")
    labels = page.locator(".train-label").all_text_contents()
    assert {run["name"] for run in data["runs"]} <= set(labels)
    show(page, "moved")
    page.locator(".moved-panel .train-runs button").nth(1).click()
    norms = data["runs"][1]["marks"][-1]["norms"]
    expect(page.locator(".train-cell")).to_have_count(len(norms))


@pytest.mark.parametrize(
    ("chosen", "rejected", "words"), [(-9.0, -30.0, "Why do both fall?"), (9.0, -4.0, "What DPO follows.")]
)
def test_dpo_says_what_became_of_both_answers(open_page, chosen, rejected, words) -> None:
    page = open_page(preferring(chosen, rejected))
    show(page, "curves")
    expect(page.locator(".train-why")).to_contain_text(words)
    expect(page.locator(".train-why")).to_contain_text(f"the margin is {chosen - rejected:.0f}")
    expect(page.locator("path.train-dashed:not(.train-ribbon)")).to_have_count(1)


def test_the_stored_run_of_dpo_says_what_its_picture_shows(open_page) -> None:
    data = json.loads((SPACE / "examples" / "prefers.json").read_text(encoding="utf-8"))
    page = open_page(data, width=360)
    show(page, "curves")
    why = page.locator(".train-why")
    first, beside = data["runs"]
    marks = first["marks"]
    best = max(marks, key=lambda mark: mark["chosen"]["mean"])
    expect(why).to_contain_text("Why do both fall?")
    expect(why).to_contain_text(f"After step {best['step']} the chosen ones stood highest")
    expect(why).to_contain_text(f"With {beside['name']}: chosen +")
    expect(why).to_contain_text("One seed each")
    expect(page.locator(".train-title", has_text="Held-out margin")).to_have_count(1)
    wide = page.locator(".train-title, .train-label").evaluate_all(
        "all => Math.max(...all.map((one) => one.getBoundingClientRect().right))"
    )
    assert wide <= 361, "titles and names are whole on a phone"


def test_a_setting_is_seen_against_the_spread_of_seeds(open_page) -> None:
    """Two seeds part by .2; a run within that is no news, one outside is."""
    data = copy.deepcopy(PIRATE)
    (run,) = data["runs"]

    def ending(name: str, changes: dict, loss: float) -> dict:
        own = copy.deepcopy(run)
        own["marks"][-1]["held_out"] |= {"mean": loss, "low": loss - 0.1, "high": loss + 0.1}
        return {**own, "name": name, "changes": changes}

    data["runs"] = [
        ending("seed 42, rank 8", {}, 1.3),
        ending("seed 1", {"seed": 1}, 1.5),
        ending("rank 2", {"rank": 2}, 1.4),
        ending("a name that is far too long for its margin", {"rank": 2, "seed": 3}, 2.5),
    ]
    page = open_page(data)
    show(page, "curves")
    why = page.locator(".train-why")
    expect(why).to_contain_text("2 seeds end with the loss between 1.3 and 1.5")
    expect(why).to_contain_text("with rank 2 it is 1.4, no further away than seeds are")
    expect(why).to_contain_text("it is 2.5, outside what these seeds did")
    expect(page.locator(".train-label", has_text="a name that is far…").first).to_be_visible()
    show(page, "said")
    expect(page.locator(".said-panel th", has_text="before")).to_have_count(2)  # in both tables, once


def test_orpo_and_kto_say_what_they_follow(open_page) -> None:
    data = {**preferring(1, 0.5), "objective": "orpo"}
    for step in data["runs"][0]["steps"]:
        step |= {"nll": 1.0, "z0": 0.25}
    page = open_page(data)
    show(page, "curves")
    why, labels = page.locator(".train-why"), page.locator(".train-label")
    expect(why).to_contain_text("Why does the rejected answer rise as well?")
    expect(why).to_contain_text("rejected: 0 → 0.5; log odds ratio 0 → 0.5")
    assert {"its −ln p part", "log odds", "chosen", "rejected"} <= set(labels.all_text_contents())
    for wanted, words in ((-1, "Why do both fall?"), (1, "What KTO follows.")):
        data = {**preferring(wanted, -2), "objective": "kto", "run_id": words}
        for step in data["runs"][0]["steps"]:
            step["z0"] = 0.25
        draw(page, data)
        show(page, "curves")
        expect(why).to_contain_text(words)
        expect(why).to_contain_text("z₀ of the last step is 0.25")
        assert {"z₀", "wanted", "unwanted"} <= set(labels.all_text_contents())


def test_a_token_that_seems_to_stay_where_it_was_is_not_called_learnt(open_page) -> None:
    data = copy.deepcopy(PIRATE)
    first, *others = data["runs"][0]["marks"]
    for mark in others:
        mark["tokens"] = [[max(0, loss - 1e-6) for loss in row] for row in first["tokens"]]
    said = open_page(data).locator(".cooling-panel [role=status]")
    expect(said).to_have_text("No token is likelier than before by as much as can be shown.")


def test_a_broken_run_says_where(open_page) -> None:
    words = "Step 4: the loss of row 2 is not finite. Training ended there; the adapter of step 3 is kept."
    page = open_page({**PIRATE, "runs": [{**PIRATE["runs"][0], "stopped": words}]})
    expect(page.locator(".figure-title")).to_have_text(words)
    first, second = RUNS["two"]["runs"]
    draw(page, {**PIRATE, "runs": [{**first, "stopped": words}, second], "run_id": "two"})
    expect(page.locator(".figure-title")).to_contain_text("With seed 42 it broke; with seed 1 ")
    expect(page.locator(".figure-title")).to_contain_text("nats a token")
    expect(page.locator(".warnings")).to_contain_text(f"seed 42: {words}")


def test_a_run_grows(open_page) -> None:
    data = preferring(-9, -30)
    run = data["runs"][0]
    page = open_page({**data, "done": False, "runs": [{**run, "steps": [], "marks": run["marks"][:1]}]})
    for view in VIEWS:
        show(page, view)
    draw(page, data)
    show(page, "cooling")
    expect(page.locator(".cooling-panel output")).to_have_text(str(run["marks"][-1]["step"]))


def test_what_is_said_of_the_rows_follows_from_them(open_page) -> None:
    data = copy.deepcopy(PIRATE)
    data["trained"] |= {
        "source": "mine.jsonl",
        "more": True,
        "separate": False,
        "left_out": list(range(1, 31)),
    }
    page = open_page(data)
    said = page.locator(".warnings")
    expect(said).to_contain_text("Only the first rows were read")
    expect(said).to_contain_text("30 rows left out")
    expect(said).to_contain_text("No link carries a file")
    show(page, "said")
    expect(page.locator(".said-panel")).not_to_contain_text("not trained on")
    show(page, "moved")
    expect(page.locator(".moved-panel")).to_contain_text("KL on cooking questions")


def test_hostile_texts_stay_text(open_page) -> None:
    page = open_page()
    text = "<img src=x onerror=alert(1)>\u202e"
    draw(page, hostile(copy.deepcopy(RUNS["two"]), text, SPARE))
    for view in VIEWS:
        show(page, view)


def test_one_row_has_no_interval(open_page) -> None:
    data = copy.deepcopy(RUNS["pirate"])
    for mark in data["runs"][0]["marks"]:
        for key in ("held_out", "text", "kl", "elsewhere"):
            mark[key] = {**mark[key], "sigma": None, "low": None, "high": None}
    page = open_page(data)
    show(page, "curves")
    expect(page.locator(".train-ribbon")).to_have_count(0)
    expect(page.locator(".train-dot").first).to_be_visible()


def test_it_fits_a_phone_and_axe_finds_nothing(open_page) -> None:
    page = open_page(RUNS["two"], width=360)
    for view in VIEWS:
        show(page, view)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert axe_finds(page) == []


def test_the_exported_file_draws_the_same(browser, tmp_path) -> None:
    with exported(browser, tmp_path / "run.html", RUNS["pirate"], FOLDER) as page:
        expect(page.locator(".train-text")).to_have_count(len(RUNS["pirate"]["held_out"]))


def test_a_wild_rate_has_its_whole_label_at_the_axis(open_page) -> None:
    data = copy.deepcopy(PIRATE)
    for one in data["runs"][0]["steps"]:
        one["rate"], one["norm"] = 1e6, 3e11
    page = open_page(data)
    show(page, "curves")
    texts = page.locator(".curves-panel svg text")
    expect(texts.filter(has_text="10⁶")).to_have_count(1)
    assert min(texts.evaluate_all("all => all.map((one) => one.getBBox().x)")) >= 0
