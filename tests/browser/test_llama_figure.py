"""llama.cpp's dialect in the decoding figure, on the stored example of a loop."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.harness import figures

SPACE = Path(__file__).parents[2] / "spaces" / "decoding"
TRACE = json.loads((SPACE / "examples" / "loop.json").read_text(encoding="utf-8"))
LLAMA = next(at for at, run in enumerate(TRACE["runs"]) if run["name"] == "llama.cpp default")


@pytest.fixture
def open_page(browser):
    with figures(browser, SPACE / "decoding" / "js") as make:
        yield make


def select(page, run: int, place: int) -> None:
    """Select a token of a run's text."""
    page.locator('[role=tab][data-view="text"]').click()
    page.locator("article").nth(run).locator("bdi[data-key]").nth(place).click()


def stage(page, name: str):
    return page.locator(f".stage[data-stage={name}]")


def test_the_panel_has_llama_cpps_chain_and_its_odds_are_the_runs(open_page) -> None:
    page = open_page(TRACE)
    run = TRACE["runs"][LLAMA]
    by_id = {node["id"]: node for node in run["nodes"]}
    select(page, LLAMA, 2)
    names = page.locator(".stages .stage").evaluate_all("list => list.map((one) => one.dataset.stage)")
    assert names == ["penalties", "dry", "top_k", "top_p", "min_p", "temperature"]
    leaf = run["sequences"][0]["node"]
    path = []
    while by_id[leaf]["parent"] is not None:
        path.insert(0, by_id[leaf])
        leaf = by_id[leaf]["parent"]
    node = path[2]
    shown = page.locator(".odd.taken .num").last.inner_text()
    assert float(shown.split()[0]) / 100 == pytest.approx(2.718281828 ** node["logprob_processed"], abs=2e-3)
    kept = run["decisions"][str(node["parent"])]["kept"]
    expect(page.locator(".sampler-odds")).to_contain_text(f"{kept} of 49,152 tokens stay")


def test_any_order_and_setting_can_be_decoded(open_page) -> None:
    page = open_page(TRACE)
    select(page, LLAMA, 2)
    stage(page, "temperature").locator("[aria-label='Move temperature up']").click()
    stage(page, "top_k").locator("input[type=number]").fill("3")
    stage(page, "dry").locator("input[type=checkbox]").check()
    page.get_by_role("button", name="Decode with these settings").click()
    name, detail = page.evaluate("emitted.at(-1)")
    assert name == "apply" and detail["run"] == LLAMA
    assert detail["config"] == {
        "runtime": "llama.cpp",
        "top_k": 3,
        "dry_multiplier": 0.8,
        "samplers": [
            *("penalties", "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "temperature", "min_p", "xtc")
        ],
    }
    stage(page, "top_k").locator("input[type=number]").fill("-3")
    expect(stage(page, "top_k")).to_contain_text("top_k must be from 0")


def test_the_same_settings_in_two_runtimes(open_page) -> None:
    page = open_page(TRACE)
    select(page, LLAMA, 2)
    both = page.locator(".runtimes")
    expect(both).to_contain_text("temperature → top_k → top_p → min_p")
    expect(both).to_contain_text("top_k → top_p → min_p → temperature")
    stage(page, "temperature").locator("input[type=number]").first.fill("2")
    expect(both).to_contain_text("temperature 2 comes first in transformers")
    stage(page, "temperature").locator("input[type=number]").first.fill("1")
    expect(both).to_contain_text("Here the two give the same distribution.")


def test_the_loop_xray_marks_both_places_and_the_penalty(open_page) -> None:
    page = open_page(TRACE)
    page.locator('[role=tab][data-view="text"]').click()
    xray = page.locator("article").nth(0).locator(".xray")
    expect(xray.locator("summary")).to_contain_text("repeated in a row")
    xray.locator("summary").click()
    now, then = (xray.locator(f".xray-text .{kind}").all_inner_texts() for kind in ("now", "then"))
    assert now == then and len(now) >= 2
    penalty = 0.8 * 1.75 ** (len(now) - 2)
    expect(xray.locator(".xray-next li").first).to_contain_text(f"−{penalty:,.2f} nats")
    xray.locator(".xray-bar").first.click()
    expect(xray.locator(".xray-bar.current")).to_have_count(1)
