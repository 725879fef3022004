"""Directions of behaviours other than refusing: scored by hand on the zoo, presets as before, and nothing
claimed where nothing separates.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from abliteration import answers, select, sets
from abliteration.ablate import live
from abliteration.outcome import find, measure, run, search
from abliteration.request import Request
from abliteration.scale import BY_FIRST_TOKEN, said
from abliteration.study import edit_of
from shared import rules, talk
from shared.errors import VisitorError
from shared.steps import last
from tests import zoo
from tests.abliteration.conftest import logits, returned
from tests.abliteration.test_zoo import request

RULES = [
    {"shows": "is likelier", "value": "Yes, it is.", "against": "No."},
    {"shows": "matches", "value": "[aeiou]"},
    {"shows": "starts with", "value": "the\nA"},
    {"shows": "does not end"},
]


def opened(name: str, **settings):
    loaded, asked = zoo.opened(name), request(name, answer_tokens=6, **settings)
    return loaded, asked, returned(run.opened("find", asked, loaded))


def by_hand(known, model, prompts) -> list[float]:
    """A behaviour's score, prompt by prompt and one text at a time."""
    scale, scores = known.base.scale, []
    for ids in prompts:
        if scale.pair:
            means = []
            for answer in scale.pair:
                logs = logits(model, [*ids, *answer]).double().log_softmax(-1)
                own = [float(logs[len(ids) - 1 + n, token]) for n, token in enumerate(answer)]
                means.append(sum(own) / len(own))
            scores.append(means[0] - means[1])
        elif scale.tokens:
            share = logits(model, ids)[-1].double().softmax(-1)[list(scale.tokens)].sum()
            scores.append(float(share.clamp(1e-12, 1 - 1e-12).logit()))
        else:
            *_, (one,) = talk.greedy(model, known.loaded.tokenizer, [ids], 6)
            scores.append(float(rules.verdicts(scale.rule, said(known.loaded, [one]))[0]))
    return scores


@pytest.mark.parametrize("name", ["llama3", "gpt2"])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["shows"])
def test_a_candidate_has_the_behaviours_score(name, rule):
    form = {} if zoo.opened(name).tokenizer.chat_template else {"format": "plain"}
    loaded, asked, known = opened(name, **rule, **form)
    base = [by_hand(known, loaded.model, known.asked("select", side)) for side in ("positive", "negative")]
    for scores, found in zip(base, known.base.before, strict=True):
        assert found.tolist() == pytest.approx(scores, abs=2e-3)
    assert bool(known.base.scale.tokens) == (rule["shows"] in BY_FIRST_TOKEN)
    candidate = next(one for one, _ in run.candidates(known, asked) if one.layer == asked.layer)
    edited = live(loaded.model, known.anatomy, edit_of(asked, known, asked.layer))
    left = by_hand(known, edited, known.asked("select", "positive"))
    assert candidate.bypass == pytest.approx(sum(left) / len(left), rel=0.05, abs=0.05)
    threshold = known.base.scale.threshold
    assert abs(candidate.refused - sum(score > threshold for score in left)) <= 1


def test_presets_of_refusing_are_scored_as_before():
    """The old computation of the base's openings and scores, beside the new one."""
    loaded, _, known = opened("llama3")
    both = known.side("select", "positive") + known.side("select", "negative")
    openings = last(talk.answer_all(loaded.model, loaded.tokenizer, both, 16))
    refused = [answers.grade(one.text(loaded.tokenizer)) == "refused" for one in openings]
    tokens, source = answers.refusal_tokens(loaded, openings, answers.MARKERS, known.opening)
    assert known.base.tokens == tokens and known.tokens_from == source
    assert list(known.refused) == refused[: len(known.refused)]
    rows = torch.stack([logits(loaded.model, ids)[-1] for ids in known.asked("select", "positive")])
    old = answers.refusal_score(rows.log_softmax(-1), tokens)
    assert known.base.before[0].tolist() == pytest.approx(old.tolist(), abs=2e-3)
    assert Request().judged.kind == "refuses" == Request.parse(contrast="alarming").judged.kind


def test_nothing_is_claimed_where_nothing_separates():
    loaded, asked, known = opened("llama3", shows="does not end", layer=None, candidates=3)
    assert "chance may part them" in known.nothing or "on none of" in known.nothing
    data = last(find.find(asked, loaded))
    assert data["choice"]["rule"] == "separation" and data["choice"]["relaxed"].startswith(known.nothing)
    assert data["refusal"]["nothing"] == known.nothing and data["refusal"]["words"] == "does not end"
    sides = {"refused": (True,) * 12, "shown": (False,) * 12, "tokens_from": "its own answers"}
    assert replace(known, **sides).nothing == ""
    alike = replace(known, **{**sides, "shown": (True,) * 12})
    assert "12 of 12 positive and 12 of 12 negative" in alike.nothing
    assert "on none of" in replace(known, tokens_from="none of its answers").nothing


@pytest.mark.parametrize("rule", RULES[:2], ids=lambda rule: rule["shows"])
def test_search_and_report_use_the_rule(rule):
    loaded, asked, known = opened("qwen2", **rule)
    trials = last(search.search(replace(asked, trials=2), loaded))["trials"]
    assert all(0 <= trial["refusals"] <= 1 for trial in trials)
    measures = last(measure.measure(asked, loaded))["measures"]
    judged = measures["behaviour"]["positive"]["base"]
    if rule["shows"] == "is likelier":
        assert "shows" not in judged and measures["contrast"]["positive"]["refusal"] == "Yes, it is."
        counted = measures["first_token"]["positive"]["refusals"]["base"]
        scores = by_hand(known, loaded.model, known.asked("report", "positive"))
        assert counted["count"] == sum(score > 0 for score in scores)
    else:
        assert judged["shows"]["count"] == sum(answer["shows"] for answer in judged["answers"])
        assert "contrast" not in measures and "over_refusal" not in measures
    assert len(measures["controls"]) == 2


def test_stored_pairs_differ_in_the_asking_alone_and_links_keep_the_rule():
    for name in ("pirate", "concise", "slop"):
        pair, asked = sets.STORED[name], Request.parse(contrast=name)
        assert {one.split(": ", 1)[1] for one in pair.positive} == {
            one.split(": ", 1)[1] for one in pair.negative
        }
        assert asked.judged == sets.RULES[name] and Request.from_query(asked.to_query()) == asked
    own = Request.parse(shows="is likelier", value=" a ", against="b")
    assert own.judged == rules.Rule("is likelier", "a", "b") and Request.from_query(own.to_query()) == own
    assert Request.parse(**own.to_json()) == own and set(own.direction()) >= {"shows", "value", "against"}
    assert Request.parse(value="left over") == Request(), "without a rule a value says nothing"
    for values in ({"shows": "rhymes"}, {"shows": "length", "value": "short"}, {"shows": "contains"}):
        with pytest.raises(VisitorError):
            Request.parse(**values)
    assert select.MIN_INDUCE == 0
