"""Shares, recipes' coefficients, licences, layout and exports."""

from __future__ import annotations

import random
import re
from itertools import pairwise, product

import pytest
import torch

from family_tree import exports, licence, terms
from family_tree.coefficients import ELECTING, TASK
from family_tree.contributions import contributions
from family_tree.layout import positions
from family_tree.parents import Edge
from family_tree.share import shares
from merging.methods import catalogue
from merging.recipe import parse


def edge(source: str, target: str, low: float, high: float | None = None) -> Edge:
    return Edge(source, target, "merge", part=(low, low if high is None else high))


def test_a_common_ancestor_is_all_of_a_task_sum():
    found = shares(
        "m",
        [
            edge("a", "m", 0.8),
            edge("b", "m", 0.7),
            edge("base", "m", -0.5),
            edge("base", "a", 1),
            edge("base", "b", 1),
        ],
    )
    assert found == {"base": (1, 1), "a": (0.8, 0.8), "b": (0.7, 0.7), "m": (1, 1)}


def test_bounds_use_that_coefficients_sum_to_one():
    both = [edge("a", "m", 0, 1), edge("b", "m", 0, 1), edge("root", "a", 1), edge("root", "b", 1)]
    assert shares("m", both)["root"] == (1, 1)
    assert shares("m", [edge("a", "m", 0.6, 0.9), edge("b", "m", 0, 1)])["b"] == (0.1, 0.4)


def test_bounds_hold_the_truth_of_random_trees():
    """Brute force: true coefficients drawn for every model of a random tree lie, multiplied out, within the
    bounds.
    """
    chance = random.Random(0)
    for _ in range(300):
        names = [f"m{index}" for index in range(8)]
        edges, truth = [], {}
        for index, name in enumerate(names[1:], 1):
            parents = chance.sample(names[:index], min(index, chance.randint(1, 3)))
            raw = [chance.uniform(-0.2, 1) for _ in parents]
            total = sum(raw) or 1.0
            if abs(total) < 0.2:
                raw, total = [1.0] * len(parents), float(len(parents))
            for parent, value in zip(parents, raw, strict=True):
                true = value / total
                truth[parent, name] = true
                slack = chance.choice([0, 0, 0.2, 1])
                edges.append(
                    edge(parent, name, true - slack * chance.random(), true + slack * chance.random())
                )
        exact = {names[-1]: 1.0}
        for name in reversed(names):
            for (parent, child), value in truth.items():
                if child == name and name in exact:
                    exact[parent] = exact.get(parent, 0.0) + exact[name] * value
        found = shares(names[-1], edges)
        for name, value in exact.items():
            low, high = found[name]
            assert low - 1e-5 <= value <= high + 1e-5, (name, value, found[name])


def parts(text: str) -> dict:
    return {name: told.part for name, told in contributions(parse(text)).items()}


@pytest.mark.parametrize("method", [*TASK, *ELECTING])
def test_coefficients_are_those_of_the_merged_weights(method):
    """Merge task vectors with mergekit and hold what comes out to what the recipe promises."""
    from mergekit.merge_methods import merge_tensors

    known = {item.name: item.default for item in catalogue()[method].parameters}
    torch.manual_seed(0)
    start = torch.zeros(100_000)
    for heavy, density, rescale, normalize, count in product(
        (0, 1), (0.3, 0.8), (None, True, False), (None, True, False), (1, 2)
    ):
        changes = torch.randn(count, 100_000)
        changes *= changes.abs() ** heavy  # at 1 few entries hold most of it
        weights = [0.6, 0.9][:count]
        stated = {
            name: value
            for name, value in (("rescale", rescale), ("normalize", normalize))
            if value is not None
        }
        recipe = {
            "merge_method": method,
            "base_model": "x/base",
            "parameters": stated,
            "models": [
                {"model": f"x/{i}", "parameters": {"weight": weight, "density": density}}
                for i, weight in enumerate(weights)
            ],
        }
        settings = {**known, **stated, "weight": weights, "density": [density] * count}
        settings |= {name: [known[name]] * count for name in ("epsilon", "gamma") if name in known}
        merged = merge_tensors([start, *changes], method, parameters=settings, base_index=0)
        found = {name: told.part for name, told in contributions(recipe).items()}
        case = (heavy, density, stated, count)
        if method in TASK or count == 1:  # one number for all entries: least squares
            fitted = torch.linalg.lstsq(changes.T.double(), merged[:, None].double()).solution[:, 0].tolist()
            for name, value in (
                *((f"x/{i}", value) for i, value in enumerate(fitted)),
                ("x/base", 1 - sum(fitted)),
            ):
                low, high = found[name]
                assert low - 0.06 <= value <= high + 0.06, (name, value, found[name], case)
        else:  # entry by entry
            ends = torch.stack([changes[i] * end for i in range(count) for end in found[f"x/{i}"]]).reshape(
                count, 2, -1
            )
            most = (1 - found["x/base"][0]) * changes.abs().amax(0)
            assert (merged >= 1.02 * ends.amin(1).sum(0) - 1e-5).all() and (
                merged <= 1.02 * ends.amax(1).sum(0) + 1e-5
            ).all(), case
            assert found["x/base"][1] == 1 and (
                normalize is False or (merged.abs() <= 1.02 * most + 1e-5).all()
            ), case
        if method in ("task_arithmetic", "dare_linear"):
            assert all(low == pytest.approx(high) for low, high in found.values()), (
                "what is known exactly is said exactly"
            )


@pytest.mark.parametrize("normalize", [True, False])
def test_a_gradient_is_no_mean_where_something_else_changes_too(normalize):
    """Over 101 layers: the mean of the products, and of the fractions, lies within."""
    recipe = {
        "merge_method": "dare_linear",
        "base_model": "x/base",
        "parameters": {"rescale": False, "normalize": normalize},
        "models": [
            {"model": "x/0", "parameters": {"weight": [0, 1], "density": [0, 1]}},
            {"model": "x/1", "parameters": {"weight": "5e-1"}},
        ],
    }
    low, high = contributions(recipe)["x/0"].part
    layers = torch.linspace(0, 1, 101)
    truth = float((layers * layers / ((layers + 0.5) if normalize else 1)).mean())
    assert low <= truth <= high < 1 + 1e-9 and contributions(recipe)["x/1"].weight == 0.5


def test_adapters_are_parents_without_a_part():
    found = contributions(
        parse(
            "merge_method: linear\nmodels:\n- {model: x/a@main+y/lora, parameters: {weight: 1}}\n"
            "- {model: HuggingFaceTB/SmolLM2-135M-Instruct+pirate, parameters: {weight: 3}}"
        )
    )
    assert {name: (told.role, told.part) for name, told in found.items()} == {
        "x/a": ("contributor", (0.25, 0.25)),
        "y/lora": ("adapter", (0.0, 0.0)),
        "pirate": ("contributor", (0.75, 0.75)),
    }
    assert found["x/a"].revision == "main"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "merge_method: slerp\nbase_model: x/a\nmodels: [{model: x/a}, {model: x/b}]\n"
            "parameters: {t: 0.3}",
            {"x/a": (0.7, 0.7), "x/b": (0.3, 0.3)},
        ),
        (
            "merge_method: slerp\nbase_model: x/a\nmodels: [{model: x/a}, {model: x/b}]\n"
            "parameters: {t: [0, 1, 0]}",
            {"x/a": (0.5, 0.5), "x/b": (0.5, 0.5)},
        ),
        (
            "merge_method: slerp\nbase_model: x/a\nmodels: [{model: x/a}, {model: x/b}]\n"
            "parameters: {t: [{filter: mlp, value: 0.2}, {value: 0.6}]}",
            {"x/a": (0.4, 0.8), "x/b": (0.2, 0.6)},
        ),
        (
            "merge_method: passthrough\nslices:\n- sources: [{model: x/a, layer_range: [0, 3]}]\n"
            "- sources: [{model: x/b, layer_range: [2, 3]}]",
            {"x/a": (0.75, 0.75), "x/b": (0.25, 0.25)},
        ),
        (
            "merge_method: passthrough\nslices:\n- sources: [{model: x/a, layer_range: [0, 3]}]\n"
            "- sources: [{model: x/b, layer_range: [2, 3], parameters: {scale: 0.4}}]",
            {"x/a": (0.75, 0.75), "x/b": (0.1, 0.1)},
        ),
        (
            "merge_method: passthrough\nslices:\n- sources: [{model: x/a, layer_range: [0, 3]}]\n"
            "- sources: [{model: x/b, layer_range: [2, 3]}]\n"
            "  parameters: {scale: [{filter: o_proj, value: 0}, {filter: down_proj, value: 0.2}]}",
            {"x/a": (0.75, 0.75), "x/b": (0, 0.25)},
        ),
        (
            "merge_method: passthrough\nmodels: [{model: x/a}]\n"
            "parameters: {scale: [{filter: q_proj, value: 2}, {value: 0.5}]}",
            {"x/a": (0.5, 2)},
        ),
        (
            "merge_method: ties\nbase_model: x/o\nmodels: [{model: x/a, parameters: {weight: 1}}]",
            {"x/a": (0, 1), "x/o": (0, 1)},
        ),
        (
            "merge_method: model_stock\nbase_model: x/o\nmodels: [{model: x/a}, {model: x/b}]",
            {"x/a": (0, 0.5), "x/b": (0, 0.5), "x/o": (0, 1)},
        ),
        (
            "merge_method: linear\nmodels: [{model: x/a}, {model: x/b, parameters: {weight: 1}}]",
            {"x/a": (0, 1), "x/b": (0, 1)},
        ),
        (
            "merge_method: linear\nmodels: [{model: x/a, parameters: {weight: 2}}]\n"
            "parameters: {normalize: false}",
            {"x/a": (2, 2)},
        ),
        (
            "merge_method: karcher\nmodels: [{model: x/a}, {model: x/b}]",
            {"x/a": (0.5, 0.5), "x/b": (0.5, 0.5)},
        ),
        ("merge_method: nonsense\nmodels: [{model: x/a}, {model: x/b}]", {"x/a": (0, 1), "x/b": (0, 1)}),
        (
            "base_model: x/o\nexperts: [{source_model: x/a}, {source_model: x/b}]",
            {"x/a": (0, 1), "x/b": (0, 1), "x/o": (0, 1)},
        ),
        (
            "merge_method: task_arithmetic\nbase_model: x/o\n"
            "models: [{model: x/a, parameters: {weight: {a: 1}}}]\nslices: 7",
            {"x/a": (0, 1), "x/o": (0, 1)},
        ),
    ],
)
def test_coefficients_of_recipes(text, expected):
    found = parts(text)
    assert set(found) == set(expected)
    for name, span in expected.items():
        assert found[name] == pytest.approx(span), name


def test_obligations_come_with_their_way_and_conflicts_with_a_way_out():
    licences = {
        "m": "apache-2.0",
        "a": "cc-by-nc-4.0",
        "b": "gpl-3.0",
        "root": "llama3.1",
        "odd": "my-licence",
    }
    parents = {"m": ["a", "b", "odd"], "a": ["root"]}
    found = licence.inherited("m", licences, parents)
    assert [item["asks"] for item in found["obligations"]][:2] == [
        terms.NON_COMMERCIAL,
        terms.SHARE_ALIKE,
    ]
    naming = next(item for item in found["obligations"] if item["asks"] == terms.NAMING)
    assert naming["path"] == ["m", "a", "root"] and naming["url"].startswith("https://")
    assert found["unknown"] == [{"from": "odd", "licence": "my-licence", "path": ["m", "odd"]}]
    messages = " ".join(item["message"] for item in found["conflicts"])
    assert (
        "m states apache-2.0; a (cc-by-nc-4.0) asks for: no commercial use" in messages
        and "b (gpl-3.0) and root (llama3.1)" in messages
    )
    assert all(item["resolve"] for item in found["conflicts"])
    assert licence.inherited("m", {"m": "apache-2.0", "a": "mit"}, {"m": ["a"]})["conflicts"] == []
    assert licence.inherited("m", {"m": "mit", "a": "cc-by-nd-4.0"}, {"m": ["a"]})["conflicts"][0][
        "resolve"
    ].startswith("Ask its author")


def test_every_licence_has_a_source():
    assert all(
        item.url.startswith("https://") and item.id == name and set(item.asks) <= set(terms.STRICTNESS)
        for name, item in terms.TABLE.items()
    )


def test_the_layout_puts_parents_before_children_and_nothing_on_top_of_another():
    chance = random.Random(1)
    names = [f"m{index}" for index in range(300)]
    edges = [(names[chance.randrange(index)], names[index]) for index in range(1, 300)]
    found, bends = positions(names, edges)
    assert all(found[source][0] < found[target][0] for source, target in edges)
    assert len(set(found.values())) == 300
    assert positions(["a", "b"], [("a", "b"), ("b", "a")])[0].keys() == {"a", "b"}
    for layer in {x for x, _ in found.values()}:
        column = sorted(
            place[1]
            for place in [*found.values(), *(stop for stops in bends.values() for stop in stops)]
            if place[0] == layer
        )
        assert all(two - one >= 0.99 for one, two in pairwise(column))


def test_a_long_edge_goes_around_the_models_between():
    found, bends = positions(["root", "mid", "child"], [("root", "mid"), ("mid", "child"), ("root", "child")])
    assert [place[0] for place in (found["root"], found["mid"], found["child"])] == [0, 1, 2]
    assert [stop[0] for stop in bends["root", "child"]] == [1] and abs(
        bends["root", "child"][0][1] - found["mid"][1]
    ) >= 1


def test_texts_for_other_tools_are_escaped():
    hostile = 'a"b]; click x "javascript:1" <i> \\ \n'
    node = {"licence": "mit", "status": "ok"}
    tree = {
        "nodes": [{**node, "id": hostile}, {**node, "id": "x/y"}],
        "edges": [{"source": hostile, "target": "x/y", "relation": "merge", "role": "base", "weight": 0.5}],
    }
    mermaid = exports.mermaid(tree["nodes"], tree["edges"])
    assert (
        mermaid.count("\n") == 4
        and "click x" in mermaid
        and '"javascript' not in mermaid
        and "<i>" not in mermaid
    )
    assert "merge 0.5, base" in mermaid
    dot = exports.dot(tree["nodes"], tree["edges"])
    assert len(re.findall(r"(?<!\\)\"", dot)) % 2 == 0 and dot.count("\n") == 7
