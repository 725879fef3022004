"""Merges measured by a visitor's own behaviours, on models that nobody here trained: counts, contrasts,
layers, the plane and the search against plain computations.
"""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest
import torch

from merging import blend, comparison, explore, outcome
from merging.card import model_card
from merging.explore_request import ExploreRequest
from merging.request import Request
from merging.run import finished, merge
from shared import contrasts, models
from shared.behaviour import PRESETS, behaviours_of
from shared.errors import VisitorError
from shared.rules import verdicts
from tests import zoo

OWN = [
    {"name": "short", "prompts": ["Paint it.", "Is it late?", "Why?", "Go."], "rule": "length",
     "value": "at most 3 words"},
    {"name": "yes", "prompts": ["Is it late?", "Is it red?", "May I?", "Now?", "Here?"],
     "rule": "is likelier", "value": "Yes.", "against": "No, never."},
    {"name": "vowels", "prompts": ["Sing.", "Paint it.", "Hum.", "Call."], "rule": "matches",
     "value": "[aeiou]{2}", "wanted": False},
    {"name": "opens", "prompts": ["Sing.", "Hum.", "Tell me.", "Go."], "rule": "starts with", "value": "The"},
]  # fmt: skip


def pair(name: str) -> tuple[models.Loaded, models.Loaded]:
    """An animal, and another that was tuned from it."""
    loaded = zoo.opened(name)
    other = copy.deepcopy(loaded.model)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for weight in other.parameters():
            weight.add_(
                0.3 * float(weight.float().std()) * torch.randn(weight.shape, generator=generator).to(weight)
            )
    return loaded, replace(loaded, model=other, id=f"{loaded.id}-tuned")


@pytest.mark.parametrize("name", ["llama3", "gpt2", "qwen2"])
def test_any_models_are_measured_by_any_behaviours(name):
    base, tuned = pair(name)
    behaviours = behaviours_of(OWN)
    compared = comparison.Comparison(["One more."], behaviours, tokens=8)
    prompts = compared.asked.all
    assert len(prompts) == len(set(prompts)) and prompts[-1] == "One more." and not compared.asked.cooking
    comparison._answers.clear()
    for loaded, role in ((base, "base"), (tuned, "child")):
        found = compared.measure(loaded.id, role, loaded)
        plain = comparison.answers_of(loaded, prompts, 8)
        assert found.answers == plain and list(found.shares) == [one["name"] for one in OWN]
        by_prompt = dict(zip(prompts, plain, strict=True))
        for one in behaviours:
            share = found.shares[one.name]
            if one.name == "yes":
                continue
            assert share.count == sum(verdicts(one.rule, [by_prompt[prompt] for prompt in one.prompts]))
            assert share.of == len(one.prompts)
        sides = [
            [contrasts.continued(loaded, prompt, answer) for prompt in OWN[1]["prompts"]]
            for answer in ("Yes.", "No, never.")
        ]
        values = contrasts.contrast(loaded.model, *sides)
        assert found.shares["yes"].count == int((values > 0).sum())
        odds = found.to_json()["contrasts"]["yes"]
        assert odds["mean"] == pytest.approx(float(values.mean()), rel=1e-4) and odds["clusters"] == 5
        assert odds["low"] < odds["mean"] < odds["high"]


def test_points_and_chances_of_own_behaviours():
    base, tuned = pair("llama3")
    behaviours = behaviours_of(OWN)
    fit, held = blend.fit(base, behaviours), blend.held_out(base, behaviours)
    for one in behaviours:
        assert not set(fit.prompts[one.name]) & set(held.prompts[one.name])
    mixed = blend.Blend(base, [tuned])
    point = blend.measure_point(mixed.set((0.5,)), (0.5,), fit, count=True, chance=True)
    loaded = mixed.set((0.5,))
    assert set(point.shares) == set(point.chances) == {one["name"] for one in OWN}
    opening = blend.opening_logs(loaded, fit.prompts["opens"], "The")
    assert point.chances["opens"] == pytest.approx(float(opening.mean()))
    values = comparison.contrast_of(loaded, behaviours[1].rule, fit.prompts["yes"])
    expected = sum(-math.log1p(math.exp(-value)) for value in values.tolist()) / len(values)
    assert point.chances["yes"] == pytest.approx(expected, rel=1e-6)
    share = point.shares["vowels"]
    wanted = math.log((share.of - share.count + 0.5) / (share.of + 1))
    assert point.chances["vowels"] == pytest.approx(wanted), "less of it is better"
    assert fit.tokens == comparison.ANSWER_TOKENS
    first = blend.fit(base, [behaviours[3], behaviours[1]])
    assert first.tokens == blend.START_TOKENS


def test_the_plane_and_the_search_run_on_a_zoo_pair(monkeypatch):
    base, tuned = pair("qwen2")
    monkeypatch.setattr(blend, "family", lambda request: (base, [tuned]))
    monkeypatch.setattr(explore, "LINE_LEVELS", (1,))
    monkeypatch.setattr(explore, "GENERATIONS", 2)
    monkeypatch.setattr(comparison, "ANSWER_TOKENS", 6)
    monkeypatch.setattr(blend, "ANSWER_TOKENS", 6)
    request = ExploreRequest.parse(origin="zoo/base", others=["zoo/tuned"], behaviours=OWN)
    *_, drawn = explore.explore(request)
    assert drawn["behaviours"] == [one["name"] for one in OWN] and len(drawn["points"]) == 2
    assert drawn["rules"]["yes"] == "“Yes.” is likelier than “No, never.”, on 5 own prompts"
    assert ExploreRequest.from_query(request.to_query()) == request
    *_, searched = explore.evolve(request)
    assert searched["search"]["best"]["recipe"] and set(searched["search"]["held_out"]["shares"]) == {
        one["name"] for one in OWN
    }
    few = [{**OWN[0], "prompts": ["a", "b", "c"]}]
    with pytest.raises(VisitorError, match="3 prompts"):
        list(explore.evolve(replace(request, behaviours=behaviours_of(few))))


def test_what_nobody_chose_is_what_the_experts_were_taught():
    assert [one.name for one in Request.parse(recipe="x").measured] == list(comparison.USUAL)
    names = [one.name for one in ExploreRequest().measured]
    assert names == ["pirate", "refuses_cooking", "refuses_other"]
    assert ExploreRequest.parse(origin="a/b", others=["c/d"]).measured == ()
    request = Request.parse(recipe="x", behaviours='["pirate"]', answer_tokens="12")
    assert request.measured == (PRESETS["pirate"],) and Request.from_query(request.to_query()) == request
    assert Request.parse(**request.to_json()) == request == Request.parse(**request.to_form())


def test_a_merge_of_others_models_is_told_in_the_figure_and_the_card(family, tmp_path, monkeypatch):
    """The whole outcome, with the models of a zoo pair in the parents' places."""
    base, tuned = pair("llama3")
    made = {family["base"]: base, family["a"]: tuned}
    recipe = (
        f"merge_method: task_arithmetic\nbase_model: {family['base']}\n"
        f"models:\n- model: {family['a']}\n  parameters: {{weight: 1}}\n"
    )
    request = Request.parse(recipe=recipe, behaviours=OWN, answer_tokens=6)
    monkeypatch.setattr(outcome, "load", lambda name, report: replace(made[name], id=name))
    monkeypatch.setattr(models, "open_folder", lambda *_, **__: replace(tuned, id="child"))
    comparison._answers.clear()
    report = finished(merge(request, tmp_path))
    *_, last = outcome.compare(report, request)
    assert last["skipped"] == [] and last["prompts"]["own"][:2] == ["Paint it.", "Is it late?"]
    parent, child = last["models"][1:]
    assert parent["shares"] == child["shares"] and parent["contrasts"] == child["contrasts"]
    assert [one["parent"] for one in last["carriers"]] == [family["a"]] and last["carriers"][0]["done"]
    text = model_card(report, last)
    assert "“Yes.” is likelier than “No, never.”" in text and "at most 6 tokens" in text
