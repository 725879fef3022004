"""The merging page in a real browser: form and YAML follow each other, the check follows both, a curve is
drawn by hand.
"""

from __future__ import annotations

import random
import re
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from tests import zoo
from tests.browser.harness import axe_finds_only_gradios_own, figures, opened, unfold

ROOT = Path(__file__).parents[2] / "spaces" / "merging"
FOLDER = ROOT / "merging" / "js"
FIRST = "#figure .merging-figure"


@pytest.fixture
def page(browser, suite_url):
    with opened(browser, f"{suite_url}/merging/", FIRST) as page:
        yield page


@pytest.fixture
def form(page):
    """The page with the recipe unfolded."""
    unfold(page, "Advanced: the recipe")
    expect(page.locator("#editor .form")).to_be_visible(timeout=60_000)
    return page


def recipe_text(page):
    return page.locator("#recipe textarea")


def test_the_first_paint_is_a_stored_result(page):
    expect(page.locator("#figure")).to_contain_text("stored example")
    expect(page.locator("#figure table.numbers").first).to_contain_text("refuses cooking questions")
    expect(page.locator("#findings")).to_contain_text("The recipe can run")


def test_a_preset_is_checked_though_its_recipe_is_folded(page):
    page.locator("#preset input").click()
    page.get_by_role("option", name="Stack layers (passthrough)").click()
    expect(page.locator("#findings")).to_contain_text("in 36 layers", timeout=60_000)
    unfold(page, "Advanced: the recipe")
    expect(recipe_text(page)).to_have_value(lambda_free("merge_method: passthrough"), timeout=30_000)


def test_pasted_text_is_checked_as_typed_text_is(form):
    field = recipe_text(form)
    field.evaluate(
        """(box, text) => {
          box.focus();
          box.select();
          document.execCommand("insertText", false, text);
        }""",
        "merge_method: dare-ties\nmodels:\n- model: cautious\n",
    )
    expect(form.locator("#findings")).to_contain_text("Write dare_ties.", timeout=60_000)


def test_the_yaml_follows_the_form_and_the_check_follows_both(form):
    form.locator("#editor").get_by_label("Method", exact=True).select_option("ties")
    expect(recipe_text(form)).to_have_value(lambda_free("merge_method: ties"), timeout=30_000)
    expect(form.locator("#preset input")).to_have_value("your own, under Advanced", timeout=30_000)
    form.locator("#editor").get_by_label("density").first.fill("0.25")
    form.locator("#editor").get_by_label("density").first.blur()
    expect(recipe_text(form)).to_have_value(lambda_free("density: 0.25"), timeout=30_000)
    expect(form.locator("#findings")).to_contain_text("The recipe can run", timeout=60_000)


def lambda_free(part: str):
    """A pattern for a text that has `part` somewhere."""
    return re.compile(f"[\\s\\S]*{re.escape(part)}[\\s\\S]*")


def test_the_form_follows_the_yaml_and_a_slip_is_named(form):
    recipe_text(form).fill(
        "merge_method: slerp\nbase_model: pirate\nmodels:\n- model: cautious\nparameters:\n  t: 0.25\n"
    )
    expect(form.locator("#editor").get_by_label("t", exact=True)).to_have_value("0.25", timeout=30_000)
    recipe_text(form).fill("merge_method: dare-ties\nmodels:\n- model: cautious\n")
    expect(form.locator("#findings")).to_contain_text("Write dare_ties.", timeout=60_000)


def test_a_curve_is_drawn_by_keys_and_reaches_the_recipe(form):
    form.locator("#editor").get_by_role("button", name="curve").nth(1).click()  # of the second model's weight
    point = form.locator("#editor").get_by_role("slider", name="weight, attention, point 1 of 5")
    point.focus()
    form.keyboard.press("PageDown")
    twice = re.compile(r"(filter: self_attn[\s\S]*){2}")
    expect(recipe_text(form)).to_have_value(twice, timeout=30_000)
    expect(form.locator("#findings")).to_contain_text("The recipe can run", timeout=60_000)


def test_every_view_opens_and_fits_a_phone(browser, suite_url):
    context = browser.new_context(viewport={"width": 360, "height": 800})
    page = context.new_page()
    page.goto(f"{suite_url}/merging/")
    expect(page.locator("#figure .merging-figure")).to_be_visible(timeout=60_000)
    for name in ("Answers", "Which layers carry it", "Atlas of task vectors", "Before and after"):
        page.locator("#figure").get_by_role("tab", name=name, exact=True).click()
        page.wait_for_timeout(200)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, name
    context.close()


def test_a_cell_of_the_atlas_opens_the_trim(page):
    page.locator("#figure").get_by_role("tab", name="Atlas of task vectors", exact=True).click()
    page.locator("#figure svg.atlas .cell").first.click()
    lens = page.locator("#figure .lens")
    expect(lens).to_contain_text("4,096 of", timeout=60_000)
    lens.get_by_label("Density").fill("0.1")
    expect(lens).to_contain_text("density 0.10")


def test_a_point_between_models_becomes_the_recipe(page):
    page.get_by_role("tab", name="Between models", exact=True).click()
    expect(page.locator("#between .map")).to_have_count(4, timeout=60_000)
    page.locator("#between").get_by_role("button", name="Put this merge into the recipe").click()
    expect(page.locator("#merge")).to_be_visible(timeout=30_000)
    unfold(page, "Advanced: the recipe")
    expect(recipe_text(page)).to_have_value(lambda_free("merge_method: task_arithmetic"), timeout=30_000)
    expect(recipe_text(page)).to_have_value(lambda_free("weight: 0.75"), timeout=30_000)


def test_a_link_merges_measures_and_can_be_cancelled(browser, suite_url):
    model = zoo.folder("llama3")  # a small one: its run ends soon
    recipe = f"merge_method: linear\nmodels:\n- model: {model}\n  parameters: {{weight: 1}}\ndtype: float32\n"
    with opened(browser, f"{suite_url}/merging/?" + urlencode({"recipe": recipe, "seed": 7}), FIRST) as page:
        expect(page.locator("#figure")).to_contain_text("linear", timeout=240_000)
        expect(page.locator("#figure")).to_contain_text("measured in", timeout=240_000)
        expect(page.locator("#files")).to_contain_text(".safetensors")
        expect(page.locator("#figure table.numbers").first).to_contain_text("child")
        unfold(page, "Advanced: the recipe")
        expect(recipe_text(page)).to_have_value(recipe)
        assert "room=merge&" in page.url and "seed=7" in page.url
        recipe_text(page).fill(recipe.replace(str(model), "pirate"))
        page.get_by_role("button", name="Merge and compare").click()
        page.wait_for_timeout(3_000)
        page.locator("#cancel").click()
        expect(page.locator("#figure")).to_contain_text("The run was cancelled", timeout=60_000)
        expect(page.locator("#cancel")).to_have_text("Cancel", timeout=60_000)


def test_a_tree_is_shown_opened_by_link_and_its_recipe_goes_to_the_merge_room(page, suite_url):
    page.goto(f"{suite_url}/merging/?tree=cautious&limit=50")
    expect(page.locator("#tree .figure-title")).to_have_text("cautious", timeout=60_000)
    expect(page.locator("#tree-model textarea, #tree-model input").first).to_have_value("cautious")
    page.locator("#tree-model textarea, #tree-model input").first.fill("no model <b>")
    page.get_by_role("button", name="Show the tree").click()
    expect(page.locator("#tree")).to_contain_text("is not a model id", timeout=30_000)
    page.get_by_role("button", name="Tree of my merge").click()
    expect(page.locator("#tree")).to_contain_text("There is no merge yet", timeout=30_000)
    page.goto(f"{suite_url}/merging/")
    page.get_by_role("tab", name="Family tree", exact=True).click()
    page.locator("#tree").get_by_role("button", name="Test its parents from weights").click()
    expect(page.locator("#tree")).to_contain_text("There is no merge yet", timeout=60_000)
    page.get_by_role("button", name="Show the tree").click()
    expect(page.locator("#tree .figure-title")).to_have_text("this merge", timeout=60_000)
    page.locator("#tree").get_by_role("button", name="Put its recipe into the merge room").click()
    expect(page.locator("#merge")).to_be_visible(timeout=30_000)


def test_a_report_is_shown_opened_by_link_and_from_the_tree(page, suite_url):
    page.goto(f"{suite_url}/merging/?room=report&report=cautious")
    expect(page.locator("#report .figure-title")).to_have_text("cautious", timeout=60_000)
    expect(page.locator("#report")).to_contain_text("It publishes no recipe", timeout=60_000)
    field = page.locator("#report-model textarea, #report-model input").first
    expect(field).to_have_value("cautious")
    field.fill("no model <b>")
    page.locator("#make-report").click()
    expect(page.locator("#report")).to_contain_text("is not a model id", timeout=30_000)
    page.locator("#report-here").click()
    expect(page.locator("#report")).to_contain_text("There is no merge yet", timeout=30_000)
    page.goto(f"{suite_url}/merging/")
    page.get_by_role("tab", name="Family tree", exact=True).click()
    page.locator("#tree").get_by_role("button", name="Report on it").click()
    expect(page.locator("#report")).to_contain_text("stored example", timeout=30_000)
    expect(page.locator("#report")).to_contain_text("byte for byte")
    page.locator("#report").get_by_role("tab", name="For the card").click()
    expect(page.locator("#report .report-badge")).to_contain_text("reproduces")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the badge (SVG)").click()
    assert download.value.suggested_filename == "merge-report.svg"


def test_a_mixture_is_written_and_its_gates_follow(page):
    page.get_by_role("tab", name="Mixture of experts", exact=True).first.click()
    expect(page.locator("#mixture")).to_contain_text("stored example")
    expect(page.locator("#mixture-findings")).to_contain_text("The recipe can run")
    unfold(page, "Advanced: experts and prompts")
    field = page.locator("#mixture-recipe textarea")
    page.locator("#mixture-editor").get_by_label("Expert 1, prompts for it, one a line").fill("Ahoy there")
    expect(field).to_have_value(re.compile("- Ahoy there\n"), timeout=30_000)
    expect(page.locator("#live-gates")).to_contain_text("hidden: 3 gates", timeout=60_000)
    field.fill("merge_method: linear\nmodels: []\n")
    expect(page.locator("#live-gates")).to_contain_text("has no experts", timeout=60_000)
    page.locator("#mix").click()
    expect(page.locator("#mixture")).to_contain_text("has no experts", timeout=60_000)


def test_the_landing_pages_entrance_opens_the_tree(browser, suite_url):
    with opened(browser, f"{suite_url}/merging/?tree=", "#tree .merging-figure") as page:
        expect(page.locator("#tree")).to_contain_text("stored example")
        expect(page.locator("#tree-model textarea, #tree-model input").first).to_have_value("")


def test_axe_finds_nothing_beyond_gradios_own(page):
    for tab in ("Merge", "Between models", "Mixture of experts", "Family tree", "Report", "Take home"):
        page.get_by_role("tab", name=tab, exact=True).first.click()
        page.wait_for_timeout(500)
        axe_finds_only_gradios_own(page)


def test_ties_in_the_browser_is_mergekits(browser):
    import torch
    from mergekit.merge_methods import merge_tensors

    chance = random.Random(0)
    with figures(browser, FOLDER, "tiesOf") as make:
        page = make()
        for density in (0.02, 0.3, 0.5, 0.9, 1.0):
            vectors = [[chance.gauss(0, 1) for _ in range(200)] for _ in range(3)]
            weights = [1.0, 0.5, 2.0]
            found = page.evaluate("([v, w, d]) => maths.tiesOf(v, w, d).merged", [vectors, weights, density])
            tensors = [torch.zeros(200), *(torch.tensor(vector) for vector in vectors)]
            expected = merge_tensors(
                tensors, "ties", parameters={"weight": weights, "density": [density] * 3}, base_index=0
            )
            assert found == pytest.approx(expected.tolist(), abs=1e-6), density
