"""Published files in the comparison's figure: which to take for a memory, the types of their tensors, and
their names.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from quantization.memory import cache_bytes, compute_bytes
from tests.browser.harness import axe_finds, figures

ROOT = Path(__file__).parents[2] / "spaces" / "quantization"
FOLDER = ROOT / "quantization" / "js"
COMPARE = json.loads((ROOT / "examples" / "compare.json").read_text(encoding="utf-8"))
MEMORY = {
    "numbers": 30 * 2 * 3 * 64,
    "windowed_numbers": 4 * 2 * 3 * 64,
    "window": 1024,
    "compute_bytes": 108_000_000,
    "mask_bytes": 1024,
    "longest": 8192,
    "at_once": 512,
    "cache_bits": {"f16": 16.0, "q8_0": 8.5, "q4_0": 4.5},
}


@pytest.fixture
def open_page(browser):
    with figures(browser, FOLDER, "besideWeights, choose") as make:
        yield make


def published() -> dict:
    """The stored comparison, with two of its rows as files of uploaders."""
    data = copy.deepcopy(COMPARE)
    data["memory"] = MEMORY
    names = {}
    for row in data["rows"]:
        if row["format"] in ("gguf:Q8_0", "gguf:Q4_0"):
            names[row["format"]] = f"published:maker/m-GGUF/m-{row['label']}.gguf"
            row |= {
                "engine": "published",
                "format": names[row["format"]],
                "label": f"maker {row['label']}",
            }
    for row in data["rows"]:
        row["tied"] = [names.get(name, name) for name in row["tied"]]
    rows = data["microscope"]["rows"]
    data["microscope"]["rows"] = {names.get(name, name): value for name, value in rows.items()}
    for item in data["answers"]["items"]:
        item["format"] = names.get(item["format"], item["format"])
    (row,) = [row for row in data["rows"] if row["label"] == "maker Q4_0"]
    for tensor in row["tensors"]:
        tensor |= {"asked": tensor["type"], "reason": ""}
    tensor = next(one for one in row["tensors"] if "layers.3.mlp.down_proj" in one["name"])
    tensor |= {"type": "Q8_0", "asked": "Q4_0", "reason": "llama.cpp's own rules give Q4_0", "bits": 8.5}
    return data


def show(page, view: str) -> None:
    page.get_by_role("tab", name=view, exact=True).click()


def test_the_memory_is_pythons(open_page):
    page = open_page(published())
    for context in (1, 2048, 4096, 8192):
        for cache in MEMORY["cache_bits"]:
            found = page.evaluate(
                "([memory, context, cache]) => window.maths.besideWeights(memory, context, cache)",
                [MEMORY, context, cache],
            )
            assert found == {
                "cache": cache_bytes(MEMORY, context, cache),
                "compute": compute_bytes(MEMORY, context),
            }


def test_the_file_to_take_fits_and_is_the_smallest_of_the_best(open_page):
    data = published()
    page = open_page(data)
    first = page.locator("figcaption").get_by_text("For 8 GB and 4,096 tokens of context take")
    show(page, "Which to take")
    verdict = page.locator(".verdict:visible")
    files = [row for row in data["rows"] if row["engine"] in ("gguf", "published")]
    expect(page.locator("[data-fit]")).to_have_count(len(files))
    for gigabytes in (8, 0.5, 0.42, 0.38):
        page.get_by_label("Memory, GB").fill(str(gigabytes))
        beside = cache_bytes(MEMORY, 4096) + compute_bytes(MEMORY, 4096)
        fitting = [row for row in files if row["file_bytes"] + beside <= gigabytes * 1e9]
        best = min(fitting, key=lambda row: row["kld"]["mean"])
        alike = [row for row in fitting if row is best or row["format"] in best["tied"]]
        taken = min(alike, key=lambda row: row["file_bytes"])
        name = taken["label"] if taken["engine"] == "published" else taken["format"]
        expect(verdict).to_contain_text(f"take {name}:")
        expect(page.locator(".fit.taken")).to_have_attribute("data-fit", taken["format"])
        if gigabytes == 8:
            expect(first).to_contain_text(f"take {name},")
        expect(page.locator(".fit.too-large")).to_have_count(len(files) - len(fitting))
    page.get_by_label("Memory, GB").fill("0.1")
    expect(verdict).to_contain_text("Nothing fits in 0.1 GB")
    page.get_by_label("Memory, GB").fill("0.5")
    page.get_by_label("Context, tokens").select_option("8192")
    page.get_by_label("Cache format").select_option("q4_0")
    expect(page.locator("#root")).to_contain_text("numbers a token of 4.5 bits")


def test_a_type_that_rules_would_not_give_stands_out(open_page):
    page = open_page(published())
    show(page, "Types")
    line = page.locator('[data-types="published:maker/m-GGUF/m-Q4_0.gguf"]')
    expect(line.locator(".type-bar.other")).to_have_count(1)
    expect(line).to_contain_text("1 Q8_0")
    expect(line.locator("th")).to_have_text("maker Q4_0")
    layers = page.locator('[data-types="gguf:Q4_K_M"] td').nth(1).locator("rect")
    expect(layers).to_have_count(30)


def test_files_are_called_by_their_short_names(open_page):
    page = open_page(published())
    expect(page.locator(".point-name", has_text="maker Q8_0")).to_have_count(1)
    for view in ("Table", "Token microscope", "Answers"):
        show(page, view)
        panel = page.locator("[role=tabpanel]:visible")
        expect(panel).to_contain_text("maker Q8_0")
        expect(panel).not_to_contain_text("m-GGUF")


def test_the_only_maker_is_not_named_at_every_mark(open_page):
    data = published()
    data["rows"] = [row for row in data["rows"] if row["engine"] == "published"]
    names = open_page(data).locator(".point-name")
    expect(names).to_have_count(2)
    assert sorted(names.all_text_contents()) == ["Q4_0", "Q8_0"]


def test_nothing_to_take_without_files(open_page):
    data = published()
    data["rows"] = [row for row in data["rows"] if row["engine"] not in ("gguf", "published")]
    page = open_page(data)
    expect(page.get_by_role("tab", name="Which to take", exact=True)).to_be_hidden()
    expect(page.get_by_role("tab", name="Types", exact=True)).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1120])
def test_axe_and_phones(open_page, scheme, width):
    page = open_page(published(), width=width, scheme=scheme)
    for view in ("Which to take", "Types"):
        show(page, view)
        assert axe_finds(page, "#root") == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
