"""The page's functions, called as the page calls them: what is kept when something fails, and values of wrong
types.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from merging import child as children
from merging.check import check
from merging.finding import Finding
from merging.report import Report
from merging.request import Request
from merging.sources import Source
from shared import page
from shared.errors import VisitorError
from shared.suite import load_app
from shared.turns import in_turn
from tests.conftest import in_a_loop

RECIPE = "merge_method: linear\nmodels:\n- {model: pirate, parameters: {weight: 1}}\n"
PARENTS = [{"id": "pirate", "role": "contributor"}, {"id": "cautious", "role": "contributor"}]


@pytest.fixture(scope="module")
def app():
    return load_app("merging")


@pytest.fixture
def merged(app, tmp_path, monkeypatch):
    """A merge that is done at once, and the values that were shown until the GPU was refused."""
    folder = tmp_path / "result" / "child"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    sources = {"pirate": Source("pirate", folder, "r", {}, "mit", True)}
    versions = {"mergekit": "0", "torch": "0", "transformers": "0"}
    report = Report("merge", folder, {"model.safetensors": 7}, {}, 0, 1.0, 1, RECIPE, sources, (), versions)

    def comparisons(*_):
        yield {"done": False}
        raise VisitorError("ZeroGPU has no GPU time left for you at the moment.", "Wait.")

    monkeypatch.setattr("merging.run.merge", lambda *_: iter([report]))
    monkeypatch.setattr("merging_rooms.merge.comparisons", comparisons)
    room, shown = app.merge_room.room, []
    with pytest.raises(VisitorError, match="no GPU time"):
        for values in room.runs["merge"](Request(RECIPE), {}):
            shown.append(values)
    return {box: value for values in reversed(shown) for box, value in values.items()}


def test_a_finished_merge_is_there_before_its_comparison(app, merged, monkeypatch):
    child = merged[app.merge_room.child]
    assert [path.name for path in child.files] == ["README.md", "mergekit_config.yml", "model.safetensors"]
    assert "## Recipe" in child.card
    panel = merged[app.merge_room.room.panel]
    assert "mergekit-yaml" in panel["code"][0]["text"] and panel["query"].startswith("room=merge&recipe=")
    assert any("3 files" in str(value) for value in merged.values())
    pushed = {}
    monkeypatch.setattr("shared.hub.push", lambda name, kind, files, *_: pushed.update(files) or "url")
    assert children.push(child, "owner/name", "token") == "url"
    assert set(pushed) == {"mergekit_config.yml", "model.safetensors"}


def test_a_merge_that_has_expired_is_said(app, merged):
    from merging_rooms import tree

    child = merged[app.merge_room.child]
    shutil.rmtree(child.folder)
    shown = {"request": {"recipe": RECIPE}}
    with pytest.raises(VisitorError, match="kept for two hours"):
        children.push(child, "owner/name", "token")
    with pytest.raises(VisitorError, match="kept for two hours"):
        tree.paternity_of(shown, "this merge", PARENTS, child)
    with pytest.raises(VisitorError, match="kept for two hours"):
        tree.replay_of("pirate", child)
    with pytest.raises(VisitorError, match="no merge yet"):
        children.push(None, "owner/name", "token")


def test_a_tree_is_tested_with_its_own_merge_alone(app, merged):
    from merging_rooms import tree

    with pytest.raises(VisitorError, match="not the tree of the merge"):
        tree.paternity_of({"request": {"recipe": ""}}, "this merge", PARENTS, merged[app.merge_room.child])


def test_a_recipe_beside_the_weights_names_no_folder(app, merged, tmp_path):
    from dataclasses import replace

    model = tmp_path / "my model"
    model.mkdir()
    text = f"merge_method: passthrough\nmodels:\n- model: {model}\n"
    folder = merged[app.merge_room.child].folder
    sources = {str(model): Source(str(model), model, "local folder", {}, "", True)}
    versions = {"mergekit": "0", "torch": "0", "transformers": "0"}
    report = Report("merge", folder, {}, {}, 0, 1.0, 1, text, sources, (), versions)
    child = children.child_of(report)
    assert (folder / "mergekit_config.yml").read_text().endswith("- model: my model\n")
    assert str(tmp_path) not in child.card and "my model" in child.card
    assert child.recipe == text and replace(child, card="").files == child.files


@pytest.mark.parametrize(
    "value",
    [
        ".nan",
        "2020-01-01",
        "!!binary aGk=",
        "9" * 400,
        "9" * 30,
        "!!set {a}",
        '"\\ud800"',
        "[1, .inf]",
        "{1: 2}",
    ],
)
def test_any_recipe_can_be_shown_and_checked(value):
    from merging_rooms import recipe_form

    text = f"{RECIPE}description: {value}\n"
    json.dumps(recipe_form.editor_value(text), allow_nan=False).encode()
    assert 'role="status"' in recipe_form.check_html(text)


def test_the_check_is_one_line_that_opens_where_something_is_wrong():
    from merging_rooms import recipe_form

    good = recipe_form.check_html(RECIPE)
    assert "The recipe can run: 272 tensors in 30 layers" in good and "<details" not in good
    noted = recipe_form.check_html(RECIPE + "name: mine\n")
    assert "<details>" in noted and "1 warning" in noted
    bad = recipe_form.check_html(RECIPE.replace("linear", "dare-ties"))
    assert "<details open>" in bad and "1 error" in bad and "Write dare_ties." in bad
    hostile = check(RECIPE).to_json()
    hostile["findings"] = [Finding("note", "<b>", "<img src=x>", "<i>").to_json()]
    shown = recipe_form.findings_html(hostile)
    assert "<img" not in shown and "<i>" not in shown and "&lt;b&gt;" in shown


def test_a_check_that_fails_is_a_sentence(monkeypatch):
    from merging_rooms import recipe_form

    monkeypatch.setattr(recipe_form, "check", lambda *_: 1 / 0)
    shown = in_a_loop(in_turn(recipe_form.check_html, page.alert)(RECIPE))
    assert "ZeroDivisionError" in shown and 'role="alert"' in shown


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"recipe": None}, "no recipe"),
        ({"recipe": 5}, "no recipe"),
        ({"recipe": RECIPE, "prompts": 5}, "list of texts"),
    ],
)
def test_values_of_wrong_types_are_refused(values, sentence):
    with pytest.raises(VisitorError, match=sentence):
        Request.parse(**values)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"others": 5}, "one or two names"),
        ({"others": "pirate"}, "one or two names"),
        *[({"seed": seed}, "seed is") for seed in ("abc", -5, 2**32, 10**400, 0.5)],
    ],
)
def test_values_of_wrong_types_are_refused_between_models(values, sentence):
    from merging.explore_request import ExploreRequest

    with pytest.raises(VisitorError, match=sentence):
        ExploreRequest.parse(**values)


def test_a_point_goes_into_the_recipe():
    from merging_rooms import explore

    event = SimpleNamespace(origin="pirate", others=["cautious"], weights=[7.0])
    recipe, _ = explore.from_point(event)
    assert check(recipe).ok and "weight: 1.0" in recipe


def test_a_tree_goes_out_as_text():
    from merging_rooms import tree

    figure = json.loads((Path(__file__).parents[2] / "spaces/merging/examples/tree.json").read_text())
    argument = {"nodes": figure["nodes"], "edges": figure["edges"]}
    assert tree.tree_text({"format": "mermaid", **argument}).startswith("flowchart")
    assert tree.tree_text({"format": "dot", **argument}).startswith("digraph")
    with pytest.raises(VisitorError, match="could not be written"):
        tree.tree_text({"format": "png", **argument})
