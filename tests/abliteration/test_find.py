"""What the room Find says: candidates tried with the edit that will be made, chance behind every curve, a
model that refuses nothing, and how prompts are given to it.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from abliteration import chance, directions, encode, select
from abliteration.ablate import live
from abliteration.answers import refusal_score
from abliteration.outcome import find, measure, run, search
from abliteration.request import Request
from abliteration.study import edit_of
from shared import talk
from shared.errors import VisitorError
from shared.measure import kl_divergence
from shared.steps import last
from tests import zoo
from tests.abliteration.conftest import logits, returned
from tests.abliteration.test_zoo import request

EDITS = [
    {"projection": "projected"},
    {"projection": "biprojected", "kernel": {"attention": 0.7, "mlp": [0.0, 1.0, 0.3]}},
    {"kernel": {"attention": 1.0}, "strength": 0.5},
    {"method": "norm_preserving"},
    {"method": "affine"},
    {"method": "add", "strength": -1.5},
]


@pytest.mark.parametrize("edit", EDITS, ids=str)
def test_a_candidate_is_tried_with_the_edit_that_will_be_made(edit):
    loaded = zoo.opened("llama3")
    asked = request("llama3", **edit)
    data = last(find.find(asked, loaded))
    candidate = data["layers"][asked.layer]["candidate"]
    known = returned(run.opened("find", asked, loaded))
    edited = live(loaded.model, known.anatomy, edit_of(asked, known, asked.layer))
    rows = {side: known.side("select", side) for side in ("positive", "negative")}
    after = {
        side: torch.stack([logits(edited, ids)[-1] for ids in rows[side]]).log_softmax(-1) for side in rows
    }
    base = torch.stack([logits(loaded.model, ids)[-1] for ids in rows["negative"]]).log_softmax(-1)
    spared = select.spared(known.base.negative, known.base.tokens)
    score = float(refusal_score(after["positive"], known.base.tokens).mean())
    # the weights are rounded to bfloat16, in which they leave; the run-time edit is not
    assert candidate["bypass"] == pytest.approx(score, rel=0.02, abs=0.02)
    kl = float(kl_divergence(base, after["negative"])[spared].mean())
    assert candidate["kl"] == pytest.approx(kl, rel=0.05, abs=1e-3)
    assert set(candidate["chance"]) == set(candidate["ribbons"]) == {"bypass", "induce", "kl"}
    assert candidate["chance"]["kl"] == candidate["ribbons"]["kl"][1] != candidate["kl"]
    draws = data["chance_draws"]
    assert draws == {"edits": chance.EDITS, "steps": chance.STEPS, "prompts": chance.PROMPTS}
    plain = last(find.find(request("llama3"), loaded))["layers"][asked.layer]["candidate"]
    if edit != EDITS[0]:
        assert candidate["kl"] != pytest.approx(plain["kl"], rel=1e-3), "another edit is another candidate"


def test_the_curves_are_there_before_the_model_is_asked():
    """The same run, and the same curves as at its end; a position that there is not is refused before."""
    loaded, asked = zoo.opened("llama3"), request("llama3", seed=77)
    steps = find.find(asked, loaded)
    early = next(step for step in steps if step["drawable"])
    assert not early["refusal"]["from"] and early["progress"]["label"] == "Asking the base model"
    assert not any("candidate" in layer for layer in early["layers"])
    curves = [(layer["d_prime"], layer["auc"], layer["random"]) for layer in early["layers"]]
    following = list(steps)
    assert all(step["drawable"] and step["run_id"] == early["run_id"] for step in following)
    assert following[-1]["refusal"]["from"] and not early["refusal"]["from"]
    assert curves == [(layer["d_prime"], layer["auc"], layer["random"]) for layer in following[-1]["layers"]]
    with pytest.raises(VisitorError, match="no position"):
        list(find.find(request("llama3", seed=78, position=-20), loaded))


@pytest.mark.parametrize("method", ["ablate", "add"])
def test_ribbons_are_random_directions_in_the_same_edit(method, monkeypatch):
    """Every draw by hand; on all prompts the estimate is the plain mean."""
    monkeypatch.setattr(chance, "EDITS", 5)
    monkeypatch.setattr(chance, "STEPS", 3)
    loaded, asked = zoo.opened("llama3"), request("llama3", method=method)
    known = returned(run.opened("find", asked, loaded))
    tried = [one for one, _ in run.candidates(known, asked)]
    monkeypatch.setattr(chance, "PROMPTS", len(known.side("select", "positive")))
    found = {one.layer: one_found for *_, one, one_found in run.ribbons(known, asked, tried) if one}
    assert set(found) == {one.layer for one in tried}

    def score(model, side):
        rows = [logits(model, ids)[-1] for ids in known.side("select", side)]
        return float(refusal_score(torch.stack(rows).log_softmax(-1), known.base.tokens).mean())

    candidate = tried[-1]
    numbers = [5 + 3 * candidate.layer + number for number in range(3)]
    rows = [chance.guess(known.anatomy.width, asked.seed, number) for number in numbers]
    assert all(float(row.norm()) == pytest.approx(1) for row in rows)
    steps = [select.steering(known.directions, candidate.layer, -1, 1.0, row) for row in rows]
    long = float(known.directions.raw(candidate.layer).norm())
    assert all(float(step.step.norm()) == pytest.approx(long, rel=1e-5) for step in steps)
    pushed = [score(live(loaded.model, known.anatomy, step), "negative") for step in steps]
    expected = torch.quantile(torch.tensor(pushed), torch.tensor([0.05, 0.5, 0.95])).tolist()
    assert found[candidate.layer].induce == pytest.approx(expected, rel=1e-3, abs=1e-3)
    pool = range(5) if method == "ablate" else numbers
    rows = [chance.guess(known.anatomy.width, asked.seed, number) for number in pool]
    edits = [edit_of(asked, known, candidate.layer, row) for row in rows]
    left = [score(live(loaded.model, known.anatomy, edit), "positive") for edit in edits]
    expected = torch.quantile(torch.tensor(left), torch.tensor([0.05, 0.5, 0.95])).tolist()
    assert found[candidate.layer].bypass == pytest.approx(expected, rel=0.02, abs=0.02)
    same = {tuple(one.bypass) for one in found.values()}
    assert (len(same) == 1) == (method == "ablate"), "a random edit is the same for every layer"


def test_fewer_edits_run_together_behind_long_prompts():
    """A pass stays within its tokens, however many edits it could hold."""
    known = SimpleNamespace(base=SimpleNamespace(scale=SimpleNamespace(tokens=(1,))))
    for length, most in ((10, 8), (500, 4), (2048, 1), (9000, 1)):
        groups = chance._groups(known, list(range(16)), [[0], [0] * length])
        assert [one for group in groups for one in group] == list(range(16))
        assert max(map(len, groups)) == most
    known.base.scale.tokens = ()
    assert chance._groups(known, [1, 2], [[0]]) == [[1], [2]]


def test_the_ribbons_are_those_of_a_thousand_random_directions():
    generator = torch.Generator().manual_seed(3)
    fit, chosen = (
        tuple(torch.randn(3, count, 24, generator=generator) + shift for shift in (0.0, 0.5))
        for count in (20, 12)
    )
    found = directions.separation(fit, chosen, seed=4)
    assert directions.RANDOM == 1_000
    many = torch.nn.functional.normalize(torch.randn(20_000, 24, generator=generator), dim=-1)
    for layer in range(2):
        on = [many @ side[layer].T for side in chosen]
        edges = torch.quantile(directions.d_prime(*on).abs(), torch.tensor([0.05, 0.5, 0.95]))
        assert found.random[layer] == pytest.approx(edges.tolist(), rel=0.12, abs=0.02)
    both = torch.cat(fit, 1)[:-1]
    lengths = []
    for _ in range(4_000):
        mixed = both[:, torch.randperm(40, generator=generator)]
        lengths.append((mixed[:, :20].mean(1) - mixed[:, 20:].mean(1)).norm(dim=-1))
    typical = torch.cat(chosen, 1)[:-1].norm(dim=-1).mean(1)
    edges = torch.quantile(torch.stack(lengths) / typical, torch.tensor([0.05, 0.5, 0.95]), dim=0)
    for layer in range(2):
        assert found.permuted_norm[layer] == pytest.approx(edges[:, layer].tolist(), rel=0.05)


def test_where_nothing_refuses_the_layer_separates_best_and_nothing_is_claimed():
    loaded = zoo.opened("qwen2")
    asked = request("qwen2", layer=None, candidates=3)
    data = last(find.find(asked, loaded))
    assert data["refusal"]["from"] == "usual openings" and data["refusal"]["refused"]["count"] == 0
    tried = [layer for layer in data["layers"] if "candidate" in layer]
    early = [layer for layer in tried if layer["layer"] < select.DEEPEST * len(data["layers"])] or tried
    assert data["choice"]["layer"] == max(early, key=lambda layer: layer["d_prime"])["layer"]
    assert (
        data["choice"]["rule"] == "separation" and "no edit can remove a refusal" in data["choice"]["relaxed"]
    )


def test_a_choice_by_hand_says_what_the_rule_would_choose():
    loaded = zoo.opened("qwen2")
    data = last(find.find(request("qwen2", candidates=3), loaded))
    by_rule = last(find.find(request("qwen2", layer=None, candidates=3), loaded))["choice"]["layer"]
    said = data["choice"]["relaxed"]
    assert data["choice"]["rule"] == "hand"
    assert said == (
        "" if by_rule == data["choice"]["layer"] else f"The rule “separation” would choose layer {by_rule}."
    )


def test_a_system_prompt_and_thinking_reach_the_model():
    loaded = zoo.opened(zoo.names("chat", without=("no_system",))[0])
    plain = encode.Format().ids(loaded, "Paint it.")
    with_system = encode.Format(system="Be brief.").ids(loaded, "Paint it.")
    assert with_system == talk.prompt_ids(loaded, "Paint it.", "chat", "Be brief.") != plain
    tokenizer = copy.deepcopy(loaded.tokenizer)
    said = "{% if enable_thinking is defined and not enable_thinking %} no{% endif %}"
    tokenizer.chat_template = f"{{{{ messages[0].content }}}}{said} end"
    switching = replace(loaded, tokenizer=tokenizer)
    ids = {state: encode.Format(thinking=state).ids(switching, "Paint it.") for state in ("", "on", "off")}
    assert ids[""] == ids["on"] != ids["off"]
    assert encode.before_prompt(loaded) > 0 == encode.before_prompt(switching)
    data = last(find.find(request(loaded.id.removeprefix("zoo/"), system="Be brief."), loaded))
    assert data["request"]["system"] == "Be brief."
    other = last(find.find(request(loaded.id.removeprefix("zoo/")), loaded))
    assert data["layers"][-1]["norm"] != other["layers"][-1]["norm"], (
        "the study of another format was recalled"
    )
    for values in ({"system": "Be brief."}, {"thinking": "on"}):
        with pytest.raises(VisitorError, match="chat template"):
            Request.parse(format="plain", **values)


def test_what_every_answer_begins_with_is_skipped(monkeypatch):
    """First tokens are those behind an opening that all answers share."""
    loaded, asked = zoo.opened("qwen2"), request("qwen2", seed=11)
    from abliteration import answers

    monkeypatch.setattr(answers, "shared_opening", lambda *_: (5, 6))
    known = returned(run.opened("measure", asked, loaded))
    assert known.opening == (5, 6) and known.asked("report", "positive")[0][-2:] == [5, 6]
    data = last(measure.measure(asked, loaded))
    rows = [logits(loaded.model, [*ids, 5, 6])[-1] for ids in known.side("report", "negative")]
    shares = refusal_score(torch.stack(rows).log_softmax(-1), known.base.tokens) > 0
    counted = data["measures"]["first_token"]["negative"]["refusals"]["base"]["count"]
    assert counted == int(shares.sum()) and data["refusal"]["opening"]
    trials = last(search.search(replace(asked, trials=2), loaded))["trials"]
    assert len(trials) == 2
