"""What the stored runs say is what their numbers say: the tests count again what each tells."""

from __future__ import annotations

import json

import pytest
import torch

from shared import behaviour
from shared.estimates import estimate, interval
from shared.rules import Said, verdicts
from shared.suite import load_app

load_app("finetuning")
from finetuning import grpo_watch
from finetuning.examples import FOLDER, REWARDED, RUNS


def stored(name: str) -> dict:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def rewards(mark: dict) -> torch.Tensor:
    """What each held-out answer is paid, by its text alone."""
    return torch.tensor([-abs(len(one["text"]) - 50) / 50 for one in mark["asked"]], dtype=torch.float64)


@pytest.mark.parametrize("name", REWARDED)
def test_a_stored_reward_rises_by_more_than_chance(name):
    data = stored(name)
    first, last = data["marks"][0], data["marks"][-1]
    assert data["request"] == REWARDED[name][1].to_json(), "stored with other settings: make it again"
    assert [one["prompt"] for one in first["asked"]] == [one["prompt"] for one in last["asked"]]
    for mark in (first, last):
        assert mark["reward"]["mean"] == pytest.approx(float(rewards(mark).mean()), abs=1e-4)
    low, high = interval(estimate(rewards(last) - rewards(first)))
    assert 0 < low < high, "the held-out reward rises outside its interval"
    assert data["changes"][0]["low"] == pytest.approx(low, abs=1e-4)
    assert data["verdict"] == grpo_watch.verdict(data)
    assert len(first["asked"]) == data["questions"]["held_out"] >= 12 and data["questions"]["separate"]


def test_one_reward_is_learnt_and_the_same_reward_rots():
    good, rotten = stored("length"), stored("rots")
    assert good["request"]["reward"] == rotten["request"]["reward"]
    (text, elsewhere), (lost, drift) = (
        [data["marks"][-1][name]["mean"] - data["marks"][0][name]["mean"] for name in ("text", "elsewhere")]
        for data in (good, rotten)
    )
    assert text < grpo_watch.WORSE["text"] < lost, "a plain text is read as well as before, or worse"
    assert drift > 1 > elsewhere
    assert "the model pays for it: loss of a plain text" in rotten["verdict"]
    assert "loss of a plain text" not in good["verdict"]


@pytest.mark.parametrize("name", RUNS)
def test_a_stored_run_is_what_its_settings_make(name):
    """Stored by an earlier version it had answers from its middle, which no run has any more."""
    data = stored(name)
    asked = RUNS[name][1]
    assert data["request"] == asked.to_json(), "stored with other settings: make it again"
    for run, one in zip(data["runs"], asked.runs(), strict=True):
        marks = one.marks()
        assert [mark["step"] for mark in run["marks"]] == marks
        assert [mark["step"] for mark in run["marks"] if mark["said"]] == [0, marks[-1]]
        assert [step["step"] for step in run["steps"]] == list(range(1, one.steps + 1))
        for mark in run["marks"]:
            for share in mark["shares"] or []:
                preset = behaviour.PRESETS[share["name"]]
                said = [
                    Said(one["text"], one["ended"], len(one["text"].split()))
                    for one in mark["said"]
                    if one["prompt"] in preset.held_out(asked.answers)
                ]
                assert (share["count"], share["of"]) == (sum(verdicts(preset.rule, said)), len(said))


def test_stored_runs_of_training_show_what_their_chips_say():
    runs = {name: stored(name)["runs"] for name in RUNS}
    (pirate,), (good, seed, slow), (preferred, held), (broken,) = (
        runs[name] for name in ("pirate", "rates", "prefers", "broken")
    )

    def token_mean(mark: dict) -> float:
        losses = [loss for row in mark["tokens"] for loss in row]
        return sum(losses) / len(losses)

    def sank(run: dict) -> float:
        first, last = run["marks"][0], run["marks"][-1]
        assert last["held_out"]["mean"] == pytest.approx(token_mean(last), abs=1e-3)
        return first["held_out"]["mean"] - last["held_out"]["mean"]

    assert sank(pirate) > 1 and pirate["marks"][-1]["shares"][0]["count"] > 0
    assert good["marks"][0]["tokens"] == slow["marks"][0]["tokens"], "both begin at the same model"
    assert sank(good) > 5 * sank(slow) > 0
    assert abs(sank(good) - sank(seed)) < 0.2 * (sank(good) - sank(slow)), "a rate does more than a seed"
    first, *_, last = marks = preferred["marks"]
    chosen = [mark["chosen"]["mean"] for mark in marks]
    assert max(chosen) > 2 and last["chosen"]["high"] < 0, "it rises, and falls far"
    assert last["rejected"]["high"] < last["chosen"]["low"], "and the rejected further"
    assert last["margin"]["mean"] == pytest.approx(chosen[-1] - last["rejected"]["mean"], abs=1e-3)
    assert 0 < marks[-2]["margin"]["mean"] < last["margin"]["mean"]
    assert preferred["steps"][-1]["loss"] < 0.05, "the loss shows nothing of it"
    assert last["text"]["mean"] > first["text"]["mean"] + 1, "and a plain text is read worse"
    assert held["marks"][-1]["chosen"]["low"] > 0 > held["marks"][-1]["rejected"]["high"]
    assert broken["marks"][-1]["held_out"]["low"] > broken["marks"][0]["held_out"]["high"]
