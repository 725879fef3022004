"""llama.cpp's dialect against llama.cpp itself: same logits in, same candidates out."""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import json
import math
import random
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch

from decoding import pasted
from decoding.engine import decode, next_token_distribution
from decoding.llama_cpp import chain, programs
from decoding.llama_cpp.breakers import breakers_of
from decoding.llama_cpp.chain import Candidates, Memory
from decoding.llama_cpp.parameters import ORDER, Breakers, Settings
from decoding.llama_cpp.settings import SETTINGS, settings_of
from decoding.request import Request
from decoding.strategy import strategies_of
from shared.errors import VisitorError
from tests import zoo
from tests.decoding.llama import SEED, Chain, Left

ZOO = ["llama3", "gemma3", "qwen2", "tinyllama", "rinna", "mamba"]
TEXT = 'He said: "no, no, no." Then he said: "no, no.\n'


@pytest.fixture(scope="module")
def rows() -> list[torch.Tensor]:
    """Logits of zoo models after a text, and flat, peaked and tied ones."""
    found = []
    for name in ZOO:
        loaded = zoo.opened(name)
        ids = loaded.tokenizer(TEXT, return_tensors="pt").input_ids
        with torch.inference_mode():
            found += list(loaded.model(ids).logits[0, ::5].float())
    torch.manual_seed(0)
    peaked = torch.cat([torch.tensor([30.0]), torch.randn(900)])
    negative = torch.randn(900) - 9
    made = [torch.randn(1500) * 0.05, torch.randn(1500) * 8, peaked, negative]
    return [*found, *made]


def as_breakers(sequences: list[list[int]]) -> Breakers:
    found: Breakers = {}
    for first, *rest in sequences:
        found.setdefault(first, []).append(tuple(rest))
    return found


def random_settings(rng: random.Random, **fixed: object) -> Settings:
    names = list(ORDER)
    if rng.random() < 0.5:
        rng.shuffle(names)
    values: dict = {
        "temperature": rng.choice([0, 0.3, 0.8, 1, 1.7]),
        "dynatemp_range": rng.choice([0, 0, 0.4, 1]),
        "dynatemp_exponent": rng.choice([1, 0.5, 2]),
        "top_k": rng.choice([0, 1, 5, 40, 200]),
        "top_p": rng.choice([1, 0.95, 0.5, 0.1]),
        "min_p": rng.choice([0, 0.05, 0.3]),
        "typical_p": rng.choice([1, 1, 0.9, 0.4]),
        "top_n_sigma": rng.choice([-1, -1, 1, 2.5]),
        "repeat_last_n": rng.choice([0, 5, 64]),
        "repeat_penalty": rng.choice([1, 1.3, 0.8]),
        "presence_penalty": rng.choice([0, 0.5, -0.5]),
        "frequency_penalty": rng.choice([0, 0.2]),
        "dry_multiplier": rng.choice([0, 0.8]),
        "dry_base": rng.choice([1, 1.75, 3]),
        "dry_allowed_length": rng.choice([0, 1, 2, 4]),
        "dry_penalty_last_n": rng.choice([5, 64, 200]),
        "xtc_probability": rng.choice([0, 0, 0.4, 1]),
        "xtc_threshold": rng.choice([0.02, 0.1, 0.3, 0.5, 0.6]),
        "min_keep": rng.choice([0, 0, 0, 1, 3, 8]),
        "samplers": tuple(names),
    }
    return Settings(**{**values, **fixed})


def is_defined(settings: Settings) -> bool:
    """Whether llama.cpp's typ_p has no masked token before it: it would take 0 · log 0."""
    stages = settings.stages()
    if "typ_p" not in stages:
        return True
    before = stages[: stages.index("typ_p")]
    cold = settings.temperature - settings.dynatemp_range <= 0.3
    return "top_n_sigma" not in before and not ("temperature" in before and cold)


def xtc_chances() -> Iterator[float]:
    """What llama.cpp's XTC draws, of std::mt19937."""
    generator = np.random.RandomState(SEED)
    while True:
        yield float(np.float32(generator.randint(0, 2**32, dtype=np.uint32)) * np.float32(2**-32))


def same(ours: Candidates, theirs: Left) -> bool:
    """Whether two chains left the same; False where one token at a cut fell on the other side of a
    rounding error.
    """
    size = len(ours.logits)
    mine, other = ours.probabilities(), theirs.probabilities(size)
    if ours.size == len(theirs.ids) and float((mine - other).abs().max()) < 2e-5:
        return True
    apart = (mine > 0) != (other > 0)
    assert int(apart.sum()) <= 1 and abs(ours.size - len(theirs.ids)) <= 1, (ours.size, len(theirs.ids))
    assert float((mine - other).abs().max()) < 1e-3
    return False


@pytest.mark.parametrize("seed", range(4))
def test_a_random_chain_leaves_what_llama_cpp_leaves(rows, seed):
    """In its order and in any other, with every sampler's settings, after texts that repeat themselves."""
    rng, count, rounded = random.Random(seed), 0, 0
    while count < 150:
        settings = random_settings(rng)
        if not is_defined(settings):
            continue
        logits, count = rng.choice(rows), count + 1
        tokens = [rng.randrange(9) for _ in range(rng.choice([1, 2, 3, 20, 90]))]
        sequences = rng.choice([[[3], [4, 5]], [[1, 2, 0], [1, 2]], [[8, 8, 8]]])
        with closing(Chain(settings, len(logits), sequences)) as theirs:
            for token in tokens:
                theirs.accept(token)
            left = theirs.apply(logits.numpy())
        memory = Memory(tokens, as_breakers(sequences), next(xtc_chances()))
        after = chain.run(logits, settings, memory)
        ours = after[-1] if after else Candidates(logits.double(), len(logits))
        rounded += not same(ours, left)
    assert rounded <= count // 50


MISTAKES: dict[str, tuple[str, Callable, dict]] = {
    "top-k keeps ties": (
        "top_k",
        lambda now, of, _: Candidates(
            torch.where(
                now.logits < now.logits.topk(min(of.top_k, now.size)).values[-1], -math.inf, now.logits
            ),
            now.size,
        ),
        {"top_k": 5},
    ),
    "top-k before the softmax of top-n-sigma": (
        "top_n_sigma",
        lambda now, of, m: chain.top_n_sigma(now.first(50), of, m),
        {"top_n_sigma": 1.0},
    ),
    "sample deviation": (
        "top_n_sigma",
        lambda now, of, _: Candidates(
            torch.where(
                now.logits < now.logits.max() - of.top_n_sigma * now.logits.abs().mean(),
                -math.inf,
                now.logits,
            ),
            now.size,
        ),
        {"top_n_sigma": 1.0},
    ),
    "typical by probability": (
        "typ_p",
        lambda now, of, m: chain.top_p(now, Settings(top_p=of.typical_p), m),
        {"typical_p": 0.5},
    ),
    "penalty only divides": (
        "penalties",
        lambda now, of, m: Candidates(
            now.logits
            / torch.where(torch.isin(torch.arange(len(now.logits)), torch.tensor(m.tokens)), 1.5, 1.0),
            now.size,
        ),
        {"repeat_penalty": 1.5},
    ),
    "penalties over the whole text": (
        "penalties",
        lambda now, of, m: chain.penalties(now, Settings(repeat_last_n=999, frequency_penalty=1), m),
        {"frequency_penalty": 1.0, "repeat_last_n": 4},
    ),
    "xtc removes all of them": (
        "xtc",
        lambda now, of, m: now.first(
            now.size, now.ranked()[int((now.probabilities() >= of.xtc_threshold).sum()) :]
        ),
        {"xtc_probability": 1.0, "xtc_threshold": 0.05},
    ),
    "xtc above .5": (
        "xtc",
        lambda now, of, m: Candidates(torch.where(now.logits == now.logits.max(), -math.inf, now.logits), 1),
        {"xtc_probability": 1.0, "xtc_threshold": 0.6},
    ),
    "min_keep is passed over": (
        "top_p",
        lambda now, of, m: chain.top_p(now, Settings(top_p=of.top_p), m),
        {"top_p": 0.1, "min_keep": 8},
    ),
    "dry counts the token it would add": (
        "dry",
        lambda now, of, m: chain.dry(
            now, Settings(dry_multiplier=1, dry_allowed_length=of.dry_allowed_length - 1), m
        ),
        {"dry_multiplier": 1.0},
    ),
    "dynamic temperature over the whole vocabulary": (
        "temperature",
        lambda now, of, m: chain.temperature(Candidates(now.logits, len(now.logits)), of, m),
        {"dynatemp_range": 0.5, "top_k": 7},
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_known_mistake_is_noticed(rows, monkeypatch, mistake):
    name, wrong, values = MISTAKES[mistake]
    off = {"top_k": 0, "top_p": 1.0, "min_p": 0.0, "temperature": 1.0}
    settings = Settings(**{**off, **values})
    monkeypatch.setitem(chain.SAMPLERS, name, wrong)
    monkeypatch.setattr(
        Settings, "is_on", lambda self, one: one == name or (one == "top_k" and self.top_k > 0)
    )
    tokens = [1, 2, 3, 4, 1, 2, 3]
    tied = torch.tensor([2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, -1.0] * 40)
    found = 0
    for logits in [*rows, tied]:
        with closing(Chain(settings, len(logits), [])) as theirs:
            for token in tokens:
                theirs.accept(token)
            left = theirs.apply(logits.numpy())
        after = chain.run(logits, settings, Memory(tokens, {}))
        mine, other = after[-1].probabilities(), left.probabilities(len(logits))
        found += float((mine - other).abs().max()) > 1e-3 or after[-1].size != len(left.ids)
    assert found


def test_of_tied_tokens_as_many_stay(rows):
    """Which of them is left to the sort, so their number counts."""
    logits = torch.tensor([2.0, *[1.0] * 12, *[0.0] * 12])
    for values in ({"top_k": 5}, {"top_p": 0.4}, {"min_p": 0.2, "min_keep": 20}, {"typical_p": 0.3}):
        off = {"top_k": 0, "top_p": 1.0, "min_p": 0.0, "temperature": 1.0}
        settings = Settings(**{**off, **values})
        with closing(Chain(settings, 25)) as theirs:
            left = theirs.apply(logits.numpy())
        ours = chain.run(logits, settings, Memory([], {}))[-1]
        kept = ours.logits[torch.isfinite(ours.logits)]
        assert sorted(kept.tolist()) == sorted(left.logits.tolist()), values


def test_xtc_draws_once_for_a_token(rows):
    settings = Settings(xtc_probability=0.5, xtc_threshold=0.05, min_p=0.0)
    chances = xtc_chances()
    with closing(Chain(settings, len(rows[0]))) as theirs:
        for _ in range(30):
            left = theirs.apply(rows[0].numpy())
            ours = chain.run(rows[0], settings, Memory([], {}, next(chances)))[-1]
            assert same(ours, left)


@pytest.mark.parametrize(
    "values",
    [
        {"mirostat": 1},
        {"mirostat": 1, "mirostat_tau": 2.0, "mirostat_eta": 0.5, "temperature": 1.4},
        {"mirostat": 2},
        {"mirostat": 2, "mirostat_tau": 1.5, "mirostat_eta": 0.7, "temperature": 0.6},
        {"mirostat": 2, "temperature": 0},
        {"mirostat": 1, "temperature": 0},
        {"mirostat": 2, "mirostat_tau": 0.0},
        {"adaptive_target": 0.5},
        {"adaptive_target": 0.05, "adaptive_decay": 0.0},
        {"adaptive_target": 0.9, "adaptive_decay": 0.99, "top_k": 0, "min_p": 0.0},
        {"adaptive_target": -1.0},
    ],
    ids=str,
)
def test_samplers_with_a_memory_follow_llama_cpp_from_token_to_token(rows, values):
    """Both are told of the tokens that llama.cpp draws."""
    settings = Settings(**values)
    if "adaptive_target" in values:
        settings = Settings(**values, samplers=("adaptive_p", *ORDER))  # last, wherever it is named
    for size in {len(row) for row in rows}:
        logits = [row for row in rows if len(row) == size]
        tokens: list[int] = []
        taken: list[float] = []
        with closing(Chain(settings, size)) as theirs:
            for step in range(12):
                row = logits[step % len(logits)]
                left = theirs.apply(row.numpy())
                after = chain.run(row, settings, Memory(tokens, {}, taken=tuple(taken)))
                if not same(after[-1], left):
                    break
                assert left.drawn is not None
                theirs.accept(left.drawn)
                tokens.append(left.drawn)
                kept = chain.remembered(left.drawn, settings, row, after)
                taken += [] if kept is None else [kept]
            assert step > 3 or size > 1000


def test_the_defaults_are_llama_cpps():
    """As xllamacpp reads them from llama.cpp's own structure."""
    import xllamacpp

    theirs = xllamacpp.CommonParams().sampling
    other = {
        "temperature": "temp",
        "typical_p": "typ_p",
        "repeat_last_n": "penalty_last_n",
        "repeat_penalty": "penalty_repeat",
        "presence_penalty": "penalty_present",
        "frequency_penalty": "penalty_freq",
    }
    for name, value in vars(Settings()).items():
        if name == "samplers":
            assert tuple(theirs.samplers.split(";")) == value
        elif name not in ("dry_sequence_breakers", "top_n_sigma"):  # xllamacpp does not show them
            assert getattr(theirs, other.get(name, name)) == pytest.approx(value), name


STRATEGIES = [
    {"runtime": "llama.cpp"},
    {
        "runtime": "llama.cpp",
        "dry_multiplier": 0.8,
        "xtc_probability": 0.5,
        "xtc_threshold": 0.05,
        "repeat_penalty": 1.2,
        "name": "all\nof it",
    },
    {"runtime": "llama.cpp", "mirostat": 2, "mirostat_tau": 2},
    {"runtime": "llama.cpp", "adaptive_target": 0.3, "samplers": "top_k;adaptive-p"},
]


def run_of(strategies: list[dict], name: str = "llama3", **values: object):
    request = Request.parse(
        prompt=TEXT, strategies=strategies, model=str(zoo.folder(name)), **{"max_new_tokens": 8, **values}
    )
    *_, trace = decode(request, zoo.opened(name))
    return request, trace


@pytest.mark.parametrize("name", ZOO)
def test_every_step_of_a_run_is_llama_cpps(name):
    """What a run recorded at each step, against llama.cpp on the same logits and with the same text."""
    _, trace = run_of(STRATEGIES[:1] + STRATEGIES[2:], name, max_new_tokens=5)
    model, prompt = zoo.opened(name).model, list(trace.to_json()["prompt"]["token_ids"])
    for run in trace.runs:
        settings, by_id = settings_of(run.config), {node.id: node for node in run.nodes}
        path = [by_id[i] for i in path_of(run, run.sequences[0].node)]
        size = model.config.get_text_config().vocab_size
        with closing(Chain(settings, size)) as theirs:
            for token in prompt:
                theirs.accept(token)
            tokens = list(prompt)
            for node in path[1:]:
                with torch.inference_mode():
                    logits = model(torch.tensor([tokens])).logits[0, -1].float()
                left = theirs.apply(logits.numpy())
                other = left.probabilities(len(logits))
                for one in run.nodes:
                    if one.parent == node.parent:
                        assert math.exp(one.logprob_processed) == pytest.approx(
                            float(other[one.token_id]), abs=1e-3
                        )
                if left.drawn is not None and left.drawn != node.token_id:
                    break  # llama.cpp drew another token, and would remember that one
                theirs.accept(node.token_id)
                tokens.append(node.token_id)


def path_of(run, leaf: int) -> list[int]:
    by_id, ids = {node.id: node for node in run.nodes}, [leaf]
    while (parent := by_id[ids[-1]].parent) is not None:
        ids.append(parent)
    return ids[::-1]


def test_a_run_says_what_it_remembered():
    _, trace = run_of(STRATEGIES)
    plain, mixed, mirostat, adaptive = trace.to_json()["runs"]
    assert plain["processors"] == ["top_k", "top_p", "min_p", "temperature"] and plain["memories"] == {}
    assert mixed["processors"][:2] == ["penalties", "dry"] and mixed["name"] == "all\nof it"
    assert all(0 <= one["chance"] < 1 for one in mixed["memories"].values())
    fired = [one["chance"] <= 0.5 for one in mixed["memories"].values()]
    assert any(fired) and not all(fired)
    assert all(one["taken"] >= 0 for one in mirostat["memories"].values())
    assert len(adaptive["memories"]) == len(adaptive["sequences"][0]["token_ids"])
    assert plain["settings"]["top_k"] == {"value": 40, "origin": "default"}
    assert mixed["breakers"] and all(one["tails"] == [[]] for one in mixed["breakers"])


def test_the_coldest_chain_is_greedy_search():
    for strategy in ({"temperature": 0}, {"top_k": 1}, {"mirostat": 2, "temperature": 0}):
        _, trace = run_of([{}, {"runtime": "llama.cpp", **strategy}])
        greedy, cold = (run.sequences[0].token_ids for run in trace.runs)
        assert greedy == cold, strategy


def test_a_branch_goes_on_after_its_own_tokens():
    _, trace = run_of([{"runtime": "llama.cpp", "repeat_penalty": 1.3, "prefix": [70, 71]}])
    assert trace.runs[0].sequences[0].token_ids[:2] == (70, 71)


def test_the_panel_gets_the_logits_and_no_setting_in_them():
    loaded = zoo.opened("llama3")
    ids = loaded.tokenizer(TEXT).input_ids
    config = {"runtime": "llama.cpp", "repeat_penalty": 2.0}
    found = next_token_distribution(loaded, ids, config, len(ids), None)
    with torch.inference_mode():
        logits = loaded.model(torch.tensor([ids])).logits[0, -1]
    assert found["base"] is None
    assert found["log_sum"] == pytest.approx(float(torch.logsumexp(logits, -1)), abs=1e-4)


def test_the_listing_in_torch_prints_the_texts():
    request, trace = run_of(STRATEGIES, max_new_tokens=6, seed=5)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(programs.torch_program(request, trace.to_json()), "listing", "exec"), {})
    printed = [eval(line) for line in out.getvalue().splitlines()]
    assert printed == [run.sequences[0].text for run in trace.runs]


def test_the_flags_are_llama_cpps(rows):
    """Every flag stands in llama.cpp's own parser, every name in llama-server's."""
    files = importlib.metadata.files("xllamacpp") or []
    binary = next(Path(str(file.locate())) for file in files if str(file).endswith(".so")).read_bytes()
    for name in SETTINGS:
        assert f"{name}\0".encode() in binary, name
        assert name == "min_keep" or f"{programs.FLAGS[name]}\0".encode() in binary, name
    request, trace = run_of([{"runtime": "llama.cpp", "dry_multiplier": 0.8, "samplers": ["dry", "top_k"]}])
    text = programs.flags_program(request, trace.to_json())
    assert "--samplers 'dry;top_k' --dry-multiplier 0.8" in text or "--dry-multiplier 0.8 --samplers" in text
    assert '"samplers": ["dry", "top_k"]' in text


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"do_sample": True}, "a setting of transformers"),
        ({"mirostat": 2, "top_k": 3}, "mirostat 2 works with the temperature alone"),
        ({"top_p": 0.5, "samplers": ["top_k"]}, "samplers does not name top_p"),
        ({"dry_base": 2}, "dry_multiplier switches dry off"),
        ({"xtc_probability": 0.5, "xtc_threshold": 0.6}, "above 0.5"),
        ({"top_n_sigma": 1, "typical_p": 0.5}, "undefined in llama.cpp"),
        ({"dry_multiplier": 1, "dry_penalty_last_n": -1}, "the whole text"),
        ({"samplers": ["top_k", "top_k"]}, "names top_k twice"),
        ({"samplers": ["infill"]}, "infill"),
        ({"samplers": "edskypqxt"}, "no sampler of llama.cpp"),
        ({"temprature": 1}, "temperature"),
        ({"adaptive_target": 0.5}, "samplers does not name adaptive_p"),
    ],
)
def test_what_llama_cpp_would_pass_over_is_said(config, words):
    with pytest.raises(VisitorError) as error:
        strategies_of([{"runtime": "llama.cpp", **config}])
    assert words in str(error.value)


def test_samplers_are_named_in_any_of_llama_cpps_ways():
    for value in ("edskypmxt", "penalties;dry;top_n_sigma;top_k;typical;nucleus;min-p;xtc;temp", list(ORDER)):
        (strategy,) = strategies_of([{"runtime": "llama.cpp", "samplers": value}])
        assert tuple(strategy.config["samplers"]) == ORDER
    with pytest.raises(VisitorError, match="a setting of llama"):
        strategies_of([{"mirostat": 2}])
    with pytest.raises(VisitorError, match="runtime is vllm"):
        strategies_of([{"runtime": "vllm"}])


def test_a_request_to_llama_server_can_be_pasted():
    body = {
        "prompt": "x",
        "n_predict": 64,
        "temperature": 0.7,
        "top_k": 20,
        "stop": ["#"],
        "mirostat_tau": 5.0,
    }
    found = pasted.read(json.dumps({**body, "dry_penalty_last_n": -1, "xtc_threshold": 0.2, "grammar": ""}))
    assert json.loads(found.strategies) == [{"runtime": "llama.cpp", "temperature": 0.7, "top_k": 20}]
    assert found.max_new_tokens == 64
    assert [one.split(" ")[0] for one in found.unused] == ["stop", "dry_penalty_last_n", "xtc_threshold"]


def test_breakers_that_lie_across_tokens():
    words = {1: b"a\n", 2: b"end", 3: b"st", 4: b"stop", 5: b"op"}
    found = breakers_of(words, ["stop", "\n"], words.__getitem__, lambda text: [ord(one) for one in text])
    assert found == {1: [()], 3: [(ord("o"), ord("p"))], 4: [()]}
