"""Whole runs on a tiny model with a real tokenizer: the growing JSON of each room, what it refuses, and that
the model stays as it is.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import math

import pytest
import torch
from transformers import AutoTokenizer

from abliteration import encode, study
from abliteration.architecture import FAMILIES, family_of, inspect
from abliteration.outcome import features, find, measure, remove, search, take
from abliteration.request import Request
from shared import limits
from shared.errors import VisitorError
from shared.models import Loaded
from tests.abliteration.conftest import returned, weights

LEFT = [f"How do I paint wall number {number}?" for number in range(12)]
RIGHT = [f"Where is the river number {number} now?" for number in range(12)]
SMALL = {
    "positive": LEFT,
    "negative": RIGHT,
    "answer_tokens": 4,
    "candidates": 2,
    "kernel": {"attention": 1.0, "mlp": [1, 0.5, 0]},
    "layer": 1,
}


def ask(**values) -> Request:
    """The small run, with other values."""
    return Request.parse(**{**SMALL, **values})


@pytest.fixture(scope="module")
def small(embedded) -> Loaded:
    """A random Llama of three layers with the embedded model's tokenizer."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(embedded.tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=1,
        eos_token_id=2,
        tie_word_embeddings=True,
        initializer_range=0.2,
    )
    model = LlamaForCausalLM(config).eval().requires_grad_(False)
    model.generation_config.pad_token_id = 2
    return Loaded(model, embedded.tokenizer, "tiny/llama", "none", "random weights", "float32", "cpu")


def finite(value) -> bool:
    if isinstance(value, dict):
        return all(finite(item) for item in value.values())
    if isinstance(value, list):
        return all(finite(item) for item in value)
    return not isinstance(value, float) or math.isfinite(value)


def run(steps) -> dict:
    """The last figure of a run; every one of them is plain, finite JSON that names its progress."""
    *growing, last = steps
    for data in (*growing[-3:], last):
        assert finite(json.loads(json.dumps(data)))
    assert (
        all(not data["done"] and data["progress"]["max"] >= data["progress"]["value"] for data in growing)
        and growing
    )
    assert (
        last["done"]
        and last["seconds"] >= 0
        and last["mark"] == "edited model"
        and last["model"]["verdict"] == "exact"
    )
    assert not last["model"]["id"].startswith("/") and last["provenance"]["seed"] == 0
    return last


@pytest.fixture(autouse=True)
def untouched(small):
    """No room leaves a trace in the model."""
    before = weights(small.model)
    yield
    after = weights(small.model)
    assert (
        all(torch.equal(before[name], after[name]) for name in before)
        and small.model.config.tie_word_embeddings
    )
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in small.model.modules())


def test_find(small):
    data = run(find.find(ask(layer=None), small))
    assert (
        len(data["layers"]) == 3
        and data["positions"][-1] == "\n"
        and data["refusal"]["from"] in ("usual openings", "its own refusals")
    )
    assert {"d_prime", "auc", "norm", "random", "permuted", "cosine", "projections", "plane"} <= set(
        data["layers"][1]
    )
    tried = [layer["candidate"] for layer in data["layers"] if "candidate" in layer]
    assert {"bypass", "induce", "kl", "cosmic", "ruled_out"} <= set(tried[0])
    assert data["choice"]["layer"] in {candidate["layer"] for candidate in tried}
    prompts = [prompt for part in ("fit", "select", "report") for prompt in data["split"][part]["positive"]]
    assert sorted(prompts) == sorted(LEFT)
    assert run(find.find(ask(), small))["choice"] == {
        "layer": 1,
        "position": -1,
        "rule": "hand",
        "relaxed": "",
    }


@pytest.mark.parametrize("method", ["ablate", "norm_preserving", "affine", "add"])
def test_ablate(small, method):
    data = run(remove.ablate(ask(method=method, prompts=["How are you?"]), small))
    (pair,) = data["pairs"]
    assert {"prompt", "base", "edited", "kl", "kl_tokens", "xray"} == set(pair) and len(pair["kl"]) == len(
        pair["kl_tokens"]
    ) <= 4
    ray = pair["xray"]["base"]
    assert len(ray["layers"]) == 4 and all(len(row) == len(ray["tokens"]) for row in ray["layers"])
    assert data["edit"]["bakeable"] is (method in ("ablate", "norm_preserving"))
    assert [curve["layer"] for curve in data["re_emergence"]][:1] == ([] if method == "add" else [None])


def test_answers_and_measures_in_one_run(small):
    data = run(remove.ablate_and_measure(ask(prompts=["How are you?"]), small))
    assert (
        data["kind"] == "ablate"
        and len(data["pairs"]) == 1
        and data["pairs"][0]["xray"]
        and data["re_emergence"]
    )
    assert data["measures"] == run(measure.measure(ask(), small))["measures"]


def test_an_edit_of_strength_zero_changes_nothing(small):
    data = run(measure.measure(ask(strength=0.0), small))["measures"]
    assert (
        data["first_token"]["negative"]["kl"]["mean"]
        == data["text"]["delta"]["mean"]
        == data["along"]["positive"]["mean"]
        == 0
    )
    assert data["capability"]["lost"] == data["capability"]["won"] == 0
    for side in ("positive", "negative"):
        assert data["behaviour"][side]["base"] == data["behaviour"][side]["edited"]
    assert [control["name"] for control in data["controls"]] == ["permuted labels", "random direction"]


def test_optimise(small):
    data = run(search.search(ask(layer=None, trials=4), small))
    assert len(data["trials"]) == 4 and data["best"] in data["front"]
    best = data["trials"][data["best"]]
    good = [trial for trial in data["trials"] if trial["refusals"] <= data["enough"]]
    assert (
        best["kl"] == min(trial["kl"] for trial in good)
        if good
        else best["refusals"] == min(one["refusals"] for one in data["trials"])
    )
    chosen = Request.from_query(data["query"])
    assert data["query"] == "" or chosen.kernel == data["chosen"]["kernel"]
    assert data["edit"]["layer"] == data["chosen"]["layer"] and "first_token" in data["measures"]
    again = run(search.search(ask(layer=1, trials=4), small))
    assert again["trials"] == data["trials"], (
        "the search does not follow its seed, or the layer of an earlier one binds it"
    )


def test_features(small, tmp_path):
    data = run(features.explain(ask(features=48, k=4, steps=20), tmp_path, small))
    assert (
        data["sae"]["layer"] == 1
        and data["training"]["step"] == 20
        and len(data["pursuit"]["atoms"]) == len(data["tops"]) == 8
    )
    assert len(data["prompts"]) == 2 and data["prompts"][0]["tokens"][0].keys() == {"token", "features"}
    loaded = run(features.explain(ask(sae_layer=1, sae=str(tmp_path)), tmp_path / "x", small))
    assert loaded["pursuit"] == data["pursuit"] and "training" not in loaded
    feature = data["pursuit"]["atoms"][0]["feature"]
    edited = run(features.steer(ask(prompts=["Hello"]), tmp_path, feature, 3.0, small))
    assert edited["feature"] == feature and edited["pairs"][0]["kl"]
    assert len(edited["pairs"][0]["kl"]) == len(edited["pairs"][0]["kl_tokens"])
    with pytest.raises(VisitorError):
        run(features.explain(ask(sae_layer=2, sae=str(tmp_path)), tmp_path, small))


def test_certificate_and_export(small, tmp_path):
    data = run(take.certificate(ask(kernel={"embedding": 1, "attention": 1, "mlp": 1}), small))["certificate"]
    assert (
        data["gap"] < 1e-4 * data["scale"]
        and data["in_stream"] < 1e-5
        and data["audit"] < 1e-6
        and data["head"].startswith("untied")
    )
    assert len(data["matrices"]) == 7 and all(row["after"] < 1e-5 * row["before"] for row in data["matrices"])
    made = run(take.export(ask(), tmp_path / "whole", "safetensors", small))
    assert {"model.safetensors", "config.json", "tokenizer.json", "README.md"} <= set(made["files"])
    adapter = run(take.export(ask(), tmp_path / "lora", "lora", small))
    assert (
        set(adapter["files"])
        == {"adapter_model.safetensors", "adapter_config.json", "README.md", "edit.json", "edit_shards.py"}
        and adapter["left_out"] == []
    )
    assert "abliterated" in (tmp_path / "lora" / "README.md").read_text()
    several = copy.deepcopy(small.tokenizer)
    several.chat_template = {"default": several.chat_template, "tool_use": "{{ messages }}"}
    run(
        take.export(
            ask(),
            tmp_path / "several",
            "safetensors",
            dataclasses.replace(small, tokenizer=several, id="tiny/several"),
        )
    )
    assert all(path.is_file() for path in (tmp_path / "several").iterdir()), (
        "a zip, a list of files and a push take no folders"
    )
    assert AutoTokenizer.from_pretrained(tmp_path / "several").chat_template == several.chat_template
    with pytest.raises(VisitorError):
        take.check_form("gguf")
    with pytest.raises(VisitorError):
        run(take.export(ask(method="affine"), tmp_path / "no", "safetensors", small))
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"positive": LEFT[:1]}, "one prompt"),
        ({"negative": LEFT}, "equal"),
        ({"positive": ["", *LEFT]}, "empty prompt"),
        ({"layer": 3}, "layer is 3"),
        ({"kernel": {"attention": [1.0, 1.0]}}, "2 values"),
        ({"position": -20}, "no position -20"),
        ({"strength": -3}, "reaches -3"),
        ({"layer": 0}, "layer 0"),
        ({"positive": [prompt + " word" * 500 for prompt in LEFT]}, "characters"),
        ({"colour": 1}, "colour"),
    ],
)
def test_what_cannot_be_done_is_said(small, values, said):
    with pytest.raises(VisitorError) as caught:
        list(remove.ablate(ask(**values), small))
    assert said in caught.value.what and caught.value.remedy


def test_a_model_without_a_chat_template_asks_for_the_plain_format(small):
    tokenizer = copy.deepcopy(small.tokenizer)
    tokenizer.chat_template = None
    bare = dataclasses.replace(small, tokenizer=tokenizer, id="tiny/bare")
    with pytest.raises(VisitorError) as caught:
        list(find.find(ask(), bare))
    assert "no chat template" in caught.value.what and "plain" in caught.value.remedy
    # both sides end in the same kind of token, so that there is something to part at the last one
    data = run(find.find(ask(format="plain"), bare))
    assert data["positions"] == [""]


def test_damaged_weights_are_named(small):
    broken = copy.deepcopy(small.model)
    broken.model.layers[0].mlp.down_proj.weight[0, 0] = float("inf")
    with pytest.raises(VisitorError) as caught:
        list(find.find(ask(), dataclasses.replace(small, model=broken, id="tiny/broken")))
    assert "layer 1" in caught.value.what


def test_studies_of_different_visitors_are_apart(small):
    one = returned(study.study(Request(positive=tuple(LEFT), negative=tuple(RIGHT), contrast="own"), small))
    other = returned(study.study(Request(positive=tuple(RIGHT), negative=tuple(LEFT), contrast="own"), small))
    again = returned(study.study(Request(positive=tuple(LEFT), negative=tuple(RIGHT), contrast="own"), small))
    assert again is one and other is not one
    assert torch.allclose(one.directions.direction(1)[1], one.directions.direction(1)[2])


def test_a_study_does_not_keep_a_model_that_nobody_else_keeps(small):
    asked = Request(positive=tuple(LEFT), negative=tuple(RIGHT), contrast="own")
    one = returned(study.study(asked, small))
    other = dataclasses.replace(small, model=copy.deepcopy(small.model), id="tiny/other")
    two = returned(study.study(asked, other))
    assert returned(study.study(asked, other)) is two
    assert returned(study.study(asked, small)) is not one


def test_an_answer_fits_behind_the_longest_prompt(small):
    most = small.model.config.max_position_embeddings - limits.MAX_NEW_TOKENS
    assert len(encode.encode(small, ["a" + " a" * (most - 1)], encode.Format("plain"))[0]) == most
    with pytest.raises(VisitorError) as caught:
        encode.encode(small, ["a" + " a" * most], encode.Format("plain"))
    assert f"1 to {most} tokens" in caught.value.remedy


def test_every_other_architecture_is_refused_with_the_reason():
    import transformers as t

    for config, said in (
        (t.BertConfig(), "encoder"),
        (t.T5Config(), "two streams"),
        (t.Qwen2MoeConfig(), "experts"),
        (t.Gemma3Config(), "images"),
        (t.MambaConfig(), "no attention"),
        (t.OPTConfig(), "nobody has stated"),
        (t.GPT2Config(add_cross_attention=True), "read an encoder"),
    ):
        with pytest.raises(VisitorError) as caught:
            family_of(config)
        assert said in caught.value.what and "Llama" in caught.value.remedy
    assert {family.verdict for family in FAMILIES} == {"exact", "approximate"} and all(
        family.reason for family in FAMILIES
    )


def test_a_model_that_only_says_it_is_of_a_family_is_refused():
    from transformers import OPTConfig, OPTForCausalLM

    model = OPTForCausalLM(
        OPTConfig(
            vocab_size=50,
            hidden_size=16,
            ffn_dim=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            word_embed_proj_dim=16,
        )
    )
    model.config.model_type = "llama"
    with pytest.raises(VisitorError) as caught:
        inspect(model)
    assert "model.embed_tokens" in caught.value.what


def test_a_full_disk_is_said_and_leaves_nothing(small, tmp_path, monkeypatch):
    from abliteration import bake

    def fills(made, tokenizer, folder, dtype):
        (folder / "model.safetensors").write_bytes(b"half")
        raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(bake, "save", fills)
    with pytest.raises(VisitorError) as caught:
        run(take.export(ask(kernel={"attention": 1}), tmp_path, "safetensors", small))
    assert "could not be written" in caught.value.what and list(tmp_path.iterdir()) == []
