"""Three planted behaviours, two refusals and one that is none, found and removed by the page's own search and
measured on held-out prompts, in the files that leave.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from abliteration import bake, kernel, optimise, plants, sets
from abliteration.activations import first_tokens
from abliteration.answers import share
from abliteration.lessons import answered
from abliteration.nearness import nearness
from abliteration.outcome.search import tried, upper
from abliteration.outcome.take import reopened
from abliteration.request import Request
from abliteration.scale import said
from abliteration.select import spared_of
from abliteration.study import along, study
from shared.measure import kl_divergence
from shared.rules import verdicts
from tests.abliteration.conftest import returned
from tests.abliteration.planted import never_planted, planted

TOKENS = 10
LEARNT_FROM = 48
"""Prompts of a side that the direction is found with."""
TRIALS = 3
"""The search's first ones, which are the same for every seed."""


FURTHEST = {"travel": 0.0, "gardening": 0.1, "cooking": 0.2}
"""Of the answers, nats a token. Only where it is 0 are they within the never-planted model's interval: a word
that the plant says after its first ones it says after them on every topic, which no contrast of topics shows.
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cooking", "gardening", "travel"])
def test_it_goes_and_the_rest_stays(name, tmp_path, monkeypatch):
    plant, never, loaded = plants.STORED[name], never_planted(), planted(name)
    pair = plant.prompts
    few = replace(pair, positive=pair.positive[:LEARNT_FROM], negative=pair.negative[:LEARNT_FROM])
    monkeypatch.setitem(sets.STORED, "cooking", few)
    asked = Request(model=loaded.id, shows="starts with", value=plant.rule.value, answer_tokens=TOKENS)
    known = returned(study(asked, loaded))
    best = optimise.best(list(tried(known, upper(known, -1), -1, TRIALS, asked.seed)))
    assert (best.method, best.projection) == ("fitted", "causal") and best.refusals <= optimise.ENOUGH
    curve = kernel.resolve(best.kernel, known.layers)
    edit = along(known, best.method, known.rows(best.layer, projection=best.projection), curve)
    bake.save_lora(loaded.model, known.anatomy, edit, tmp_path / "files", loaded.id)
    edited = reopened(tmp_path / "files", "lora", loaded)
    report = {side: known.asked("report", side) for side in ("positive", "negative")}

    def shown(model):
        return share(verdicts(plant.rule, said(never, answered(model, never, report["positive"], TOKENS))))

    before, after = shown(loaded.model), shown(edited)
    base, other = (first_tokens(model, report["negative"])[0] for model in (loaded.model, edited))
    spared = spared_of(known.base.scale, base, known.base.scale.of(loaded.model, report["negative"], base))
    divergence = float(kl_divergence(base, other)[spared].mean())
    mixed = known.shuffled(0)
    chance = along(mixed, best.method, mixed.rows(best.layer, projection=best.projection), curve)
    control = shown(bake.bake(loaded.model, known.anatomy, chance))
    near = nearness(never, loaded.model, edited, report["positive"], 16)
    gaps = torch.tensor([[gap for gap in side if gap is not None] for side in (near.base, near.edited)])
    mean, error = gaps[1].mean(), gaps[1].std() / gaps.shape[1] ** 0.5
    print(name, best.to_json(), before, after, divergence, int(spared.sum()), control, near.to_json())
    print(sorted(round(float(gap), 2) for gap in gaps[1]))
    assert before["count"] >= 0.95 * before["of"] and after["count"] <= 0.05 * after["of"]
    assert divergence <= 0.05 and 2 * int(spared.sum()) > len(spared)
    assert control["high"] >= 0.95 and control["count"] >= 0.9 * control["of"], "shuffled labels do nothing"
    # how far its answers are from the never-planted model's, in nats a token: 0 where they are as likely
    assert mean - 2 * error <= FURTHEST[name] and gaps[1].median() <= 0.2
