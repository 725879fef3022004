"""Recipes as text: read without trust, written again, and every key and parameter known or named."""

from __future__ import annotations

import pytest

from merging import methods, presets, recipe
from merging.keys import closest, find_unknown
from merging.methods import PARAMETERS, SENTENCES, catalogue
from merging.request import Request
from shared.errors import VisitorError

BOMB = "".join(
    f"n{level}: &n{level} [{', '.join([f'*n{level - 1}' if level else 'x'] * 9)}]\n" for level in range(9)
)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (BOMB, "once its aliases"),
        ("a: &a [*a]", "alias of itself"),
        ("merge_method: linear\n---\nmerge_method: ties", "2 recipes separated by ---"),
        ("a: !!python/object/apply:os.system [ls]", "tag"),
        ("merge_method: !!python/name:os.system x", "tag"),
        ("a: [1, 2", "not YAML"),
        ("models:\n- model: a\n\t- b", "not YAML"),
        ("a: 1\na: 2", "appears twice"),
        ("", "empty"),
        ("- a\n- b", "not a mapping"),
        ("a: " + "[" * 40 + "]" * 40, "nested"),
        ("a: " + "x" * 70_000, "characters"),
        ("a: .nan", "as a number"),
        ("a: [1, -.inf]", "as a number"),
        ("a: " + "9" * 400, "as a number"),
        ("a: " + "9" * 5000, "cannot be read"),
        ("a: !!binary aGk=", "tag"),
        ("a: !!set {x}", "tag"),
        ("a: !!map [x]", "tag"),
        ("2026: x", "key in line 1"),
        ("? [a]\n: b", "key in line 1"),
        ('a: "\\ud800"', "half a character"),
    ],
)
def test_bad_text_is_said_in_a_sentence(text, sentence):
    with pytest.raises(VisitorError, match=sentence):
        recipe.parse(text)


@pytest.mark.parametrize("name", presets.PRESETS)
def test_examples_read_and_write_the_same(name):
    parsed = recipe.parse(presets.PRESETS[name])
    assert recipe.parse(recipe.to_yaml(parsed)) == parsed
    assert list(find_unknown(parsed)) == []


def test_models_are_found_wherever_a_recipe_names_them():
    parsed = recipe.parse(
        "base_model: a\nmodules:\n  text_decoder:\n    slices:\n    - base_model: b\n      sources:\n"
        "      - {model: c, layer_range: [0, 1]}\n"
        "tokenizer:\n  source: union\n  tokens:\n    x: {source: d}\n"
        "    y: {source: {kind: model_token, model: e, token: z}}\n"
        "models:\n- model: f@main+g\n"
    )
    assert recipe.models_of(parsed) == ["a", "d", "e", "f@main+g", "b", "c"]
    assert recipe.models_of({"tokenizer_source": "union", "models": "nothing", "slices": [1, None]}) == []


def test_the_forms_know_every_method_and_parameter_of_mergekit():
    from mergekit.merge_methods import registered_methods

    found = catalogue()
    assert found == methods.registered() and list(found) == list(methods.registered()), "run make examples"
    assert (
        set(found) == {method.spec.name for method in registered_methods()} == set(SENTENCES)
        and len(found) == 20
    )
    assert {item.name for method in found.values() for item in method.parameters} <= set(PARAMETERS)
    assert found["slerp"].least == found["slerp"].most == 2 and found["slerp"].base == "required"
    assert found["model_stock"].least == 3 and found["passthrough"].most == 1
    density = next(item for item in found["ties"].parameters if item.name == "density")
    assert (
        density.each
        and not density.on_base
        and not density.required
        and density.default == 1.0
        and density.kind == "float"
    )
    assert {name for name, method in found.items() if method.random} == {
        "dare_linear",
        "dare_ties",
        "della",
        "della_linear",
    }


def test_another_mergekit_is_asked_itself(monkeypatch):
    monkeypatch.setattr(methods, "version", lambda name: "9.9.9")
    monkeypatch.setattr(methods, "registered", lambda: {"its": "own"})
    assert methods.catalogue.__wrapped__() == {"its": "own"}


@pytest.mark.parametrize(
    ("text", "where", "level", "fix"),
    [
        ("merge_methd: linear", "merge_methd", "error", "merge_method"),
        ("merge_method: linear\nbasemodel: x", "basemodel", "error", "base_model"),
        (
            "merge_method: ties\nmodels:\n- model: a\n  parameters: {densty: .5}",
            "models[0].parameters.densty",
            "error",
            "density",
        ),
        (
            "merge_method: ties\nmodels:\n- model: a\n  parameter: {density: .5}",
            "models[0].parameter",
            "error",
            "parameters",
        ),
        ("merge_method: slerp\nparameters: {weight: 1}", "parameters.weight", "warning", "slerp takes t"),
        (
            "merge_method: ties\nmodels:\n- model: a\n  parameters: {normalize: true}",
            "models[0].parameters.normalize",
            "warning",
            "recipe's own",
        ),
        ("merge_method: linear\nslices:\n- source: []", "slices[0].source", "error", "sources"),
        (
            "merge_method: slerp\nparameters:\n  t:\n  - value: 1\n  - {filter: mlp, value: 0}",
            "parameters.t",
            "warning",
            "last",
        ),
        (
            "merge_method: slerp\nparameters:\n  t:\n  - {filer: mlp, value: 0}",
            "parameters.t[0].filer",
            "error",
            "filter",
        ),
        ("experts: []\ngatemode: hidden", "gatemode", "error", "gate_mode"),
        ("merge_method: linear\nname: mine", "name", "warning", "comment"),
    ],
)
def test_keys_that_mergekit_would_ignore_are_named(text, where, level, fix):
    found = [item for item in find_unknown(recipe.parse(text)) if item.where == where]
    assert [item.level for item in found] == [level], list(find_unknown(recipe.parse(text)))
    assert fix in found[0].fix


def test_the_closest_name():
    assert closest("dare-ties", catalogue()) == "dare_ties" and closest("TIES", catalogue()) == "ties"
    assert closest("quantum", catalogue()) is None


def test_requests_go_through_a_link():
    text = presets.PRESETS["Trim and elect signs (ties)"]
    request = Request.parse(recipe=text, seed="7", prompts="One?\nTwo?\n\n")
    assert request.prompts == ("One?", "Two?") and Request.from_query(request.to_query()) == request
    assert Request.parse(recipe="x: " + "y" * 3000).to_query()
    assert Request.parse(recipe="x: " + "y" * 5000).to_query() is None
    with pytest.raises(VisitorError, match="no recipe"):
        Request.from_query("seed=7")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"recipe": "  "}, "no recipe"),
        ({"recipe": 3}, "no recipe"),
        ({"recipe": "x" * 70_000}, "characters"),
        ({"seed": -1}, "seed"),
        ({"seed": "two"}, "seed"),
        ({"seed": float("nan")}, "seed"),
        ({"seed": True}, "seed"),
        ({"prompts": ["?"] * 7}, "at most 6"),
        ({"prompts": ["?" * 501]}, "too long"),
        ({"prompts": ["a\0b"]}, "null character"),
        ({"prompts": ["\ud800"]}, "half of a character"),
        ({"recipe": "a: \ud800"}, "half of a character"),
    ],
)
def test_bad_requests(values, sentence):
    with pytest.raises(VisitorError, match=sentence):
        Request.parse(**{"recipe": presets.PRESETS[presets.FIRST], **values})
