"""What mergekit passes over, or fails on only after minutes: each mistake is named with a fix that works."""

from __future__ import annotations

import json

import pytest
import yaml

from merging import recipe as recipes
from merging.check import Check, check
from tests import zoo


def checked(recipe: dict, family: dict[str, str]) -> Check:
    """The check of a recipe whose models are names of the family or of the zoo."""
    copy = json.loads(json.dumps(recipe))
    for holder, key, _ in list(recipes.named(copy)):
        name = holder[key]
        holder[key] = family[name] if name in family else str(zoo.folder(name))
    return check(yaml.safe_dump(copy, sort_keys=False))


def merge(method: str, *models: str, each: dict | None = None, **more: object) -> dict:
    """A recipe with the same parameters for every model."""
    entries = [{"model": name, **({"parameters": each} if each else {})} for name in models]
    return {"merge_method": method, "models": entries, **more}


def linear(*models: str, **more: object) -> dict:
    return merge("linear", *models, each={"weight": 1}, **more)


def mixture(*models: str, **more: object) -> dict:
    experts = [{"source_model": name} for name in models]
    return {"base_model": "base", "gate_mode": "random", "experts": experts, **more}


WEIGHT, SELF = {"weight": 1.0}, [{"filter": "self_atn", "value": 0.3}, {"value": 0.5}]
MISTAKES = {
    "a misspelt parameter below a misspelt method": (
        merge("dare-ties", "a", each={"wieght": 1}, base_model="base"),
        {"merge_method": "dare_ties", "models[0].parameters.wieght": "weight"},
    ),
    "a quantized parent": (linear("bnb4"), {"models[0].model": "quantized from"}),
    "an FP8 parent beside a plain one": (linear("llama3", "fp8"), {"models[1].model": "quantized from"}),
    "a misspelt chat template": (linear("llama3", chat_template="chatlm"), {"chat_template": "chatml"}),
    "a short text as a chat template": (linear("llama3", chat_template="{{ x }}"), {"chat_template": "auto"}),
    "a base without tokenizer": (
        linear("a", "llama3", base_model="a"),
        {"base_model": "another base"},
    ),
    "a chat template without a tokenizer": (
        linear("a", "b", base_model="a", chat_template="chatml"),
        {"base_model": "Choose a base that has one"},
    ),
    "della beyond a chance of 1": (
        merge("della", "a", each={**WEIGHT, "density": 0.9}, base_model="base"),
        {"models[0].parameters.density": "below 0.85"},
    ),
    "dare below a chance of 0": (
        merge("dare_ties", "a", each={**WEIGHT, "density": -1}, base_model="base"),
        {"models[0].parameters.density": "0 to 1"},
    ),
    "nuslerp with three models": (
        merge("nuslerp", "a", "b", "c", each=WEIGHT, base_model="base"),
        {"models": "Name as many"},
    ),
    "linear with a base that has no weight": (linear("a", "b", base_model="base"), {"parameters": "list"}),
    "a filter that fits no tensor": (
        merge("slerp", "a", "b", base_model="a", parameters={"t": SELF}),
        {"parameters.t[0].filter": "self_attn"},
    ),
    "a misspelt key of a token": (
        linear("llama3", tokenizer={"tokens": {"x": {"sourc": "llama3"}}}),
        {"tokenizer.tokens.x.sourc": "source"},
    ),
    "a token that its source lacks": (
        linear("llama3", tokenizer={"tokens": {"<none>": {"source": "llama3"}}}),
        {"tokenizer.tokens.<none>.source": "Name a model that has it"},
    ),
    "another tool's name of a dtype": (mixture("a", "b", dtype="bf16"), {"dtype": "bfloat16"}),
    "an expert deeper than the base": (
        mixture("a", "deeper"),
        {"experts[1].source_model": "fine-tuned from"},
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_with_its_fix(name, family):
    recipe, wanted = MISTAKES[name]
    errors = {item.where: item for item in checked(recipe, family).findings if item.level == "error"}
    assert wanted.keys() <= errors.keys(), errors
    for where, fix in wanted.items():
        assert fix in errors[where].fix, errors[where]


REPAIRED = {
    "a misspelt parameter below a misspelt method": merge("dare_ties", "a", each=WEIGHT, base_model="base"),
    "a misspelt chat template": linear("llama3", chat_template="chatml"),
    "della beyond a chance of 1": merge("della", "a", each={**WEIGHT, "density": 0.8}, base_model="base"),
    "linear with a base that has no weight": linear("a", "b", "base", base_model="base"),
    "a filter that fits no tensor": merge(
        "slerp", "a", "b", base_model="a", parameters={"t": [{**SELF[0], "filter": "self_attn"}, SELF[1]]}
    ),
    "a misspelt key of a token": linear(
        "llama3", tokenizer={"tokens": {"x": {"source": {"kind": "zero"}}}}, base_model="llama3"
    ),
    "another tool's name of a dtype": mixture("llama3", "llama31", base_model="llama3", dtype="bfloat16"),
}


@pytest.mark.parametrize("name", REPAIRED)
def test_the_fix_works(name, family):
    assert checked(REPAIRED[name], family).ok, checked(REPAIRED[name], family).findings


@pytest.mark.parametrize(
    ("recipe", "sentence"),
    [
        (merge("ties", "a", each={**WEIGHT, "density": 50}, base_model="base"), "mergekit uses 1"),
        (merge("slerp", "a", "b", base_model="a", parameters={"t": 2}), "beyond the two models"),
        (linear("a", "b"), "No model has a tokenizer"),
    ],
)
def test_what_mergekit_runs_all_the_same_is_a_warning(recipe, sentence, family):
    result = checked(recipe, family)
    assert result.ok and any(
        item.level == "warning" and sentence in item.message for item in result.findings
    ), result.findings


def test_anchors_and_aliases_are_read():
    text = "models:\n- &one {model: x, parameters: {weight: 1}}\n- <<: *one\n  model: y\n- *one\n"
    first, second, third = recipes.parse(text)["models"]
    assert first == third == {"model": "x", "parameters": {"weight": 1}} and second == {**first, "model": "y"}
    assert first is not third and first["parameters"] is not second["parameters"], "each place has its own"


def test_a_value_that_differs_by_layer_is_named_once_and_where_it_stands(family):
    recipe = merge("ties", "a", "b", each=WEIGHT, base_model="base", parameters={"density": 0.5})
    recipe["models"][1]["parameters"] = {**WEIGHT, "density": [2, 3]}
    told = [(item.where, item.level) for item in checked(recipe, family).findings if "density" in item.where]
    assert told == [("models[1].parameters.density", "warning")]
    recipe["parameters"]["density"] = 7
    assert {item.where for item in checked(recipe, family).findings if "density" in item.where} == {
        "models[1].parameters.density",
        "parameters.density",
    }
