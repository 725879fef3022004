"""An evaluation from request to sentence, on the zoo: its numbers by hand, its claims against its data."""

from __future__ import annotations

import copy
import csv
import io
import json
import re
from dataclasses import replace

import pytest
import torch
from scipy.stats import binomtest

from evaluation import engine, finding, programs
from evaluation.request import CompareRequest, PowerRequest
from evaluation_rooms.power import before, power
from shared import models
from shared.choices import Scored
from shared.errors import VisitorError
from shared.item_sets import SETS
from shared.mean import mean
from shared.power import smallest_difference
from shared.rounding import rounded
from shared.steps import last
from tests import zoo


def run(request: CompareRequest, *animals: str, rounding: str = ""):
    loaded = [zoo.opened(name) for name in animals]
    if rounding:
        loaded[-1] = rounded(loaded[-1], rounding)
    return list(engine.compare(request, loaded, engine.plan(request, loaded)))


ASKED = CompareRequest(models=("a", "b"), limit=6)


@pytest.fixture(scope="module")
def steps():
    return run(ASKED, "llama3", "qwen3")


def test_it_grows_item_by_item_and_claims_nothing_before_the_end(steps):
    counts = [len(data["items"]) for data in steps]
    assert counts == [0, *range(8, 54, 8), 54] and not any(data["done"] for data in steps[:-1])
    for data in steps[1:-1]:
        assert data["verdicts"] == [f"{len(data['items'])} of 54 items: no verdict before the end"]
        assert data["summary"] is None
    widths = [data["scores"][0]["high"] - data["scores"][0]["low"] for data in steps[1:]]
    assert widths[-1] < widths[0]
    json.dumps(steps[-1], allow_nan=False)


def test_scores_and_flips_are_those_of_the_answers(steps):
    data = steps[-1]
    right = [
        [one["answer"] == item["gold"] for one, item in zip(answers, data["items"], strict=True)]
        for answers in data["answers"]
    ]
    for score in data["scores"]:
        some = [at for at, item in enumerate(data["items"]) if score["task"] in ("", item["task"])]
        assert score["count"] == sum(right[score["model"]][at] for at in some) and score["of"] == len(some)
    whole = data["differences"][0]
    gained = sum(b and not a for a, b in zip(*right, strict=True))
    lost = sum(a and not b for a, b in zip(*right, strict=True))
    assert (whole["task"], whole["gained"], whole["lost"]) == ("", gained, lost)
    changed = sum(one["answer"] != other["answer"] for one, other in zip(*data["answers"], strict=True))
    assert whole["changed"] == changed >= gained + lost
    for item, answered in zip(data["items"], data["answers"][0], strict=True):
        sums = [sum(choice) for choice in answered["logs"]]
        assert sums[answered["answer"]] == pytest.approx(max(sums), abs=1e-3)
        assert len(answered["logs"]) == len(item["choices"])
    reads = data["reads"][0]
    assert "".join(reads[data["answers"][1][0]["read"]]["context"]).endswith(data["items"][0]["prompt"][-3:])


def test_a_model_against_itself_changes_nothing_and_cannot_be_decided():
    data = run(ASKED, "llama3", "llama3")[-1]
    whole = data["differences"][0]
    assert (whole["gained"], whole["lost"], whole["changed"], whole["p"]) == (0, 0, 0, 1.0)
    assert whole["low"] < 0 < whole["high"], "no change is not equality"
    assert "cannot decide" in data["verdicts"][0]


def test_swapped_models_mirror(steps):
    other = run(ASKED, "qwen3", "llama3")[-1]["differences"]
    for one, mirrored in zip(steps[-1]["differences"], other, strict=True):
        assert one["mean"] == -mirrored["mean"] and one["gained"] == mirrored["lost"]
        assert one["p"] == mirrored["p"] and one["low"] == pytest.approx(-mirrored["high"])


@pytest.mark.parametrize("name", ["tinyllama", "gpt2", "neox", "mamba", "qwen2"])
def test_every_kind_of_model_is_asked(name):
    request = CompareRequest(models=("a", "b"), limit=2, tasks=("sums", "rooms"))
    data = run(request, name, name, rounding="Q4_0" if name == "qwen2" else "")[-1]
    assert data["done"] and all(len(reads) == 1 for reads in data["reads"])
    assert data["models"][0]["packed"] == (name != "mamba")


def decided(data, gained: int, lost: int, early: bool = False):
    """Data as if so many items had flipped, with the sentence that follows."""
    data = copy.deepcopy(data)
    one = data["differences"][0]
    one |= {"gained": gained, "lost": lost, "of": 54, "groups": 54, "mean": (gained - lost) / 54}
    one["p"] = binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    data["request"]["early"] = early
    data["scores"] = [{**score, "low": 0.6, "high": 0.9} for score in data["scores"]]
    return finding.verdicts(data, True)


def test_the_first_sentence_says_whether_it_can_decide(steps):
    assert decided(steps[-1], 1, 12)[0].startswith("b is worse than a by 20.4 points of 54 items")
    assert "p = .0034: 1 gained, 12 lost" in decided(steps[-1], 1, 12)[0]
    undecided = decided(steps[-1], 4, 8)
    assert undecided[0].startswith("54 items cannot decide between b and a: −7.4 points")
    assert "mostly go unseen" in undecided[1]
    assert "hardly any difference could have been seen" in decided(steps[-1], 1, 2)[1]


def test_of_several_models_the_first_sentence_says_what_became_of_each(steps):
    data = copy.deepcopy(steps[-1])
    data["models"] += [{**data["models"][1], "name": "c"}, {**data["models"][1], "name": "d"}]
    first = data["differences"][0]
    for model, (gained, lost) in enumerate([(2, 20), (16, 3), (4, 5)], 1):
        mean, p = (gained - lost) / 54, binomtest(gained, gained + lost).pvalue
        one = {**first, "model": model, "gained": gained, "lost": lost, "mean": mean, "p": p}
        data["differences"] = [*(each for each in data["differences"] if each["model"] != model), one]
    data["scores"] = [{**score, "low": 0.6, "high": 0.9} for score in data["scores"]]
    said = finding.verdicts(data, True)
    assert said[0] == (
        "Worse than a: b, by 33.3 points. Better than a: c, by 24.1 points. 54 items cannot decide about the "
        "other."
    )
    assert [one[:6] for one in said[1:4]] == ["b is w", "c is b", "54 ite"]
    for one in data["differences"]:
        one["p"] = 1.0
    assert finding.verdicts(data, True)[0] == "54 items cannot decide between a and the three others."


def test_a_run_that_may_stop_early_is_judged_by_its_looks(steps):
    data = copy.deepcopy(steps[-1])
    data["request"]["early"] = True
    data["differences"][0]["p"] = 0.001
    assert not finding.significant(data, data["differences"][0]) and finding.decided(data) == ""
    data["looks"][0]["looks"][3] |= {"stops": True, "items": 20}
    assert finding.significant(data, data["differences"][0])
    assert "after 20 of 54 items" in finding.decided(data)


def test_guessers_are_called_guessers(steps):
    data = copy.deepcopy(steps[-1])
    data["scores"] = [{**score, "low": 0.2, "high": 0.5} for score in data["scores"]]
    for one in data["differences"]:
        one["p"] = 1.0
    assert finding.verdicts(data, True)[0].startswith("54 items cannot decide: no model is above guessing")
    alone = run(CompareRequest(models=("a",), limit=6), "llama3")[-1]
    assert "cannot be told from guessing" in alone["verdicts"][0] and alone["differences"] == []


def test_a_single_item_is_spoken_of_as_one():
    one = '{"prompt": "Up and", "choices": ["down", "blue"], "gold": 0}'
    data = run(CompareRequest(models=("a", "b"), items=one), "llama3", "qwen3")[-1]
    words = " ".join([*data["verdicts"], data["summary"]["markdown"]])
    assert data["done"] and not re.search(r"\b1 (items|groups)\b", words)
    assert "1 item cannot decide" in " ".join(data["verdicts"])


def test_the_summary_is_a_table_of_the_same_numbers(steps):
    data = steps[-1]
    rows = list(csv.DictReader(io.StringIO(data["summary"]["csv"])))
    assert len(rows) == 2 * 10 and {row["model"] for row in rows} == {"a", "b"}
    for row in rows:
        score = next(
            one
            for one in data["scores"]
            if data["models"][one["model"]]["name"] == row["model"] and (one["task"] or "all") == row["task"]
        )
        assert int(row["correct"]) == score["count"] and float(row["low"]) == score["low"]
    lines = data["summary"]["markdown"].splitlines()
    assert data["verdicts"][0][:10] in lines[0] and sum(line.startswith("|") for line in lines) == 12


def test_the_bootstrap_of_brier_scores_is_scipys(steps):
    from scipy.stats import bootstrap

    data = steps[-1]
    alone = [at for at, item in enumerate(data["items"]) if not item["cluster"]]
    assert len(alone) < len(data["items"])
    one, other = (each for each in data["calibration"] if not each["task"])
    assert other["against"][0] == pytest.approx(other["brier"] - one["brier"], abs=2e-4)
    for each in data["calibration"]:
        score = next(s for s in data["scores"] if (s["model"], s["task"]) == (each["model"], each["task"]))
        assert each["brier"] == score["brier"] and sum(some["of"] for some in each["bins"]) == score["of"]
    assert len(data["calibration"]) == len(data["scores"])
    request = replace(ASKED, tasks=("capitals", "past", "code"))
    found = run(request, "llama3", "qwen3")[-1]
    briers = [
        [_brier(item, one) for item, one in zip(found["items"], each, strict=True)]
        for each in found["answers"]
    ]
    moved = [b - a for a, b in zip(*briers, strict=True)]
    mean, low, high = next(
        each["against"] for each in found["calibration"] if each["model"] and not each["task"]
    )
    expected = bootstrap(
        (moved,), lambda x, axis: x.mean(axis), method="percentile", rng=1
    ).confidence_interval
    assert mean == pytest.approx(sum(moved) / len(moved), abs=1e-3)
    wide = high - low
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.12 * wide)


def _brier(item, answered):
    import math

    weights = [math.exp(sum(choice)) for choice in answered["logs"]]
    return sum((w / sum(weights) - (at == item["gold"])) ** 2 for at, w in enumerate(weights))


def test_names_cannot_break_the_tables():
    request = CompareRequest(
        models=("=1|`a`",), items='{"prompt": "x", "choices": ["a", "b"], "gold": 0, "task": "=c|d"}'
    )
    data = run(request, "llama3")[-1]
    assert "\\|\\`a\\`" in data["summary"]["markdown"] and "\n'=1|`a`,'=c|d," in data["summary"]["csv"]


def test_the_program_compiles_and_holds_the_items(steps):
    data = {**steps[-1]}
    request = replace(ASKED, models=("x/y", "pirate+x/y", "x/y@Q4_0"))
    data["models"] = [{**data["models"][0], "name": name} for name in request.names]
    text = programs.with_lm_eval(request, data)
    compile(text, "program", "exec")
    pirate = "load('HuggingFaceTB/SmolLM2-135M-Instruct', expert='pirate')"
    assert f"mean({pirate}, load('x/y'))" in text and "rounded(load('x/y'), 'Q4_0')" in text
    space: dict = {}
    exec(text[text.index("items = [") : text.index("folder = ")], space)
    assert space["items"] == data["items"]
    long = {**data, "items": data["items"] * 40}
    assert "items.jsonl" in programs.with_lm_eval(request, long)
    one = programs.with_lm_eval(ASKED, steps[-1])
    compile(one, "program", "exec")
    assert "gguf" not in one and "peft" not in one and "rounded" not in one


@pytest.mark.parametrize("kind", ["Q5_0", "Q2_K"])
def test_the_program_makes_the_models_that_were_asked(kind):
    """Its functions, run: the mean and the rounding are those of the page to the bit."""
    one = zoo.opened("llama3")
    other = replace(one, model=models.twin(one.model), id="other")
    layer = other.model.get_submodule("model.layers.0.mlp.down_proj")
    layer.weight = torch.nn.Parameter(layer.weight.flip(0), requires_grad=False)
    made = rounded(mean([one, other]), kind).model
    request = replace(ASKED, models=(f"a+b@{kind}",))
    side = {"name": "it", "origin": {"source": "", "revision": ""}}
    text = "\n".join(
        programs._asking(request, {"models": [side], "items": [], "request": {"metric": "acc"}}, False)
    )
    start, end = text.index("def load("), text.index("items = [")
    given = {"a": one, "b": other}
    text = text[:start].replace("import lm_eval", "") + text[start:end] + text[text.index("models = {") :]
    text = "\n".join(line for line in text.splitlines() if "from lm_eval" not in line)
    space: dict = {}
    body = text.replace("\nmodels = {", "\nload = opened\nmodels = {")
    space["opened"] = lambda name: (copy.deepcopy(given[name].model), None)
    exec(body, space)
    theirs = space["models"]["it"][0].state_dict()
    assert all(torch.equal(theirs[name], tensor) for name, tensor in made.state_dict().items())


def test_too_much_to_read_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr(engine, "MAX_TOKENS", 100)
    with pytest.raises(VisitorError, match="would read"):
        last(engine.compare(ASKED, [], engine.plan(ASKED, [zoo.opened("llama3")])))


def test_a_run_stops_at_the_first_look_that_decides(monkeypatch):
    """The first model is always right and the other never: the fourth of ten looks decides."""
    request = replace(ASKED, tasks=("capitals",), limit=40, early=True)
    loaded = [zoo.opened("llama3"), zoo.opened("qwen3")]

    def answers(model, items, rows):
        best = loaded[0].model is model
        return [
            Scored(
                item, tuple((0.0 if (at == item.gold) == best else -9.0,) for at in range(len(item.choices)))
            )
            for item in items
        ]

    monkeypatch.setattr(engine, "scored", answers)
    data = last(engine.compare(request, loaded, engine.plan(request, loaded)))
    assert data["done"] and len(data["items"]) == 16 and data["planned"] == 40
    assert data["stopped"].startswith("Stopped at a planned look") and "after 16 of 40" in data["stopped"]
    assert data["verdicts"][0].startswith("b is worse than a by 100 points of 16 items")
    assert "by the planned looks" in data["verdicts"][0]
    whole = last(engine.compare(replace(request, early=False), loaded, engine.plan(request, loaded)))
    assert len(whole["items"]) == 40 and not whole["stopped"]


def test_a_run_that_takes_too_long_ends_without_a_verdict(monkeypatch):
    monkeypatch.setattr(engine, "MAX_SECONDS", -1.0)
    data = run(ASKED, "gpt2", "gpt2")[-1]
    assert data["done"] and len(data["items"]) == 8 and "ended after" in data["stopped"]
    assert data["verdicts"] == ["8 of 54 items: no verdict before the end"]


def test_what_will_be_seen_is_said_before_the_run():
    told = before(CompareRequest())
    assert told.startswith("216 items in 198 groups: differences from ") and told.endswith("where 20 % do.")
    for share in (0.1, 0.2):
        smallest = smallest_difference(198, share)
        assert smallest and f"from {round(100 * smallest, 1):g} " in told
    assert "Name a second model" in before(CompareRequest(models=("a",)))
    few = before(CompareRequest(limit=1, tasks=("sums",)))
    assert few.startswith("1 item: too few to see a difference where 40 % of answers or less change sides. ")
    assert few.endswith(
        "Raise “items of a set”, choose more Sets under Advanced or give items of your own there."
    )
    # what more of them change, a few items do show: as the figure says after the run
    some = before(CompareRequest(limit=2, tasks=tuple(SETS)))
    assert "too few" in some and "will be seen, 4 runs in 5, where 40 % do. Raise “items" in some
    assert "choose more" not in some
    plan = power(PowerRequest.parse(items=200, discordant=0.2, difference=0.09))
    assert "differences from" in plan["sentence"] and plan["smallest"] == pytest.approx(0.092, abs=0.004)
    assert plan["needed"] > 191 and 0.7 < plan["power"] < 0.82
    assert power(PowerRequest.parse(items=5, discordant=0.1))["smallest"] is None
