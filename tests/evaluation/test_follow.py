"""Instructions followed: answers are the model's own, checks and tests those of the answers."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from evaluation import follow as instructed
from evaluation.examples import FOLLOW
from evaluation.follow_request import PROMPTS, FollowRequest, told
from evaluation.written_programs import follow_listings
from shared.errors import VisitorError
from shared.instructions import GROUPS, instruction_of
from shared.steps import last
from shared.talk import greedy, prompt_ids
from tests import zoo

LINES = (
    *(f"Say {number} words. => at most {number} words; no commas" for number in range(1, 9)),
    "What is the sea? => exactly 1 line",
    "Write JSON. => JSON",
)


@pytest.fixture(scope="module")
def run():
    """Two animals of the zoo, all steps."""
    request = FollowRequest(models=("zoo:llama3", "zoo:gpt2"), prompts=LINES, tokens=6)
    loaded = [zoo.opened(name) for name in ("llama3", "gpt2")]
    return request, loaded, list(instructed.follow(request, loaded, instructed.plan(request, loaded)))


def test_answers_are_the_models_own_and_checked_one_by_one(run):
    request, loaded, steps = run
    data = steps[-1]
    assert [one["prompt"] for one in data["prompts"]] == [line.split(" =>")[0] for line in LINES]
    for prompt in data["prompts"]:
        for one, answer in zip(loaded, prompt["answers"], strict=True):
            ids = prompt_ids(one, prompt["prompt"])
            (alone,) = last(greedy(one.model, one.tokenizer, [ids], request.tokens))
            assert answer["text"] == alone.text(one.tokenizer) and answer["tokens"] == len(alone.ids)
            asked = list(map(instruction_of, prompt["instructions"]))
            assert answer["strict"] == [each.follows(answer["text"]) for each in asked]
            assert answer["loose"] == [each.follows_loosely(answer["text"]) for each in asked]
            assert all(
                loose >= strict for strict, loose in zip(answer["strict"], answer["loose"], strict=True)
            )


def test_scores_and_tests_are_those_of_the_checks(run):
    data = run[2][-1]
    right = [[all(one["answers"][model]["strict"]) for one in data["prompts"]] for model in (0, 1)]
    for score in data["scores"]:
        some = []
        for one in data["prompts"]:
            checks = zip(one["answers"][score["model"]]["strict"], one["groups"], strict=True)
            asked = [yes for yes, group in checks if score["task"] in ("", group)]
            some += [all(asked)] if asked else []
        assert (score["count"], score["of"]) == (sum(some), len(some))
        assert score["other"] >= score["count"]
    whole = next(one for one in data["differences"] if not one["task"])
    gained = sum(b and not a for a, b in zip(*right, strict=True))
    lost = sum(a and not b for a, b in zip(*right, strict=True))
    assert (whole["gained"], whole["lost"], whole["of"]) == (gained, lost, len(LINES))
    p = binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert whole["p"] == pytest.approx(p, rel=1e-3)
    assert ("cannot decide" in data["verdicts"][0]) == (p > 0.05)


def test_it_grows_and_gives_no_verdict_before_the_end(run):
    steps = run[2]
    counts = [len(one["prompts"]) for one in steps]
    assert counts == sorted(counts) and {0, 8, 10} == set(counts)
    assert not any(one["done"] for one in steps[:-1]) and steps[-1]["done"]
    assert all("cannot decide" not in one["verdicts"][0] for one in steps[:-1])


def test_a_model_against_itself_differs_nowhere():
    one = zoo.opened("llama3")
    request = FollowRequest(models=("a", "b"), prompts=LINES[:3], tokens=3)
    data = last(instructed.follow(request, [one, one], instructed.plan(request, [one, one])))
    for each in data["differences"]:
        assert (each["gained"], each["lost"], each["changed"], each["p"]) == (0, 0, 0, 1.0)


def test_the_own_prompts_use_every_kind_and_the_program_checks_the_same(run):
    kinds = {one.kind for line in PROMPTS for one in told(line).instructions}
    assert kinds == set(GROUPS) and FollowRequest.parse(**FOLLOW.to_json()) == FOLLOW
    request, _, steps = run
    (text,) = follow_listings(request, steps[-1]).values()
    compile(text, "listing", "exec")
    assert "at most 8 words" in text and '"follows"' in text


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"prompts": []}, "There is no prompt"),
        ({"prompts": 7}, "no list of texts"),
        ({"prompts": ["What?"]}, "no instruction behind =>"),
        ({"prompts": ["=> JSON"]}, "has no prompt"),
        ({"prompts": ["A =>"]}, "no instruction behind"),
        ({"prompts": ["A => be nice"]}, "is no instruction"),
        ({"prompts": ["A => " + "JSON; " * 7]}, "7 instructions"),
        ({"prompts": [f"{at} => JSON" for at in range(41)]}, "41 prompts for 3 models"),
        ({"reading": "kind"}, "reading"),
    ],
)
def test_what_nobody_can_check_is_refused(values, words):
    with pytest.raises(VisitorError, match=words):
        FollowRequest.parse(**values)
