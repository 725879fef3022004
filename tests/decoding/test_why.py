"""Why a token: the lens against the model's own norm and head, the text without each token against a plain
pass, on models of every shape.
"""

from __future__ import annotations

import json
import math

import pytest
import torch

from decoding.decoders.dola import candidate_layers
from decoding.engine import decode
from decoding.request import Request
from decoding.why import why
from decoding_rooms import panel
from shared import models
from shared.errors import VisitorError
from tests import zoo

PROMPT = "The lighthouse keeper opened the door and"
FINAL = {
    "gpt2": "transformer.ln_f",
    "short": "transformer.ln_f",
    "neox": "gpt_neox.final_layer_norm",
    "rinna": "gpt_neox.final_layer_norm",
    "mamba": "backbone.norm_f",
    "lfm2": "model.embedding_norm",
    "gemma3_vision": "model.language_model.norm",
}
"""The norm before the head, where it is not `model.norm`."""


def ids_of(loaded) -> list[int]:
    return list(loaded.tokenizer(PROMPT)["input_ids"])


def plain(loaded, ids: list[int]) -> torch.Tensor:
    """The model's log-probabilities after some tokens [V], by a pass of its own."""
    with torch.inference_mode():
        return torch.log_softmax(loaded.model(torch.tensor([ids])).logits[0, -1].float(), dim=-1)


@pytest.mark.parametrize("name", zoo.names())
def test_numbers_are_those_of_plain_passes(name):
    loaded = zoo.opened(name)
    ids = ids_of(loaded)
    own = plain(loaded, ids)
    token = int(own.topk(3).indices[-1])
    found = json.loads(json.dumps(why(loaded, ids, token), allow_nan=False))
    assert found["logprob"] == pytest.approx(float(own[token]), abs=2e-5)
    assert found["length"] == len(ids) == len(found["context"]) == len(found["without"])
    for place, value in enumerate(found["without"]):
        left = ids[:place] + ids[place + 1 :]
        assert value == pytest.approx(float(plain(loaded, left)[token]), abs=1e-4), place


@pytest.mark.parametrize("name", zoo.names())
def test_the_lens_is_the_models_own_norm_and_head(name):
    loaded = zoo.opened(name)
    ids = ids_of(loaded)
    own = plain(loaded, ids)
    token = int(own.argmax())
    layers = why(loaded, ids, token)["layers"]
    assert len(layers) == loaded.model.config.get_text_config().num_hidden_layers + 1
    assert layers[-1]["rank"] == 1 and layers[-1]["logprob"] == pytest.approx(float(own[token]), abs=2e-5)
    with torch.inference_mode():
        output = loaded.model(torch.tensor([ids]), output_hidden_states=True)
        norm = loaded.model.get_submodule(FINAL.get(name, "model.norm"))
        for layer, state in zip(layers[:-1], output.hidden_states, strict=False):
            logits = loaded.model.lm_head(norm(state[:, -1]))[0].float()
            logits = after_the_head(loaded.model.config.get_text_config(), logits)
            odds = torch.log_softmax(logits, dim=-1)
            assert layer["logprob"] == pytest.approx(float(odds[token]), abs=1e-4)
            assert layer["best"] == pytest.approx(float(odds.max()), abs=1e-4)
            assert layer["rank"] == 1 + int((odds > odds[token]).sum())


def after_the_head(config, logits: torch.Tensor) -> torch.Tensor:
    """What some models do to their logits."""
    if cap := getattr(config, "final_logit_softcapping", None):
        logits = torch.tanh(logits / cap) * cap
    if scale := getattr(config, "logits_scaling", None):
        logits = logits / scale
    return logits


def test_dolas_layers_are_those_of_its_run():
    loaded = zoo.opened("llama3")
    request = Request.parse(
        prompt=PROMPT, model="zoo/llama3", strategies=[{"dola_layers": "low"}], max_new_tokens=3
    )
    *_, trace = decode(request, loaded)
    run = trace.to_json()["runs"][0]
    ids = ids_of(loaded)
    config = loaded.model.config
    for node in [node for node in run["nodes"] if node["status"] == "chosen" and node["parent"] is not None]:
        found = why(loaded, ids, node["token_id"], "low")["dola"]
        assert found is not None and f"over layer {found['chosen']}" in node["reason"]
        assert found["candidates"] == candidate_layers(
            "low", config.num_hidden_layers, config.tie_word_embeddings
        )
        ids.append(node["token_id"])


def test_of_a_long_text_the_end_is_tried(monkeypatch):
    loaded = zoo.opened("llama3")
    ids = (ids_of(loaded) * 9)[:60]
    monkeypatch.setattr("decoding.why.READINGS", 600)
    found = why(loaded, ids, 7)
    assert (found["length"], len(found["without"])) == (60, 10)
    expected = float(plain(loaded, ids[:50] + ids[51:])[7])
    assert found["without"][0] == pytest.approx(expected, abs=1e-4)


def test_a_place_that_cannot_be_is_refused(monkeypatch):
    loaded = zoo.opened("llama3")
    monkeypatch.setattr(models, "in_memory", lambda name: loaded if name == "zoo/llama3" else None)
    asked = {"model": "zoo/llama3", "token_ids": [5, 6], "token": 7, "config": {}}
    assert panel.why(asked)["length"] == 2
    for wrong in (
        {"model": "zoo/none"},
        {"token": -1},
        {"token": 10**9},
        {"token": None},
        {"token_ids": []},
        {"token_ids": [10**9]},
        {"config": {"temperature": "hot"}},
    ):
        with pytest.raises(VisitorError) as refused:
            panel.why(asked | wrong)
        assert refused.value.remedy.endswith(".")


def test_a_text_of_one_token_has_nothing_to_leave_out():
    loaded = zoo.opened("llama3")
    found = why(loaded, [5], 7)
    assert found["without"] == [] and found["layers"] and math.isfinite(found["logprob"])
