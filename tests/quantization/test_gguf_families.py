"""GGUF files of every family: key by key and tensor by tensor those of llama.cpp's own converter, read by
llama.cpp to the same tokens and logits; and files that must not leave.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from quantization import gguf_check, gguf_families, gguf_file, gguf_vocabulary
from quantization.compare import compare
from quantization.request import Request
from shared import hub, models
from shared.errors import VisitorError
from tests import zoo
from tests.quantization import herd

NO_FILE = ("tinyllama", "mistral", "mixtral")
"""Animals without tokenizer.model, whose scores the converter does not know."""


def written(loaded: models.Loaded, folder: Path) -> Path:
    """All in float32."""
    matrices = {
        name: ("F32", np.ascontiguousarray(gguf_file.matrix(loaded.model, name).float()))
        for name, _ in gguf_file.matrices(loaded)
    }
    path = folder / "ours.gguf"
    gguf_file.write_gguf(path, loaded, matrices, "F32")
    return path


def keys(path: Path) -> dict[str, Any]:
    fields = gguf.GGUFReader(path).fields
    return {
        name: (field.types[0].name, field.contents())
        for name, field in fields.items()
        if not name.startswith("GGUF.")
    }


@pytest.mark.parametrize("name", herd.WRITTEN)
def test_keys_and_tensors_are_those_of_llama_cpps_converter(name, theirs, tmp_path, monkeypatch):
    loaded = herd.opened(name)
    if name == "yarn":  # the one with a card
        card = {
            "license": "apache-2.0",
            "language": ["en", "fr"],
            "base_model": "owner/base-1B",
            "tags": ["chat"],
        }
        monkeypatch.setattr(hub, "card", lambda *_: card)
        loaded = replace(loaded, source=models.HUB_SOURCE)
    path = written(loaded, tmp_path)
    ours, expected = keys(path), keys(theirs[name])
    assert expected.pop("tokenizer.ggml.pre")[1] in ("unknown", "default")
    assert ours.pop("tokenizer.ggml.pre")[1] in ("qwen2", "dbrx", "default", "gpt-2")
    assert ours.pop("general.organization")[1].lower() == loaded.id.split("/")[0]
    for key in (
        "tokenizer.ggml.add_bos_token",
        "tokenizer.ggml.unknown_token_id",
    ):  # said where it says nothing
        if key not in expected:
            ours.pop(key, None)
    for one in (ours, expected):
        if "tokenizer.chat_templates" in one:  # a set's order
            one["tokenizer.chat_templates"][1].sort()
    if name in NO_FILE:
        assert set(expected.pop("tokenizer.ggml.scores")[1]) == {-1000.0}
        ours.pop("tokenizer.ggml.scores")
    else:
        assert ours.keys() == expected.keys()
    for key, value in expected.items():
        assert ours[key] == value, key
    tensors, wanted = (
        {tensor.name: tensor for tensor in gguf.GGUFReader(one).tensors} for one in (path, theirs[name])
    )
    assert tensors.keys() == wanted.keys()
    for tensor, found in tensors.items():
        assert np.array_equal(found.shape, wanted[tensor].shape), tensor
        assert np.array_equal(found.data, wanted[tensor].data), tensor


@pytest.mark.parametrize("name", [*herd.WRITTEN, "phi3"])
def test_llama_cpp_reads_the_same_tokens_and_logits(name, tmp_path):
    loaded = herd.opened(name)
    made = gguf_file.quantize_model(loaded, "F16", None)
    (path,) = made.export(tmp_path)
    assert gguf_check.check(path, loaded, made.model, ["F16"]) < 2e-4


@pytest.mark.parametrize(
    ("name", "type"), [("gemma2", "Q4_0"), ("longrope", "Q8_0"), ("mixtral8", "Q4_K_M"), ("llama31", "Q2_K")]
)
def test_blocks_are_read_as_they_were_measured(name, type, tmp_path):
    loaded = herd.opened(name)
    made = gguf_file.quantize_model(loaded, type, None)
    (path,) = made.export(tmp_path)
    assert gguf_check.check(path, loaded, made.model, [type]) < 0.02


def test_experts_are_quantized():
    """Which once stayed in 16 bits: most of a mixture's weights."""
    made = gguf_file.quantize_model(herd.opened("mixtral8"), "Q8_0", None)
    types = {tensor.name: tensor.type for tensor in made.tensors}
    assert types["model.layers.0.mlp.experts.gate_up_proj"] == "Q8_0"
    assert types["model.layers.0.mlp.experts.down_proj"] == "Q8_0"
    assert not any(name.endswith("mlp.gate.weight") for name in types)


def broken_rope(monkeypatch):
    monkeypatch.setattr(gguf_families, "frequency_factors", lambda config: {})


def broken_order(monkeypatch):
    monkeypatch.setattr(
        gguf_families.Part, "rows", lambda self, values, count=1: np.ascontiguousarray(values)
    )


def broken_bos(monkeypatch):
    monkeypatch.setattr(gguf_vocabulary, "_adds", lambda tokenizer: {"bos": False})


def broken_split(monkeypatch):
    monkeypatch.setattr(gguf_vocabulary, "_split", lambda described: "gpt-2")


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (broken_rope, "predicts something else"),
        (broken_order, "predicts something else"),
        (broken_bos, "other tokens"),
        (broken_split, "other tokens"),
    ],
)
def test_a_wrong_file_does_not_leave(spoil, what, tmp_path, monkeypatch):
    """Each mistake that other converters made once, in a file of 4-bit blocks."""
    loaded = herd.opened("llama31")
    spoil(monkeypatch)
    made = gguf_file.quantize_model(loaded, "Q4_0", None)
    (path,) = made.export(tmp_path)
    with pytest.raises(VisitorError, match=what):
        gguf_check.check(path, loaded, made.model, ["Q4_0"], "The quick brown fox jumps. " * 40)
    assert not path.exists()


REFUSED = {
    "gemma2": "divides attention by the root of 16",
    "gemma3": "divides attention by the root of 16",
    "qwen3_moe": "to a sum of 1",
    "lfm2": "“lfm2” models are not written",
    "rinna": "“gpt_neox” models are not written",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_llama_cpp_computes_otherwise_is_said_before_anything_is_measured(name):
    request = Request.parse(formats=["gguf:Q8_0", "own:absmax-int8"], context=32, windows=1, prompt="")
    first = next(compare(request, zoo.opened(name)))
    assert first.base is None and first.rows[0].status == "failed"
    assert REFUSED[name] in first.rows[0].error.what and first.rows[1].status == "waiting"


def test_a_files_refusal_is_said_before_anything_is_measured(tmp_path):
    request = Request.parse(formats=["gguf:Q8_0"], context=32, windows=1, prompt="")
    with pytest.raises(VisitorError, match="root of 16"):
        next(compare(request, zoo.opened("gemma2"), tmp_path))


@pytest.mark.parametrize(("name", "window"), [("mistral", 16), ("qwen2", 16), ("phi3", 32), ("llama3", None)])
def test_a_window_that_llama_cpp_does_not_keep_is_said(name, window):
    made = gguf_file.quantize_model(herd.opened(name), "Q8_0", None)
    assert any("no sliding window" in note for note in made.notes) == bool(window)
    assert gguf_families.ignored_window(herd.opened(name).model.config) == window


def test_tokens_stay_the_same_with_scores_of_another_order():
    """A tokenizer whose pieces are not numbered as they are merged."""
    merges = [["a", "b"], ["ab", "c"], ["b", "c"]]
    tokens = ["<unk>", "bc", "abc", "ab", "a", "b", "c"]
    kinds = [gguf_vocabulary.CONTROL, *[gguf_vocabulary.NORMAL] * 6]
    scores = dict(zip(tokens, gguf_vocabulary._scores(tokens, kinds, merges), strict=True))
    assert scores["ab"] > scores["abc"] > scores["bc"] > scores["a"]
