"""The page's functions, called as the page calls them: what is kept when something fails, and values of wrong
types.
"""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import pytest

from merging import presets
from merging.request import validate
from merging.run import Report
from merging.sources import Source
from shared.errors import VisitorError
from shared.suite import load_app

RECIPE = "merge_method: linear\nmodels:\n- {model: pirate, parameters: {weight: 1}}\n"


@pytest.fixture(scope="module")
def app():
    return load_app("merging")


@pytest.fixture
def merged(app, tmp_path, monkeypatch):
    """A merge that is done at once, and what was yielded until the GPU was refused."""
    folder = tmp_path / "result" / "child"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    sources = {"pirate": Source("pirate", folder, "r", {}, "mit", True)}
    versions = {"mergekit": "0", "torch": "0", "transformers": "0"}
    report = Report("merge", folder, {"model.safetensors": 7}, {}, 0, 1.0, 1, RECIPE, sources, (), versions)

    def look(*_):
        yield {"done": False}
        raise VisitorError("ZeroGPU has no GPU time left for you at the moment.", "Wait.")

    monkeypatch.setattr("merging.run.merge", lambda *_: iter([report]))
    monkeypatch.setattr(app, "look", look)
    seen = []
    with pytest.raises(VisitorError, match="no GPU time"):
        for outputs in app.show(validate(RECIPE)):
            seen.append(outputs)
    return seen


def test_a_finished_merge_is_there_before_its_comparison(app, merged, monkeypatch):
    _, panel, taken, files, said = merged[0]
    assert [path.rsplit("/", 1)[1] for path in taken["files"]] == [
        "README.md",
        "mergekit_config.yml",
        "model.safetensors",
    ]
    assert (
        "mergekit-yaml" in panel["code"][0]["text"]
        and files.visible
        and "3 files" in said
        and "## Recipe" in taken["card"]
    )
    sent = {}
    monkeypatch.setattr("shared.hub.push", lambda name, kind, files, card, token: sent.update(files) or "url")
    assert app.push(taken, "owner/name", "token") == "url" and set(sent) == {
        "mergekit_config.yml",
        "model.safetensors",
    }


def test_a_merge_that_has_expired_is_said(app, merged):
    taken = merged[0][2]
    shutil.rmtree(taken["folder"])
    tree = SimpleNamespace(
        id="this merge",
        parents=[{"id": "pirate", "role": "contributor"}, {"id": "cautious", "role": "contributor"}],
    )
    with pytest.raises(VisitorError, match="kept for two hours"):
        app.push(taken, "owner/name", "token")
    for found in (app.test_parents(tree, None, taken), app.test_replay(tree, None, taken)):
        assert "two hours" in found["tested"]["error"]["what"]
    with pytest.raises(VisitorError, match="no merge yet"):
        app.push(None, "owner/name", "token")


def test_a_tree_is_tested_with_its_own_merge_alone(app, merged):
    tree = SimpleNamespace(
        id="this merge",
        parents=[{"id": "pirate", "role": "contributor"}, {"id": "cautious", "role": "contributor"}],
    )
    assert (
        "not the tree of the merge" in app.test_parents(tree, None, merged[0][2])["tested"]["error"]["what"]
    )


def test_no_name_is_the_first_examples_tree(app):
    *_, (data, _, panel) = app.tree_page("  ", "", "", "")
    assert (
        data["start"] == "this merge"
        and data["nodes"][0]["recipe"] == presets.PRESETS[presets.FIRST]
        and not panel["query"]
    )
    event = SimpleNamespace(request=data["request"], key="parents:pirate")
    *_, (again, _, _) = app.tree_expand(event, data)
    assert again["start"] == "this merge" and again["request"]["expand"] == ["parents:pirate"]


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
def test_any_recipe_can_be_shown_and_checked(app, value):
    text = f"{RECIPE}description: {value}\n"
    json.dumps(app.editor_value(text), allow_nan=False).encode()
    assert 'role="status"' in app.check_page(text)


def test_a_check_that_fails_is_a_sentence(app, monkeypatch):
    monkeypatch.setattr("merging.check.check", lambda *_: 1 / 0)
    assert "ZeroDivisionError" in app.check_page(RECIPE) and 'role="alert"' in app.check_page(RECIPE)


@pytest.mark.parametrize(
    ("name", "values", "sentence"),
    [
        ("merge", {"recipe": None}, "no recipe"),
        ("check", {"recipe": 5}, "no recipe"),
        ("compare", {"recipe": RECIPE, "prompts": 5}, "list of texts"),
        ("explore", {"others": 5}, "one or two names"),
        ("explore", {"others": "pirate"}, "one or two names"),
        *[("evolve", {"seed": seed}, "seed is") for seed in ("abc", None, -5, 2**32, 10**400, 0.5)],
    ],
)
def test_values_of_wrong_types_are_refused(app, name, values, sentence):
    with pytest.raises(VisitorError, match=sentence):
        getattr(app, name)(**values)


def test_the_largest_seed_is_one_for_the_search():
    from merging.explore import _search

    first, again, zero = (_search(2, seed).ask()[0].tolist() for seed in (2**32 - 1, 2**32 - 1, 1))
    assert first == again != zero
