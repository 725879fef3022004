"""The browser's copy of llama.cpp's chain against the one in Python, which is held to llama.cpp itself."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from decoding import distribution
from decoding.llama_cpp import chain
from decoding.llama_cpp.chain import Candidates, Memory
from decoding.llama_cpp.parameters import ORDER, Settings
from shared.figure import bundle
from tests.decoding.test_llama_cpp import as_breakers, random_settings

JS = Path(__file__).parents[2] / "spaces/decoding/decoding/js"
SOURCE = bundle(JS)
NAMES = ("runLlamaChain", "dryRepeats", "breakersOf", "compareRuntimes", "LLAMA_DEFAULTS", "LLAMA_ORDER")
NAMES += ("ownLlama", "llamaSettingsOf", "llamaConfig")


@pytest.fixture(scope="module")
def page(browser):
    page = browser.new_page()
    page.add_script_tag(content=SOURCE + "".join(f"\nwindow.{name} = {name};" for name in NAMES))
    yield page
    page.close()


@pytest.fixture(scope="module")
def rows(embedded) -> list[torch.Tensor]:
    """Real logits, flat ones and peaked ones."""
    text = "The lighthouse keeper opened the door and said: no, no, no"
    with torch.inference_mode():
        logits = embedded.model(embedded.tokenizer(text, return_tensors="pt").input_ids).logits[0].float()
    torch.manual_seed(0)
    return [*logits[2::4], torch.randn(49152) * 0.1, torch.randn(49152) * 5, torch.randn(700) * 2 - 9]


def wire(logits: torch.Tensor, limit: int | None, named: list[int]) -> dict:
    """Logits as they are sent."""
    raw, log_sum = torch.log_softmax(logits, -1), float(torch.logsumexp(logits.double(), -1))
    return distribution.summarise(raw, raw, lambda ids: [""] * len(ids), limit, named=named, log_sum=log_sum)


RUN = """
([sent, settings, memory]) => {
  const distribution = typeof sent === "number" ? window.whole[sent] : sent;
  const breakers = breakersOf(memory.breakers);
  const result = runLlamaChain(distribution, settings, { ...memory, breakers });
  const { kept, tailMass, probabilities } = result.last;
  return {
    exact: result.exact, kept, tail: tailMass, p: Array.from(probabilities).slice(0, 400),
    names: result.stages.map(({ name }) => name), kepts: result.stages.map(({ kept }) => kept),
  };
}
"""


@pytest.fixture(scope="module")
def whole(page, rows) -> list[dict]:
    """The rows with every token, which the page gets once."""
    sent = [wire(logits, None, []) for logits in rows]
    page.evaluate("sent => { window.whole = sent; }", sent)
    return sent


def ask(page, sent: dict | int, settings: Settings, memory: Memory) -> dict:
    values = {**vars(settings), "samplers": list(settings.samplers)}
    breakers = [{"token": key, "tails": [list(t) for t in tails]} for key, tails in memory.breakers.items()]
    text = {"tokens": list(memory.tokens), "breakers": breakers, "chance": memory.chance}
    return page.evaluate(RUN, [sent, values, {**text, "taken": list(memory.taken)}])


def random_memory(rng: random.Random, size: int) -> Memory:
    some = [rng.randrange(size) for _ in range(7)]
    tokens = [rng.choice(some) for _ in range(rng.choice([1, 3, 20, 90]))]
    breakers = as_breakers(rng.choice([[[some[0]]], [some[:2], some[:1] + some[2:4]], []]))
    taken = tuple(rng.random() for _ in range(rng.choice([0, 3, 20])))
    return Memory(tokens, breakers, rng.random(), taken)


def random_case(rng: random.Random) -> Settings:
    fixed: dict = {}
    if rng.random() < 0.2:
        fixed = {"mirostat": rng.choice([1, 2]), "mirostat_tau": rng.choice([1.0, 3.0, 5.0])}
    elif rng.random() < 0.2:
        fixed = {"adaptive_target": rng.choice([0.0, 0.2, 0.7]), "samplers": (*ORDER, "adaptive_p")}
    return random_settings(rng, **fixed)


def agree(answer: dict, sent: dict, logits: torch.Tensor, settings: Settings, memory: Memory) -> bool:
    """Whether the browser left what Python leaves; False where one token at a cut was rounded away."""
    after = chain.run(logits, settings, memory)
    assert answer["names"] == list(settings.stages())
    now = after[-1] if after else Candidates(logits.double(), len(logits))
    target = now.probabilities()
    error = (torch.tensor(answer["p"], dtype=torch.float64) - target[torch.tensor(sent["ids"][:400])]).abs()
    kept = int((target > 0).sum())
    if float(error.max()) < 1e-4 and abs(answer["kept"] - kept) <= kept // 2000:
        return True
    assert abs(answer["kept"] - kept) <= max(1, kept // 1000), (settings, answer["kept"], kept)
    assert float(error.max()) < 2e-2, settings
    return False


def test_the_whole_vocabulary_gives_what_python_gives(page, rows, whole):
    rng, rounded = random.Random(0), 0
    for number in range(240):
        row = number % len(rows)
        settings, memory = random_case(rng), random_memory(rng, len(rows[row]))
        answer = ask(page, row, settings, memory)
        assert answer["exact"]
        rounded += not agree(answer, whole[row], rows[row], settings, memory)
    assert rounded <= 5


def test_the_stored_tokens_give_the_same_or_say_that_they_cannot(page, rows):
    rng, exact, rounded = random.Random(5), 0, 0
    for _ in range(200):
        logits, settings = rng.choice(rows), random_case(rng)
        memory = random_memory(rng, len(logits))
        sent = wire(logits, distribution.LIMIT, list(memory.tokens))
        answer = ask(page, sent, settings, memory)
        if answer["exact"]:
            exact += 1
            rounded += not agree(answer, sent, logits, settings, memory)
    assert exact > 60 and rounded <= 5


def test_llama_cpps_default_chain_needs_no_more_than_is_stored(page, rows):
    """Also with penalties and DRY, whose tokens are stored by name."""
    rng = random.Random(9)
    for logits in rows:
        memory = random_memory(rng, len(logits))
        for settings in (Settings(), Settings(repeat_penalty=1.1, dry_multiplier=0.8)):
            limit = distribution.LIMIT + (len(set(memory.tokens)) if settings.repeat_penalty > 1 else 0)
            sent = wire(logits, limit, list(memory.tokens))
            answer = ask(page, sent, settings, memory)
            assert answer["exact"]
            assert agree(answer, sent, logits, settings, memory)


def test_the_defaults_are_pythons(page):
    named = {name: value for name, value in vars(Settings()).items() if not isinstance(value, tuple)}
    assert page.evaluate("LLAMA_DEFAULTS") == named
    assert page.evaluate("LLAMA_ORDER") == list(ORDER)


def test_dry_finds_the_repetition_and_where_it_began(page):
    settings = {"dry_allowed_length": 2, "dry_penalty_last_n": 64, "dry_multiplier": 1, "dry_base": 2}
    tokens = [9, 1, 2, 3, 4, 8, 1, 2, 3]
    ask = "([s, t, b]) => [...dryRepeats(s, t, breakersOf(b))]"
    assert page.evaluate(ask, [settings, tokens, []]) == [[4, {"length": 3, "at": 4}]]
    assert page.evaluate(ask, [settings, tokens, [{"token": 2, "tails": [[]]}]]) == []
    rng = random.Random(3)
    for _ in range(200):
        memory = random_memory(rng, 9)
        settings = random_settings(rng, dry_multiplier=0.8)
        sent = [{"token": key, "tails": [list(t) for t in tails]} for key, tails in memory.breakers.items()]
        values = {**vars(settings), "samplers": []}
        found = page.evaluate(ask, [values, list(memory.tokens), sent])
        assert {key: (one["length"], one["at"]) for key, one in found} == chain.repeats(settings, memory)
