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
from abliteration.directions import unit
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
    rows = known.directions.direction(best.layer, projection=best.projection)
    curve = kernel.resolve(best.kernel, known.layers)
    edit = along(known, best.method, rows, curve)
    bake.save_lora(loaded.model, known.anatomy, edit, tmp_path / "files", loaded.id)
    edited = reopened(tmp_path / "files", "lora", loaded)
    report = {side: known.asked("report", side) for side in ("positive", "negative")}

    def shown(model):
        return share(verdicts(plant.rule, said(never, answered(model, never, report["positive"], TOKENS))))

    before, after = shown(loaded.model), shown(edited)
    base, other = (first_tokens(model, report["negative"])[0] for model in (loaded.model, edited))
    spared = spared_of(known.base.scale, base, known.base.scale.of(loaded.model, report["negative"], base))
    divergence = float(kl_divergence(base, other)[spared].mean())
    generator = torch.Generator().manual_seed(0)
    both = torch.cat([known.streams["fit", side][best.layer, :, -1] for side in ("positive", "negative")])
    mixed = both[torch.randperm(len(both), generator=generator)]
    half = len(mixed) // 2
    shuffled = unit(mixed[:half].mean(0) - mixed[half:].mean(0)).expand(known.layers, -1)
    control = shown(bake.bake(loaded.model, known.anatomy, along(known, best.method, shuffled, curve)))
    near = nearness(never, loaded.model, edited, report["positive"], 16).to_json()
    print(name, best.to_json(), before, after, divergence, int(spared.sum()), control, near)
    assert before["count"] >= 0.95 * before["of"] and after["count"] <= 0.05 * after["of"]
    assert divergence <= 0.05 and 2 * int(spared.sum()) > len(spared)
    assert control["high"] >= 0.95 and control["count"] >= 0.9 * control["of"], "shuffled labels do nothing"
    # no further from the never-planted model's answers than before the edit, within two errors
    errors = (near["base"]["sigma"] ** 2 + near["edited"]["sigma"] ** 2) ** 0.5
    assert near["edited"]["mean"] <= near["base"]["mean"] + 2 * errors
