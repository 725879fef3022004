"""The decoding figure in a real browser, on a stored trace of the embedded model (see
data/decoding_trace.json).
"""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.harness import check_svg, draw, exported, figures, overflow, show

FOLDER = Path(__file__).parents[2] / "spaces" / "decoding" / "decoding" / "js"
TRACE = json.loads((Path(__file__).parent / "data" / "decoding_trace.json").read_text(encoding="utf-8"))
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "שלום עולם",
    " " + "x" * 90,
    "\n\n\t",
    "",
    "\u202eevil",
    "日本語",
    "\ud800",
    "<script>alert(1)</script>",
]
VIEWS = ["tree", "area", "lattice", "text", "table"]


@pytest.fixture
def open_page(browser):
    with figures(browser, FOLDER) as make:
        yield make


def until(trace: dict, step: int) -> dict:
    """The trace as it was after `step` tokens."""
    trace = copy.deepcopy(trace)
    trace["done"] = False
    for run in trace["runs"]:
        parents = {node["id"]: node for node in run["nodes"]}
        for sequence in run["sequences"]:
            while parents[sequence["node"]]["step"] > step:
                sequence["node"] = parents[sequence["node"]]["parent"]
        run["nodes"] = [node for node in run["nodes"] if node["step"] <= step]
        run["done"] = False
    return trace


def hostile_trace() -> dict:
    trace = copy.deepcopy(TRACE)
    trace["prompt"]["text"] = "<b>مرحبا</b> <img src=x onerror=alert(2)> " + "long " * 80
    for run in trace["runs"]:
        run["name"] = f"<i>{run['name']}</i>"
        for index, node in enumerate(run["nodes"][1:]):
            node["text"] = HOSTILE[index % len(HOSTILE)]
            node["reason"] += " <img src=x onerror=alert(3)>"
        for distribution in run["distributions"].values():
            distribution["texts"] = [
                HOSTILE[index % len(HOSTILE)] for index in range(len(distribution["texts"]))
            ]
    return trace


def focused_key(page) -> str | None:
    return page.evaluate("document.activeElement.getAttribute('data-key')")


def test_a_flexible_parent_is_not_widened(open_page) -> None:
    page = open_page(TRACE, width=360)
    page.evaluate(
        "document.body.style.display = 'flex'; document.querySelector('main').style.flex = '1 0 auto'"
    )
    for view in VIEWS:
        show(page, view)
        assert overflow(page) == 0, view


def test_header_names_prompt_runs_and_origin(open_page) -> None:
    page = open_page(TRACE)
    expect(page.locator(".figure-title")).to_have_text(f"“{TRACE['prompt']['text']} …”")
    for run in TRACE["runs"]:
        expect(page.locator(".key")).to_contain_text(run["name"])
    for fact in ("SmolLM2-135M-Instruct", "embedded copy", "float32", "seed 4"):
        expect(page.locator(".provenance")).to_contain_text(fact)


def test_every_sequence_is_a_lane(open_page) -> None:
    page = open_page(TRACE)
    for run in TRACE["runs"]:
        for sequence in run["sequences"]:
            key = "-".join(map(str, sequence["token_ids"]))
            expect(page.locator(f'g.taken[data-key="{key}"]')).to_have_count(1)
            expect(page.locator(".lines path.stroke").first).to_be_attached()
    expect(page.locator("circle.fork").first).to_be_visible()
    expect(page.locator("path.branch-point")).to_have_count(1)


def test_removed_tokens_are_hatched_and_say_why(open_page) -> None:
    page = open_page(TRACE)
    page.locator(".tools select").select_option("99")
    removed = page.locator("g.removed")
    assert removed.count() > 0
    assert "url(" in removed.first.locator(".share").evaluate("(share) => getComputedStyle(share).fill")
    expect(removed.first).to_have_attribute("aria-label", re.compile("removed: top_p"))


def test_arrow_keys_walk_the_tree(open_page) -> None:
    page = open_page(TRACE)
    ids = TRACE["runs"][0]["sequences"][0]["token_ids"]
    page.locator('g[data-key=""]').focus()
    page.keyboard.press("ArrowRight")
    assert focused_key(page) == str(ids[0])
    page.keyboard.press("ArrowRight")
    assert focused_key(page) == f"{ids[0]}-{ids[1]}"
    page.keyboard.press("ArrowDown")
    sibling = focused_key(page)
    assert sibling is not None and sibling != f"{ids[0]}-{ids[1]}" and sibling.startswith(f"{ids[0]}-")
    expect(page.locator(".hint")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".hint")).to_be_hidden()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    assert focused_key(page) == str(ids[0])
    page.keyboard.press("End")
    assert focused_key(page) == "-".join(map(str, ids))
    assert page.locator('svg.tree [tabindex="0"]').count() == 1


def test_enter_selects_and_details_follow(open_page) -> None:
    page = open_page(TRACE)
    greedy = TRACE["runs"][0]
    page.locator('g[data-key=""]').focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    text = greedy["sequences"][0]["text"].split()[0]
    expect(page.locator(".facts h2")).to_have_text(f"Token 1: ·{text}")
    expect(page.locator(".facts")).to_contain_text(
        next(node["reason"] for node in greedy["nodes"] if node["status"] == "chosen" and node["step"] == 1)
    )
    expect(page.locator('[aria-selected="true"][role=treeitem]')).to_have_count(1)
    expect(page.locator(".unseen[role=status]")).to_contain_text(f"Selected {text}")


def test_a_candidate_can_become_a_branch(open_page) -> None:
    page = open_page(TRACE)
    other = page.locator("g.other").first
    key = other.get_attribute("data-key")
    other.click()
    page.get_by_role("button", name="Continue from here").click()
    ((name, detail),) = page.evaluate("emitted")
    node = next(
        node
        for node in TRACE["runs"][detail["run"]]["nodes"]
        if node["parent"] == detail["node"] and node["token_id"] == detail["token_id"]
    )
    assert name == "branch"
    assert key.split("-")[-1] == str(node["token_id"])
    other.focus()
    page.keyboard.press("b")
    assert page.evaluate("emitted.length") == 2


def test_branches_can_be_renamed_and_removed(open_page) -> None:
    page = open_page(TRACE)
    page.get_by_role("button", name=re.compile("^Rename")).click()
    page.keyboard.type("by hand")
    page.keyboard.press("Enter")
    page.get_by_role("button", name=re.compile("^Remove")).click()
    assert page.evaluate("emitted") == [["rename", {"run": 3, "name": "by hand"}], ["undo", {"run": 3}]]


def test_streaming_keeps_selection_view_and_scroll(open_page) -> None:
    page = open_page(until(TRACE, 3), width=600)
    expect(page.locator(".tags")).to_contain_text("step 3 of 8")
    item = page.locator("g.taken").nth(2)
    key = item.get_attribute("data-key")
    item.click()
    page.locator(".scroll").first.evaluate("(element) => element.scrollTo(70, 0)")
    left = page.locator(".scroll").first.evaluate("(element) => element.scrollLeft")
    before = page.locator(f'g[data-key="{key}"]').bounding_box()
    width = page.locator("svg.tree").bounding_box()["width"]
    draw(page, until(TRACE, 4))
    assert page.locator(f'g[data-key="{key}"]').bounding_box() == before
    assert page.locator(".scroll").first.evaluate("(element) => element.scrollLeft") == left
    assert abs(page.locator("svg.tree").bounding_box()["width"] - width) < 120
    expect(page.locator("g.selected")).to_have_attribute("data-key", key)
    assert focused_key(page) == key
    show(page, "text")
    draw(page, TRACE)
    expect(page.locator('[role=tab][aria-selected="true"]')).to_have_text("Text")
    expect(page.locator("progress")).to_have_count(0)


def elsewhere(model: str, word: str) -> dict:
    """The trace as if another model had the same texts and other odds."""
    trace = copy.deepcopy(TRACE)
    trace["provenance"] |= {"model": model, "revision": model}
    for run in trace["runs"]:
        for distribution in run["distributions"].values():
            distribution["texts"] = [f"{word}{place}" for place in range(len(distribution["texts"]))]
    return trace


def test_the_sampler_panel_forgets_the_model_before(open_page) -> None:
    page = open_page(TRACE)
    bars = page.locator(".sampler-odds .odds")
    expect(bars).to_be_visible()
    expect(bars).not_to_contain_text("other0")
    draw(page, elsewhere("owner/other", "other"))
    expect(bars).to_contain_text("other0")
    draw(page, {**elsewhere("owner/third", "third"), "done": True})
    expect(bars).to_contain_text("third0")


def test_the_sampler_panel_forgets_the_settings_before(open_page) -> None:
    """A run of the same name and prompt may have other settings: its chain starts from those."""
    page = open_page(TRACE)
    stage = page.locator(".stage[data-stage=top_k]")
    stage.locator("input[type=number]").fill("7")
    draw(page, {**TRACE, "done": True})
    expect(stage.locator("input[type=number]")).to_have_value("7")
    trace = copy.deepcopy(TRACE)
    for run in trace["runs"]:
        run |= {"config": {"do_sample": True, "top_k": 5}, "processors": ["top_k"], "warpers": 0}
        run["settings"] = {"top_k": {"value": 5, "origin": "strategy"}}
    draw(page, trace)
    expect(stage.locator("input[type=number]")).to_have_value("5")
    expect(stage.locator("input[type=checkbox]")).to_be_checked()


def test_what_was_asked_for_one_model_is_not_shown_for_another(open_page) -> None:
    page = open_page(TRACE)
    odds = TRACE["runs"][0]["distributions"]["0"]
    unstored = copy.deepcopy(TRACE)
    for run in unstored["runs"]:
        run["distributions"] = {}
    for place, model in enumerate(("owner/one", "owner/two"), start=1):
        page.evaluate(
            "(answer) => { window.answer = answer; }",
            {**odds, "texts": [f"{model} {token}" for token in odds["texts"]]},
        )
        draw(page, {**unstored, "provenance": {**TRACE["provenance"], "model": model}})
        expect(page.locator(".sampler-odds .odds")).to_contain_text(model.replace(" ", "·"))
        assert page.evaluate("asked.length") == place


def test_filters_leave_what_the_run_says(open_page) -> None:
    """A model with two ends of text: a beam's filters leave three tokens."""
    trace = copy.deepcopy(TRACE)
    for run in trace["runs"]:
        run |= {
            "kind": "beam_sample",
            "config": {"do_sample": True, "num_beams": 2, "top_k": 1},
            "settings": {"top_k": {"value": 1, "origin": "strategy"}},
            "processors": ["top_k"],
            "warpers": 0,
            "min_tokens_to_keep": 2,
        }
    page = open_page(trace)
    expect(page.locator(".sampler-odds .said").first).to_contain_text("2 of 49,152 tokens stay")
    for run in trace["runs"]:
        run["min_tokens_to_keep"] = 3
    draw(page, {**trace, "provenance": {**TRACE["provenance"], "revision": "later"}})
    expect(page.locator(".sampler-odds .said").first).to_contain_text("3 of 49,152 tokens stay")


@pytest.mark.parametrize("width", [360, 1120])
def test_the_sampler_panel_stands_in_line_with_its_neighbours(open_page, width) -> None:
    page = open_page(TRACE, width=width)
    left = page.locator(".facts h2").bounding_box()
    panel = page.locator(".sampler-odds").bounding_box()
    chain = page.locator(".sampler-chain").bounding_box()
    frame = page.locator(".facts").bounding_box()
    assert panel["x"] == pytest.approx(left["x"], abs=1)
    assert chain["x"] + chain["width"] == pytest.approx(frame["x"] + frame["width"] - 15, abs=1)


def test_hostile_tokens_stay_text(open_page) -> None:
    for width in (1120, 360):
        page = open_page(hostile_trace(), width=width)
        page.locator("g.taken").nth(1).click()
        for view in VIEWS:
            show(page, view)
            assert page.locator("#root img, #root script, #root b > b").count() == 0
            assert overflow(page) == 0, (view, width)
        expect(page.locator(".facts h2")).to_contain_text("<img·src=x·onerror=alert(1)>")


@pytest.mark.parametrize("view", VIEWS)
def test_no_view_widens_a_phone(open_page, view) -> None:
    page = open_page(TRACE, width=360)
    show(page, view)
    assert overflow(page) == 0


def test_tabs_move_with_arrows(open_page) -> None:
    page = open_page(TRACE)
    page.get_by_role("tab", name="Tree").focus()
    for label in ("Probability area", "Beams", "Text", "Table", "Tree"):
        page.keyboard.press("ArrowRight")
        expect(page.locator("[role=tab]:focus")).to_have_text(label)
        expect(page.locator("[role=tabpanel]:visible")).to_have_count(1)


def test_no_beams_no_tab(open_page) -> None:
    trace = {**TRACE, "runs": [TRACE["runs"][0], TRACE["runs"][2]]}
    page = open_page(trace)
    expect(page.get_by_role("tab", name="Beams")).to_be_hidden()


def test_area_divides_by_probability(open_page) -> None:
    page = open_page(TRACE)
    show(page, "area")
    root = TRACE["runs"][0]["nodes"]
    best = max((node for node in root if node["parent"] == 0), key=lambda node: node["logprob_raw"])
    whole = float(page.locator('.cell[data-key=""] rect').get_attribute("height"))
    part = float(page.locator(f'.cell[data-key="{best["token_id"]}"] rect').get_attribute("height"))
    assert part / whole == pytest.approx(2.718281828 ** best["logprob_raw"], rel=1e-3)
    page.locator(f'.cell[data-key="{best["token_id"]}"]').click()
    assert float(
        page.locator(f'.cell[data-key="{best["token_id"]}"] rect').get_attribute("height")
    ) == pytest.approx(whole)
    expect(page.locator(".crumbs [aria-current]")).to_contain_text(best["text"].strip())
    expect(page.locator(".area-panel .picture-caption")).to_contain_text("one in")


def test_lattice_scrubs_and_says_why(open_page) -> None:
    page = open_page(TRACE)
    show(page, "lattice")
    slider = page.get_by_label("Step of the search")
    slider.fill("3")
    nodes = [node for node in TRACE["runs"][1]["nodes"] if node["step"] == 3 and node["rank"] is not None]
    rows = page.locator(".candidates tbody tr")
    expect(rows).to_have_count(len(nodes))
    for node in nodes:
        expect(page.locator(".candidates tbody")).to_contain_text(node["reason"])
    assert page.locator('[data-step="4"]').count() == 0
    slider.press("ArrowRight")
    expect(page.locator(".scrubber output")).to_have_text("step 4 of 8")
    assert page.locator('[data-step="4"]').count() > 0


def test_text_view_measures(open_page) -> None:
    page = open_page(TRACE)
    show(page, "text")
    greedy = TRACE["runs"][0]
    path, node = [], greedy["nodes"][greedy["sequences"][0]["node"]]
    while node["parent"] is not None:
        path.append(node["logprob_raw"])
        node = greedy["nodes"][node["parent"]]
    cells = page.locator(".measures tbody tr").first.locator("td")
    expect(cells.nth(0)).to_have_text(f"{sum(path):.2f}".replace("-", "−"))
    expect(cells.nth(2)).to_have_text(f"{2.718281828 ** (-sum(path) / len(path)):.2f}")
    token = page.locator(".prose bdi").nth(1)
    token.focus()
    expect(page.locator(".hint .odds")).to_have_count(10)
    page.keyboard.press("ArrowRight")
    expect(page.locator(".prose bdi:focus")).to_have_count(1)
    page.get_by_label("by entropy").check()
    expect(page.locator(".scale")).to_contain_text("bits")


def test_table_lists_every_node(open_page) -> None:
    page = open_page(TRACE)
    show(page, "table")
    total = sum(len(run["nodes"]) - 1 for run in TRACE["runs"])
    expect(page.locator(".filters [role=status]")).to_contain_text(f"of {total}")
    page.get_by_label("step", exact=True).select_option("2")
    page.get_by_label("strategy").select_option("0")
    expect(page.locator(".table-panel tbody tr")).to_have_count(
        sum(node["step"] == 2 for node in TRACE["runs"][0]["nodes"])
    )


def test_states_without_a_picture(open_page) -> None:
    page = open_page()
    draw(page, None)
    expect(page.locator(".message")).to_contain_text("press Decode")
    draw(page, {"error": {"what": "The prompt is empty.", "remedy": "Write a few words."}})
    expect(page.get_by_role("alert")).to_have_text("The prompt is empty. Write a few words.")
    draw(page, {**TRACE, "example": True})
    expect(page.locator(".tag")).to_have_text("stored example")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_dark_follows_the_page(open_page) -> None:
    ground = "getComputedStyle(document.querySelector('.decoding-figure')).getPropertyValue('--paper').trim()"
    assert open_page(TRACE).evaluate(ground) == "#fff"
    assert open_page(TRACE, scheme="dark").evaluate(ground) == "#0f1115"
    page = open_page(TRACE)
    page.evaluate("document.body.classList.add('dark')")
    assert page.evaluate(ground) == "#0f1115"
    page = open_page(TRACE, scheme="dark")
    page.evaluate("document.documentElement.classList.remove('dark')")
    assert page.evaluate(ground) == "#fff", "inside Gradio only its own class counts"


def test_an_exported_file_follows_its_host(browser, tmp_path) -> None:
    path = tmp_path / "decoding.html"
    dark = "document.documentElement.classList.contains('dark')"
    with exported(browser, path, TRACE, FOLDER, scheme="dark") as page:
        assert page.evaluate(dark)
        page.emulate_media(color_scheme="light")
        expect(page.locator("html")).not_to_have_class("dark")
        page.goto(f"{path.as_uri()}?theme=dark")
        assert page.evaluate(dark)
        around = page.context.new_page()
        around.evaluate(
            """text => {
              const frame = document.createElement("iframe");
              frame.srcdoc = text;
              frame.dataset.theme = "dark";
              document.body.append(frame);
            }""",
            path.read_text(encoding="utf-8"),
        )
        around.frame_locator("iframe").locator(".decoding-figure").wait_for(state="attached")
        frame = around.frames[1]
        assert frame.evaluate(dark)
        around.evaluate("frames[0].postMessage({ type: 'figure-theme', theme: 'light' }, '*')")
        expect(around.frame_locator("iframe").locator("html")).not_to_have_class("dark")


@pytest.mark.parametrize("view", ["tree", "area", "lattice"])
def test_svg_is_static_and_whole(open_page, view) -> None:
    page = open_page(hostile_trace())
    show(page, view)
    check_svg(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download SVG").click()
    assert download.value.suggested_filename == "decoding.svg"
    drawn = re.search(r'<svg[^>]* width="(\d+)" height="([\d.]+)"', download.value.path().read_text("utf-8"))
    with page.expect_download() as download:
        page.get_by_role("button", name="Download PNG").click()
    assert download.value.suggested_filename == "decoding.png"
    with Image.open(download.value.path()) as pixels:
        wide = pixels.width / int(drawn[1])
        assert wide == pytest.approx(min(2, (16e6 / int(drawn[1]) / float(drawn[2])) ** 0.5), abs=0.01)
        assert pixels.height / float(drawn[2]) == pytest.approx(wide, abs=0.01)
        assert len(pixels.convert("RGB").getcolors(1 << 20)) > 50, "letters have many shades"


def test_zoom_by_keys_and_buttons(open_page) -> None:
    page = open_page(TRACE)
    width = page.locator("svg.tree").bounding_box()["width"]
    page.get_by_role("button", name="Zoom in").click()
    assert page.locator("svg.tree").bounding_box()["width"] == pytest.approx(1.25 * width, abs=2)
    page.locator("g.taken").first.focus()
    page.keyboard.press("0")
    smallest = page.evaluate(
        """() => Math.min(...[...document.querySelectorAll("svg.tree text")].map(text =>
             parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a))"""
    )
    fitted = page.locator("svg.tree").bounding_box()["width"]
    assert smallest >= 9
    assert fitted <= 1120 or smallest * 1120 / fitted < 9, "in the whole width nobody could read the letters"


def test_reduced_motion(open_page) -> None:
    page = open_page(TRACE, reduced="reduce")
    assert page.evaluate("getComputedStyle(document.querySelector('g.place')).animationName") == "none"


def test_exported_file_works_from_disk(browser, tmp_path) -> None:
    with exported(browser, tmp_path / "decoding.html", TRACE, FOLDER) as page:
        page.locator('g.other[aria-level="2"]').first.click()
        expect(page.locator(".facts h2")).to_contain_text("Token 1")
        expect(page.get_by_role("button", name="Continue from here")).to_have_count(0)
        expect(page.get_by_role("button", name=re.compile("^Rename"))).to_have_count(0)
        assert overflow(page) == 0


def other_prompt(trace: dict) -> None:
    trace["prompt"] |= {"text": "Another beginning", "token_ids": [7, 8], "tokens": ["Another", " beginning"]}
    trace["prompt"] |= {"bytes": ["", ""], "parts": ["special", "prompt"], "notes": ["A note."]}
    trace["request"]["prompt"] = "Another beginning"


def other_numbers(trace: dict) -> None:
    """As another copy of the model gives them, with the same fates and reasons."""
    for run in trace["runs"]:
        for node in run["nodes"][1:]:
            node["logprob_raw"] = node["logprob_raw"] and node["logprob_raw"] * 1.5
            node["logprob_processed"] = node["logprob_processed"] and node["logprob_processed"] * 1.5
            node["cumulative_logprob"] = node["cumulative_logprob"] and node["cumulative_logprob"] * 1.5
        for decision in run["decisions"].values():
            decision["entropy"] *= 1.5
        for odds in run["distributions"].values():
            odds["raw"] = [value * 1.5 for value in odds["raw"]]


def other_settings(trace: dict) -> None:
    trace["generation_config"] = {"repetition_penalty": 1.1}
    for run in trace["runs"]:
        run["settings"]["repetition_penalty"] = {"value": 1.1, "origin": "model"}


def other_names(trace: dict) -> None:
    for run in trace["runs"]:
        run["name"] = f"{run['name']} again"
        run["color"] += 1


VISIBLE = """() => {
  const root = document.getElementById("root").cloneNode(true);
  for (const panel of root.querySelectorAll("[role=tabpanel][hidden]")) panel.remove();
  return root.innerHTML;
}"""


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("change", [other_prompt, other_numbers, other_settings, other_names])
def test_what_is_drawn_over_another_looks_as_if_drawn_anew(open_page, change, view) -> None:
    """No part keeps what it showed of the trace before."""
    trace = copy.deepcopy(TRACE)
    change(trace)
    pictures = []
    for before in ([TRACE], []):
        page = open_page()
        for data in [*before, trace]:
            draw(page, data)
            show(page, view)
            page.wait_for_function("document.querySelector('.facts h2')")
        page.wait_for_timeout(150)  # the ranges below the odds wait a moment
        pictures.append(page.evaluate(VISIBLE))
    assert pictures[0] == pictures[1]


def with_settings(**settings) -> dict:
    """The trace with settings that the model or transformers says, of a run that draws."""
    trace = copy.deepcopy(TRACE)
    run = trace["runs"][2]
    trace["runs"], trace["request"]["strategies"] = [run], [trace["request"]["strategies"][2]]
    run["settings"] = {"do_sample": {"value": True, "origin": "strategy"}, **settings}
    run |= {"processors": [*settings], "warpers": int("repetition_penalty" in settings), "color": 0}
    trace["generation_config"] = {
        name: one["value"] for name, one in settings.items() if one["origin"] == "model"
    }
    return trace


OWN = {
    "repetition_penalty": {"value": 1.1, "origin": "model"},
    "temperature": {"value": 0.6, "origin": "model"},
    "top_k": {"value": 50, "origin": "default"},
}


def test_the_panel_starts_from_the_settings_that_count(open_page) -> None:
    page = open_page(with_settings(**OWN))
    stage = page.locator(".stage[data-stage=temperature]")
    expect(stage.locator("input[type=number]")).to_have_value("0.6")
    expect(stage.locator("input[type=checkbox]")).to_be_checked()
    expect(stage.locator(".told")).to_contain_text("the model's own setting")
    expect(page.locator(".stage[data-stage=top_k] .told")).to_contain_text("transformers' default")
    expect(page.locator(".before-chain")).to_contain_text("repetition_penalty 1.1 (the model's own setting)")
    expect(page.locator(".key")).to_contain_text("with the model's repetition_penalty 1.1, temperature 0.6")
    expect(page.locator(".facts")).to_contain_text("temperature 0.6 (the model's own setting)")


def test_what_is_switched_off_is_sent_as_off(open_page) -> None:
    """Else the model's own setting would come back with the run."""
    page = open_page(with_settings(**OWN))
    page.locator(".stage[data-stage=temperature] input[type=checkbox]").uncheck()
    page.get_by_role("button", name="Decode with these settings").click()
    assert page.evaluate("emitted") == [["apply", {"run": 0, "config": {"temperature": 1, "top_k": 50}}]]


def test_a_strategy_that_does_not_draw_is_not_said_to_decode(open_page) -> None:
    page = open_page(TRACE)
    expect(page.get_by_role("button", name="Sample with these settings")).to_be_visible()
    expect(page.get_by_role("button", name="Decode with these settings")).to_have_count(0)


@pytest.mark.parametrize(
    ("stage", "value"), [("top_p", "0"), ("temperature", "0"), ("min_p", "2"), ("top_k", "1.5")]
)
def test_a_value_that_no_run_takes_is_refused_in_the_panel(open_page, stage, value) -> None:
    page = open_page(TRACE)
    card = page.locator(f".stage[data-stage={stage}]")
    card.locator("input[type=number]").fill(value)
    expect(card.locator(".told")).to_contain_text(f"{stage} must be")
    expect(card.locator("input[type=number]")).to_have_attribute("aria-invalid", "true")
    page.get_by_role("button", name="Reset").click()
    expect(card.locator(".told")).to_have_text("off")


def with_pieces() -> dict:
    """The trace with a character of two tokens in its first text."""
    trace = copy.deepcopy(TRACE)
    run = trace["runs"][0]
    leaf, path = run["sequences"][0]["node"], []
    while run["nodes"][leaf]["parent"] is not None:
        path.insert(0, run["nodes"][leaf])
        leaf = run["nodes"][leaf]["parent"]
    for other in trace["runs"]:
        for node in other["nodes"]:
            if node["token_id"] == path[1]["token_id"] and node["step"] == 2:
                node |= {"text": "", "bytes": "E3 81"}
            if node["token_id"] == path[2]["token_id"] and node["step"] == 3:
                node["text"] = "あ"
    return trace


@pytest.mark.parametrize("view", ["tree", "area", "text", "table"])
def test_a_character_of_several_tokens_stands_where_it_completes(open_page, view) -> None:
    page = open_page(with_pieces())
    show(page, view)
    panel = page.locator("[role=tabpanel]:visible")
    expect(panel).to_contain_text("E3 81")
    if view == "area":  # its cell is too low for words
        expect(panel.get_by_role("treeitem", name="あ").first).to_be_attached()
    else:
        expect(panel).to_contain_text("あ")
    expect(panel).not_to_contain_text("\ufffd")
    if view == "tree":
        page.locator("g.taken").nth(3).click()
        expect(page.locator(".facts .context")).not_to_contain_text("E3 81")
        expect(page.locator(".facts h2")).to_have_text("Token 3: あ")
        page.locator("g.taken").nth(2).click()
        expect(page.locator(".facts h2")).to_have_text("Token 2: ⟨E3 81⟩")
        expect(page.locator(".unseen[role=status]")).to_contain_text("bytes E3 81, a part of a character")


def test_the_prompt_is_drawn_as_the_model_read_it(open_page) -> None:
    trace = copy.deepcopy(TRACE)
    tokens = ["<s>", "user", "\n", "Be", " kind", "Hi", "", "🌳"]
    parts = ["special", "template", "template", "hidden", "hidden", "prompt", "prompt", "prompt"]
    trace["prompt"] |= {
        "tokens": tokens,
        "parts": parts,
        "token_ids": list(range(8)),
        "notes": ["It ends so."],
    }
    trace["prompt"]["bytes"] = ["", "", "", "", "", "", "F0 9F", ""]
    page = open_page(trace)
    drawn = page.locator(".prompt-tokens bdi")
    assert drawn.all_inner_texts() == ["<s>", "user", "⏎", "Be", "·kind", "Hi", "⟨F0 9F⟩", "🌳"]
    expect(page.locator(".facts")).to_contain_text("The model read 8 tokens: special tokens")
    expect(page.locator(".facts")).to_contain_text("a system prompt that the template adds")
    expect(page.locator(".warnings")).to_contain_text("It ends so.")
    show(page, "text")
    assert overflow(page) == 0


def test_thinking_is_folded_in_the_text(open_page) -> None:
    """A click shows it, and it stays so while the figure is drawn again."""
    trace = copy.deepcopy(TRACE)
    run = trace["runs"][0]
    path, node = [], run["nodes"][run["sequences"][0]["node"]]
    while node["parent"] is not None:
        path.insert(0, node)
        node = run["nodes"][node["parent"]]
    path[0]["text"], path[3]["text"] = "<think>", "</think>"
    page = open_page(trace)
    show(page, "text")
    fold = page.locator(".thinking").first
    thought, answer = fold.locator("bdi").nth(1), page.locator(".prose").first.locator("> bdi").first
    expect(fold.locator("summary")).to_have_text("thinking, 4 tokens")
    expect(thought).to_be_hidden()
    expect(answer).to_have_attribute("tabindex", "0")
    answer.focus()
    page.keyboard.press("Home")
    expect(answer).to_be_focused()
    fold.locator("summary").click()
    expect(thought).to_be_visible()
    draw(page, {**trace, "done": True})
    expect(thought).to_be_visible()


def test_what_is_saved_while_a_run_goes_on_says_when(browser, tmp_path):
    """In a file nothing goes on: no bar, and the step is that of its saving."""
    data = {**TRACE, "done": False, "example": False}
    with exported(browser, tmp_path / "figure.html", data, FOLDER, width=1120) as page:
        tags = page.locator(".tags").inner_text()
        assert re.fullmatch(r"saved at step \d+ of \d+", tags), tags
        assert not page.locator(".state progress").count()
        with page.expect_download() as download:
            page.get_by_role("button", name="Download SVG").first.click()
        assert f" · {tags}</text>" in download.value.path().read_text()
