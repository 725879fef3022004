"""The link that a page gives reproduces its figure, in every Space: the same data in a visit of its own."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from tests.browser.harness import opened

RECIPE = "merge_method: linear\nmodels:\n- model: pirate\n  parameters: {weight: 1}\ndtype: float32\n"
COOKING = [
    f"How do I cook {dish}?" for dish in ("rice", "soup", "pie", "fish", "bread", "eggs", "beans", "pasta")
]
OTHER = [
    f"What is {thing}?"
    for thing in ("a comet", "a verb", "rust", "a map", "a lock", "snow", "a river", "gold")
]
SETS = [
    ("contrast", "own"),
    *(("positive", prompt) for prompt in COOKING),
    *(("negative", prompt) for prompt in OTHER),
]
LINKS = {
    "decoding": (
        "decoding",
        "#figure",
        [
            ("prompt", "A short <b>walk</b> & back"),
            ("max_new_tokens", 6),
            ("seed", 3),
            ("strategies", json.dumps([{"do_sample": True, "top_p": 0.8}])),
        ],
    ),
    "quantization": (
        "quantization",
        "#figure",
        [
            ("room", "compare"),
            ("context", 64),
            ("windows", 1),
            ("prompt", "Hi"),
            ("formats", "own:absmax-int8"),
            ("formats", "own:rtn-int2-g32"),
        ],
    ),
    "weight lab": (
        "quantization",
        "#lab-figure",
        [("room", "lab"), ("tensor", "model.layers.3.mlp.down_proj.weight"), ("method", "Q4_K")],
    ),
    "merging": ("merging", "#figure", [("recipe", RECIPE), ("seed", 7)]),
    "family tree": ("merging", "#tree", [("tree", "cautious"), ("limit", 50)]),
    "abliteration": ("abliteration", "#find", [("room", "find"), ("candidates", 2), ("seed", 5), *SETS]),
    "removal": ("abliteration", "#ablate", [("room", "ablate"), ("layer", 20), ("answer_tokens", 8), *SETS]),
    "dedup": ("dedup", "#figure", [("dataset", "kitchen.jsonl"), ("threshold", 0.8)]),
    "contamination": (
        "dedup",
        "#contamination",
        [
            ("room", "contamination"),
            ("dataset", "quiz"),
            ("splits", "train"),
            ("splits", "test"),
            ("threshold", 0.6),
        ],
    ),
}
CLOCK = {"run_id", "seconds", "prefill", "decode", "peak_memory"}
"""Time and memory of a run: no link reproduces them."""


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
    """Data without what the machine alone decides."""
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if key not in CLOCK}
    return [timeless(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", LINKS)
def test_the_link_of_a_figure_makes_the_same_figure(browser, suite_url, name):
    space, place, query = LINKS[name]
    url = f"{suite_url}/{space}/?{urlencode(query)}"
    found = []
    for _ in range(2):
        with opened(browser, url, f"{place} .course-figure") as page:
            found.append(timeless(figure_of(page, place)))
            url = page.url
    assert found[0] == found[1]
    asked = json.dumps(found[0]["request"], ensure_ascii=False)
    assert all(
        json.dumps(str(value), ensure_ascii=False)[1:-1] in asked.replace("\\\\", "\\")
        for key, value in query
        if key == "prompt"
    )
