"""What the stored runs say is what their numbers say: the tests count again what each tells."""

from __future__ import annotations

import json

import pytest
import torch

from shared.estimates import estimate, interval
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


def test_stored_runs_of_training_show_what_their_chips_say():
    runs = {name: stored(name)["runs"] for name in RUNS}
    (pirate,), (good, slow), (preferred,), (broken,) = (
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
    *_, last = marks = preferred["marks"]
    chosen = [mark["chosen"]["mean"] for mark in marks]
    assert max(chosen) > 3 and chosen[-1] < 0, "it rises, and falls again"
    assert last["margin"]["mean"] == pytest.approx(chosen[-1] - last["rejected"]["mean"], abs=1e-3)
    assert 0 < marks[-2]["margin"]["mean"] < last["margin"]["mean"] and last["rejected"]["high"] < 0
    assert broken["marks"][-1]["held_out"]["low"] > broken["marks"][0]["held_out"]["high"]
