"""Pairs of answers: who stands where, what a judge's verdicts are and what may be claimed of them."""

from __future__ import annotations

import copy
import json
import math
import re

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import binomtest

from evaluation import written_programs
from evaluation.arena import agreed, judged, pairs_of, plan, ranks, reading
from evaluation.arena_finding import verdicts
from evaluation.request import JudgeRequest
from evaluation.strengths import TIE, Met, agreement, strengths
from shared.errors import VisitorError
from shared.measure import continuation_log_probabilities
from shared.talk import greedy, prompt_ids
from tests import zoo

ASKED = JudgeRequest(
    models=("a", "b", "c"),
    prompts=("Name a colour. => red, the", "Say something.", "Say something else."),
    judge="a",
    tokens=8,
)


def run(request: JudgeRequest, *animals: str):
    loaded = [zoo.opened(name) for name in animals]
    return list(judged(request, loaded, plan(request, loaded)))


@pytest.fixture(scope="module")
def steps():
    return run(ASKED, "llama3", "qwen2", "gpt2")


def random_pairs(seed: int, models: int, prompts: int) -> list[Met]:
    draw = np.random.default_rng(seed)
    worth = draw.normal(size=models)
    found = []
    for prompt in range(prompts):
        for first in range(models):
            for second in range(first + 1, models):
                won = draw.random() < 1 / (1 + math.exp(worth[second] - worth[first]))
                winner = TIE if draw.random() < 0.2 else (first if won else second)
                found.append(Met(first, second, winner, prompt))
    return found


def likelihood(met: list[Met], models: int):
    """−ln of the likelihood with half a win on both sides of every pair that met."""
    won = np.zeros((models, models))
    for one in met:
        for winner, loser in ((one.first, one.second), (one.second, one.first)):
            won[winner, loser] += 0.5 if one.winner == TIE else one.winner == winner
    won += 0.5 * ((won + won.T) > 0)

    def value(free):
        worth = np.concatenate(([0.0], free))
        return float((won * np.log1p(np.exp(worth[None, :] - worth[:, None]))).sum())

    return value


@pytest.mark.parametrize("models", [2, 3, 4])
def test_strengths_have_the_largest_likelihood(models):
    for seed in range(4):
        met = random_pairs(seed, models, 6)
        found = strengths(met, models)
        expected = minimize(likelihood(met, models), np.zeros(models - 1), method="BFGS", tol=1e-10).x
        assert [one.strength for one in found[1:]] == pytest.approx(expected, abs=1e-4)
        assert found[0].strength == found[0].sigma == 0
        assert sum(one.wins for one in found) == len(met) and found[1].of == 6 * (models - 1)


def test_two_models_differ_by_the_log_odds_of_their_wins():
    met = [Met(0, 1, winner, prompt) for prompt, winner in enumerate([1] * 7 + [0] * 3 + [TIE] * 2)]
    _, one = strengths(met, 2)
    assert one.strength == pytest.approx(math.log((8 + 0.5) / (4 + 0.5))) and one.wins == 8
    assert one.sigma >= (1 / (1 / 8.5 + 1 / 4.5)) ** -0.5 - 1e-9
    flawless = strengths([Met(0, 1, 1, prompt) for prompt in range(10)], 2)[1]
    assert flawless.strength == pytest.approx(math.log(21)) and flawless.high == 1, "finite"


def test_a_model_that_no_pairs_lead_to_has_no_strength():
    found = strengths([Met(1, 2, 1, 0), Met(0, 3, 3, 0)], 4)
    assert [one.strength is None for one in found] == [False, True, True, False]
    assert found[2].of == 1 and found[1].wins == 1


def test_intervals_hold_the_truth_although_pairs_share_answers():
    """Four models: a prompt has six pairs of four answers. As if independent, intervals are too short."""
    draw, worth = np.random.default_rng(1), np.array([0, 1.0, 2.0, -0.5])
    inside = short = 0
    for _ in range(150):
        quality = worth + draw.gumbel(size=(30, 4))
        met = [
            Met(a, b, a if row[a] > row[b] else b, prompt)
            for prompt, row in enumerate(quality)
            for a in range(4)
            for b in range(a + 1, 4)
        ]
        apart = [Met(one.first, one.second, one.winner, at) for at, one in enumerate(met)]
        for found, count in ((strengths(met, 4), "inside"), (strengths(apart, 4), "short")):
            held = sum(
                abs(one.strength - true) <= 1.96 * one.sigma
                for one, true in zip(found[1:], worth[1:], strict=True)
            )
            inside, short = (inside + held, short) if count == "inside" else (inside, short + held)
    assert inside / 450 > 0.92 > short / 450


def test_kappa_is_cohens():
    """By the definition, with marginals that make chance a half, and at its ends."""
    pairs = [("1", "1")] * 20 + [("1", "0")] * 5 + [("0", "1")] * 10 + [("0", "0")] * 15
    one = agreement(pairs)
    assert (one.same, one.of) == (35, 50) and one.kappa == pytest.approx(0.4)
    ends = binomtest(35, 50).proportion_ci(method="wilson")
    assert (one.low, one.high) == pytest.approx([(end - 0.5) / 0.5 for end in ends])
    none = agreement([("a", "b")] * 2 + [("b", "a")] * 2)
    assert none.low == none.kappa == -1 and none.high > -0.1, "four pairs prove little"
    assert agreement([("a", "a"), ("b", "b")]).kappa == 1 and agreement([("a", "a")]).kappa is None
    assert agreement([("a", "b"), ("b", "a")]).kappa == -1 and agreement([]).kappa is None


def test_every_pair_comes_once_with_sides_by_the_seed():
    found = pairs_of(ASKED)
    assert sorted((prompt, *sorted((a, b))) for prompt, a, b in found) == [
        (prompt, a, b) for prompt in range(3) for a, b in ((0, 1), (0, 2), (1, 2))
    ]
    many = JudgeRequest(models=("a", "b"), prompts=tuple(map(str, range(40))))
    left = sum(left == 0 for _, left, _ in pairs_of(many))
    assert 8 < left < 32 and pairs_of(many) == pairs_of(many)
    other = JudgeRequest(models=("a", "b"), prompts=tuple(map(str, range(40))), seed=1)
    assert pairs_of(other) != pairs_of(many)


def test_answers_are_greedy_and_verdicts_those_of_the_letters_likelihoods(steps):
    data = steps[-1]
    assert data["done"] and not any(step["done"] for step in steps[:-1])
    json.dumps(data, allow_nan=False)
    for place, name in enumerate(("llama3", "qwen2", "gpt2")):
        loaded = zoo.opened(name)
        *_, (answer,) = greedy(loaded.model, loaded.tokenizer, [prompt_ids(loaded, "Say something.")], 8)
        assert data["prompts"][1]["answers"][place]["text"] == answer.text(loaded.tokenizer)
    judge, seen = zoo.opened("llama3"), set()
    for pair in data["pairs"]:
        one = data["prompts"][pair["prompt"]]
        left, right = (one["answers"][pair[side]]["text"] for side in ("left", "right"))
        assert pair["same"] == (left == right) == (pair["judge"] is None)
        if pair["same"]:
            continue
        odds = []
        for first, second in ((left, right), (right, left)):
            _, row = reading(judge, one["prompt"], first, second)
            assert first in row.text and row.text.index("Answer A") < row.text.index("Answer B")
            a, b = continuation_log_probabilities(
                judge.model, [((*row.context, *choice), len(row.context)) for choice in row.choices]
            )
            odds.append(float(a.sum() - b.sum()))
        assert (pair["judge"]["shown"], pair["judge"]["turned"]) == pytest.approx(odds, abs=2e-4)
        alike = (odds[0] > 0) == (odds[1] > 0)
        expected = TIE if alike else pair["left"] if odds[0] > 0 else pair["right"]
        assert pair["judge"]["winner"] == expected
        seen.add(expected)
    assert data["flips"]["of"] == sum(not pair["same"] for pair in data["pairs"])
    assert data["first"]["of"] == 2 * data["flips"]["of"]


def test_what_is_expected_is_looked_for_as_words():
    ask = ASKED.asks[0]
    assert ask.prompt == "Name a colour." and ask.expected == ("red", "the")
    assert ask.knows("It is Red.") and not ask.knows("It is hundred.") and ask.knows("the")
    assert not JudgeRequest(prompts=("a => C++",)).asks[0].knows("C") and not ASKED.asks[1].expected


def test_known_answers_are_counted_beside_the_judge(steps):
    data = steps[-1]
    assert [one["of"] for one in data["known"]] == [1, 1, 1]
    pair = next(one for one in data["pairs"] if one["prompt"] == 0)
    knows = [data["prompts"][0]["answers"][pair[side]]["knows"] for side in ("left", "right")]
    assert pair["known"] == (TIE if knows[0] == knows[1] else pair["left"] if knows[0] else pair["right"])
    assert all(one["known"] is None for one in data["pairs"] if one["prompt"])


def told(data, winners, flips=(3, 20), third=()):
    """Sentences as if the judge had given the pairs of two models these winners, or of a third one, too."""
    data = copy.deepcopy(data)
    data["models"], data["known"], data["agreed"] = data["models"][: 3 if third else 2], [], None
    verdict = {"shown": 0.0, "turned": 0.0}
    data["pairs"] = [
        {"prompt": at, "left": at % 2, "right": 1 - at % 2, "same": False, "known": None}
        | {"judge": {**verdict, "winner": winner}}
        for at, winner in enumerate(winners)
    ]
    data["pairs"] += [
        {"prompt": at, "left": 0, "right": 2, "same": False, "known": None}
        | {"judge": {**verdict, "winner": winner}}
        for at, winner in enumerate(third)
    ]
    low, high = (0.05, 0.36) if flips[0] < 10 else (0.6, 0.95)
    data["flips"] = {"count": flips[0], "of": flips[1], "low": low, "high": high}
    return verdicts(data)


def test_the_first_sentence_says_whether_the_judge_can_decide(steps):
    said = told(steps[-1], [1] * 14 + [0] * 2 + [TIE] * 4)
    assert said[0] == "a finds b better than a: 14 won, 2 lost, 4 tied, p = .0042."
    assert "changes when the two answers change places on 3 of 20 pairs" in said[1]
    assert told(steps[-1], [1] * 6 + [0] * 5)[0].startswith("a cannot decide between b and a: 6 won, 5 lost")
    said = told(steps[-1], [1] * 6 + [0] * 5, third=[2] * 5 + [0] * 5)
    assert said[0].startswith("a cannot decide between a and the two others by 21 pairs of ")
    said = told(steps[-1], [1] * 6 + [0] * 5, third=[2] * 14 + [0] * 1)
    assert said[0].startswith("a finds ") and "the two others" not in " ".join(said)
    said = told(steps[-1], [1] * 2 + [TIE] * 18, flips=(18, 20))
    assert said[0].startswith("a is no judge of these answers: its verdict changes")
    assert ranks([], 2)[0]["of"] == 0 and agreed([])["kappa"] is None


def test_without_a_judge_the_pairs_wait_for_votes():
    data = run(JudgeRequest(models=("a", "b"), prompts=("Say it.",), judge="", tokens=4), "qwen2", "gpt2")[-1]
    assert data["ranks"] == [] and data["flips"] is None
    assert data["verdicts"][0] == "1 pair of 1 prompt wait for your votes; no model judges them."


def test_equal_answers_are_ties_that_nobody_is_asked_about():
    request = JudgeRequest(models=("a", "b"), prompts=("Say it.",), judge="a", tokens=4)
    data = run(request, "qwen2", "qwen2")[-1]
    assert data["pairs"][0]["same"] and data["ranks"][1]["wins"] == 0.5
    assert "same text" in " ".join(data["verdicts"])


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"models": ["a"]}, "One model has no pairs"),
        ({"prompts": "\n"}, "There is no prompt"),
        ({"prompts": ["=> x"]}, "stands no prompt"),
        ({"prompts": ["x" * 501]}, "501 characters"),
        ({"prompts": 7}, "no list of texts"),
        ({"prompts": [str(n) for n in range(41)], "models": ["a", "b"]}, "more than 80 answers"),
        ({"tokens": 500}, "tokens is 500"),
        ({"judge": "m@Q9"}, "asks for the type"),
        ({"judge": 3}, "judge is no model's name"),
    ],
)
def test_what_cannot_be_asked_is_refused(asked, words):
    with pytest.raises(VisitorError, match=words):
        JudgeRequest.parse(**asked)


def test_a_request_travels_in_a_link_with_its_judge_and_without():
    for judge in ("", "owner/judge"):
        request = JudgeRequest.parse(models=["a/b", "c/d"], prompts="One? => 1\nTwo, or three?", judge=judge)
        assert JudgeRequest.from_query(request.to_query()) == request
        assert JudgeRequest.parse(**request.to_json()) == request
        assert len(request.sides) == (3 if judge else 2)
        assert request.judged_by == (2 if judge else None)


def test_the_program_below_writes_the_same_answers(steps):
    """Run on the zoo, with its own way to open models."""
    request = JudgeRequest(models=("a", "c"), prompts=ASKED.prompts, judge="a", tokens=8)
    data = run(request, "llama3", "gpt2")[-1]
    (text,) = written_programs.pair_listings(request, data).values()
    folders = {"a": str(zoo.folder("llama3")), "c": str(zoo.folder("gpt2"))}
    text = re.sub(r"load\('(\w)'[^)]*\)", lambda found: f"load({folders[found[1]]!r})", text)
    lines: list[str] = []
    exec(compile(text, "program", "exec"), {"print": lambda *words: lines.append(" ".join(map(str, words)))})
    for place, name in enumerate(("a", "c")):
        for one in data["prompts"]:
            assert f"{name} | {one['prompt']} | {one['answers'][place]['text']}" in lines
    names = ["a", "c"]
    for pair in data["pairs"]:
        if pair["same"]:
            continue
        winner = "none" if pair["judge"]["winner"] == TIE else names[pair["judge"]["winner"]]
        asked = data["prompts"][pair["prompt"]]["prompt"]
        assert f"{asked} | {names[pair['left']]} | {names[pair['right']]} | {winner}" in lines
