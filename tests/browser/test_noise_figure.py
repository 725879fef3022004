"""The noise floor in the chart, and divergence by kind of text."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from quantization import floor, kinds
from tests.browser.harness import axe_finds, figures

ROOT = Path(__file__).parents[2] / "spaces" / "quantization"
COMPARE = json.loads((ROOT / "examples" / "compare.json").read_text(encoding="utf-8"))
MEANS = {"rounding": 2e-11, "threads": 0.0, "bfloat16": 0.005}


@pytest.fixture
def open_page(browser):
    with figures(browser, ROOT / "quantization" / "js", "loudest") as make:
        yield make


def noisy() -> dict:
    """The stored comparison, with a floor and with kinds of text, prose the nearest and code far off."""
    data = copy.deepcopy(COMPARE)
    rows = [row for row in data["rows"] if row["status"] == "done"]
    noises = []
    for name, mean in MEANS.items():
        noise = {key: rows[0][key] for key in ("ppl", "ppl_sigma", "same_top", "rms_dp", "prefill")}
        noise |= {key: rows[0][key] for key in ("same_top_sigma", "same_top_low", "same_top_high")}
        noise |= {"ratio": 1 + mean, "ratio_low": 1.0, "ratio_high": 1 + 2 * mean}
        noise["kld"] = {
            **rows[0]["kld"],
            "mean": mean,
            "sigma": mean / 10,
            "low": 0.8 * mean,
            "high": 1.2 * mean,
        }
        noises.append({"name": name, "says": floor.NOISES[name], **noise})
    data["floor"] = {"windows": 4, "noises": noises}
    data["kinds"] = [
        {"name": name, "label": label, "windows": 4, "scored": 188, "ppl": 10.0 + place}
        for place, (name, label) in enumerate(kinds.KINDS.items())
    ]
    for row in rows:
        mean = row["kld"]["mean"]
        row["kinds"] = [
            {
                "name": name,
                "mean": factor * mean,
                "sigma": 0.1,
                "low": 0.9 * factor * mean,
                "high": 1.1 * factor * mean,
            }
            for name, factor in zip(kinds.KINDS, (1, 3, 1.05, 1.1, 1.5), strict=True)
        ]
    return data


def test_the_floor_is_the_largest_noise_and_its_rows_are_named(open_page):
    data = noisy()
    page = open_page(data)
    expect(page.locator(".noise-name")).to_have_text("noise floor: in bfloat16, 0.005")
    line = page.locator(".noise-line")
    rows = [row for row in data["rows"] if row["status"] == "done"]
    below = [row["format"] for row in rows if row["kld"]["low"] <= MEANS["bfloat16"]]
    assert below
    expect(page.locator(".noise-words")).to_contain_text(f"Not above it beyond doubt: {', '.join(below)}.")
    expect(page.locator(".noise-words")).to_contain_text("0 with another number of threads")
    at = float(line.get_attribute("y1"))
    for row in rows:
        box = page.locator(f'[data-row="{row["format"]}"] .mark').bounding_box()
        top = page.locator("svg.pareto").bounding_box()["y"]
        middle = box["y"] + box["height"] / 2 - top
        assert (middle > at) == (row["kld"]["mean"] < MEANS["bfloat16"]), row["format"]


def test_one_window_leaves_a_doubt_about_every_row(open_page):
    data = noisy()
    rows = [row for row in data["rows"] if row["status"] == "done"]
    for row in rows:
        row["kld"] |= {"sigma": None, "low": None, "high": None}
    words = open_page(data).locator(".noise-words")
    expect(words).to_contain_text(f"Not above it beyond doubt: {', '.join(row['format'] for row in rows)}.")


def test_kinds_that_fill_fewer_windows_say_so(open_page):
    data = noisy()
    data["kinds"][-1] |= {"windows": 3, "scored": 141}
    page = open_page(data)
    page.get_by_role("tab", name="Kinds of text", exact=True).click()
    expect(page.locator(".said:visible")).to_contain_text(
        "4 windows of maths (188 tokens), 3 windows of German (141 tokens)"
    )


def test_there_is_no_floor_where_none_was_measured(open_page):
    page = open_page({**noisy(), "floor": None, "kinds": None})
    expect(page.locator(".noise-line")).to_have_count(0)
    expect(page.locator(".noise-words")).to_be_hidden()
    expect(page.get_by_role("tab", name="Kinds of text", exact=True)).to_be_hidden()


def test_a_matrix_of_kinds_says_where_its_own_kind_is_the_closest(open_page):
    """Column by column: the matrix of prose is the closest on prose, that of code is not on code."""
    data = {**noisy(), "floor": None}
    means = {
        "gguf:Q3_K_S": (0.5, 0.5, 0.9, 0.5, 0.5),
        "gguf:Q3_K_S+imatrix:prose": (0.1, 0.4, 0.9, 0.4, 0.4),
        "gguf:Q3_K_S+imatrix:code": (0.3, 0.45, 0.8, 0.4, 0.4),
    }
    rows = [row for row in data["rows"] if row["status"] == "done"][:3]
    for row, (name, values) in zip(rows, means.items(), strict=True):
        row |= {"format": name, "label": name.partition(":")[2], "engine": "gguf"}
        for cell, mean in zip(row["kinds"], values, strict=True):
            cell |= {"mean": mean, "low": 0.9 * mean, "high": 1.1 * mean}
    page = open_page({**data, "rows": rows, "microscope": None, "answers": None})
    page.get_by_role("tab", name="Kinds of text", exact=True).click()
    expect(page.locator(".said:visible")).to_contain_text(
        "own kind is the closest on 1 of 2 kinds (prose), beyond doubt on prose."
    )
    own = page.locator("td.own-kind")
    expect(own).to_have_count(2)
    expect(own.first).to_contain_text("0.1")
    assert own.last.locator(".kind-bar span").evaluate("one => one.style.width") == "90%", "of its column"
    expect(page.locator("[data-kinds$=prose] td.far")).to_have_count(4)  # the smallest, maths and German too


def test_a_kind_beyond_doubt_stands_out(open_page):
    data = noisy()
    page = open_page(data)
    page.get_by_role("tab", name="Kinds of text", exact=True).click()
    rows = page.locator("[data-kinds]")
    expect(rows).to_have_count(sum(row["status"] == "done" for row in data["rows"]))
    far = rows.first.locator("td.far")
    expect(far).to_have_count(2)  # code and German, whose intervals lie above those of all that are nearer
    expect(page.locator("thead")).to_contain_text("German")
    expect(page.locator("thead")).to_contain_text("base perplexity 11")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1120])
def test_axe_and_phones(open_page, scheme, width):
    page = open_page(noisy(), width=width, scheme=scheme)
    for view in ("Size against quality", "Kinds of text"):
        page.get_by_role("tab", name=view, exact=True).click()
        assert axe_finds(page, "#root") == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
