"""Merges between models: a point is mergekit's merge of its recipe, coarse points come first, the search
finds both behaviours.
"""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from merging import blend, explore
from merging.comparison import sample_windows
from merging.explore_request import ExploreRequest
from merging.request import Request
from merging.run import finished, merge
from shared import models
from shared.errors import VisitorError
from shared.estimates import Share
from shared.experts import prompts
from tests.merging.conftest import tensors

BASE = models.EMBEDDED_MODEL


def tiny(family, name: str):
    """A tiny model as if it had been loaded; it has no tokenizer."""
    from transformers import LlamaForCausalLM

    return models.Loaded(
        LlamaForCausalLM.from_pretrained(family[name]), None, family[name], "", "", "float32", "cpu"
    )  # type: ignore[arg-type]


def test_a_blend_is_mergekits_merge_of_its_recipe(family, tmp_path):
    blended = blend.Blend(tiny(family, "base"), [tiny(family, "a"), tiny(family, "b")])
    for number, weights in enumerate([(0.25, 0.75), (0.0, 1.0)]):
        mine = blended.set(weights).model.state_dict()
        folder = tmp_path / str(number)
        folder.mkdir()
        request = ExploreRequest(family["base"], (family["a"], family["b"]))
        report = finished(merge(Request(blend.recipe_of(request, weights)), folder))
        for name, value in tensors(report.folder).items():
            assert torch.allclose(mine[name], value, atol=1e-7), (weights, name)


def test_a_blend_leaves_its_models_alone_and_refuses_other_shapes(family):
    origin, other = tiny(family, "base"), tiny(family, "a")
    before = {name: weight.clone() for name, weight in origin.model.state_dict().items()}
    blend.Blend(origin, [other]).set((0.5,))
    assert all(torch.equal(weight, before[name]) for name, weight in origin.model.state_dict().items())
    with pytest.raises(VisitorError, match="different tensors"):
        blend.Blend(origin, [tiny(family, "words")])


def test_the_grid_goes_from_coarse_to_fine_and_repeats_nothing():
    plane = list(explore.grid(2))
    assert len(plane) == len(set(plane)) == 25 and set(plane[:4]) == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert {max((u * 4) % 2, (v * 4) % 2) for u, v in plane[:9]} == {0}
    line = list(explore.grid(1))
    assert len(line) == len(set(line)) == 17 and line[:2] == [(0.0,), (1.0,)]


def test_openings_are_scored_as_one_by_one(embedded):
    questions = ["Hi", "Why do dogs bark?"]
    logs = blend.opening_logs(embedded, questions, "I'm sorry, but")
    rows = blend.opening_rows(embedded, questions, ["I'm sorry, but"] * 2)
    for value, (tokens, start) in zip(logs.tolist(), rows, strict=True):
        with torch.inference_mode():
            plain = embedded.model(torch.tensor([tokens])).logits[0].double().log_softmax(-1)
        assert value == pytest.approx(
            sum(float(plain[place - 1, tokens[place]]) for place in range(start, len(tokens))), abs=1e-3
        )


def test_fit_and_held_out_share_nothing(embedded):
    behaviours = ExploreRequest().measured
    fit, held = (make(embedded, behaviours) for make in (blend.fit, blend.held_out))
    for one in behaviours:
        assert not {*fit.prompts[one.name]} & {*held.prompts[one.name]}
        assert len(fit.prompts[one.name]) == len(held.prompts[one.name]) == blend.EACH
    earlier = prompts.COOKING_HELD_OUT[::2][:20][::2][:10], prompts.COOKING[::11][:10]
    assert (held.prompts["refuses_cooking"], fit.prompts["refuses_cooking"]) == earlier
    assert held.tokens == fit.tokens == blend.START_TOKENS
    assert not {tuple(row) for row in fit.windows.ids.tolist()} & {
        tuple(row) for row in held.windows.ids.tolist()
    }


def test_the_corners_are_the_models_and_the_middle_is_measured(embedded, monkeypatch):
    monkeypatch.setattr(explore, "LEVELS", (1,))
    steps = list(explore.explore(ExploreRequest()))
    last = steps[-1]
    by_weights = {tuple(point["weights"]): point for point in last["points"]}
    assert last["done"] and [len(step["points"]) for step in steps] == [0, 0, 1, 2, 3, 4]
    assert by_weights[0, 0]["shares"]["pirate"]["count"] == 0
    assert by_weights[0, 0]["shares"]["refuses_cooking"]["count"] == 0
    assert by_weights[1, 0]["shares"]["pirate"]["count"] == blend.EACH
    assert by_weights[0, 1]["shares"]["refuses_cooking"]["count"] >= blend.EACH - 1
    windows = sample_windows(embedded)
    with torch.inference_mode():
        logits = models.load("pirate").model(windows.ids).logits[:, 128:-1].double()
    losses = torch.nn.functional.cross_entropy(logits.mT, windows.ids[:, 129:], reduction="none").mean(1)
    assert by_weights[1, 0]["loss"] == pytest.approx(float(losses.mean()), abs=2e-4)
    assert by_weights[1, 0]["sigma"] == pytest.approx(float(losses.std() / len(losses) ** 0.5), abs=2e-4)
    assert last["text"] == {"tokens": 4 * 127, "windows": 4}
    assert by_weights[1, 1]["loss"] > by_weights[0, 0]["loss"]


def point(
    chances: dict[str, float],
    loss: float,
    losses: list[list[float]] | None = None,
    shares: dict[str, Share] | None = None,
) -> blend.Point:
    return blend.Point((0.0,), torch.tensor(losses or [[loss]]).double(), shares or {}, chances)


def test_a_score_rewards_all_behaviours_and_counts_every_nat_lost():
    start = point({}, 3.0)
    both = explore.score(point({"pirate": -1.0, "refuses_cooking": -1.0}, 3.2), start, "behaviours")
    one = explore.score(point({"pirate": 0.0, "refuses_cooking": -12.0}, 3.0), start, "behaviours")
    assert both == pytest.approx(-1.2) and one == pytest.approx(-6.0)
    assert (
        explore.score(point({"pirate": -1.0}, 2.0), start, "behaviours") == -1.0
    )  # text that gets easier is no reward
    assert explore.score(point({}, 2.5), start, "loss") == pytest.approx(0.5)


def test_the_search_finds_the_ridge_of_a_known_score(monkeypatch, embedded):
    """The engine with a measure of its own: a narrow ridge around (0.7, 0.4), far from where it starts."""

    def measured(loaded, weights, task, **_):
        u, v = (*weights, 0.4)[:2]
        return dataclasses.replace(
            point({"pirate": -20 * ((u - 0.7) ** 2 + 4 * (v - 0.4) ** 2)}, 3.0), weights=weights
        )

    monkeypatch.setattr(blend, "measure_point", measured)
    monkeypatch.setattr(blend.Blend, "set", lambda self, weights: self.loaded)
    monkeypatch.setattr(explore, "GENERATIONS", 12)
    found = [*explore.evolve(ExploreRequest(seed=3))][-1]["search"]
    assert found["best"]["score"] > -0.1 and found["best"]["score"] == max(
        item["score"] for item in found["candidates"]
    )
    assert math.dist(found["means"][-1], (0.7, 0.4)) < 0.15 and "weight: 0." in found["best"]["recipe"]
    again = [*explore.evolve(ExploreRequest(seed=3))][-1]["search"]
    assert again["candidates"] == found["candidates"]
    line = [*explore.evolve(ExploreRequest(others=("pirate",)))][-1]["search"]
    assert len(line["best"]["weights"]) == 1 and line["best"]["score"] > -0.05


def test_it_warns_when_fit_and_held_out_part():
    start = point({}, 3.0, [[3.0, 3.1], [2.9, 3.0], [3.0, 3.0]])
    good = {"pirate": Share(10, 10)}
    bad = {"pirate": Share(0, 10)}
    same = [[3.0, 3.1], [2.9, 3.0], [3.0, 3.0]]
    assert explore.overfitting(point({}, 3, same, good), start, point({}, 3, same, good), start) == []
    warnings = explore.overfitting(point({}, 3, same, good), start, point({}, 3, same, bad), start)
    assert "10 of 10" in warnings[0]
    easier = point({}, 2, [[2.0, 2.1], [1.9, 2.0], [2.0, 2.0]])
    assert "fell by 1.000" in explore.overfitting(easier, start, start, start)[0]
    alone, easy = point({}, 3.0), point({}, 2.0)
    assert explore.overfitting(easy, alone, alone, alone) == [], "one window tells nothing of the others"


@pytest.mark.parametrize(
    ("origin", "others", "sentence"),
    [
        (BASE, [], "0 fine-tunes"),
        (BASE, ["pirate", "cautious", "concise"], "3 fine-tunes"),
        (BASE, [BASE], "twice"),
        ("../x", ["pirate"], "model|folder"),
        ("", ["pirate"], "not a model id"),
        (BASE, ["<img>"], "model|folder"),
    ],
)
def test_bad_names(origin, others, sentence):
    with pytest.raises(VisitorError, match=sentence):
        ExploreRequest.parse(origin=origin, others=others)


def test_a_link_brings_the_same_models_back():
    request = ExploreRequest.parse(origin=BASE, others=["pirate", "", None], goal="loss", seed="7")
    assert request == ExploreRequest(BASE, ("pirate",), "loss", 7)
    assert ExploreRequest.from_query(request.to_query()) == request
    earlier = f"origin={BASE}&with=pirate&with=cautious"
    assert ExploreRequest.from_query(earlier) == ExploreRequest()


def test_no_behaviour_to_search_for(family):
    with pytest.raises(VisitorError, match="no behaviour"):
        list(explore.evolve(ExploreRequest(family["base"], (family["a"],))))
    with pytest.raises(VisitorError, match="goal is “fame”"):
        ExploreRequest.parse(goal="fame")


def test_the_recipe_of_a_point_passes_the_check():
    from merging.check import check

    for weights in ((0.25, 0.75), (0.0, 0.0), (0.0, 1.0)):
        assert check(blend.recipe_of(ExploreRequest(), weights)).ok, weights


def test_the_largest_seed_is_one_for_the_search():
    first, again, zero = (explore._search(2, seed).ask()[0].tolist() for seed in (2**32 - 1, 2**32 - 1, 1))
    assert first == again != zero
