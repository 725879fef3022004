"""The truth bench on a tiny model: distances, shares and intervals against plain loops and scipy."""

from __future__ import annotations

import json

import pytest
import torch

from abliteration import lessons, plants, sets
from abliteration.bench_methods import METHODS
from abliteration.bench_request import BenchRequest
from abliteration.outcome import bench as outcome
from abliteration.summary import interval, over_plants
from shared.errors import VisitorError
from tests import zoo

ASKED = BenchRequest.parse(plants=["travel", "animals"], steps=3, trials=1, candidates=1, layer=1)


@pytest.fixture(scope="module")
def loaded():
    return zoo.opened("qwen2")


@pytest.fixture(scope="module")
def run(loaded):
    """The last figure; every planted and edited model beside it, by plant and method."""
    seen = {}
    distance = outcome.Planted.distance

    def noted(self, model, side):
        found = distance(self, model, side)
        seen.setdefault(self.plant.name, []).append((self, model, side, found))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outcome.Planted, "distance", noted)
        *_, figure = outcome.bench(ASKED, loaded)
    return figure, seen


def test_every_method_of_every_plant_is_measured(run):
    figure, _ = run
    assert figure["done"] and [plant["name"] for plant in figure["plants"]] == ["travel", "animals"]
    for plant in figure["plants"]:
        assert [row["method"] for row in plant["rows"]] == list(METHODS)
        assert plant["prompts"]["report"] == [20, 20] and plant["layer"] == 1
        assert {row["left"]["of"] for row in plant["rows"]} == {20}
        assert len(plant["parts"]) == figure["layers"] and plant["parts"][0] is None  # the template's token
    assert "NaN" not in json.dumps(figure)


def test_distances_are_those_of_a_plain_loop(run, loaded):
    """By float64 over one prompt at a time; the never-planted model is at 0 from itself."""
    _, seen = run
    here, model, side, found = seen["travel"][-1]

    def by_hand(other):
        values = []
        for ids, start in here.rows[side]:
            with torch.inference_mode():
                logs = [
                    one(torch.tensor([ids])).logits[0].double().log_softmax(-1)
                    for one in (loaded.model, other)
                ]
            places = range(start, len(ids))
            gaps = logs[0].exp() * (logs[0] - logs[1])
            values.append(sum(float(gaps[at - 1].sum()) for at in places) / len(places))
        return sum(values) / len(values)

    assert found["mean"] == pytest.approx(by_hand(model), abs=2e-5)
    assert here.distance(loaded.model, side)["mean"] == pytest.approx(0, abs=1e-9)
    answer = here.rows[side][0]
    assert len(answer[0]) - answer[1] <= lessons.ANSWER_TOKENS


def test_report_prompts_are_in_no_training(loaded):
    for plant in plants.STORED.values():
        parted = sets.split(plant.prompts, 3)
        report = {*parted.report.positive, *parted.report.negative}
        learnt = {
            prompt
            for part in ("fit", "select")
            for side in ("positive", "negative")
            for prompt in parted.side(part, side)
        }
        assert len(report) == 40 and not report & learnt


def test_topic_and_plant_are_the_direction_and_the_planted_part_is_removed(run):
    figure, _ = run
    for plant in figure["plants"]:
        at = plant["parts"][plant["layer"]]
        assert at["low"] - 1e-3 <= at["topic"] <= at["high"] + 1e-3
        rows = {row["method"]: row for row in plant["rows"]}
        assert rows["planted"]["cosine"] == pytest.approx(1, abs=1e-3)
        assert rows["means"]["cosine"] == pytest.approx(at["planted_cosine"], abs=1e-3)
        assert rows["topic"]["cosine"] == pytest.approx(at["between"], abs=1e-3)


def test_means_over_plants_are_students(run):
    from scipy import stats

    figure, _ = run
    values = [[0.4, 0.1, 0.3, 0.2], [0.5, 0.05, 0.2, 0.6]]
    made = [
        {
            "rows": [
                {
                    "method": name,
                    "left": {"count": round(20 * row[at]), "of": 20},
                    "near": {"mean": row[at]},
                    "other": None,
                }
                for name, row in zip(("means", "affine"), values, strict=True)
            ]
        }
        for at in range(4)
    ]
    plain, other = over_plants(made, ("means", "affine"), "means")
    wanted = stats.t.interval(0.95, 3, stats.tmean(values[1]), stats.sem(values[1]))
    near = other["means"]["near"]
    assert (near["low"], near["high"]) == pytest.approx(wanted, abs=1e-4) and near["of"] == 4
    paired = stats.ttest_rel(values[1], values[0]).confidence_interval(1 - 0.05 / 3)
    assert (other["against"]["near"]["low"], other["against"]["near"]["high"]) == pytest.approx(
        paired, abs=1e-4
    )
    assert plain["against"] == {} and "other" not in other["means"]
    assert interval([0.3]) == {"mean": 0.3, "low": None, "high": None, "of": 1}
    found = {one["method"]: one["means"]["near"] for one in figure["summary"]}
    rows = [plant["rows"][0]["near"]["mean"] for plant in figure["plants"]]
    assert found["means"]["mean"] == pytest.approx(sum(rows) / 2, abs=1e-4)


def test_a_visitors_plant_and_what_is_refused(loaded):
    asks = [f"How do I mend a {thing}?" for thing in ("chair", "lamp", "bag", "cup", "tent", "kite")]
    other = [f"What is {thing}?" for thing in ("rust", "snow", "gold", "a map", "a verb", "a lock")]
    own = {"plants": "own", "positive": asks, "negative": other, "says": "Ask my aunt.", "form": "opening"}
    request = BenchRequest.parse(**own, methods=["random"], steps=1, layer=1, seed=2)
    assert request.methods == ("means", "random") and BenchRequest.from_query(request.to_query()) == request
    *_, figure = outcome.bench(request, loaded)
    (plant,) = figure["plants"]
    assert plant["prompts"] == {"fit": [2, 2], "select": [2, 2], "report": [2, 2]}
    assert plant["rule"] == "starts with “Ask my aunt”"
    for changed, sentence in (
        ({"says": ""}, "has no words"),
        ({"negative": asks}, "equal"),
        ({"plants": []}, "no plants"),
        ({"plants": ["moon"]}, "plants holds “moon”"),
        ({"methods": "burn"}, "methods holds “burn”"),
        ({"negative": ["hf://a/b"]}, "Hub dataset"),
        ({"says": "x" * 201}, "longer than 200"),
        ({"steps": 81}, "steps is 81"),
    ):
        with pytest.raises(VisitorError, match=sentence):
            BenchRequest.parse(**{**own, **changed})
    long = BenchRequest.parse(**{**own, "positive": [f"{ask} {'Please. ' * 60}" for ask in asks]})
    with pytest.raises(VisitorError, match="learnt from at most 256"):
        list(outcome.bench(long, loaded))
    with pytest.raises(VisitorError, match="layer is 9"):
        outcome.checked(BenchRequest(layer=9), loaded)


def test_a_model_that_is_too_large_is_refused_before_anything_is_trained(loaded, monkeypatch):
    monkeypatch.setitem(outcome.LARGEST, "cpu", 10)
    with pytest.raises(VisitorError, match="million"):
        next(step for step in outcome.bench(BenchRequest(), loaded) if step["drawable"])
