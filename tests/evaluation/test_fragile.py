"""Items in several forms: what they become, what may be claimed of them, on the zoo and by simulation."""

from __future__ import annotations

import copy
import json
import random
import re
from dataclasses import replace

import numpy as np
import pytest

from evaluation import engine, programs, spread
from evaluation.forms import Form, formed
from evaluation.fragile import fragile, plan
from evaluation.request import FragileRequest
from shared.choices import scored
from shared.errors import VisitorError
from shared.item_sets import SETS
from shared.items import Item, pair_ids
from shared.measure import continuation_log_probabilities
from shared.paired import difference, exchange_p
from shared.steps import last
from shared.talk import render
from tests import zoo

ASKED = FragileRequest(models=("a", "b"), tasks=("past", "rooms"), limit=5, draws=2, shots=2)
ITEM = Item("7", "t", "The sea is", ("dry", "wet", "blue"), 1)
POOL = [Item(str(n), "t", f"Question {n}:", ("yes", "no"), n % 2, f"passage {n // 2}") for n in range(8)]


def run(request: FragileRequest, *animals: str):
    loaded = [zoo.opened(name) for name in animals]
    return list(fragile(request, loaded, plan(request, loaded)))


@pytest.fixture(scope="module")
def steps():
    return run(ASKED, "llama3", "qwen2")


def test_every_form_asks_the_same():
    for kind in ("plain", "chat", "instructed", "listed"):
        one = formed(ITEM, Form(kind), 0, 2, POOL)
        assert one.item.prompt.endswith("The sea is") and one.item.choices == ITEM.choices
        assert (one.item.gold, one.order) == (1, (0, 1, 2))
    assert formed(ITEM, Form("plain"), 0, 2, POOL).item == ITEM
    seen = set()
    for draw in range(1, 30):
        listed = formed(ITEM, Form("listed", draw), 0, 2, POOL).item.prompt
        seen.add(tuple(re.findall(r"^- (.*)$", listed, re.M)))
    assert len(seen) == 6 and all(sorted(order) == sorted(ITEM.choices) for order in seen)
    seen = set()
    for draw in range(1, 30):
        one = formed(ITEM, Form("lettered", draw), 0, 2, POOL)
        lines = dict(re.findall(r"^([A-C])\. (.*)$", one.item.prompt, re.M))
        assert lines[one.item.choices[one.item.gold]] == "wet" and one.item.choices == ("A", "B", "C")
        assert [ITEM.choices[place] for place in one.order] == list(lines.values())
        seen.add(one.order)
    assert len(seen) == 6, "every order comes"


def test_examples_are_of_the_set_answered_rightly_and_never_of_the_items_own_passage():
    item, found = POOL[4], set()
    for draw in range(1, 60):
        *told, asked = formed(item, Form("few-shot", draw), 3, 3, POOL).item.prompt.split("\n\n")
        assert asked == item.prompt and len(set(told)) == 3
        for one in told:
            number = int(re.match(r"Question (\d+):", one)[1])
            assert one == f"Question {number}: {POOL[number].choices[POOL[number].gold]}"
            found.add(number)
    assert found == {0, 1, 2, 3, 6, 7}, "all but its own passage"
    with pytest.raises(VisitorError, match="has 6 other items for the 7 examples"):
        formed(item, Form("few-shot"), 0, 7, POOL)
    twins = [*POOL, replace(item, id="twin", cluster="")]
    with pytest.raises(VisitorError, match="has 6 other items"):
        formed(item, Form("few-shot"), 0, 7, twins)


def test_what_is_drawn_depends_on_seed_draw_and_item_alone():
    wide = replace(ASKED, limit=9, tasks=("rooms", "past", "sums"))
    known = {
        (form.name, one.item.task, one.item.id): one
        for form, some in zip(wide.forms, wide.formed(wide.planned()), strict=True)
        for one in some
    }
    for form, some in zip(ASKED.forms, ASKED.formed(ASKED.planned()), strict=True):
        for one in some:
            assert known[form.name, one.item.task, one.item.id] == one
    first, second = (replace(ASKED, seed=0).formed([ITEM_OF_SET])[5] for _ in range(2))
    assert first == second and first != replace(ASKED, seed=1).formed([ITEM_OF_SET])[5]


ITEM_OF_SET = SETS["past"].make(0)[0]


def test_the_log_likelihoods_of_a_form_are_those_of_its_text(steps):
    """What lm-eval computes: the pair encoded whole, parted where the context ends, token by token."""
    loaded = zoo.opened("llama3")
    planned = plan(ASKED, [loaded, loaded])
    for place, form in enumerate(planned.forms):
        one, row = planned.formed[place][3].item, planned.rows[0][place][3]
        (found,) = scored(loaded.model, [one], [row])
        text = render(loaded, one.prompt) if form.chat else one.prompt
        for choice, value in zip(one.choices, found.sums, strict=True):
            own, ids = pair_ids(loaded, text, choice if form.chat else one.delimiter + choice)
            (alone,) = continuation_log_probabilities(loaded.model, [((*own, *ids), len(own))])
            assert value == pytest.approx(float(alone.sum()), abs=1e-4), form.name


def test_it_grows_form_by_form_and_claims_nothing_before_the_end(steps):
    done = [len(data["forms"]) for data in steps]
    assert done == sorted(done) and done[-1] == 9 and len(set(done)) == 10
    assert all(len(data["verdicts"]) == 1 for data in steps[:-1]) and not steps[-2]["done"]
    assert all(one["p"] is None for one in steps[-2]["spreads"])
    json.dumps(steps[-1], allow_nan=False)


def test_its_numbers_are_those_of_the_answers(steps):
    data = steps[-1]
    gold = [item["gold"] for item in data["items"]]
    right = np.array(
        [[[a == g for a, g in zip(some, gold, strict=True)] for some in own] for own in data["answers"]]
    )
    for score in data["scores"]:
        assert score["count"] == right[score["model"], score["form"]].sum() and score["of"] == 10
    for form, said in enumerate(data["forms"]):
        for item, one, answer in zip(data["items"], said["asked"], data["answers"][0][form], strict=True):
            shown = dict(re.findall(r"^([A-Z])\. (.*)$", one["prompt"], re.M))
            text = one["choices"][one["gold"]]
            assert shown.get(text, text) == item["choices"][item["gold"]] and 0 <= answer < len(
                item["choices"]
            )
    whole = data["differences"][0]
    assert (whole["form"], whole["of"], whole["groups"]) == (-1, 90, data["groups"])
    assert whole["gained"] == (right[1] & ~right[0]).sum() and whole["lost"] == (right[0] & ~right[1]).sum()
    for one in data["spreads"]:
        shares = right[one["model"]].mean(1)
        assert one["wide"] == pytest.approx(shares.max() - shares.min(), abs=1e-5)


def test_a_model_against_itself_cannot_be_decided():
    data = run(replace(ASKED, variants=("plain", "instructed")), "llama3", "llama3")[-1]
    assert all(one["gained"] == one["lost"] == 0 and one["p"] == 1 for one in data["differences"])
    assert "cannot decide" in data["verdicts"][0]


def test_a_model_without_a_template_is_asked_the_rest():
    assert not zoo.opened("gpt2").tokenizer.chat_template
    request = replace(ASKED, variants=("plain", "listed", "chat"), draws=1)
    data = run(request, "gpt2", "llama3")[-1]
    assert data["answers"][0][2] is None and data["answers"][1][2] is not None
    assert "chat is left out for a" in data["notes"][0] and "no chat template" in data["notes"][0]
    assert {one["form"] for one in data["differences"]} == {-1, 0, 1}
    assert {one["form"] for one in data["scores"] if one["model"] == 0} == {0, 1}
    with pytest.raises(VisitorError, match="a can be asked in one form alone"):
        run(replace(request, variants=("plain", "chat")), "gpt2", "llama3")


def told(data, counts):
    """Data as if each model had so many of 40 items right in every form, the same ones first."""
    data = copy.deepcopy(data)
    data["items"] = [data["items"][0] | {"id": str(n), "gold": 0, "cluster": ""} for n in range(40)]
    data["forms"] = data["forms"][: len(counts[0])]
    for model, own in enumerate(counts):
        data["answers"][model] = [[int(at >= count) for at in range(40)] for count in own]
    from evaluation import fragile as made

    items = [Item(str(n), "past", "p", ("a", "b"), 0) for n in range(40)]
    made._count(data, items)
    return made._over(data, items)["verdicts"]


def test_the_first_sentence_says_whether_it_can_decide(steps):
    said = told(steps[-1], [[36, 34, 30], [22, 21, 20]])
    assert said[0].startswith("b is worse than a by 30.8 points over 40 items in 3 forms")
    assert said[0].endswith("in every form.")
    assert any("First of 3 forms: a in 3, b in 0." in one for one in said)
    said = told(steps[-1], [[30, 20, 26], [25, 27, 26]])
    assert said[0].startswith("40 items in 3 forms cannot decide between b and a: +1.7 points")
    assert "b is ahead in 1, behind in 1" in said[0]
    words = " ".join(said)
    assert "In the form plain alone b is −12.5 points from a, not more than chance" in words
    assert "Who picks the form picks the winner: b is +17.5 points in instructed" in words
    assert (
        "a moves by 25 points from form to form: 50 % in instructed, 75 % in plain" in words
        or "a moves" in words
    )
    assert "each could be made the winner" in words
    guessers = copy.deepcopy(steps[-1]) | {"chance": 0.5}
    assert told(guessers, [[20, 21], [22, 20]])[0].startswith(
        "40 items cannot decide: in no form is any model"
    )


def test_two_forms_spread_as_two_models_differ():
    """With two forms the test by signs is the exact paired one, but for the draw."""
    draw = random.Random(5)
    right = [[draw.random() < share for _ in range(60)] for share in (0.8, 0.62)]
    groups = [at // 2 for at in range(60)]
    exact = difference(*right, groups).p
    assert spread.spread_p(right, groups) == pytest.approx(exact, abs=0.02)
    assert spread.spread_p([right[0]] * 3, groups) == 1
    sums = (spread.group_sums(right, groups) @ [1, -1]).tolist()
    assert exact == pytest.approx(exchange_p(sums))


@pytest.mark.parametrize("alike", ["all", "draws"])
@pytest.mark.parametrize("size", [1, 6])
def test_forms_that_play_no_part_are_seldom_called_a_spread(monkeypatch, alike, size):
    """Also where draws of one form are much more alike than others, and items share passages."""
    monkeypatch.setattr(spread, "DRAWS", 199)
    numbers = np.random.default_rng(3)
    shared = np.full((7, 7), 0.5 if alike == "all" else 0.05)
    if alike == "draws":
        shared[:5, :5] = 0.95
    np.fill_diagonal(shared, 1)
    turn = np.linalg.cholesky(shared)
    groups, alarms = np.repeat(np.arange(48 // size), size).tolist(), 0
    for _ in range(400):
        own = numbers.normal(size=(48, 7)) @ turn.T
        passage = np.repeat(numbers.normal(size=(48 // size, 7)) @ turn.T, size, 0)
        right = (own if size == 1 else 0.5 * own + passage) < 0
        alarms += spread.spread_p(right.T, groups) <= 0.05
    assert alarms / 400 <= 0.05 + 2 * (0.05 * 0.95 / 400) ** 0.5


def test_a_spread_is_seen_where_there_is_one():
    draw = random.Random(1)
    right = [[draw.random() < share for _ in range(48)] for share in (0.9, 0.9, 0.4, 0.9)]
    assert spread.spread_p(right, list(range(48))) < 0.001


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"variants": ["plain"]}, "Fewer than two forms"),
        ({"variants": "plain, shouted"}, "no form “shouted”"),
        ({"limit": 60}, "153 items read 18 times each are more than 2,000 readings"),
        ({"items": '{"prompt": "a", "choices": ["b", "c"], "gold": 0}'}, "0 other items for the 2 examples"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_a_model_is_loaded(asked, words):
    with pytest.raises(VisitorError, match=words):
        FragileRequest.parse(**asked)


def test_too_many_tokens_are_refused(monkeypatch):
    monkeypatch.setattr(engine, "MAX_TOKENS", 100)
    with pytest.raises(VisitorError, match="the limit is 100"):
        run(ASKED, "llama3", "qwen2")


def test_a_long_run_ends_with_what_it_has(monkeypatch):
    monkeypatch.setattr(engine, "MAX_SECONDS", -1)
    data = last(iter(run(ASKED, "llama3", "qwen2")))
    assert data["done"] and len(data["forms"]) == 2 and "before listed 1" in data["stopped"]


def test_the_program_below_asks_lm_eval_the_same(steps):
    request = replace(ASKED, models=("zoo/llama3", "zoo/qwen2"))
    (text,) = programs.form_listings(request, steps[-1]).values()
    compile(text, "program", "exec")
    lines = [line for line in text.splitlines() if line.startswith("    {'id'")]
    assert len(lines) == 90 and sum("'task': 'lettered 2'" in line for line in lines) == 10
