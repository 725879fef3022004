"""Speculative decoding: the rule against enumeration of every decision, the text against `generate`, the
passes against transformers' assisted generation. Bugs that others made are brought in, and must be noticed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from functools import cache, partial

import pytest
import torch
from transformers import TemperatureLogitsWarper, TopKLogitsWarper

from decoding.speculative import reader as reading
from decoding.speculative import rounds as round_procedure
from decoding.speculative.drafts import Lookup, ModelDraft
from decoding.speculative.engine import draft_of, speculate
from decoding.speculative.forecast import forecast, independent
from decoding.speculative.layers import first_layers
from decoding.speculative.reader import Reader
from decoding.speculative.request import Request
from decoding.speculative.rounds import Plan, rounds
from decoding.speculative.rule import Draws, Meeting
from decoding.speculative.warp import Warp
from shared.errors import VisitorError
from shared.models import Loaded, twin
from tests import zoo
from tests.decoding.tiny import EOS, tiny

PROMPT = "Why do dogs bark at the moon?"
NEW = 20
VOCABULARY = 3

SETTINGS = {
    "plain": (),
    "temperature": (("temperature", TemperatureLogitsWarper(0.5)),),
    "top_k": (("temperature", TemperatureLogitsWarper(1.7)), ("top_k", TopKLogitsWarper(2))),
}


class Remembering(Reader):
    """Reads what it has read before from memory: a tree of decisions comes to the same texts again."""

    def read(self, ids, last):
        known = self.__dict__.setdefault("memory", {})
        key = (tuple(ids), last)
        if key not in known:
            known[key] = super().read(ids, last)
        return known[key]


class Fork(Exception):
    """A decision that the script does not foresee: its outcomes, each with its chance."""

    def __init__(self, outcomes):
        self.outcomes = outcomes


class Script:
    """Decisions from a list; the product of their chances is the weight of the run."""

    def __init__(self, decisions):
        self.left, self.weight = list(decisions), 1.0

    def _next(self, outcomes):
        if not self.left:
            raise Fork([value for value, chance in outcomes if chance > 0])
        value = self.left.pop(0)
        self.weight *= dict(outcomes)[value]
        return value

    def below(self, chance):
        return self._next([(0.0, chance), (1.0, 1 - chance)])

    def token(self, probabilities):
        return self._next(list(enumerate(probabilities.double().tolist())))


def every_run(run: Callable[[Script], object]) -> Iterator[tuple[object, float]]:
    """What every course of a run gives, with its probability."""
    waiting = [[]]
    while waiting:
        decisions = waiting.pop()
        script = Script(decisions)
        try:
            result = run(script)
        except Fork as fork:
            waiting += [[*decisions, value] for value in fork.outcomes]
        else:
            yield result, script.weight


@cache
def pair() -> tuple[Remembering, Remembering]:
    target, draft = (tiny("llama", VOCABULARY, seed=seed, sharp=0.6) for seed in (0, 1))
    return Remembering(target), Remembering(draft)


def plan(settings: str, draft_tokens: int, new: int, width: int = VOCABULARY, greedy: bool = False) -> Plan:
    return Plan((2, 0, 2), new, draft_tokens, {EOS}, Warp(SETTINGS[settings], greedy, width))


def truth(told: Plan, target: Reader) -> dict[tuple[int, ...], float]:
    """Every text of the model alone with its probability."""
    texts, waiting = {}, [((), 1.0)]
    while waiting:
        text, share = waiting.pop()
        if len(text) == told.new_tokens or (text and text[-1] == EOS):
            texts[text] = share
            continue
        before = [*told.prompt, *text]
        odds = told.warp.shown(target.read(before, 1)[0], before).double().tolist()
        waiting += [((*text, token), share * p) for token, p in enumerate(odds) if p > 0]
    return texts


def written(told: Plan, target: Reader, draft, chances) -> tuple[tuple[int, ...], int]:
    listed = list(rounds(told, target, draft, chances))
    return tuple(token for one in listed for token in one.written), len(listed)


def draft_named(kind: str):
    target, draft = pair()
    return {
        "model": ModelDraft(draft),
        "itself": ModelDraft(target),
        "lookup": Lookup(2, "cpu"),
    }[kind]


def largest_difference(settings: str, draft_tokens: int, new: int, kind: str = "model") -> float:
    """Between what the rounds write and what the model alone writes, over all texts."""
    target, _ = pair()
    told = plan(settings, draft_tokens, new)
    found: Counter = Counter()
    for (text, _), weight in every_run(partial(written, told, target, draft_named(kind))):
        found[text] += weight
    known = truth(told, target)
    assert len(known) > 4 and max(known.values()) < 0.9, "a case that shows something"
    return max(abs(found[text] - known.get(text, 0.0)) for text in found.keys() | known.keys())


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("draft_tokens", [1, 2, 3])
def test_the_distribution_over_all_texts_is_the_models_own(settings, draft_tokens):
    """By enumeration: every course that the procedure itself can take, with its probability."""
    assert largest_difference(settings, draft_tokens, 4) < 1e-6


@pytest.mark.parametrize("kind", ["itself", "lookup"])
def test_it_is_with_other_drafts_too(kind):
    assert largest_difference("temperature", 3, 4, kind) < 1e-6


def resample_from_p(self):
    return self.p


def not_normalised(self):
    return (self.p - self.q).clamp(min=0)


def wrong_way_round(self, token):
    return min(1.0, float(self.q[token]) / float(self.p[token]))


def always(self, token):
    return 1.0


def from_the_draft(self):
    missing = (self.q - self.p).clamp(min=0)
    return missing / missing.sum()


@pytest.mark.parametrize(
    ("name", "bug"),
    [
        ("residual", property(resample_from_p)),
        ("residual", property(not_normalised)),
        ("residual", property(from_the_draft)),
        ("chance", wrong_way_round),
        ("chance", always),
    ],
)
def test_a_wrong_rule_is_noticed(monkeypatch, name, bug):
    monkeypatch.setattr(Meeting, name, bug)
    assert largest_difference("plain", 2, 3) > 1e-3


def test_a_draft_that_goes_on_behind_a_refused_token_is_noticed(monkeypatch):
    """The tokens behind it were proposed after a text that is not written."""
    decide = round_procedure.decide

    def careless(warp, token, p, q, chances):
        place = decide(warp, token, p, q, chances)
        return place.__class__(**{**place.__dict__, "accepted": True})

    monkeypatch.setattr(round_procedure, "decide", careless)
    assert largest_difference("plain", 2, 3) > 1e-3


def test_samples_pass_a_chi_square():
    """4,000 texts with real random numbers."""
    target, _ = pair()
    told = plan("plain", 3, 3)
    known = truth(told, target)
    draws = Draws(5, "cpu")
    counted = Counter(written(told, target, draft_named("model"), draws)[0] for _ in range(4000))
    frequent = {text: p for text, p in known.items() if 4000 * p >= 5}
    rest = 1 - sum(frequent.values())
    cells = [(counted[text], 4000 * p) for text, p in frequent.items()]
    cells.append((4000 - sum(count for count, _ in cells), 4000 * rest))
    statistic = sum((count - mean) ** 2 / mean for count, mean in cells if mean > 0)
    assert statistic < len(cells) + 4 * (2 * len(cells)) ** 0.5


@pytest.mark.parametrize("settings", ["plain", "top_k"])
@pytest.mark.parametrize("draft_tokens", [1, 3])
def test_the_forecast_is_the_expected_number_of_passes_given_the_text(settings, draft_tokens):
    """Over every course of the procedure that ends in that text."""
    target, draft = pair()
    told = plan(settings, draft_tokens, 4)
    passes: Counter = Counter()
    weights: Counter = Counter()
    for (text, count), weight in every_run(partial(written, told, target, ModelDraft(draft))):
        passes[text] += weight * count
        weights[text] += weight
    for text in weights:
        ids = [*told.prompt, *text]
        asked = ModelDraft(draft).along(ids, len(told.prompt), told.warp)
        own = ModelDraft(target).along(ids, len(told.prompt), told.warp)
        chances = [
            min(1.0, float(q[token]) / float(p[token])) for token, p, q in zip(text, own, asked, strict=True)
        ]
        found = forecast(lambda place, known=chances: [*known[place:], 0, 0, 0], len(text), 4, draft_tokens)
        assert found.passes == pytest.approx(passes[text] / weights[text], abs=1e-5)


def test_the_forecast_of_equal_chances_is_the_formula_of_the_paper():
    """On a long text, whose ends count little."""
    found = forecast(lambda _: [0.7] * 4, 3000, 10_000, 4)
    assert 3000 / found.passes == pytest.approx(independent(0.7, 4), rel=1e-3)
    assert independent(0.7, 4) == pytest.approx((1 - 0.7**5) / (1 - 0.7))
    assert independent(1.0, 4) == 5


def finished(request: Request, loaded: Loaded, named: Loaded | None = None) -> dict:
    """The complete result of a run."""
    *_, result = speculate(request, loaded, draft_of(request, loaded, named))
    return result


def outcome(name: str, **settings) -> dict:
    asked = {"prompt": PROMPT, "model": f"zoo/{name}", "max_new_tokens": NEW, **settings}
    result = finished(Request.parse(**asked), zoo.opened(name))
    return json.loads(json.dumps(result, allow_nan=False))


DRAFTS = {
    "rounded": {"draft": "rounded", "rounding": "Q4_0"},
    "layers": {"draft": "layers", "layers": 2},
    "lookup": {"draft": "lookup"},
}


def assisted(name: str, draft: str, ids: list[int], draft_tokens: int) -> tuple[list[int], int]:
    """What transformers' assisted generation writes with the same draft, and its passes of the model."""
    loaded = zoo.opened(name)
    model, row = twin(loaded.model), torch.tensor([ids])
    calls: list[int] = []
    model.register_forward_pre_hook(lambda *_: calls.append(1))
    more: dict = {}
    if draft == "lookup":
        more = {"prompt_lookup_num_tokens": draft_tokens, "max_matching_ngram_size": 2}
    else:
        from shared.rounding import rounded

        made = rounded(loaded, "Q4_0") if draft == "rounded" else first_layers(loaded, 2)
        assistant = twin(made.model)
        assistant.generation_config.num_assistant_tokens = draft_tokens
        assistant.generation_config.num_assistant_tokens_schedule = "constant"
        assistant.generation_config.assistant_confidence_threshold = 0
        more = {"assistant_model": assistant}
    out = model.generate(
        row, attention_mask=torch.ones_like(row), do_sample=False, max_new_tokens=NEW, **more
    )
    return out[0, len(ids) :].tolist(), len(calls)


ROUNDED = zoo.names(without=("conv1d",))
"""Models that a rounded twin can be made of; GPT-2 has no linear layers."""
CASES = [(name, draft) for name in zoo.names() for draft in DRAFTS if draft != "rounded" or name in ROUNDED]


@pytest.mark.parametrize(("name", "draft"), CASES)
def test_greedy_is_generate_in_the_passes_of_assisted_generation(name, draft):
    result = outcome(name, **DRAFTS[draft], draft_tokens=3)
    ids = result["prompt"]["token_ids"]
    own = [token["id"] for token in result["tokens"]]
    row = torch.tensor([ids])
    plain = zoo.opened(name).model.generate(
        row, attention_mask=torch.ones_like(row), do_sample=False, max_new_tokens=NEW
    )
    assert own == plain[0, len(ids) :].tolist()[: len(own)]
    assert len(own) == NEW or result["ended"]
    assert result["exactness"]["same"] is True
    assert result["exactness"]["difference"] < 1e-5
    passes = len(result["rounds"])
    assert result["forecast"][2]["passes"] == pytest.approx(passes, abs=1e-4)
    if "recurrent" not in zoo.ANIMALS[name].traits:  # transformers refuses those
        text, calls = assisted(name, draft, ids, 3)
        assert text[: len(own)] == own
        assert passes == result["target"]["passes"] == calls


@pytest.mark.parametrize("name", ROUNDED)
def test_numbers_of_a_draw_are_consistent(name):
    result = outcome(name, draft="rounded", temperature=0.9, top_k=40, seed=7)
    assert result["exactness"]["error"] < 1e-12
    assert result["exactness"]["difference"] < 1e-5
    written = [place["written"] for one in result["rounds"] for place in one["places"] if place["written"]]
    assert [token["id"] for token in written] == [token["id"] for token in result["tokens"]]
    assert [token["by"] for token in written] == [token["by"] for token in result["tokens"]]
    for one in result["rounds"]:
        going = True
        for place in one["places"]:
            assert place["tested"] == going
            if place["proposed"] is None or not going:
                continue
            assert place["chance"] == pytest.approx(min(1, place["p"] / place["q"]), rel=1e-4)
            assert place["accepted"] == (place["number"] < place["chance"])
            assert place["written"]["by"] == ("draft" if place["accepted"] else "replaced")
            odds = place["meeting"]
            kept = sum(map(min, odds["p"], odds["q"])) + odds["others_kept"]
            assert kept == pytest.approx(place["overlap"], abs=1e-4)
            assert sum(odds["p"]) + odds["others_p"] == pytest.approx(1, abs=1e-4)
            assert sum(odds["q"]) + odds["others_q"] == pytest.approx(1, abs=1e-4)
            if not place["accepted"]:
                token = place["written"]["id"]
                at = odds["ids"].index(token)
                share = (odds["p"][at] - odds["q"][at]) / (1 - place["overlap"])
                assert place["written"]["share"] == pytest.approx(share, rel=1e-2, abs=1e-4)
            going = place["accepted"] and not (result["ended"] and place is one["places"][-1])
            if place["accepted"] and place["written"]["id"] == result["tokens"][-1]["id"] and result["ended"]:
                break


@pytest.mark.parametrize("name", zoo.names())
def test_a_reader_that_goes_back_and_forth_reads_as_one_that_begins_anew(name):
    loaded = zoo.opened(name)
    size = min(200, loaded.model.get_input_embeddings().weight.shape[0] - 1)
    generator = torch.Generator().manual_seed(0)
    text = torch.randint(3, size, (24,), generator=generator).tolist()
    one = Reader(loaded)
    for _ in range(12):
        keep = int(torch.randint(len(text) - 6, len(text) + 1, (1,), generator=generator))
        new = torch.randint(
            3, size, (int(torch.randint(1, 6, (1,), generator=generator)),), generator=generator
        )
        text = [*text[:keep], *new.tolist()]
        last = min(len(new), 4)
        got, want = one.read(text, last), Reader(loaded).read(text, last)
        assert torch.allclose(got, want, atol=2e-4), float((got - want).abs().max())


def test_a_cache_that_is_cut_one_token_short_is_noticed(monkeypatch):
    """The classical mistake: a refused token stays in the cache."""

    class Cut(reading.Reader):
        def _go_back_to(self, ids, most):
            surplus = len(self._known) - most
            shared = super()._go_back_to(ids, most)
            return shared + 1 if surplus > 0 and shared + 1 < len(ids) else shared

    loaded = zoo.opened("llama3")
    text = list(range(20, 40))
    one = Cut(loaded)
    one.read(text, 1)
    other = [*text[:-3], 50, 51]
    assert not torch.allclose(one.read(other, 1), Reader(loaded).read(other, 1), atol=2e-4)


def test_the_first_layers_are_those_of_the_model():
    """Held to the hidden states of the whole model, through its norm and head; the model is untouched."""
    loaded = zoo.opened("llama3")
    ids = torch.tensor([list(range(30, 50))])
    with torch.inference_mode():
        output = loaded.model(ids, output_hidden_states=True)
        want = loaded.model.lm_head(loaded.model.model.norm(output.hidden_states[2]))
        got = first_layers(loaded, 2).model(ids).logits
        assert torch.allclose(got, want, atol=1e-5)
        assert torch.equal(loaded.model(ids).logits, output.logits)


def test_a_refused_layer_count_says_how_many_there_are():
    loaded = zoo.opened("llama3")
    with pytest.raises(VisitorError, match="has 3 layers"):
        first_layers(loaded, 3)


def run_with_other(target: str, draft: str, **settings) -> dict:
    asked = {"prompt": PROMPT, "model": f"zoo/{target}", "draft": "model", "draft_model": f"zoo/{draft}"}
    request = Request.parse(**asked, max_new_tokens=NEW, **settings)
    return finished(request, zoo.opened(target), zoo.opened(draft))


def test_a_draft_with_another_vocabulary_is_refused_and_told_how_it_differs():
    with pytest.raises(VisitorError, match="different vocabularies") as caught:
        run_with_other("llama3", "gpt2")
    assert "ids name other tokens, the first of them" in str(caught.value)


def test_a_draft_that_cannot_read_every_token_is_refused():
    loaded = zoo.opened("llama3")
    small = deepcopy(loaded.model)  # resizing writes into the weights that a twin shares
    small.resize_token_embeddings(100)
    asked = {"prompt": PROMPT, "model": "zoo/llama3", "draft": "model", "draft_model": "zoo/small"}
    request = Request.parse(**asked, max_new_tokens=NEW)
    draft = replace(loaded, model=small, id="zoo/small")
    with pytest.raises(VisitorError, match=r"zoo/small cannot read [0-9,]+ of the tokens of zoo/llama3"):
        finished(request, loaded, draft)


@pytest.mark.parametrize(("target", "draft"), [("qwen2", "tools"), ("tools", "qwen2"), ("granite", "tools")])
@pytest.mark.parametrize("temperature", [0, 1])
def test_models_whose_padding_differs_draft_for_each_other(target, draft, temperature):
    """Qwen's vocabulary is padded to 1,024 rows in one of them; ids beyond the other's are never proposed."""
    result = run_with_other(target, draft, temperature=temperature)
    assert len(result["tokens"]) == NEW or result["ended"]
    assert result["exactness"]["error"] is None or result["exactness"]["error"] < 1e-12
    assert result["exactness"]["same"] is (None if temperature else True)


def test_a_draft_that_reads_too_little_is_refused():
    with pytest.raises(VisitorError, match="can read"):
        asked = {"prompt": "word " * 40, "model": "zoo/gpt2", "draft": "model", "draft_model": "zoo/short"}
        request = Request.parse(**asked, max_new_tokens=40)
        finished(request, zoo.opened("gpt2"), zoo.opened("short"))


def test_an_end_inside_a_draft_ends_the_text():
    """Some seed ends a text with a token of the draft's, and nothing is written behind it."""
    ended = 0
    loaded = tiny("llama", 5, sharp=0.3)
    told = Plan((2, 3), 12, 4, {EOS}, Warp((), False, 5))
    for seed in range(30):
        listed = list(rounds(told, Reader(loaded), ModelDraft(Reader(loaded)), Draws(seed, "cpu")))
        text = [token for one in listed for token in one.written]
        assert EOS not in text[:-1]
        assert len(text) <= 12
        if text[-1] == EOS and listed[-1].places[-1].proposed == EOS:
            ended += 1
    assert ended > 3


@pytest.mark.parametrize("new", [1, 2, 3, 5])
def test_the_longest_text_may_end_within_a_round(new):
    result = outcome("granite", draft="layers", layers=2, draft_tokens=4, max_new_tokens=new)
    assert len(result["tokens"]) == new
    assert len(result["rounds"][0]["places"]) <= new


def test_a_stateful_model_is_read_anew_and_says_so():
    result = outcome("mamba", draft="layers", layers=2)
    assert any("cannot go back" in note for note in result["notes"])
    assert all(one["speed"] is None for one in result["forecast"])


def test_a_text_that_repeats_is_looked_up():
    loaded = zoo.opened("llama3")
    text = "one two three four one two three four one two"
    ids = loaded.tokenizer(text)["input_ids"]
    found = Lookup(2, "cpu").found(ids, 4, frozenset())
    assert list(found) == ids[ids.index(found[0]) : ids.index(found[0]) + 4]
    assert Lookup(2, "cpu").found(ids, 4, frozenset(found[:1])) == ()
    assert Lookup(2, "cpu").found([5, 6, 7], 4, frozenset()) == ()


def test_equal_requests_are_equal_whatever_idle_settings_say():
    one = Request.parse(prompt="a", draft="lookup", rounding="Q8_0", layers=3, top_k=9)
    assert one == Request.parse(prompt="a", draft="lookup")
    assert Request.from_query(one.to_query() or "") == one


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"draft": "model"}, "No draft model"),
        ({"temperature": -1}, "greedy"),
        ({"temperature": "nan"}, "greedy"),
        ({"top_p": 0}, "leaves no token"),
        ({"draft_tokens": 17}, "1 to 16"),
        ({"system": "x"}, "chat template"),
        ({"draft": "magic"}, "Choose one of"),
    ],
)
def test_a_refused_request_says_why(values, sentence):
    with pytest.raises(VisitorError, match=sentence):
        Request.parse(prompt="a", **values)
