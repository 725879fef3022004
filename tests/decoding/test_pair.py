"""Two models on one prompt: their texts are those of `generate`, every distance that of a float64 loop, and
what the figure says of them is what its numbers say.
"""

from __future__ import annotations

import copy
import json
import math
import re
from dataclasses import replace

import pytest
import torch
from tokenizers import AddedToken

from decoding import vocabulary
from decoding.pair import finding
from decoding.pair.divergence import divergences, parting_chance
from decoding.pair.engine import compare
from decoding.pair.request import PairRequest
from shared import estimates
from shared.errors import VisitorError
from shared.models import Loaded
from shared.rounding import rounded
from tests import zoo
from tests.decoding.tiny import tiny

PROMPT = "Why do dogs bark at the moon?"
NEW = 6


def edited(loaded: Loaded, amount: float, seed: int = 1) -> Loaded:
    """The model with noise in every matrix: an edit, a merge or a fine-tune of it."""
    model = copy.deepcopy(loaded.model)
    generator = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        if weight.ndim == 2 and "embed" not in name and "wte" not in name:
            noise = torch.randn(weight.shape, generator=generator)
            weight.data += amount * weight.data.std() * noise.to(weight.dtype)
    return replace(loaded, model=model, id=f"{loaded.id}-edited")


def compared(first: Loaded, second: Loaded, **values) -> dict:
    asked = {"prompt": PROMPT, "model": first.id, "other": second.id, "max_new_tokens": NEW, "seed": 3}
    *_, last = compare(PairRequest.parse(**{**asked, **values}), first, second)
    return json.loads(json.dumps(last.to_json(), allow_nan=False))


def generated(loaded: Loaded, ids: list[int], config: dict) -> list[int]:
    row = torch.tensor([ids])
    torch.manual_seed(3)
    output = loaded.model.generate(
        row, attention_mask=torch.ones_like(row), max_new_tokens=NEW, **{"do_sample": False, **config}
    )
    return output[0, len(ids) :].tolist()


def plain(first: Loaded, second: Loaded, ids: list[int], at: int) -> dict:
    """Both distributions after `ids[:at]` and what they have to do with each other, in plain float64 loops
    over the model's whole answer, one place at a time, without a cache.
    """
    rows = []
    for loaded in (first, second):
        with torch.inference_mode():
            rows.append(loaded.model(torch.tensor([ids[:at]])).logits[0, -1].double().tolist())
    shared = min(map(len, rows))
    logs = []
    for row in rows:
        row = row[:shared]
        most = max(row)
        total = math.fsum(math.exp(value - most) for value in row)
        logs.append([value - most - math.log(total) for value in row])
    p, q = logs
    return {
        "forward": math.fsum(math.exp(a) * (a - b) for a, b in zip(p, q, strict=True)),
        "backward": math.fsum(math.exp(b) * (b - a) for a, b in zip(p, q, strict=True)),
        "variation": math.fsum(abs(math.exp(a) - math.exp(b)) for a, b in zip(p, q, strict=True)) / 2,
        "entropy": [-math.fsum(math.exp(value) * value for value in side) for side in logs],
        "logs": logs,
        "top": [max(range(shared), key=side.__getitem__) for side in logs],
        "ranks": [
            lambda token, side=side: 1 + sum(other > side[token] + 1e-4 for other in side) for side in logs
        ],
    }


CONFIGS = [{}, {"do_sample": True, "temperature": 0.9, "top_p": 0.95}]


@pytest.mark.parametrize("config", CONFIGS, ids=["greedy", "sample"])
@pytest.mark.parametrize("name", zoo.names())
def test_texts_are_those_of_generate_and_distances_those_of_a_loop(name, config):
    """BOS, padded vocabularies, tied and untied heads, experts, sliding windows, own generation settings."""
    first = zoo.opened(name)
    second = edited(first, 0.15)
    pair = compared(first, second, strategy=config)
    prompt = pair["trace"]["prompt"]["token_ids"]
    texts = [generated(loaded, prompt, config) for loaded in (first, second)]
    assert [run["sequences"][0]["token_ids"] for run in pair["trace"]["runs"]] == texts
    assert [text["token_ids"] for text in pair["texts"]] == (texts[:1] if texts[0] == texts[1] else texts)
    for text in pair["texts"]:
        ids = [*prompt, *text["token_ids"]]
        assert len(text["steps"]) == len(text["token_ids"])
        for place, step in enumerate(text["steps"]):
            want = plain(first, second, ids, len(prompt) + place)
            for key in ("forward", "backward", "variation"):
                assert step[key] == pytest.approx(want[key], abs=2e-4, rel=1e-3), key
            assert step["entropy"] == pytest.approx(want["entropy"], abs=1e-4)
            assert step["ids"][0] == step["token_id"] == ids[len(prompt) + place]
            assert set(step["top"]) <= set(step["ids"]) and len(set(step["ids"])) == len(step["ids"])
            for side in (0, 1):
                logs = [want["logs"][side][token] for token in step["ids"]]
                assert step["logprobs"][side] == pytest.approx(logs, abs=1e-3)
                assert want["logs"][side][step["top"][side]] == pytest.approx(
                    max(want["logs"][side]), abs=1e-4
                )
                for token, rank in zip(step["ids"], step["ranks"][side], strict=True):
                    if rank < 30:  # further down a float32 pass may swap neighbours
                        assert abs(want["ranks"][side](token) - rank) <= 1
        totals = [sum(step["logprobs"][side][0] for step in text["steps"]) for side in (0, 1)]
        assert text["logprob"] == pytest.approx(totals, abs=1e-3)
        values = torch.tensor([step["forward"] for step in text["steps"]], dtype=torch.float64)
        assert text["forward"]["mean"] == pytest.approx(float(values.mean()), rel=1e-4, abs=1e-9)


@pytest.mark.parametrize("config", CONFIGS, ids=["greedy", "sample"])
@pytest.mark.parametrize("name", ["llama3", "qwen2", "mixtral", "gemma2", "mamba"])
def test_a_model_is_at_exactly_nothing_from_itself(name, config):
    loaded = zoo.opened(name)
    pair = compared(loaded, loaded, other="", strategy=config)
    (text,) = pair["texts"]
    assert pair["parting"] is None
    for step in text["steps"]:
        assert step["forward"] == step["backward"] == step["variation"] == 0.0
        assert step["apart"] == (0.0 if config else None)
        assert step["logprobs"][0] == step["logprobs"][1] and step["ranks"][0] == step["ranks"][1]
    assert re.match(r"The same \d+ tokens?, and exactly the same odds at every step", pair["finding"])


def test_the_tree_of_equal_texts_is_one_trunk():
    pair = compared(zoo.opened("llama3"), zoo.opened("llama3"), other="")
    one, two = (run["sequences"][0]["token_ids"] for run in pair["trace"]["runs"])
    assert one == two and [run["color"] for run in pair["trace"]["runs"]] == [0, 1]
    assert [run["name"] for run in pair["trace"]["runs"]] == ["llama3", "llama3, again"]


def test_means_count_blocks_of_neighbours():
    first = zoo.opened("llama3")
    pair = compared(first, edited(first, 0.1), max_new_tokens=100, strategy={"min_new_tokens": 100})
    for text in pair["texts"]:
        for key in ("forward", "backward", "variation"):
            values = torch.tensor([step[key] for step in text["steps"]], dtype=torch.float64)
            found = estimates.estimate(values.split(16))
            assert text[key]["clusters"] == math.ceil(len(values) / 16) and text[key]["of"] == len(values)
            assert text[key]["mean"] == pytest.approx(found.mean, rel=1e-4)
            low, high = estimates.interval(found)
            assert text[key]["interval"] == pytest.approx([max(0.0, low), high], rel=1e-3)
    short = compared(first, edited(first, 0.1), max_new_tokens=40)
    assert all(text["forward"]["interval"] is None for text in short["texts"])


def test_the_chance_of_parting_is_how_often_draws_part():
    """Thousands of draws by torch itself, with the seed set again for the second distribution."""
    generator = torch.Generator().manual_seed(5)
    for sharp in (0.3, 1.0, 3.0):
        p, q = (torch.softmax(sharp * torch.randn(9, generator=generator), 0) for _ in range(2))
        q[2], p[4] = 0.0, 0.0
        p, q = p / p.sum(), q / q.sum()
        draws, differ = 8_000, 0
        for seed in range(draws):
            taken = [
                torch.multinomial(each, 1, generator=torch.Generator().manual_seed(seed)) for each in (p, q)
            ]
            differ += int(taken[0] != taken[1])
        chance = parting_chance(p, q)
        assert abs(differ / draws - chance) < 4 * math.sqrt(chance * (1 - chance) / draws)
        variation = float((p - q).abs().sum() / 2)
        assert variation <= chance + 1e-6 and chance <= 2 * variation / (1 + variation) + 1e-6
        square = sum(1 / float(torch.maximum(p / p[i], q / q[i]).sum()) for i in range(9) if p[i] and q[i])
        assert chance == pytest.approx(1 - square, abs=1e-5)
    assert parting_chance(p, p.clone()) == 0.0
    apart = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    assert parting_chance(*apart) == 1.0


def test_impossible_tokens_count_as_such():
    first = torch.tensor([[0.0, 1.0, -math.inf], [0.0, 0.0, 0.0]])
    second = torch.tensor([[0.0, 0.5, -math.inf], [0.0, -math.inf, 0.0]])
    found = divergences(first, second, [0, 0])
    p, q = (row[0, :2].double().softmax(0) for row in (first, second))
    assert float(found.forward[0]) == pytest.approx(float((p * (p / q).log()).sum()), rel=1e-6)
    assert found.forward[1] == math.inf and found.variation[1] == pytest.approx(1 / 3)
    assert found.entropy[1].tolist() == pytest.approx([math.log(3), math.log(2)])


PARTINGS = [0.02, 0.05, 0.1, 0.2, 0.4]


@pytest.mark.parametrize(
    "config", [*CONFIGS, {"repetition_penalty": 1.4}], ids=["greedy", "sample", "penalty"]
)
@pytest.mark.parametrize("amount", PARTINGS)
def test_what_is_said_of_a_parting_is_what_its_numbers_say(amount, config):
    first = zoo.opened("llama3")
    pair = compared(first, edited(first, amount, seed=7), strategy=config, max_new_tokens=24)
    parting, names = pair["parting"], [run["name"] for run in pair["trace"]["runs"]]
    texts = [run["sequences"][0]["token_ids"] for run in pair["trace"]["runs"]]
    if parting is None:
        assert texts[0] == texts[1] and pair["finding"].startswith(f"The same {len(texts[0])} token")
        return
    at = parting["step"] - 1
    assert texts[0][:at] == texts[1][:at] and texts[0][at] != texts[1][at]
    one, two = parting["tokens"]
    assert [one["token_id"], two["token_id"]] == [texts[0][at], texts[1][at]] == parting["ids"]
    assert pair["finding"].startswith(f"They part at token {at + 1}")
    # the odds that decided are those of the trace, after the strategy's settings
    for run, token in zip(pair["trace"]["runs"], (one, two), strict=True):
        side = pair["trace"]["runs"].index(run)
        leaf = run["sequences"][0]["node"]
        path = []
        while leaf is not None:
            path.insert(0, leaf)
            leaf = run["nodes"][leaf]["parent"]
        node = run["nodes"][path[at + 1]]
        assert node["token_id"] == token["token_id"]
        assert token["logprobs"][side] == pytest.approx(node["logprob_processed"], abs=1e-4)
    assert parting["settings"] == bool(config) and parting["draws"] == ("do_sample" in config)
    if parting["draws"]:
        assert parting["verdict"] is None
        step = pair["texts"][0]["steps"][at]
        assert parting["apart"] == pytest.approx(step["apart"]) and parting["apart"] > 0
        assert "the same random numbers tell them apart in" in pair["finding"]
        return
    assert one["ranks"][0] == two["ranks"][1] == 1
    odds = [
        math.exp(tokens[0]["logprobs"][side] - tokens[1]["logprobs"][side])
        for side, tokens in enumerate([(one, two), (two, one)])
    ]
    assert min(odds) >= 1 - 1e-4
    expected = "near tie" if max(odds) < 2 else "change of mind" if max(odds) >= 10 else "shift"
    assert parting["verdict"] == expected and f", a {expected}: " in pair["finding"]
    assert (
        f"{names[1]} ranks" in pair["meaning"][0] and finding.ordinal(one["ranks"][1]) in pair["meaning"][0]
    )


def test_both_kinds_of_parting_were_seen():
    """The verdicts of the test above are not all the same."""
    first, seen = zoo.opened("llama3"), set()
    for amount in PARTINGS:
        pair = compared(first, edited(first, amount, seed=7), max_new_tokens=24)
        seen.add(pair["parting"] and pair["parting"]["verdict"])
    assert len(seen) >= 2


def test_a_token_that_ends_one_text_only():
    """A second model for which the first one's end of text ends nothing goes on where the first has ended."""
    first = tiny("llama", 12, seed=4)
    second = replace(first, model=copy.deepcopy(first.model), id="tiny/other")
    second.model.generation_config.eos_token_id = 11
    for seed in range(30):
        pair = compared(first, second, prompt="w3 w4", seed=seed, strategy={"do_sample": True, "top_k": 0})
        texts = [run["sequences"][0]["token_ids"] for run in pair["trace"]["runs"]]
        if len(texts[0]) < len(texts[1]) and texts[0] == texts[1][: len(texts[0])]:
            assert pair["parting"]["ids"] == [None, texts[1][len(texts[0])]]
            assert "has ended there, that of other goes on" in pair["finding"]
            assert any("Other tokens end a text" in note for note in pair["notes"])
            return
    pytest.fail("no text ended")


def test_padded_vocabularies_are_compared_over_what_they_share():
    """Two copies of one model, one with rows that no token has: odds among the shared ids, and a note."""
    first = zoo.opened("llama3")
    model = copy.deepcopy(first.model)
    size = model.config.vocab_size
    model.resize_token_embeddings(size + 40)
    with torch.no_grad():
        model.lm_head.weight[size:] = 0.1 * torch.randn(40, model.lm_head.weight.shape[1])
    second = replace(first, model=model, id="zoo/padded")
    pair = compared(first, second)
    assert any(f"{size:,} and {size + 40:,} rows" in note for note in pair["notes"])
    text = pair["texts"][0]
    assert max(step["forward"] for step in text["steps"]) < 1e-6, "the shared part is the same"
    drawn = compared(first, second, strategy={"do_sample": True})
    assert any("other random numbers" in note for note in drawn["notes"])
    assert all(step["apart"] is None for step in drawn["texts"][0]["steps"])


def test_other_vocabularies_are_refused_with_the_first_difference():
    first, second = zoo.opened("llama3"), zoo.opened("tinyllama")
    with pytest.raises(VisitorError, match="have different vocabularies") as caught:
        compared(first, second)
    assert caught.value.remedy == vocabulary.REMEDY
    count = int(re.search(r"([\d,]+) of ([\d,]+) ids", caught.value.what)[1].replace(",", ""))
    one, two = (
        {place: token for token, place in loaded.tokenizer.get_vocab().items()} for loaded in (first, second)
    )
    added = {*first.tokenizer.added_tokens_decoder, *second.tokenizer.added_tokens_decoder}
    differ = [place for place in one.keys() & two.keys() - added if one[place] != two[place]]
    assert count == len(differ)


def test_renamed_and_further_added_tokens_are_a_note():
    first = zoo.opened("llama3")
    tokenizer = copy.deepcopy(first.tokenizer)
    tokenizer.add_tokens([AddedToken("<|tool|>", special=True)])
    notes = vocabulary.check(first.tokenizer, tokenizer, ("one", "two"))
    assert notes == [f"Only the tokenizer of two names one token, from id {len(first.tokenizer):,} on."]
    pair = compared(first, replace(first, tokenizer=tokenizer, id="zoo/more"))
    assert notes[0].replace("two", "more") in pair["notes"]


def test_the_first_models_template_counts_for_both():
    first = zoo.opened("qwen3")
    other = copy.deepcopy(first.tokenizer)
    other.chat_template = "{% for m in messages %}{{ m['content'] }}!{% endfor %}"
    pair = compared(first, replace(first, tokenizer=other, id="zoo/bare"), chat=True)
    assert any("Both models get the" in note and "chat template" in note for note in pair["notes"])
    assert pair["parting"] is None and len(pair["texts"]) == 1
    other.chat_template = None
    pair = compared(first, replace(first, tokenizer=other, id="zoo/none"), chat=True)
    assert any("bare would not" in note or "none would not take" in note for note in pair["notes"])


def test_own_settings_that_differ_are_named():
    first = zoo.opened("qwen2")
    second = replace(first, model=copy.deepcopy(first.model), id="zoo/calm")
    second.model.generation_config.repetition_penalty = None
    second.model.generation_config.temperature = 0.9
    pair = compared(first, second)
    (note,) = (note for note in pair["notes"] if note.startswith("Their own generation settings"))
    assert "repetition_penalty 1.1 and unset" in note and "temperature 0.6 and 0.9" in note


def test_rounding_is_a_second_model():
    first = zoo.opened("llama3")
    distances = []
    for to in ("Q8_0", "Q4_0"):
        pair = compared(first, rounded(first, to), other="", rounding=to)
        assert [run["name"] for run in pair["trace"]["runs"]] == ["llama3", to]
        assert pair["models"][1]["source"].endswith(f"matrices rounded to {to}")
        distances.append(pair["texts"][0]["forward"]["mean"])
    assert 0 < distances[0] < distances[1]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"strategy": {"num_beams": 3}}, "beam 3 is not how two models are compared"),
        ({"strategy": {"do_sample": True, "num_return_sequences": 2}}, "num_return_sequences 2 is not how"),
        ({"strategy": {"penalty_alpha": 0.6, "top_k": 4}}, "contrastive 0.6 is not"),
        ({"strategy": {"prefix": [3]}}, "has no branches"),
        ({"strategy": "nonsense"}, "is not valid JSON"),
        ({"strategy": [1]}, "not a JSON object"),
        ({"strategy": {"temperature": 0.5}}, "do_sample is false"),
        ({"strategy": {"min_new_tokens": 50}}, "min_new_tokens is 50"),
        ({"rounding": "Q3_K"}, "rounding is"),
        ({"prompt": " "}, "prompt is empty"),
        ({"system": "Be brief."}, "needs the model's chat template"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(values, sentence):
    with pytest.raises(VisitorError, match=re.escape(sentence)):
        PairRequest.parse(**{"prompt": PROMPT, **values})


def test_a_request_is_its_link():
    asked = {
        "prompt": "A & b",
        "model": "a/b",
        "other": "c/b",
        "rounding": "Q4_0",
        "strategy": '{"do_sample": true, "top_p": 0.9}',
        "seed": "4",
        "chat": "1",
    }
    request = PairRequest.parse(**asked)
    assert request.strategy == {"do_sample": True, "top_p": 0.9} and request.names == ("a/b", "c/b in Q4_0")
    assert PairRequest.from_query(request.to_query()) == request
    assert PairRequest.parse(**request.to_json()) == request
    assert PairRequest.parse(**request.to_form()) == request
    assert PairRequest.parse(prompt="A", model="a/b", other="a/b").other == ""
    assert PairRequest.parse(prompt="A").to_query() == "prompt=A"


def test_two_runs_in_turn_leave_torch_as_it_was():
    """Also where the first has ended and the second goes on, and where a visitor cancels."""
    first = tiny("llama", 12, seed=4)
    second = replace(first, model=copy.deepcopy(first.model), id="tiny/other")
    second.model.generation_config.eos_token_id = 11
    for seed in range(6):
        compared(first, second, prompt="w3 w4", seed=seed, strategy={"do_sample": True, "top_k": 0})
        assert not torch.is_inference_mode_enabled() and torch.is_grad_enabled()
    request = PairRequest.parse(prompt="w3 w4", model=first.id, other=second.id, max_new_tokens=NEW)
    steps = compare(request, first, second)
    next(steps), next(steps)
    steps.close()
    assert not torch.is_inference_mode_enabled() and torch.is_grad_enabled()


def test_a_token_that_one_model_calls_impossible():
    """An infinite divergence is no number: null in the data, ∞ in the picture, and no mean."""
    first = tiny("llama", 12, seed=4)
    model = copy.deepcopy(first.model)
    head = torch.nn.Linear(32, 12)
    head.weight.data, head.bias.data = model.lm_head.weight.data.clone(), torch.zeros(12)
    head.bias.data[7] = -math.inf
    model.lm_head = head
    pair = compared(first, replace(first, model=model, id="tiny/other"), prompt="w3 w4")
    (text, *_) = pair["texts"]
    assert all(step["forward"] is None and step["backward"] is not None for step in text["steps"])
    assert text["forward"] is None and text["backward"]["mean"] > 0
    assert all(None in step["logprobs"][1] for step in text["steps"] if 7 in step["ids"])
