"""The quantization figures in a real browser, on the stored examples: what they say, what can be moved, and
hostile data.
"""

from __future__ import annotations

import copy
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from quantization import metrics
from tests.browser.harness import axe_in_light_and_dark, draw, exported, figures

ROOT = Path(__file__).parents[2] / "spaces" / "quantization"
FOLDER = ROOT / "quantization" / "js"
COMPARE = json.loads((ROOT / "examples" / "compare.json").read_text(encoding="utf-8"))
LAB = json.loads((ROOT / "examples" / "lab.json").read_text(encoding="utf-8"))
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def open_page(browser):
    with figures(browser, FOLDER, "onGrid, meanSquare, halfEven, mixWithin, nextDifference") as make:
        yield make


def show(page, view: str) -> None:
    page.get_by_role("tab", name=view, exact=True).click()


COMPARE_VIEWS = ("Size against quality", "Table", "Token microscope", "Sensitivity", "Answers")
LAB_VIEWS = ("One block", "Histogram", "Error map", "All methods", "Table")


def test_the_front_is_the_one_that_python_finds(open_page) -> None:
    page = open_page(COMPARE)
    rows = [row for row in COMPARE["rows"] if row["status"] == "done"]
    front = metrics.pareto([(row["file_bytes"], row["kld"]["mean"]) for row in rows])
    assert [row["front"] for row in rows] == front
    path = page.locator("path.front").get_attribute("d")
    assert path.count("H") + 1 == sum(front)
    expect(page.locator("[data-row]")).to_have_count(len(rows))
    for row in rows:
        expect(page.locator(f'[data-row="{row["format"]}"] .point-name')).to_have_count(1)


@pytest.mark.parametrize("width", [360, 1120])
def test_names_stand_inside_the_plot_and_on_nothing_else(open_page, width) -> None:
    page = open_page(COMPARE, width=width)
    boxes = (
        "parts => parts.map((part) => { const { x, y, width, height } = part.getBoundingClientRect();"
        " return [x, y, x + width, y + height]; })"
    )
    names, marks = (
        page.locator(".point-name").evaluate_all(boxes),
        page.locator("[data-row] .mark").evaluate_all(boxes),
    )
    grid = page.locator("svg.pareto .grid-line").last.bounding_box()
    assert len(names) == len(COMPARE["rows"])
    for index, (left, top, right, bottom) in enumerate(names):
        assert grid["x"] - 1 <= left and right <= grid["x"] + grid["width"] + 1
        for other in [*names[:index], *names[index + 1 :], *marks]:
            shared = min(right, other[2]) - max(left, other[0]), min(bottom, other[3]) - max(top, other[1])
            assert min(shared) <= 3, "a line of text is a little higher than its letters"
    shown = page.locator('[data-row="own:gptq-int4-g64"] .point-name')
    expect(shown).to_have_text("gptq-int4-g64" if width == 360 else "own gptq-int4-g64")


def test_the_budget_names_the_best_row_that_fits(open_page) -> None:
    page = open_page(COMPARE)
    slider = page.get_by_role("slider", name="Budget")
    for value in ("120", "400", "800"):
        slider.fill(value)
        said = page.locator(".verdict").inner_text()
        if said.startswith("Nothing"):
            continue
        most = float(re.search(r"Within ([\d.,]+) MB", said).group(1).replace(",", ""))
        fitting = [row for row in COMPARE["rows"] if row["file_bytes"] / 1e6 <= most + 0.6]
        assert min(fitting, key=lambda row: row["kld"]["mean"])["format"] in said
    slider.focus()
    before = page.locator("line.cut-line").get_attribute("x1")
    page.keyboard.press("ArrowLeft")
    assert page.locator("line.cut-line").get_attribute("x1") != before
    box = page.locator("svg.pareto").bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + box["height"] - 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + box["height"] - 60)
    page.mouse.up()
    assert float(page.locator("line.cut-line").get_attribute("x1")) == pytest.approx(
        0.3 * box["width"], abs=4
    )


def test_the_table_sorts_and_opens_a_row(open_page) -> None:
    page = open_page(COMPARE)
    show(page, "Table")
    page.get_by_role("button", name="bits/weight").click()
    order = [text.strip("▸ \n") for text in page.locator("table.rows > tbody > tr > th").all_inner_texts()]
    expected = sorted((row for row in COMPARE["rows"]), key=lambda row: row["bits"])
    assert order == ["base", *[row["format"] for row in expected]]
    page.locator('[data-format="gguf:Q4_K_M"]').click()
    expect(page.locator(".detail")).to_contain_text("rows of 576 weights are no multiple of 256")
    expect(page.locator('[data-format="gguf:Q4_K_M"]')).to_have_attribute("aria-expanded", "true")
    tied = [row for row in COMPARE["rows"] if row["tied"]]
    assert tied
    cell = (
        page.locator("table.rows > tbody > tr", has=page.locator(f'[data-format="{tied[0]["format"]}"]'))
        .locator("td")
        .first
    )
    expect(cell).to_have_text(f"{tied[0]['rank']} =")


def test_the_microscope_walks_to_the_next_difference(open_page) -> None:
    page = open_page(COMPARE)
    show(page, "Token microscope")
    page.get_by_role("combobox", name="Format").select_option("gguf:Q4_0")
    tops = COMPARE["microscope"]["rows"]["gguf:Q4_0"]["top"]
    differing = [
        mine[0][0] != base[0][0] for mine, base in zip(tops, COMPARE["microscope"]["base"], strict=True)
    ]
    expect(page.locator("#root")).to_contain_text(
        f"The top token differs at {sum(differing)} of {len(differing)} positions"
    )
    page.get_by_role("button", name="Next token where greedy diverges").click()
    chosen = int(page.locator('.scored[aria-pressed="true"]').get_attribute("data-place"))
    assert chosen == differing.index(True) or (differing[0] and chosen > 0)
    page.keyboard.press("ArrowRight")
    assert int(page.locator('.scored[aria-pressed="true"]').get_attribute("data-place")) == chosen + 1
    expect(page.locator(".scored")).to_have_count(len(differing))
    expect(page.locator("table.pairs")).to_contain_text("%")


def test_line_breaks_are_seen_and_pressed(open_page) -> None:
    """A token of line breaks alone once was a button of no width."""
    data = json.loads(json.dumps(COMPARE))
    place = data["tokens"]["scored"].index(True)
    data["tokens"]["pieces"][place] = "\n\n"
    page = open_page(data)
    show(page, "Token microscope")
    button = page.locator('.scored[data-place="0"]')
    assert button.text_content() == "⏎\n⏎\n"
    page.locator('.scored[data-place="3"]').click()
    button.click(position={"x": 4, "y": 6})
    expect(button).to_have_attribute("aria-pressed", "true")


def test_a_type_keeps_its_swatch_and_no_two_share_one(open_page) -> None:
    page = open_page(COMPARE)
    show(page, "Sensitivity")
    slider = page.get_by_role("slider")
    swatches: dict[str, str] = {}
    for share in (0, 0.3, 0.6, 1):
        slider.evaluate(
            "(node, share) => { node.value = +node.min + share * (node.max - node.min);"
            "node.dispatchEvent(new Event('input')); }",
            share,
        )
        for label, name in page.locator(".mix-key > span").evaluate_all(
            "nodes => nodes.map(node => [node.textContent.trim().split(' ')[0], node.firstChild.className])"
        ):
            assert swatches.setdefault(label, name) == name
    assert len(set(swatches.values())) == len(swatches) > 2
    boxes = page.locator(".mix-grid .kind").count()
    assert boxes == 60 and page.locator(".mix-tick").all_inner_texts()[::5] == [
        "0",
        "5",
        "10",
        "15",
        "20",
        "25",
    ]


def test_no_mark_hides_another_and_whiskers_end_beside_it(open_page) -> None:
    data = json.loads(json.dumps(COMPARE))
    one, other = data["rows"][:2]
    other.update(file_bytes=one["file_bytes"], bits=one["bits"], kld=one["kld"])
    page = open_page(data)
    middles = page.locator("[data-row] .mark").evaluate_all(
        "nodes => nodes.map(node => { const box = node.getBoundingClientRect();"
        "return [box.x + box.width / 2, box.y + box.height / 2]; })"
    )
    for place, (x, y) in enumerate(middles):
        assert all(abs(x - left) + abs(y - top) > 9 for left, top in middles[:place])
    caps = page.locator("[data-row] path.whisker")
    assert caps.count() == len(data["rows"])
    assert all(width >= 13 for width in caps.evaluate_all("nodes => nodes.map(node => node.getBBox().width)"))


def test_a_budget_gives_the_engines_mix(open_page) -> None:
    """The path replayed in the browser: the same bytes and prediction as the plain sum over the chosen
    types.
    """
    page = open_page(COMPARE)
    budget = COMPARE["budget"]
    smallest = budget["fixed_bytes"] + sum(unit[0] for unit in budget["bytes"])
    for extra in (0, 3e6, 9e6, 1e9):
        chosen, size = list(budget["start"]), smallest
        for unit, step in budget["path"]:
            more = budget["bytes"][unit][step] - budget["bytes"][unit][chosen[unit]]
            if size + more > smallest + extra:
                break
            size, chosen[unit] = size + more, step
        found = page.evaluate(
            "([budget, bytes]) => maths.mixWithin(budget, bytes)", [budget, smallest + extra]
        )
        assert found["bytes"] == size
        assert found["predicted"] == pytest.approx(
            sum(budget["predicted"][unit][step] for unit, step in enumerate(chosen))
        )
    show(page, "Sensitivity")
    page.get_by_role("button", name="Measure this mix").click()
    (name, detail), *_ = page.evaluate("emitted")
    assert name == "mix" and detail["bytes"] > smallest


def test_blind_answers_are_revealed_at_the_end(open_page) -> None:
    page = open_page(COMPARE)
    show(page, "Answers")
    expect(page.locator(".answers article")).to_have_count(len(COMPARE["answers"]["items"]))
    page.get_by_role("button", name="Compare blind").click()
    shown = page.locator(".answers").inner_text()
    assert not any(row["format"] in shown for row in COMPARE["rows"])
    page.get_by_role("button", name="A is better").click()
    page.get_by_role("button", name="No difference").click()
    page.get_by_role("button", name="Reveal").click()
    expect(page.locator(".revealed li")).to_have_count(2)
    assert any(row["format"] in page.locator(".revealed").inner_text() for row in COMPARE["rows"])
    page.get_by_role("button", name="Back to all answers").click()
    expect(page.locator(".answers article").first).to_contain_text("base")


def growing(done: int) -> dict[str, Any]:
    data = copy.deepcopy(COMPARE)
    for index, row in enumerate(data["rows"]):
        if index >= done:
            data["rows"][index] = {
                "format": row["format"],
                "engine": row["engine"],
                "label": row["label"],
                "status": "running" if index == done else "waiting",
            }
            data["microscope"]["rows"].pop(row["format"], None)
    names = {row["format"] for row in data["rows"][:done]}
    data["answers"]["items"] = [
        item for item in data["answers"]["items"] if item["format"] in names or item["format"] == "base"
    ]
    return {
        **data,
        "done": False,
        "sensitivity": None,
        "budget": None,
        "progress": {"label": "Measuring", "value": done, "max": 12},
    }


def test_a_growing_run_keeps_the_view_and_room_for_every_row(open_page) -> None:
    page = open_page(growing(0))
    expect(page.locator("#root")).to_contain_text("No format has been measured yet.")
    show(page, "Table")
    expect(page.locator("table.rows > tbody > tr")).to_have_count(1 + len(COMPARE["rows"]))
    draw(page, growing(2))
    expect(page.get_by_role("tab", name="Table", exact=True)).to_have_attribute("aria-selected", "true")
    expect(page.locator("table.rows > tbody > tr")).to_have_count(1 + len(COMPARE["rows"]))
    expect(page.locator("table.rows")).to_contain_text("measuring")
    failed = growing(2)
    failed["rows"][2] |= {"status": "failed", "error": {"what": HOSTILE, "remedy": "Take another."}}
    draw(page, failed)
    expect(page.locator("table.rows")).to_contain_text(HOSTILE)
    draw(page, {"error": {"what": "It was cancelled.", "remedy": "Press Compare."}})
    expect(page.get_by_role("alert")).to_contain_text("It was cancelled.")
    expect(page.locator("table.rows")).to_contain_text("gguf:Q8_0")


def test_the_states_without_a_picture(open_page) -> None:
    page = open_page()
    draw(page, None)
    expect(page.locator("#root")).to_contain_text("press Compare")
    draw(
        page,
        {
            "kind": "lab",
            "done": False,
            "run_id": "",
            "title": "x",
            "progress": {"label": "Quantizing", "value": 0, "max": 1},
        },
    )
    expect(page.locator("#root")).to_contain_text("Quantizing")
    draw(page, {"error": {"what": f"No such weight {HOSTILE}.", "remedy": "Choose another."}})
    expect(page.get_by_role("alert")).to_contain_text(HOSTILE)
    assert page.locator("img").count() == 0


def test_dragging_a_handle_computes_as_the_methods_do(open_page) -> None:
    page = open_page(LAB)
    torch = pytest.importorskip("torch")
    from quantization.methods.affine import Grid, decode, encode

    chance = random.Random(0)
    for _ in range(40):
        weights = [chance.gauss(0, 0.1) for _ in range(64)]
        scale, zero = chance.uniform(0.001, 0.1), chance.randint(0, 15)
        grid = Grid(
            torch.tensor([[scale]], dtype=torch.float64),
            torch.tensor([[float(zero)]], dtype=torch.float64),
            0,
            15,
        )
        codes = encode(torch.tensor([[weights]], dtype=torch.float64), grid)
        values = decode(codes, grid).flatten().tolist()
        found = page.evaluate(
            "([w, g]) => maths.onGrid(w, g)", [weights, {"scale": scale, "zero": zero, "low": 0, "high": 15}]
        )
        assert found["codes"] == codes.flatten().tolist()
        assert found["values"] == pytest.approx(values, rel=1e-5)
    assert [page.evaluate("maths.halfEven", value) for value in (0.5, 1.5, 2.5, -0.5, -1.5, 2.4)] == [
        0,
        2,
        2,
        0,
        -2,
        2,
    ]


def test_handles_move_the_error_and_ask_the_model(open_page) -> None:
    page = open_page(LAB)
    page.evaluate(
        "window.answer = {sqnr: 12.3, mse: 1e-4, bits: 4.3, kld: {mean: 0.5, sigma: 0.01, tokens: 127}}"
    )
    caption = page.locator(".picture-caption")
    before = caption.inner_text()
    page.get_by_role("slider", name="scale").focus()
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    expect(caption).not_to_have_text(before)
    expect(caption).to_contain_text("→")
    expect(page.locator("#root")).to_contain_text("→ 12.3 dB", timeout=5_000)
    name, argument = page.evaluate("asked")[-1]
    assert (
        name == "adjust"
        and argument["tensor"] == LAB["tensor"]
        and argument["settings"]["scale_factor"] > 1.0
    )
    page.get_by_role("button", name="Reset").click()
    expect(caption).to_have_text(before)
    page.locator(".codes button").nth(5).click()
    block = LAB["blocks"][0]
    expect(page.locator(".arithmetic")).to_contain_text(f"weight {block['start'] + 5}:")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".arithmetic")).to_contain_text(f"weight {block['start'] + 6}:")


def lab_data(type: str) -> dict[str, Any]:
    """The lab's data of a random weight in a ggml type."""
    torch = pytest.importorskip("torch")
    from quantization import lab

    weight = torch.randn(32, 64, generator=torch.Generator().manual_seed(0)) * 0.05
    data, _ = lab.explore(weight, type, {})
    common = {name: LAB[name] for name in ("kind", "drawable", "done", "provenance")}
    request = {**LAB["request"], "method": type, "settings": {}}
    return json.loads(
        json.dumps({**data, **common, "run_id": type, "title": type, "warnings": [], "request": request})
    )


@pytest.mark.parametrize("type", ["Q8_0", "Q4_0"])
def test_codes_are_the_files_until_a_handle_moves(open_page, type) -> None:
    """ggml rounds before it stores the scale in float16: the stored scale alone gives other codes here and
    there.
    """
    data = lab_data(type)
    page = open_page(data)
    differing = 0
    for index, block in enumerate(data["blocks"]):
        page.get_by_role("combobox", name="Show").select_option(str(index))
        assert [int(code) for code in page.locator(".codes button").all_inner_texts()] == block["codes"]
        again = page.evaluate("([w, g]) => maths.onGrid(w, g)", [block["weights"], block["affine"]])["codes"]
        differing += again != block["codes"]
    assert differing or type != "Q8_0", "the blocks must show the difference"
    caption = page.locator(".picture-caption")
    expect(caption).not_to_contain_text("→")
    negative = block["affine"]["scale"] < 0
    page.get_by_role("slider", name="−scale" if negative else "scale").press("ArrowRight")
    expect(caption).to_contain_text("→")
    before, after = (float(text) for text in re.findall(r"([\d.]+) dB", caption.inner_text()))
    assert abs(before - after) < 3, "one step of the handle is a small step"


def test_the_zero_point_moves_this_block_alone(open_page) -> None:
    page = open_page(LAB)
    page.get_by_role("slider", name="zero point, block alone").press("ArrowRight")
    expect(page.locator(".picture-caption")).to_contain_text("→")
    page.wait_for_timeout(500)
    assert page.evaluate("asked") == []


def test_a_rotated_weight_is_asked_for_as_such(open_page) -> None:
    rotation = {"kurtosis_before": 4.0, "kurtosis_after": 3.0, "sqnr_before": 20.0, "sqnr_after": 21.0}
    page = open_page({**LAB, "rotation": rotation, "request": {**LAB["request"], "rotation": True}})
    page.evaluate(
        "(block) => { window.answer = block; }", {**LAB["blocks"][1], "label": "asked", "row": 4, "block": 1}
    )
    page.get_by_role("spinbutton", name="row").fill("4")
    page.get_by_role("spinbutton", name="row").press("Enter")
    expect(page.get_by_role("combobox", name="Show")).to_contain_text("asked")
    page.evaluate(
        "window.answer = {sqnr: 12.3, mse: 1e-4, bits: 4.3, kld: {mean: 0.5, sigma: 0.01, tokens: 127}}"
    )
    page.get_by_role("slider", name="clip").press("ArrowLeft")
    expect(page.locator("#root")).to_contain_text("→ 12.3 dB", timeout=5_000)
    assert [(name, argument["rotation"]) for name, argument in page.evaluate("asked")] == [
        ("block", True),
        ("adjust", True),
    ]


def test_an_answer_that_comes_late_is_not_shown(open_page) -> None:
    """Two blocks are asked for; the first answer comes last, and the last one when another figure stands
    there.
    """
    page = open_page(LAB)
    page.evaluate(
        "() => { window.waiting = []; host.fetch = () => new Promise((resolve) => waiting.push(resolve)); }"
    )
    block = {**LAB["blocks"][1], "row": 4, "block": 1}
    rows = page.get_by_role("spinbutton", name="row")
    shown = page.get_by_role("combobox", name="Show")
    for row in ("3", "4"):
        rows.fill(row)
        rows.press("Enter")
    page.evaluate("(block) => waiting[1]({...block, label: 'second'})", block)
    expect(shown).to_contain_text("second")
    page.evaluate("(block) => waiting[0]({...block, label: 'first'})", block)
    rows.fill("5")
    rows.press("Enter")
    draw(page, {**LAB, "run_id": "another"})
    page.evaluate("(block) => waiting[2]({...block, label: 'third'})", block)
    page.wait_for_timeout(100)
    assert "first" not in shown.inner_text() and "third" not in shown.inner_text()
    expect(shown).to_have_value("0")


def test_every_dot_has_a_line_to_its_level(open_page) -> None:
    page = open_page(LAB)
    block = LAB["blocks"][0]
    expect(page.locator("circle.weight")).to_have_count(len(block["weights"]))
    ends = page.locator("line.arrow").evaluate_all(
        "lines => lines.map((line) => Number(line.getAttribute('x2')))"
    )
    ticks = page.locator("line.level").evaluate_all(
        "lines => lines.map((line) => Number(line.getAttribute('x1')))"
    )
    assert len(ticks) == 16 and all(min(abs(end - tick) for tick in ticks) < 0.05 for end in ends)


def test_the_histogram_counts_every_weight(open_page) -> None:
    page = open_page(LAB)
    show(page, "Histogram")
    elements = LAB["summary"]["elements"]
    assert sum(LAB["histogram"]["before"]) == sum(LAB["histogram"]["after"]) == elements
    expect(page.locator(".histogram-panel svg.picture")).to_have_attribute(
        "aria-label", re.compile(str(elements))
    )
    show(page, "Error map")
    page.locator("rect[data-r='2'][data-c='3']").hover()
    expect(page.locator(".map-panel .picture-caption")).to_contain_text("Rows")
    page.evaluate(
        "(block) => { window.answer = block; }", {**LAB["blocks"][1], "label": "asked", "row": 4, "block": 1}
    )
    page.locator("rect[data-r='2'][data-c='3']").click()
    expect(page.get_by_role("tab", name="One block", exact=True)).to_have_attribute("aria-selected", "true")
    assert page.evaluate("asked")[-1][0] == "block"


def test_hostile_texts_stay_text(open_page) -> None:
    data = copy.deepcopy(COMPARE)
    data["title"] = data["warnings"][0] = data["answers"]["prompt"] = HOSTILE
    data["tokens"]["pieces"] = [HOSTILE] * len(data["tokens"]["pieces"])
    data["microscope"]["base"][0] = [[HOSTILE, 0.5], ["\u202eevil", 0.2]]
    data["rows"][0]["notes"] = [HOSTILE]
    data["answers"]["items"][1]["pieces"] = [HOSTILE, "\n"]
    page = open_page(data)
    for view in COMPARE_VIEWS:
        show(page, view)
    draw(page, {**copy.deepcopy(LAB), "title": HOSTILE, "tensor": HOSTILE, "type": HOSTILE})
    for view in LAB_VIEWS:
        show(page, view)
    assert page.locator("img").count() == 0


@pytest.mark.parametrize(
    ("data", "views"), [(COMPARE, COMPARE_VIEWS), (LAB, LAB_VIEWS)], ids=["compare", "lab"]
)
def test_axe_and_phones(open_page, data, views) -> None:
    page = open_page(data, width=360)
    for view in views:
        show(page, view)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, view
        assert axe_in_light_and_dark(page) == [], view


@pytest.mark.parametrize("data", [COMPARE, LAB], ids=["compare", "lab"])
def test_the_export_draws_offline(browser, tmp_path, data) -> None:
    with exported(browser, tmp_path / "figure.html", data, FOLDER) as page:
        expect(page.locator(".quantization-figure svg.picture").first).to_be_visible()
