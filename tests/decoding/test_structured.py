"""Structured output, held to `generate()` with llguidance's own processor, to a mask by brute force and to
what jsonschema says of the texts.
"""

from __future__ import annotations

import json
import math
import time

import jsonschema
import llguidance.hf
import numpy as np
import pytest
import regex
import torch
from llguidance import LLMatcher

from decoding.engine import decode, next_token_distribution
from decoding.request import Request
from decoding.structured import mask, presets
from decoding.structured.compiling import grammar_of
from decoding.structured.constraint import warnings_of
from decoding.structured.mask import Constraint, ends_of
from shared import limits
from shared.errors import VisitorError
from tests import zoo

SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {
            "ok": {"type": "boolean"},
            "n": {"type": "integer", "minimum": 0, "maximum": 99},
            "list": {"type": "array", "items": {"enum": ["a", "bé"]}, "maxItems": 2},
        },
        "required": ["ok", "n", "list"],
        "additionalProperties": False,
        "x-guidance": {"whitespace_flexible": False},
    }
)
DATE = r"(on|by) [0-9]{4}-(0[1-9]|1[0-2])( or later)?\."
MODELS = ["llama3", "tinyllama", "gemma3", "qwen2", "phi3", "neox"]
"""Byte-level and SentencePiece, with BOS and without, several ends of text, vocabularies that are padded or
cut.
"""


class Reference:
    """The mask as llguidance's documentation has it, anew for every row and step."""

    def __init__(self, loaded, kind: str, text: str, start: int) -> None:
        config = loaded.model.config.get_text_config()
        size = max(config.vocab_size, len(loaded.tokenizer))
        self.reader = llguidance.hf.from_tokenizer(loaded.tokenizer, n_vocab=size, eos_token=ends_of(loaded))
        self.grammar, self.start = grammar_of(kind, text), start

    def __call__(self, ids, scores):
        for row, text in enumerate(ids[:, self.start :].tolist()):
            matcher = LLMatcher(self.reader, self.grammar)
            if not text or matcher.consume_tokens(text):
                bits = np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8)
                allowed = np.unpackbits(bits, bitorder="little")[: scores.shape[1]]
                scores[row, torch.from_numpy(allowed == 0)] = -torch.inf
        return scores


def run(name: str, kind: str, text: str, strategies, **values) -> dict:
    request = Request.parse(
        **{"prompt": "Once upon a", "max_new_tokens": 24, "seed": 3} | values,
        model=str(zoo.folder(name)),
        strategies=strategies,
        constraint=kind,
        constraint_text=text,
    )
    *_, trace = decode(request, zoo.opened(name))
    return trace.to_json()


STRATEGIES = [
    {},
    {"do_sample": True, "temperature": 0.8, "top_k": 0, "num_return_sequences": 2},
    {"num_beams": 3, "num_return_sequences": 2},
    {"repetition_penalty": 1.2, "unconstrained": True},
]


@pytest.mark.parametrize(("kind", "text"), [("json_schema", SCHEMA), ("regex", DATE)], ids=["json", "regex"])
@pytest.mark.parametrize("name", MODELS)
def test_texts_are_those_of_generate(name, kind, text):
    loaded = zoo.opened(name)
    trace = run(name, kind, text, STRATEGIES)
    prompt = torch.tensor([trace["prompt"]["token_ids"]])
    for made in trace["runs"]:
        config = {key: value for key, value in made["config"].items() if key != "unconstrained"}
        free = "unconstrained" in made["config"]
        assert ("constraint" in made["processors"]) is not free
        torch.manual_seed(3)
        expected = loaded.model.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=24,
            logits_processor=None if free else [Reference(loaded, kind, text, prompt.shape[1])],
            **{"num_beams": 1, "num_return_sequences": 1} | config,
        )
        texts = [sequence["token_ids"] for sequence in made["sequences"]]
        for own, row in zip(texts, expected[:, prompt.shape[1] :].tolist(), strict=True):
            assert own == row[: len(own)], made["name"]
            assert len(own) == len(row) or own[-1] in ends_of(loaded)


@pytest.mark.parametrize("name", MODELS)
def test_finished_texts_are_valid_and_others_are_called_unfinished(name):
    strategies = [
        {"do_sample": True, "top_k": 0, "num_return_sequences": 4},
        {"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 1.0},
        {"num_beams": 2, "do_sample": True, "top_k": 0},
    ]
    long = run(name, "json_schema", SCHEMA, strategies, max_new_tokens=60)
    short = run(name, "json_schema", SCHEMA, strategies, max_new_tokens=4)
    ends = {token for token in ends_of(zoo.opened(name))}
    for made in long["runs"]:
        for sequence in made["sequences"]:
            assert sequence["obeyed"]["status"] == "complete"
            ids = [token for token in sequence["token_ids"] if token not in ends]
            text = zoo.opened(name).tokenizer.decode(ids)
            jsonschema.validate(json.loads(text), json.loads(SCHEMA))
    for made in short["runs"]:
        assert {sequence["obeyed"]["status"] for sequence in made["sequences"]} == {"unfinished"}


@pytest.mark.parametrize("name", ["llama3", "gemma3", "phi3"])
def test_the_mask_is_that_of_brute_force(name):
    """Every token of the vocabulary is tried: its text has to be the beginning of a match. Where llguidance
    knows what bytes come next, it leaves the one token that the tokenizer would begin them with.
    """
    loaded = zoo.opened(name)
    size, ends = loaded.model.config.get_text_config().vocab_size, ends_of(loaded)
    pattern = regex.compile(DATE.encode())
    constraint = Constraint("regex", DATE, loaded, 0, ends)
    generator = torch.Generator().manual_seed(1)
    ids: list[int] = []
    forced = free = 0
    for _ in range(40):
        before = constraint.reader.decode_bytes(ids)
        expected = {
            token
            for token in range(size)
            if not constraint.reader.is_special_token(token)
            and (own := constraint.reader.decode_bytes([token]))
            and pattern.fullmatch(before + own, partial=True)
        }
        if pattern.fullmatch(before):
            expected |= set(ends)
        allowed = constraint(torch.tensor([ids], dtype=torch.long), torch.zeros(1, size))[0].isfinite()
        found = set(allowed.nonzero()[:, 0].tolist())
        matcher = constraint._places[tuple(ids)].matcher
        if ahead := matcher.compute_ff_tokens():
            assert found == {ahead[0]} and found <= expected
            forced += 1
        else:
            assert found == expected
            free += 1
        assert constraint.accepts(ids) is bool(pattern.fullmatch(before))
        assert not allowed[len(loaded.tokenizer) :].any()
        ids.append(int(torch.multinomial(allowed.float(), 1, generator=generator)))
        if ids[-1] in ends:
            break
    assert ids[-1] in ends and free > 5


def test_masses_are_sums_of_probabilities():
    """And the cost of obeying is what the strategy's own odds are above the model's."""
    loaded = zoo.opened("llama3")
    trace = run("llama3", "regex", DATE, [{"do_sample": True, "top_k": 0, "temperature": 1.0, "top_p": 1.0}])
    made = trace["runs"][0]
    leaf = made["sequences"][0]
    by_id = {node["id"]: node for node in made["nodes"]}
    ids, prompt = leaf["token_ids"], trace["prompt"]["token_ids"]
    with torch.inference_mode():
        logits = loaded.model(torch.tensor([[*prompt, *ids]])).logits[0].float()
    odds = torch.log_softmax(logits, dim=-1)[len(prompt) - 1 :].double()
    constraint = Constraint("regex", DATE, loaded, 0, ends_of(loaded))
    node, path = by_id[leaf["node"]], []
    while node["parent"] is not None:
        path.insert(0, node)
        node = by_id[node["parent"]]
    total = 0.0
    for at, node in enumerate(path):
        decision = made["decisions"][str(node["parent"])]
        allowed = constraint.allowed_after(ids[:at])
        assert decision["allowed"] == int(allowed.sum())
        mass = float(odds[at].exp()[allowed].sum())
        assert decision["feasible"] == pytest.approx(math.log(mass), abs=2e-4)
        total -= decision["feasible"]
        raw = sorted((one for one in made["nodes"] if one["parent"] == node["parent"]), key=_raw)
        assert raw[0]["token_id"] == int(odds[at].argmax())  # what the model wanted is there to be drawn
    assert total == pytest.approx(
        sum(one["logprob_processed"] - one["logprob_raw"] for one in path), abs=1e-3
    )


def _raw(node: dict) -> float:
    return -(node["logprob_raw"] if node["logprob_raw"] is not None else -math.inf)


def test_other_tokens_for_the_same_text():
    """Drawn at random, a text is seldom cut as the tokenizer would cut it."""
    loaded = zoo.opened("gpt2")
    trace = run("gpt2", "regex", "[a-z ]{12}", [{"do_sample": True, "top_k": 0, "num_return_sequences": 4}])
    prompt, ends = trace["prompt"]["token_ids"], ends_of(loaded)
    found = 0
    for sequence in trace["runs"][0]["sequences"]:
        own = [token for token in sequence["token_ids"] if token not in ends]
        expected = loaded.tokenizer(loaded.tokenizer.decode(own), add_special_tokens=False)["input_ids"]
        other = sequence["obeyed"]["canonical"]
        if own == expected:
            assert other is None
            continue
        assert other["token_ids"] == expected and "".join(other["tokens"]) == loaded.tokenizer.decode(own)
        for ids, value in ((expected, other["logprob"]), (own, other["own"])):
            with torch.inference_mode():
                logits = loaded.model(torch.tensor([[*prompt, *ids]])).logits[0, len(prompt) - 1 : -1]
            odds = torch.log_softmax(logits.float(), dim=-1).gather(1, torch.tensor(ids)[:, None])
            assert value == pytest.approx(float(odds.sum()), abs=1e-3)
        found += 1
    assert found


def test_a_constraint_that_other_settings_leave_no_token():
    """Where `generate` would take any token, the text stops and says why."""
    loaded = zoo.opened("gpt2")
    for strategy in ({}, {"do_sample": True, "num_return_sequences": 2}, {"num_beams": 2}):
        made = run("gpt2", "regex", "(ab){30}", [{**strategy, "no_repeat_ngram_size": 2}])["runs"][0]
        for sequence in made["sequences"]:
            assert sequence["obeyed"]["status"] == "stuck"
            leaf = next(node for node in made["nodes"] if node["id"] == sequence["node"])
            assert "the constraint and no_repeat_ngram_size together leave no token" in leaf["reason"]
    ids = loaded.tokenizer("a", add_special_tokens=False)["input_ids"]
    for strategy in ({}, {"num_beams": 2}):
        with pytest.raises(VisitorError, match="no token to begin with"):
            run("gpt2", "regex", "a", [{**strategy, "bad_words_ids": [ids]}])


def test_a_branch_obeys_and_may_not_break_the_constraint():
    loaded = zoo.opened("gpt2")
    own, other = (loaded.tokenizer(text)["input_ids"] for text in ("b", "x"))
    made = run("gpt2", "regex", "[abc]{3}", [{"prefix": own}])["runs"][0]
    assert made["decisions"]["0"]["allowed"] >= 3
    assert made["sequences"][0]["text"][:3].strip("abc") == "" and made["sequences"][0]["text"][0] == "b"
    with pytest.raises(VisitorError, match="does not allow “x” there"):
        run("gpt2", "regex", "[abc]{3}", [{"prefix": other, "name": "branch"}])


def test_the_panel_knows_the_constraint():
    loaded = zoo.opened("gpt2")
    prompt = loaded.tokenizer("Once")["input_ids"]
    after = [*prompt, *loaded.tokenizer("b")["input_ids"]]
    found = next_token_distribution(
        loaded, after, {"do_sample": False}, len(prompt), None, ("regex", "b[xy]")
    )
    assert {text for text in found["texts"]} == {"x", "y"}
    assert all(one["by"] == "constraint" for one in found["removed"])


WRONG = [
    ("regex", "(a", "unclosed group"),
    ("regex", "(?=a)b", "look-around"),
    ("regex", r"(a)\1", "backreferences"),
    ("regex", "  ", "is empty"),
    ("regex", r"[^\s\S]", "No text fulfils"),
    ("regex", "a" * 9_000, "9,000 characters"),
    ("json_schema", '{"type":', "not valid JSON"),
    ("json_schema", "[1]", "no JSON object"),
    ("json_schema", "[" * 4_000, "not valid JSON"),
    ("json_schema", '{"type": "strin"}', "Invalid type: strin"),
    ("json_schema", '{"not": {"type": "string"}}', "not"),
    ("json_schema", "false", "schema is false"),
    ("json_schema", '{"$ref": "#"}', "No text fulfils"),
    ("json_schema", '{"$ref": "https://example.com/schema.json"}', "does not fetch"),
    ("lark", "start: foo", "unknown name"),
    ("lark", 'start: "a" <|im_end|>', "text alone"),
    ("lark", "start: <[300-400]>", "text alone"),
    ("lark", "start: " + "(" * 3_000 + '"a"' + ")" * 3_000, "too deeply nested"),
]


@pytest.mark.parametrize(("kind", "text", "what"), WRONG, ids=[f"{kind} {what}" for kind, _, what in WRONG])
def test_what_is_wrong_is_said_before_a_model_is_loaded(kind, text, what):
    with pytest.raises(VisitorError, match=what) as caught:
        Request.parse(prompt="a", model="nobody/nothing", constraint=kind, constraint_text=text)
    assert len(str(caught.value)) <= 300 and caught.value.remedy.endswith(".")


BOMBS = [
    ("regex", "(a{1000}){1000}"),
    ("regex", "((a{100}){100}){100}"),
    ("json_schema", json.dumps({"type": "string", "pattern": "^(a{1000}){1000}$"})),
    (
        "json_schema",
        json.dumps(
            {
                "allOf": [
                    {"anyOf": [{"properties": {f"p{i}{j}": {"type": "integer"}}} for i in range(6)]}
                    for j in range(6)
                ]
            }
        ),
    ),
    ("lark", 'start: ("a"{1000}){1000}'),
]


@pytest.mark.parametrize(("kind", "text"), BOMBS)
def test_a_bomb_is_refused_in_bounded_time(kind, text):
    """In the process where it is tried, or at the step that is too much: a pattern may follow the first
    token.
    """
    began = time.process_time()
    with pytest.raises(VisitorError, match=r"too large|too much|bytes in a row"):
        run("gpt2", kind, text, [{}])
    assert time.process_time() - began < 5


def test_a_long_forced_stretch_and_a_slow_mask_are_refused(monkeypatch):
    loaded = zoo.opened("gpt2")
    with pytest.raises(VisitorError, match="forces 5,000 bytes"):
        run("gpt2", "regex", "a{5000}", [{}])
    monkeypatch.setattr(limits, "CONSTRAINT_RUN_SECONDS", 0.0)
    with pytest.raises(VisitorError, match="too much time"):
        run("gpt2", "regex", "[ab]+", [{}])
    assert loaded.tokenizer in mask._readers


def test_who_cannot_obey_is_refused():
    for strategy in ({"dola_layers": "high"}, {"penalty_alpha": 0.6, "top_k": 4}, {"runtime": "llama.cpp"}):
        with pytest.raises(VisitorError, match="only greedy search, sampling and beams"):
            Request.parse(prompt="a", strategies=[strategy], constraint="regex", constraint_text="a")
    Request.parse(
        prompt="a",
        strategies=[{"dola_layers": "high", "unconstrained": True}],
        constraint="regex",
        constraint_text="a",
    )
    with pytest.raises(VisitorError, match="of a kind that constraints cannot be computed for"):
        run("rinna", "regex", "a", [{}])


def test_the_request_keeps_a_constraint():
    request = Request.parse(prompt="a", constraint="json_schema", constraint_text={"type": "boolean"})
    assert request.constraint_text == '{"type": "boolean"}'
    assert Request.from_query(request.to_query() or "") == request
    assert Request.parse(**request.to_json()) == request
    assert Request.parse(prompt="a", constraint_text="a").constraint_text == ""


def test_what_a_lenient_schema_leaves_out_is_noted():
    schema = json.dumps({"type": "boolean", "not": {"const": True}, "x-guidance": {"lenient": True}})
    notes = run("gpt2", "json_schema", schema, [{}], max_new_tokens=2)["prompt"]["notes"]
    assert any("followed only in part" in note and "not" in note for note in notes)


def test_the_examples_can_be_followed():
    for kind, text in presets.EXAMPLES.values():
        assert warnings_of(kind, text) == ()
