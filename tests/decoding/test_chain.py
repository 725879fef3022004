"""The browser's sampler chain against transformers' own warpers, on the same distributions."""

from __future__ import annotations

import itertools
import math
import random
from pathlib import Path

import pytest
import torch
from transformers import GenerationConfig
from transformers.generation import logits_process as lp

from decoding import distribution
from decoding.record import FIELDS
from decoding.settings import SETTINGS
from shared.errors import VisitorError
from shared.figure import bundle
from tests.decoding.tiny import tiny

JS = Path(__file__).parents[2] / "spaces/decoding/decoding/js"

WARPERS = {
    "temperature": lambda v, k: lp.TemperatureLogitsWarper(v),
    "top_h": lambda v, k: lp.TopHLogitsWarper(top_h=v),
    "top_k": lambda v, k: lp.TopKLogitsWarper(top_k=v, min_tokens_to_keep=k),
    "top_p": lambda v, k: lp.TopPLogitsWarper(top_p=v, min_tokens_to_keep=k),
    "min_p": lambda v, k: lp.MinPLogitsWarper(min_p=v, min_tokens_to_keep=k),
    "typical_p": lambda v, k: lp.TypicalLogitsWarper(mass=v, min_tokens_to_keep=k),
    "epsilon_cutoff": lambda v, k: lp.EpsilonLogitsWarper(epsilon=v, min_tokens_to_keep=k),
    "eta_cutoff": lambda v, k: lp.EtaLogitsWarper(epsilon=v, min_tokens_to_keep=k),
}
ORDER = list(WARPERS)


SOURCE = bundle(JS)


def page_with(browser, source: str):
    """A blank page with a chain in it."""
    page = browser.new_page()
    names = "\nwindow.runChain = runChain; window.keepingRanges = keepingRanges; window.condense = condense;"
    names += " window.isOff = isOff; window.refusal = refusal;"
    page.add_script_tag(content=source + names)
    return page


@pytest.fixture(scope="module")
def page(browser):
    page = page_with(browser, SOURCE)
    yield page
    page.close()


def broken(browser, text: str, instead: str):
    """A page with the chain and a mistake in it."""
    assert SOURCE.count(text) == 1
    return page_with(browser, SOURCE.replace(text, instead))


def expected(logprobs: torch.Tensor, stages: list[dict], least: int = 1) -> torch.Tensor:
    """Probabilities after transformers' warpers, in float64 where they allow it."""
    scores = logprobs[None].double()
    for stage in stages:
        scores = WARPERS[stage["name"]](stage["value"], least)(torch.zeros(1, 1, dtype=torch.long), scores)
    return torch.softmax(scores, dim=-1)[0]


def wire(logprobs: torch.Tensor, limit: int | None) -> dict:
    """The distribution as it is sent, without texts."""
    return distribution.summarise(logprobs, logprobs, lambda ids: [""] * len(ids), limit)


RUN = """
([distributions, cases]) => cases.map(({d, stages, least}) => {
  const result = runChain(distributions[d], stages, {minTokensToKeep: least});
  const { kept, tailMass, probabilities } = result.last;
  return { exact: result.exact, kept, tail: tailMass, p: Array.from(probabilities).slice(0, 400) };
})
"""


def random_stages(rng: random.Random) -> list[dict]:
    values = {
        "temperature": rng.choice([0.1, 0.3, 0.7, 0.9, 1.2, 1.5, 2.0]),
        "top_h": rng.choice([0.1, 0.4, 0.7, 0.9]),
        "top_k": rng.choice([1, 2, 5, 13, 39, 50, 200]),
        "top_p": round(rng.uniform(0.03, 0.99), 3),
        "min_p": round(rng.uniform(0.005, 0.4), 3),
        "typical_p": round(rng.uniform(0.05, 0.95), 3),
        "epsilon_cutoff": rng.choice([0.0003, 0.003, 0.02]),
        "eta_cutoff": rng.choice([0.0003, 0.003, 0.05]),
    }
    names = rng.sample(ORDER, rng.randint(1, 4))
    if rng.random() < 0.6:
        names.sort(key=ORDER.index)
    return [{"name": name, "value": values[name]} for name in names]


@pytest.fixture(scope="module")
def distributions(embedded) -> list[torch.Tensor]:
    """Real distributions, peaked and flat, and random ones."""
    text = "The lighthouse keeper opened the door and said: 2 + 2 = 4, once upon a time\n\nthere was"
    with torch.inference_mode():
        logits = embedded.model(embedded.tokenizer(text, return_tensors="pt").input_ids).logits[0].float()
    torch.manual_seed(0)
    rows = [*logits[::3], torch.randn(49152), torch.randn(49152) * 0.1, torch.randn(49152) * 4]
    return [torch.log_softmax(row, -1) for row in rows]


def run_cases(page, distributions, cases, limit):
    sent = [wire(row, limit) for row in distributions]
    return sent, page.evaluate(RUN, [sent, cases])


def compare(sent, distributions, cases, answers):
    """Number of exact answers, and the largest error among them."""
    worst, exact = 0.0, 0
    for case, answer in zip(cases, answers, strict=True):
        if not answer["exact"]:
            continue
        exact += 1
        d = case["d"]
        target = expected(distributions[d], case["stages"], case["least"])
        listed = target[torch.tensor(sent[d]["ids"][:400])]
        error = float((torch.tensor(answer["p"], dtype=torch.float64) - listed).abs().max())
        assert error < 1e-4, (case, error)
        kept = int((target > 0).sum())
        if case["stages"][-1]["name"] != "temperature":
            assert abs(answer["kept"] - kept) <= max(1, kept // 2000), (case, answer["kept"], kept)
        worst = max(worst, error)
    return exact, worst


def test_whole_vocabulary_equals_transformers(page, distributions):
    rng = random.Random(1)
    few = distributions[:3] + distributions[-3:]
    cases = [
        {"d": rng.randrange(len(few)), "stages": random_stages(rng), "least": rng.choice([1, 1, 2])}
        for _ in range(160)
    ]
    sent, answers = run_cases(page, few, cases, None)
    exact, _ = compare(sent, few, cases, answers)
    assert exact == len(cases)  # nothing to fetch any more


def test_top_and_tail_equal_transformers_or_say_they_cannot(page, distributions):
    rng = random.Random(2)
    cases = [
        {"d": rng.randrange(len(distributions)), "stages": random_stages(rng), "least": 1} for _ in range(400)
    ]
    sent, answers = run_cases(page, distributions, cases, distribution.LIMIT)
    exact, _ = compare(sent, distributions, cases, answers)
    assert exact > 100  # and not by always refusing


def test_temperature_alone_is_exact_at_every_position(page, distributions):
    cases = [
        {"d": d, "stages": [{"name": "temperature", "value": t / 20}], "least": 1}
        for d in range(len(distributions))
        for t in range(2, 41)
    ]
    sent, answers = run_cases(page, distributions, cases, distribution.LIMIT)
    exact, worst = compare(sent, distributions, cases, answers)
    assert exact == len(cases)
    assert worst < 1e-4


def test_llama_cpp_sampler_values(page):
    """llama.cpp's own tests on p = .1, .2, .3, .4."""
    logprobs = torch.tensor([0.1, 0.2, 0.3, 0.4]).log()
    cases = [
        ([{"name": "top_k", "value": 3}], [0.444444, 0.333333, 0.222222, 0]),
        ([{"name": "top_p", "value": 0.7}], [0.571429, 0.428571, 0, 0]),
        ([{"name": "min_p", "value": 0.26}], [0.4 / 0.9, 0.3 / 0.9, 0.2 / 0.9, 0]),
    ]
    for stages, target in cases:
        answer = page.evaluate(RUN, [[wire(logprobs, None)], [{"d": 0, "stages": stages, "least": 1}]])[0]
        assert answer["p"] == pytest.approx(target, abs=1e-5)


def test_truncating_before_the_softmax_would_be_caught(page, browser, distributions):
    """A known visualiser takes the 50 likeliest tokens before the softmax: on flat distributions that is far
    off.
    """
    cases = [
        {"d": d, "stages": [{"name": "temperature", "value": 0.9}], "least": 1}
        for d in range(len(distributions))
    ]
    wrong = broken(browser, "  let rest = 0;\n  if (state.tail) {", "  let rest = 0;\n  if (false) {")
    sent, answers = run_cases(wrong, distributions, cases, 50)
    wrong.close()
    with pytest.raises(AssertionError):
        compare(sent, distributions, cases, answers)
    compare(sent, distributions, cases, run_cases(page, distributions, cases, 50)[1])


def test_the_notebook_nucleus_would_be_caught(page, browser):
    """A known notebook cuts one token too early: the one that crosses p must stay."""
    rows = [torch.tensor([0.05, 0.5, 0.2, 0.15, 0.07, 0.03]).log()]
    cases = [{"d": 0, "stages": [{"name": "top_p", "value": 0.95}], "least": 1}]
    early = "above += normal.probabilities[i];\n      if (above >= p) break;\n      keep[i] = 1;"
    wrong = broken(browser, "keep[i] = 1;\n      above += normal.probabilities[i];", early)
    sent, answers = run_cases(wrong, rows, cases, None)
    wrong.close()
    with pytest.raises(AssertionError):
        compare(sent, rows, cases, answers)
    assert compare(sent, rows, cases, run_cases(page, rows, cases, None)[1])[0] == 1


def test_filters_nest(page, distributions):
    """A smaller top_p or top_k, or a larger min_p, keeps a subset."""
    row = distributions[0]
    for name, values in (
        ("top_p", [0.2, 0.5, 0.8, 0.95]),
        ("top_k", [1, 4, 9, 30]),
        ("min_p", [0.5, 0.2, 0.05, 0.01]),
    ):
        cases = [{"d": 0, "stages": [{"name": name, "value": value}], "least": 1} for value in values]
        _, answers = run_cases(page, [row], cases, None)
        sets = [{i for i, p in enumerate(answer["p"]) if p > 0} for answer in answers]
        assert all(small <= large for small, large in itertools.pairwise(sets))


def test_adding_a_constant_changes_nothing(page, distributions):
    row = distributions[1]
    shifted = {**wire(row, None)}
    shifted["raw"] = [value - 7.5 for value in shifted["raw"]]
    case = {
        "d": 0,
        "stages": [{"name": "temperature", "value": 0.8}, {"name": "top_p", "value": 0.7}],
        "least": 1,
    }
    a = page.evaluate(RUN, [[wire(row, None)], [case]])[0]["p"]
    b = page.evaluate(RUN, [[shifted], [case]])[0]["p"]
    assert a == pytest.approx(b, abs=1e-9)


def test_keeping_ranges_are_where_the_token_falls_out(page, distributions):
    row = distributions[0]
    sent = wire(row, None)
    stages = [{"name": "temperature", "value": 0.9}, {"name": "top_p", "value": 0.9}]
    for place in (0, 2, 7):
        token = sent["ids"][place]
        ranges = page.evaluate(
            "([d, s, t]) => keepingRanges(d, s, t)", [wire(row, distribution.LIMIT), stages, token]
        )
        whole = (
            page.evaluate("([d, s, t]) => keepingRanges(condense(d, 2000), s, t)", [sent, stages, token])
            if place == 2
            else ranges
        )
        for name, steps in (
            ("top_p", [0.05, 0.3, 0.6, 0.8, 0.95]),
            ("min_p", [0.01, 0.05, 0.2, 0.6]),
            ("top_k", [1, 3, 8, 20]),
        ):
            if ranges[name] is None:
                ranges[name] = whole[name]
            assert place != 2 or ranges[name] is not None
            for value in steps:
                changed = [s for s in stages if s["name"] != name] + [{"name": name, "value": value}]
                changed.sort(key=lambda s: ORDER.index(s["name"]))
                kept = float(expected(row, changed)[token]) > 0
                if ranges[name] is None:
                    continue
                said = any(
                    (r["from"] or -math.inf) <= value <= (math.inf if r["to"] is None else r["to"])
                    for r in ranges[name]
                )
                assert said == kept, (place, name, value, ranges[name])


@pytest.mark.parametrize("value", [0, 0.001, 0.3, 1, 1.0])
@pytest.mark.parametrize(
    "name", ["epsilon_cutoff", "eta_cutoff", "top_p", "typical_p", "min_p", "top_k", "temperature"]
)
def test_a_stage_is_off_where_transformers_leaves_it_out(page, name, value):
    """By its own list of processors; min_p 0 is in it and removes nothing."""
    if (name in ("top_p", "typical_p", "temperature") and value == 0) or (name == "top_k" and value % 1):
        pytest.skip("is refused")
    loaded = tiny("llama")
    made = loaded.model._get_logits_processor(
        generation_config=loaded.model._prepare_generation_config(
            GenerationConfig(do_sample=True, **{"top_k": 0, name: int(value) if name == "top_k" else value})
        )[0],
        input_ids_seq_length=3,
    )
    on = any(FIELDS[type(one).__name__] == name for one in made) and not (name == "min_p" and value == 0)
    assert page.evaluate("([name, value]) => isOff(name, value)", [name, value]) == (not on)


def test_the_panel_refuses_what_the_server_refuses(page):
    values = [-1, 0, 0.01, 0.5, 1, 1.5, 2, 101, 2_000_000]
    for name in ORDER:
        for value in values:
            try:
                SETTINGS[name].check(name, value)
                good = True
            except VisitorError:
                good = False
            refused = page.evaluate("([name, value]) => refusal(name, value)", [name, value])
            assert (refused == "") == good, (name, value, refused)
