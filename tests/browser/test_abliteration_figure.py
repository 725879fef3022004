"""The abliteration figures in a real browser, on the stored examples: what they say, what is drawn by hand,
and hostile data.
"""

from __future__ import annotations

import copy
import itertools
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.harness import axe_in_light_and_dark, exported, figures, hostile

ROOT = Path(__file__).parents[2] / "spaces" / "abliteration"
FOLDER = ROOT / "abliteration" / "js"
EXAMPLES = {
    name: json.loads((ROOT / "examples" / f"{name}.json").read_text(encoding="utf-8"))
    for name in ("find", "ablate", "optimise", "features", "certificate", "forensics", "bench", "chat")
}
VIEWS = {
    "find": ("Layers", "Candidates"),
    "ablate": ("Answers", "X-ray", "Does it come back?"),
    "optimise": ("Pareto", "Removed and damaged", "Answers"),
    "features": ("Direction as features", "Features of a prompt"),
    "certificate": ("Certificate",),
    "chat": ("Chat",),
    "bench": ("Methods", "Behaviour and topic", "Plants", "Numbers"),
    "forensics": ("What was done", "Rank", "Tensors", "Removed and damaged", "Its record"),
}
KERNEL = {"kind": "kernel", "layers": 30, "embedding": 0, "attention": [1.0] * 30, "mlp": [0.5] * 30}


@pytest.fixture
def open_page(browser):
    with figures(browser, FOLDER) as make:
        yield make


def show(page, view: str) -> None:
    tab = page.get_by_role("tab", name=view, exact=True)
    if tab.count():
        tab.click()


def test_a_layer_is_chosen_by_mouse_and_keys(open_page) -> None:
    page = open_page(EXAMPLES["find"])
    chosen = EXAMPLES["find"]["choice"]["layer"]
    expect(page.locator("#root")).to_contain_text(f"Layer {chosen}: projection on its direction")
    chart = page.locator("svg.layer-chart").first
    chart.focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#root")).to_contain_text(f"Layer {chosen - 1}: projection on its direction")
    expect(page.locator("svg.layer-chart").first).to_be_focused()


def test_candidates_name_the_choice_and_what_ruled_the_others_out(open_page) -> None:
    data = EXAMPLES["find"]
    page = open_page(data)
    show(page, "Candidates")
    tried = [layer["candidate"] for layer in data["layers"] if layer.get("candidate")]
    expect(page.locator("tbody tr")).to_have_count(len(tried))
    expect(page.locator("tr.picked")).to_contain_text(f"{data['choice']['layer']} ← chosen")


def test_the_report_says_what_went_and_what_it_cost(open_page) -> None:
    data = EXAMPLES["optimise"]
    page = open_page(data)
    best = next(trial for trial in data["trials"] if trial["number"] == data["best"])
    expect(page.locator(".trial-best")).to_have_attribute(
        "aria-label",
        re.compile(f"Kernel {best['number']}, {best['method']}, {best['projection']} direction"),
    )
    page.get_by_role("button", name="Use this kernel").click()
    assert page.evaluate("emitted")[0][1]["chosen"]["layer"] == data["chosen"]["layer"]
    show(page, "Removed and damaged")
    share = data["measures"]["behaviour"]["positive"]["edited"]["refused"]
    label = page.locator("svg.picture:visible").first.get_attribute("aria-label")
    assert f"after {share['count']} of {share['of']}" in label
    expect(page.locator("dl.facts").last).to_contain_text("control: permuted labels")


def test_edited_answers_carry_their_mark(open_page) -> None:
    page = open_page(EXAMPLES["ablate"])
    expect(page.locator(".answer-edited").first).to_contain_text("edited model")
    expect(page.locator(".tags")).to_contain_text("edited model")


def test_a_kernel_is_drawn_with_the_mouse_and_with_keys(open_page) -> None:
    page = open_page(KERNEL)
    svg = page.locator("svg.kernel-bars").first
    box = svg.bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 12)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.8 * box["height"], steps=20)
    page.mouse.up()
    kernel = page.evaluate("emitted.at(-1)")[1]["kernel"]
    drawn = [value for value in kernel["attention"] if value != 1.0]
    assert len(drawn) > 8 and drawn == sorted(drawn, reverse=True) and set(kernel["mlp"]) == {0.5}
    bar = page.get_by_role("slider", name="MLP, layer 3")
    bar.focus()
    page.keyboard.press("PageUp")
    assert page.evaluate("emitted.at(-1)")[1]["kernel"]["mlp"][3] == 0.75
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("slider", name="MLP, layer 4")).to_be_focused()
    page.get_by_role("button", name="attention alone").click()
    kernel = page.evaluate("emitted.at(-1)")[1]["kernel"]
    assert set(kernel["attention"]) == {1} and set(kernel["mlp"]) == {0} and kernel["embedding"] == 0


def test_a_kernel_keeps_what_it_edits_at_the_blocks_inputs(open_page) -> None:
    page = open_page({**KERNEL, "blocks": [0.0] * 29 + [1.0]})
    expect(page.locator("#root")).to_contain_text("at the input of 1 of 30 blocks")
    page.get_by_role("slider", name="MLP, layer 3").press("PageUp")
    assert page.evaluate("emitted.at(-1)")[1]["kernel"]["blocks"] == [0] * 29 + [1]
    page.get_by_role("button", name="everywhere").click()  # a preset says all of the kernel
    assert "blocks" not in page.evaluate("emitted.at(-1)")[1]["kernel"]
    expect(page.locator("#root")).not_to_contain_text("blocks")


def test_a_feature_is_held_at_its_own_activation(open_page) -> None:
    data = copy.deepcopy(EXAMPLES["features"])
    data["tops"][0]["examples"][0]["activation"] = 1627.6
    page = open_page(data)
    page.locator(".feature").first.get_by_role("button", name="Hold it at").click()
    assert page.evaluate("emitted.at(-1)")[1] == {
        "feature": data["pursuit"]["atoms"][0]["feature"],
        "amount": 1630,
    }


def test_the_certificate_says_when_a_write_was_overlooked(open_page) -> None:
    data = copy.deepcopy(EXAMPLES["certificate"])
    expect(open_page(data).locator("dl.facts")).to_contain_text("no write was overlooked")
    data["certificate"]["audit"] = 0.02
    expect(open_page(data).locator("dl.facts")).to_contain_text(
        "to 0.02 of its norm: something else writes too"
    )


@pytest.mark.parametrize(
    ("kind", "view"), [("find", "Candidates"), ("optimise", "Answers"), ("certificate", "Certificate")]
)
def test_rows_of_tables_stay_low_on_a_phone(open_page, kind, view) -> None:
    page = open_page(EXAMPLES[kind], width=360)
    show(page, view)
    rows = page.locator("table:visible tbody tr").evaluate_all(
        "(rows) => rows.map((row) => row.getBoundingClientRect().height)"
    )
    assert len(rows) > 5 and max(rows) < 130


def test_the_tokens_below_the_xray_do_not_run_into_each_other(open_page) -> None:
    page = open_page(EXAMPLES["ablate"], width=360)
    show(page, "X-ray")
    places = (
        page.locator("svg.picture")
        .last.locator(".ray-token")
        .evaluate_all("(labels) => labels.map((label) => label.transform.baseVal[0].matrix.e)")
    )
    steps = [after - before for before, after in itertools.pairwise(places)]
    assert len(steps) > 20 and min(steps) * 0.866 >= 10  # turned by 60°, in letters of 10 pixels


def test_every_cut_that_was_computed_is_drawn(open_page) -> None:
    data = copy.deepcopy(EXAMPLES["ablate"])
    layers = [None, 1, 6, 11, 17, 23, 28]
    curve = data["re_emergence"][0]["component"]
    data["re_emergence"] = [{"layer": layer, "component": curve} for layer in layers]
    page = open_page(data)
    show(page, "Does it come back?")
    expect(page.locator("svg.layer-chart polyline.line:visible")).to_have_count(7)
    expect(page.locator(".models li:visible")).to_have_count(7)
    looks = page.locator("svg.layer-chart polyline.line:visible").evaluate_all(
        "(lines) => lines.map((line) => line.getAttribute('class'))"
    )
    assert len(set(looks)) == 7
    expect(page.locator(".models:visible")).to_contain_text("removed entering layer 28")


def test_a_published_edit_shows_its_kernel_its_rank_and_whether_its_record_holds(open_page) -> None:
    data = EXAMPLES["forensics"]
    page = open_page(data)
    expect(page.locator(".key")).to_contain_text(data["verdict"]["words"])
    attention = data["curves"][0]
    labels = [svg.get_attribute("aria-label") for svg in page.locator("svg.picture:visible").all()]
    assert labels[0].startswith("Attention, strength by layer") and "layer 5" in labels[0]
    edited = sum(value != 0 for value in attention["strengths"])
    expect(page.locator("svg.picture:visible").first.locator(".dot-a")).to_have_count(edited)
    show(page, "Rank")
    words = page.locator("svg.picture:visible").get_attribute("aria-label")
    assert words.startswith(f"{data['rows'][0]['rank']} singular value")
    page.get_by_label("Matrix").focus()
    page.get_by_label("Matrix").select_option(data["rows"][1]["name"])
    expect(page.get_by_label("Matrix")).to_be_focused()
    show(page, "Tensors")
    expect(page.locator("tbody tr")).to_have_count(len(data["rows"]))
    show(page, "Its record")
    same = data["claims"]["hashes"][0]["same"]
    expect(page.locator("dl.facts:visible")).to_contain_text(f"{same} hashes as stated")


def test_what_is_no_abliteration_shows_ranks_and_no_strengths(open_page) -> None:
    data = copy.deepcopy(EXAMPLES["forensics"])
    data["verdict"] = {"kind": "other", "words": "This is no abliteration: it is a test.", "facts": ["One."]}
    for row in data["rows"]:
        row.pop("taken", None)
    page = open_page(data)
    expect(page.locator(".key")).to_contain_text("no abliteration")
    expect(page.locator(".block h2")).to_have_text(["How much differs", "By which rank"])
    page = open_page({**data, "rows": [], "verdict": {"kind": "same", "words": "Same.", "facts": []}})
    expect(page.locator("svg.picture")).to_have_count(0)


def test_the_truth_bench_says_n_intervals_and_limits(open_page) -> None:
    data = EXAMPLES["bench"]
    page = open_page(data)
    count, methods = len(data["plants"]), len(data["methods"])
    expect(page.locator("#root")).to_contain_text(f"n = {count} plants")
    expect(page.locator("#root")).to_contain_text("It cannot say how methods rank on another model")
    expect(page.locator("svg .dot-a")).to_have_count(3 * methods)
    expect(page.locator("svg .dot-plant")).to_have_count(3 * methods * count)
    show(page, "Behaviour and topic")
    plant = data["plants"][0]
    found = plant["parts"][plant["layer"]]
    label = page.locator("svg.picture:visible").first.get_attribute("aria-label")
    assert f"{plant['name']}: topic {round(100 * found['topic'])} %" in label
    expect(page.locator("tbody:visible tr")).to_have_count(count)
    show(page, "Plants")
    share = plant["shows"]["planted"]["positive"]
    expect(page.locator("tbody:visible tr").first).to_contain_text(f"{share['count']} of {share['of']}")
    show(page, "Numbers")
    expect(page.locator("table:visible")).to_have_count(4)
    rows = page.locator("table:visible").last.locator("tbody tr")
    expect(rows).to_have_count(methods)
    one = {**data, "plants": data["plants"][:1], "summary": []}  # as after the first plant of a run
    page = open_page({**one, "done": False, "progress": {"label": "travel", "value": 1, "max": 5}})
    expect(page.locator("#root")).to_contain_text("One plant")
    expect(page.locator("svg .dot-plant")).to_have_count(3 * methods)


def test_a_conversation_marks_where_answers_part(open_page) -> None:
    data = copy.deepcopy(EXAMPLES["chat"])
    page = open_page(data)
    turns = page.locator(".chat-turn")
    expect(turns).to_have_count(len(data["turns"]))
    marked = data["turns"][0]["edited"]
    box = turns.first.locator(".chat-edited")
    expect(box.locator("mark")).to_have_text(marked["token"].strip())
    expect(box).to_contain_text(f"parts at token {marked['parts'] + 1}")
    expect(turns.first.locator(".chat-base mark")).to_have_count(0)
    data["turns"] = data["turns"][:1]
    del data["turns"][0]["second"], data["second"]
    data["turns"][0]["edited"] |= {"parts": None, "same": "", "token": "", "rest": ""}
    data["request"]["temperature"] = 0.7
    page.evaluate("data => draw(data)", data)
    expect(turns).to_have_count(1)
    expect(box).to_contain_text("the same answer")
    expect(page.locator(".chat-answers > *")).to_have_count(2)
    expect(page.locator("#root")).to_contain_text("Drawn at temperature 0.7, seed 0")


@pytest.mark.parametrize("kind", EXAMPLES)
def test_hostile_texts_stay_text(open_page, kind) -> None:
    text = '<img src=x onerror="window.broken=1">'
    page = open_page(hostile(copy.deepcopy(EXAMPLES[kind]), text, {"kind", "request", "chosen"}))
    for view in VIEWS[kind]:
        show(page, view)
        assert page.locator("#root img").count() == 0
    assert page.evaluate("window.broken") is None


@pytest.mark.parametrize("kind", [*EXAMPLES, "kernel"])
def test_axe_and_phones(open_page, kind) -> None:
    data = EXAMPLES.get(kind, KERNEL)
    page = open_page(data)
    phone = open_page(data, width=360)
    for view in VIEWS.get(kind, ("",)):
        if view:
            show(page, view)
            show(phone, view)
        assert axe_in_light_and_dark(page) == [], view
        assert phone.evaluate("document.documentElement.scrollWidth") <= 360, view


@pytest.mark.parametrize("kind", EXAMPLES)
def test_the_export_draws_offline(browser, tmp_path, kind) -> None:
    with exported(browser, tmp_path / "figure.html", EXAMPLES[kind], FOLDER) as page:
        expect(page.locator(".abliteration-figure .figure-title")).to_be_visible()
