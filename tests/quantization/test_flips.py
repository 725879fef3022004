"""Answers that flip: none against itself, some in a heavy format, and the evaluation Space's own numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scipy.stats import binomtest

from evaluation import engine
from evaluation.request import CompareRequest
from quantization import data, flips, plan, rowcache, take
from quantization.compare import compare, prepare
from quantization.request import Request, SetRequest, TakeRequest
from shared import choices, item_sets
from shared.errors import VisitorError
from shared.rounding import rounded
from shared.steps import last
from tests import zoo
from tests.quantization.conftest import small_llama

ASKED = {"context": 64, "windows": 1, "prompt": "", "questions": 4}


@pytest.fixture(scope="module")
def run(tiny_gguf):
    rowcache.rows.forget()
    request = Request.parse(**ASKED, formats=["own:rtn-int2-g32", "own:rtn-int3-g32"])
    *_, found = compare(request, tiny_gguf)
    return found


def flips_of(run) -> list[data.Flips]:
    return [row["flips"] for row in run.to_json()["rows"]]


def test_flips_are_counted_by_hand(run):
    figure = run.to_json()
    questions = figure["questions"]
    golds = [item["gold"] for item in questions["items"]]
    assert len(golds) == 4 * len(item_sets.SHORT) == flips.count(4) and questions["groups"] == 33
    before = [answer == gold for answer, gold in zip(questions["answers"], golds, strict=True)]
    assert questions["right"]["count"] == sum(before)
    for found in flips_of(run):
        after = [answer == gold for answer, gold in zip(found["answers"], golds, strict=True)]
        pairs = list(zip(before, after, strict=True))
        assert (found["lost"], found["gained"]) == (pairs.count((True, False)), pairs.count((False, True)))
        assert found["lost"] + found["gained"] > 0, "two bits move a model of random weights"
        assert found["changed"] == sum(
            one != other for one, other in zip(questions["answers"], found["answers"], strict=True)
        )
        assert found["right"]["count"] == sum(after) and found["low"] <= found["mean"] <= found["high"]
        assert found["p"] <= found["p_corrected"] <= 1
        for margin, right in zip(found["margins"], after, strict=True):
            assert margin >= 0 if right else margin <= 0
    row = run.rows[0].facts["flips"]
    assert row["p_corrected"] == row["p"], "what is kept of a row does not know the others"


def test_the_base_against_itself_flips_nothing(run):
    (*_, same) = flips.answered(run.loaded.model, run.questions)
    found = flips.against(run.questions, same)
    assert (found["lost"], found["gained"], found["changed"], found["p"]) == (0, 0, 0, 1.0)
    assert found["low"] < 0 < found["high"], "no flip is not equality"
    assert found["margins"] == run.to_json()["questions"]["margins"]


def test_the_evaluation_space_has_the_same_numbers():
    loaded = zoo.opened("llama3")
    other = rounded(loaded, "Q4_0")
    request = CompareRequest(models=("a", "b"), limit=4, seed=3)
    sides = [loaded, other]
    theirs = last(engine.compare(request, sides, engine.plan(request, sides)))
    questions = flips.drawn_for(Request.parse(**{**ASKED, "seed": 3}), loaded)
    *_, base = flips.answered(loaded.model, questions)
    *_, answers = flips.answered(other.model, questions)
    asked = replace(questions, base=base)
    mine = flips.against(asked, answers)
    whole = theirs["differences"][0]
    for key in ("lost", "gained", "changed"):
        assert mine[key] == whole[key]
    assert mine["p"] == pytest.approx(whole["p"], rel=1e-3)
    assert [mine[key] for key in ("mean", "low", "high")] == pytest.approx(
        [whole[key] for key in ("mean", "low", "high")], abs=1e-4
    )
    assert [item["prompt"] for item in asked.to_json()["items"]] == [
        item["prompt"] for item in theirs["items"]
    ]
    assert mine["answers"] == [one["answer"] for one in theirs["answers"][1]]


def test_where_every_question_stands_alone_it_is_mcnemars_test(run):
    """Nine lost and one gained, in sets without passages."""
    some = [item for item in run.questions.items if item.task != "rooms"][:20]

    def answers(rights: list[bool]) -> tuple[choices.Scored, ...]:
        return tuple(
            choices.Scored(item, tuple((float(right == (at == item.gold)),) for at in range(2)))
            for item, right in zip(
                (replace(item, choices=item.choices[:2], gold=0) for item in some), rights, strict=True
            )
        )

    before, after = [True] * 9 + [False] * 11, [False] * 9 + [True] + [False] * 10
    asked = flips.Questions(tuple(some), (), answers(before))
    found = flips.against(asked, answers(after))
    assert (found["lost"], found["gained"]) == (9, 1)
    assert found["p"] == pytest.approx(binomtest(1, 10).pvalue)


def test_questions_cost_time_and_are_refused_before_it():
    costs = [
        plan.estimate(Request.parse(formats=["own:nf4"], questions=n), 10**8)["seconds"] for n in (0, 24)
    ]
    assert costs[1] - costs[0] == pytest.approx(2 * 216 * plan.QUESTION_TOKENS * 10**8 / plan.RATE["cpu"])
    assert "and 216 questions" in plan.plan(Request.parse(questions=24))
    short = small_llama()
    short.model.config.max_position_embeddings = 32
    with pytest.raises(VisitorError, match=r"Item .* has .* tokens, and tiny/llama reads 32"):
        prepare(Request.parse(**{**ASKED, "context": 32}), short)


def test_cards_have_the_flips(tiny_gguf, tmp_path):
    request = TakeRequest.parse(format="gguf:Q4_0", questions=2)
    assert SetRequest.parse(questions=2).comparison().questions == 2
    figure = last(take.take(request, tiny_gguf, tmp_path)).figure
    found = figure["row"]["flips"]
    before = found["right"]["count"] + found["lost"] - found["gained"]
    lines = figure["card"].splitlines()
    (right,) = (line for line in lines if line.startswith("| right answers to 18 questions"))
    assert f"| {before} | {found['right']['count']}: " in right
    assert any(f"{found['lost']} lost, {found['gained']} gained" in line for line in lines)
    assert any(line.startswith("18 questions with choices, of the sets capitals, code,") for line in lines)
