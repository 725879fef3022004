"""The merging figures in a real browser, on the stored examples: what they say, what can be chosen, and
hostile data.
"""

from __future__ import annotations

import copy
import json
import random
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.harness import axe_in_light_and_dark, draw, exported, figures, hostile

ROOT = Path(__file__).parents[2] / "spaces" / "merging"
FOLDER = ROOT / "merging" / "js"
MERGE = json.loads((ROOT / "examples" / "merge.json").read_text(encoding="utf-8"))
PLANE = json.loads((ROOT / "examples" / "explore.json").read_text(encoding="utf-8"))
MIXTURE = json.loads((ROOT / "examples" / "mixture.json").read_text(encoding="utf-8"))
TREE = json.loads((ROOT / "examples" / "tree.json").read_text(encoding="utf-8"))
REPORT = json.loads((ROOT / "examples" / "report.json").read_text(encoding="utf-8"))
VIEWS = {
    "report": (REPORT, ("Report", "Recipe", "Weights", "Licences", "For the card")),
    "tree": (TREE, ("Tree", "Table", "Licences")),
    "merge": (MERGE, ("Before and after", "Answers", "Which layers carry it", "Atlas of task vectors")),
    "explore": (PLANE, ("Picture", "Table")),
    "mixture": (MIXTURE, ("Which token goes where", "Gates", "What each gate mode changes")),
}


@pytest.fixture
def open_page(browser):
    with figures(browser, FOLDER, "between") as make:
        yield make


def editor_data() -> dict:
    from merging import presets
    from merging import recipe as recipes
    from merging.methods import catalogue

    methods = [method.to_json() for method in catalogue().values()]
    found = recipes.parse(next(iter(presets.PRESETS.values())))
    return {
        "kind": "editor",
        "drawable": True,
        "methods": methods,
        "models": ["pirate", "cautious"],
        "recipe": found,
        "moe": False,
    }


def show(page, view: str) -> None:
    page.get_by_role("tab", name=view, exact=True).click()


def test_the_table_says_what_was_measured(open_page) -> None:
    page = open_page(MERGE)
    child = MERGE["models"][-1]
    expect(page.locator("table.numbers").first).to_contain_text(
        f"{child['shares']['pirate']['count']} of {child['shares']['pirate']['of']}"
    )
    paired = child["against"]["pirate"]["refuses_cooking"]
    row = page.locator("table.numbers").nth(1).locator("tr", has_text="refuses cooking questions")
    expect(row.locator("td").nth(1)).to_contain_text(f"+{paired['gained']} −{paired['lost']}, p ")
    expect(page.locator("svg.behaviours")).to_have_attribute("aria-label", re.compile("child: "))
    said = page.locator("#root", has_text="The merge breaks off in")
    expect(said).to_have_count(0)
    data = copy.deepcopy(MERGE)
    for model in data["models"]:
        parted = {"count": 7, "of": 20, "low": 0.18, "high": 0.57}
        model["shares"]["breaks_off"] = parted if model["role"] != "child" else {**parted, "low": 0.56}
    draw(page, data)
    expect(said).to_have_count(0)
    data["models"][-1]["shares"]["breaks_off"] = {"count": 17, "of": 20, "low": 0.64, "high": 0.95}
    draw(page, data)
    expect(said).to_contain_text("in 17 of 20 answers, a parent in 7 at most")


def test_answers_have_the_whole_width_of_their_card(open_page) -> None:
    page = open_page(MERGE)
    show(page, "Answers")
    widths = """cards => cards.map((card) =>
      card.querySelector("p").getBoundingClientRect().width / card.getBoundingClientRect().width)"""
    assert min(page.locator(".answers article").evaluate_all(widths)) > 0.8


def test_the_layers_that_carry_are_named(open_page) -> None:
    page = open_page(MERGE)
    show(page, "Which layers carry it")
    found = MERGE["carriers"][0]
    part, place = max(
        ((part, place) for part in found["share"] for place in range(len(found["bands"]))),
        key=lambda at: found["share"][at[0]][at[1]],
    )
    first, last = found["bands"][place]
    expect(page.locator("#root")).to_contain_text(f"the {part} of layers {first} to {last} alone brings")


def test_a_token_is_drawn_with_every_expert_that_it_goes_to(open_page) -> None:
    page = open_page(MIXTURE)
    gates, routed = MIXTURE["gates"], MIXTURE["routed"]
    places = page.locator("svg.routing .place-group")
    expect(places).to_have_count(len(MIXTURE["tokens"]) * gates["layers"])
    for mode in routed:
        page.locator(".filters select").select_option(mode["mode"])
        weights = mode["weights"][1][7]
        first = max(range(len(weights)), key=lambda expert: weights[expert])
        words = places.nth(gates["layers"] + 7).get_attribute("aria-label")
        assert words.endswith(f"layer 7: {gates['experts'][first].split('/')[-1]} 100 %")
        taken = sum(weight > 0 for token in mode["weights"] for layer in token for weight in layer)
        expect(page.locator("svg.routing .lane")).to_have_count(taken)


def test_gates_that_are_nearly_equal_are_said(open_page) -> None:
    page = open_page(MIXTURE)
    show(page, "Gates")
    hidden = MIXTURE["gates"]["modes"][0]
    expect(page.locator("svg.gates .warned")).to_have_count(len(hidden["degenerate"]))
    count = f"mergekit warns of {len(hidden['degenerate'])} of {MIXTURE['gates']['layers']} layers"
    expect(page.locator("#root")).to_contain_text(count)
    expect(page.locator("#root")).to_contain_text("cheap_embed: the closest are")


def test_opposite_gates_are_no_mistake(open_page) -> None:
    """mergekit's condition number is large for them too."""
    data = copy.deepcopy(MIXTURE)
    layers = data["gates"]["layers"]
    data["gates"]["modes"][0]["pairs"] = [{"first": 0, "second": 1, "cosine": [-1.0] * layers}]
    page = open_page(data)
    show(page, "Gates")
    expect(page.locator("#root")).to_contain_text("opposite gates too, which separate experts best")
    fills = page.locator("svg.gates .cell").evaluate_all("cells => cells.map((cell) => cell.style.fill)")
    assert "--b" in fills[0] and "--b" not in fills[layers]


def test_gate_modes_stand_beside_each_other(open_page) -> None:
    page = open_page(MIXTURE)
    show(page, "What each gate mode changes")
    for mode in MIXTURE["routed"]:
        row = page.get_by_role("row", name=mode["mode"])
        expect(row).to_contain_text(f"n = {mode['own'][0]['tokens']}")
    experts = len(MIXTURE["routed"][0]["load"][0])
    cells = len(MIXTURE["routed"]) * (experts + 1) * MIXTURE["gates"]["layers"]
    expect(page.locator("svg.loads .cell")).to_have_count(cells)


def test_a_mixture_that_is_not_routed_yet_says_so(open_page) -> None:
    page = open_page({**MIXTURE, "done": False, "tokens": [], "routed": [], "report": None, "example": False})
    expect(page.locator("svg.gates .cell").first).to_be_visible()  # the gates are the first picture
    show(page, "What each gate mode changes")
    expect(page.locator("#root")).to_contain_text("not routed yet")
    show(page, "Which token goes where")
    expect(page.locator("#root")).to_contain_text("once mergekit has written the mixture")


def test_a_mixture_is_written_in_its_form(open_page) -> None:
    recipe = {
        "base_model": "base",
        "experts": [
            {"source_model": "pirate", "positive_prompts": ["sea"]},
            {"source_model": "cautious", "positive_prompts": {"not": "a list"}},
        ],
    }
    page = open_page({**editor_data(), "recipe": recipe, "moe": True})
    page.get_by_label("Expert 1, prompts for it, one a line").fill("sea\n\nship")
    page.get_by_label("Gates", exact=True).select_option("cheap_embed")
    page.get_by_role("button", name="Add an expert").click()
    sent = page.evaluate("emitted")[-1][1]["recipe"]
    assert sent["gate_mode"] == "cheap_embed" and len(sent["experts"]) == 3
    assert sent["experts"][0]["positive_prompts"] == ["sea", "ship"]
    page.get_by_role("button", name="Remove cautious").first.click()
    assert len(page.evaluate("emitted")[-1][1]["recipe"]["experts"]) == 2


def test_colours_between_points_are_bilinear(open_page) -> None:
    page = open_page(PLANE)
    code = "([at, u, v]) => maths.between({steps: 2, values: new Map(Object.entries(at))}, u, v)"
    at = {f"{u},{v}": u * 10 + v for u in (0, 0.5, 1) for v in (0, 0.5, 1)}
    for u, v in ((0, 0), (1, 1), (0.25, 0.75), (0.9, 0.1)):
        assert page.evaluate(code, [at, u, v]) == pytest.approx(10 * u + v)
    bumped = {**at, "0.5,0.5": 100}
    assert page.evaluate(code, [bumped, 0.5, 0.5]) == 100 and page.evaluate(
        code, [bumped, 0.25, 0.5]
    ) == pytest.approx(50.25)


def test_a_point_is_chosen_by_mouse_and_keys_and_sent(open_page) -> None:
    page = open_page(PLANE)
    svg = page.locator(".map svg").first
    expect(page.locator(".map")).to_have_count(4)
    start = [float(part) for part in re.findall(r"[\d.]+", page.locator(".readout h2").inner_text())]
    svg.focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".readout")).to_contain_text("between measured points")
    page.keyboard.press("ArrowRight")
    assert [float(part) for part in re.findall(r"[\d.]+", page.locator(".readout h2").inner_text())] == start
    expect(page.locator(".map svg").first).to_be_focused()
    corner = page.locator(".map circle.measured").nth(0).bounding_box()
    page.mouse.click(corner["x"] + corner["width"] / 2, corner["y"] + corner["height"] / 2)
    expect(page.locator(".readout h2")).to_have_text("The chosen merge: pirate 0, cautious 0")
    expect(page.locator(".readout")).to_contain_text("0 of 10")
    page.get_by_role("button", name="Put this merge into the recipe").click()
    assert page.evaluate("emitted") == [
        [
            "chosen",
            {"origin": PLANE["models"][0]["name"], "others": ["pirate", "cautious"], "weights": [0, 0]},
        ]
    ]


def test_a_growing_plane_fills_in_and_keeps_the_choice(open_page) -> None:
    early = {
        **PLANE,
        "done": False,
        "points": PLANE["points"][:3],
        "progress": {"label": "Measuring point 4 of 25", "value": 3, "max": 25},
    }
    page = open_page(early)
    expect(page.locator("svg .patch")).to_have_count(0)
    page.locator(".map svg").first.focus()
    page.keyboard.press("ArrowUp")
    chosen = page.locator(".readout h2").inner_text()
    draw(page, PLANE)
    assert (
        page.locator("svg .patch").count() == 4 * 24 * 24
        and page.locator(".readout h2").inner_text() == chosen
    )


def test_a_search_is_drawn_over_the_plane_and_its_warning_stands(open_page) -> None:
    page = open_page(PLANE)
    some = {
        **PLANE["points"][5],
        "chances": {"pirate": -0.5, "refuses_cooking": -1.0, "refuses_other": -0.01},
    }
    search = {
        "goal": "behaviours",
        "seed": 0,
        "means": [[0.5, 0.5], [0.7, 0.4]],
        "warnings": ["pirate: 10 of 10 on the fit prompts, 0 of 10"],
        "candidates": [{**some, "weights": [0.7, 0.5], "shares": {}, "score": -1.2, "generation": 1}],
        "best": {**some, "weights": [0.7, 0.5], "score": -1.2},
        "held_out": {**some, "weights": [0.7, 0.5], "score": -1.4},
    }
    draw(page, {**PLANE, "points": [], "search": search})
    expect(page.locator("svg .candidate")).to_have_count(4)
    assert page.locator("svg .patch").count() > 0, "the plane measured before stays below"
    expect(page.locator(".warnings")).to_contain_text("10 of 10 on the fit prompts")
    expect(page.locator(".readout")).to_contain_text(
        "score −1.2 on the fit prompts and −1.4 on the held-out ones"
    )
    show(page, "Table")
    expect(page.locator("table.numbers")).to_contain_text("log p −0.5")


def test_a_line_is_drawn_as_curves(open_page) -> None:
    line = {
        **PLANE,
        "models": PLANE["models"][:2],
        "points": [
            {**point, "weights": point["weights"][:1]}
            for point in PLANE["points"]
            if point["weights"][1] == 0
        ],
    }
    page = open_page(line)
    expect(page.locator("svg polyline.line")).to_have_count(4)
    page.locator(".map svg").first.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".readout h2")).to_contain_text("The chosen merge: pirate")


def test_a_report_shows_every_tensor_and_every_share(open_page) -> None:
    page = open_page(REPORT)
    cells = sum(state is not None for layer in REPORT["replay"]["map"]["layers"] for state in layer)
    outside = len(REPORT["replay"]["map"]["outside"])
    assert cells + outside == REPORT["replay"]["tensors"]
    expect(page.locator("svg .tensor-cell")).to_have_count(cells + outside)
    expect(page.locator(".report-line")).to_have_count(len(REPORT["lines"]))
    expect(page.locator("svg .share-sure")).to_have_count(len(REPORT["roots"]))
    page.locator("svg .tensor-cell").nth(0).hover()
    expect(page.locator(".hint")).to_contain_text("the same bytes")
    assert "Every tensor after the replay" in page.evaluate("picture()")


def test_a_report_that_finds_differences_names_them(open_page) -> None:
    data = copy.deepcopy({**REPORT, "example": False})
    data["replay"]["map"]["layers"][3][0] = "different"
    data["replay"]["differing"] = [
        {
            "name": "model.layers.3.x.weight",
            "state": "different",
            "entries": 384,
            "different": 5,
            "largest": 0.5,
            "given": "F32",
            "stored": "F32",
        }
    ]
    data["lines"][1] = {"chapter": "replay", "verdict": "bad", "says": "1 tensor has other values."}
    data["roots"] = [
        {"id": "o/a", "share": [0.2, 0.7], "licence": "mit", "status": "ok", "reason": ""},
        {"id": "o/b", "share": [-0.1, -0.1], "licence": "", "status": "missing", "reason": "Gone."},
    ]
    page = open_page(data, width=360)
    expect(page.locator("svg .tensor-different")).to_have_count(2)  # in the map and in its legend
    expect(page.locator(".report-line.report-bad")).to_contain_text("does not hold")
    expect(page.locator("svg .share-range")).to_have_count(1)
    expect(page.locator("svg.report-picture")).to_contain_text("20 to 70 %")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    show(page, "Weights")
    expect(page.locator("table.numbers").first).to_contain_text("5 of 384")


def test_a_report_on_one_of_several_recipes_offers_the_others(open_page) -> None:
    data = copy.deepcopy({**REPORT, "example": False, "model": "acme/merged"})
    data["recipe"] |= {
        "number": 2,
        "choices": [
            {"number": 1, "source": "its card", "method": "linear", "models": ["<b>x</b>", "acme/a"]},
            {"number": 2, "source": "its card", "method": "slerp", "models": ["acme/a", "acme/b"]},
            {"number": 3, "source": "its card", "method": "ties", "models": [f"o/{n}" for n in range(9)]},
        ],
    }
    page = open_page(data)
    show(page, "Recipe")
    expect(page.locator("#root")).to_contain_text("It publishes 3 recipes; one is checked and replayed.")
    expect(page.locator("#root")).to_contain_text("Number 1, from its card: linear of <b>x</b>, acme/a")
    expect(page.locator("#root")).to_contain_text("ties of o/0, o/1, o/2, o/3 and 5 more")
    page.get_by_role("button", name="Report on number 1").click()
    assert page.evaluate("emitted")[-1] == ["choose_recipe", {"model": "acme/merged", "which": 1}]
    expect(page.get_by_role("button", name="Report on number 2")).to_have_count(0)


def test_a_report_grows(open_page) -> None:
    early = {
        **REPORT,
        "done": False,
        "replay": None,
        "paternity": None,
        "fitted": [],
        "badge": None,
        "card": "",
        "lines": REPORT["lines"][:1],
        "example": False,
        "progress": {"label": "Checking the recipe", "value": 0, "max": 1},
    }
    page = open_page(early)
    expect(page.locator("svg .tensor-cell")).to_have_count(0)
    expect(page.locator("svg .share-sure")).to_have_count(len(REPORT["roots"]))
    show(page, "For the card")
    expect(page.locator("#root")).to_contain_text("once the report is complete")
    draw(page, REPORT)
    expect(page.locator(".report-badge")).to_contain_text(REPORT["badge"]["message"])
    expect(page.get_by_label("A section of Markdown")).to_contain_text("## Merge report")


@pytest.mark.parametrize("kind", VIEWS)
def test_hostile_texts_stay_text(open_page, kind) -> None:
    data, views = VIEWS[kind]
    text = '<img src=x onerror="window.broken=1">'
    page = open_page(
        hostile(
            copy.deepcopy(data),
            text,
            {"kind", "role", "level", "request", "id", "source", "target", "start", "relation", "status"},
            tuple(model["name"] for model in data.get("models", [])),
        )
    )
    for view in views:
        if page.get_by_role("tab", name=view, exact=True).count():
            show(page, view)
        assert page.locator("#root img").count() == 0
    assert page.evaluate("window.broken") is None


def big_tree(count: int) -> dict:
    """A tree of made-up models with hostile names, laid out by the engine."""
    from family_tree.layout import positions

    chance = random.Random(0)
    names = [f'own<b>er{index % 7}/mod"el-{index}' for index in range(count)]
    pairs = sorted(
        {(chance.randrange(max(0, index - 40), index), index) for index in range(1, count) for _ in range(2)}
    )
    places, bends = positions(names, [(names[a], names[b]) for a, b in pairs])
    node, edge = TREE["nodes"][-1], TREE["edges"][0]
    nodes = [
        {**node, "id": name, "x": places[name][0], "y": places[name][1], "depth": 1, "more": {}, "notes": []}
        for name in names
    ]
    edges = [
        {
            **edge,
            "source": names[a],
            "target": names[b],
            "bends": [list(at) for at in bends.get((names[a], names[b]), [])],
        }
        for a, b in pairs
    ]
    return {**TREE, "start": names[-1], "nodes": nodes, "edges": edges, "example": False}


def test_a_tree_of_three_hundred_is_drawn_searched_and_walked(open_page) -> None:
    page = open_page()
    draw(page, big_tree(300))
    expect(page.locator(".member-box")).to_have_count(300)
    box = page.locator(".member-box").first.bounding_box()
    assert box["height"] * 12.5 / 42 >= 7, "names stay legible in the first view"
    page.get_by_label("Find a model in the tree").fill("el-7")
    expect(page.locator(".member h2")).to_contain_text('own<b>er0/mod"el-7')
    page.locator(".chosen-box").focus()
    page.keyboard.press("ArrowLeft")
    after = page.locator(".member h2").inner_text()
    assert (
        after != 'own<b>er0/mod"el-7'
        and page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
    )
    assert page.locator("#root b").count() == page.locator("#root figcaption b").count(), "names stay text"


def test_a_tree_says_who_is_in_it_and_why(open_page) -> None:
    page = open_page(TREE)
    page.get_by_role("button", name=re.compile("^pirate, 80 %")).click()
    expect(page.locator(".member")).to_contain_text("80 %")
    page.locator(".kin-hit").nth(len(TREE["edges"]) - 1).click(force=True)
    expect(page.locator(".member")).to_contain_text("Read in:")
    page.get_by_role("button", name="this merge, licence", exact=False).or_(
        page.get_by_role("button", name="this merge")
    ).first.click()
    page.get_by_role("button", name="Put its recipe into the merge room").click()
    sent = page.evaluate("emitted")[-1]
    assert sent[0] == "recipe" and sent[1]["recipe_text"].startswith("merge_method: task_arithmetic")
    for colour in ("licence", "author", "created", "downloads", "share"):
        page.get_by_label("Colour by").select_option(colour)
        assert page.locator(".legend-row .swatch-item").count() > 2
    draw(
        page,
        {
            **TREE,
            "tested": {
                "of": "this merge",
                "verdict": "The list is complete.",
                "entries": 2_000_000,
                "null": 0.001,
                "explained": 1,
                "parents": [
                    {
                        "name": "pirate",
                        "coefficient": 0.8,
                        "sigma": 0.001,
                        "cosine": 0.7,
                        "verdict": "its changes are in the model",
                    }
                ],
            },
        },
    )
    expect(page.locator(".member")).to_contain_text("The list is complete.")
    page.evaluate("window.answer = 'flowchart LR'")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as Mermaid").click()
    assert download.value.suggested_filename == "family.md"


def test_a_hostile_recipe_stays_text(open_page) -> None:
    data = editor_data()
    data["recipe"]["models"][0]["model"] = "<img src=x onerror=alert(1)>"
    data["recipe"]["base_model"] = "<script>1</script>"
    page = open_page(data)
    assert page.locator("#root img, #root script").count() == 0
    expect(page.locator("#root")).to_contain_text("<img src=x onerror=alert(1)>")
    draw(page, {**data, "recipe": {"merge_method": 7, "models": "x", "slices": [None], "parameters": []}})
    expect(page.locator("#root .form")).to_be_visible()


@pytest.mark.parametrize("kind", [*VIEWS, "editor"])
def test_axe_and_phones(open_page, kind) -> None:
    data, views = VIEWS.get(kind, (None, ()))
    data = data or editor_data()
    page = open_page(data)
    phone = open_page(data, width=360)
    for view in views or (None,):
        if view:
            show(page, view)
            show(phone, view)
        assert axe_in_light_and_dark(page) == [], view
        assert phone.evaluate("document.documentElement.scrollWidth") <= 360, view


@pytest.mark.parametrize("kind", VIEWS)
def test_the_export_draws_offline(browser, tmp_path, kind) -> None:
    with exported(browser, tmp_path / "figure.html", VIEWS[kind][0], FOLDER) as page:
        expect(page.locator(".merging-figure svg").first).to_be_visible()
        assert page.get_by_role("button", name="Put this merge into the recipe").count() == 0


def test_a_file_that_cannot_be_made_now_is_said_beside_its_button(open_page) -> None:
    """The server refuses at once what it cannot answer soon; the next try has a clean page."""
    page = open_page(TREE)
    refusal = {
        "error": {"what": "The server is busy with other visitors.", "remedy": "Try again in a moment."}
    }
    for name in ("Download as Mermaid", "Download as one HTML file"):
        page.evaluate("answer => { window.answer = answer; }", refusal)
        page.get_by_role("button", name=name).click()
        expect(page.get_by_role("alert")).to_have_text(
            "The server is busy with other visitors. Try again in a moment."
        )
        page.evaluate("() => { window.answer = 'a text'; }")
        with page.expect_download():
            page.get_by_role("button", name=name).click()
        expect(page.get_by_role("alert")).to_have_count(0)
