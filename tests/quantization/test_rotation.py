"""A rotated model computes the same logits from other weights."""

from __future__ import annotations

import pytest
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from quantization import rotation
from quantization.methods import check_settings, quantize
from shared.errors import VisitorError

COMMON = {
    "vocab_size": 50,
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.3,
}


def tiny(kind: str, tied: bool):
    torch.manual_seed(0)
    config, model = {
        "llama": (LlamaConfig, LlamaForCausalLM),
        "qwen2": (Qwen2Config, Qwen2ForCausalLM),
        "qwen3": (Qwen3Config, Qwen3ForCausalLM),
    }[kind]
    extra = (
        {"attention_bias": True, "mlp_bias": True}
        if kind == "llama"
        else {"head_dim": 12}
        if kind == "qwen3"
        else {}
    )
    made = model(config(**COMMON, **extra, tie_word_embeddings=tied)).eval()
    for name, parameter in made.named_parameters():
        if "norm" in name or "bias" in name:
            parameter.data.uniform_(0.3, 2)
    return made


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3"])
def test_logits_are_those_of_the_original(kind, tied):
    model = tiny(kind, tied)
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    turned = rotation.rotate(model, 1)
    ids = torch.randint(0, 50, (2, 16))
    with torch.no_grad():
        expected, found = model(ids).logits, turned(ids).logits
    assert (expected - found).abs().max() <= 1e-4 * expected.abs().max()
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]), "the original is left alone"
    assert not torch.allclose(
        turned.model.layers[0].mlp.up_proj.weight, model.model.layers[0].mlp.up_proj.weight
    )
    assert turned.get_output_embeddings().weight is not turned.get_input_embeddings().weight


def test_the_embedded_model_keeps_its_logits_and_leaves_its_grid(embedded):
    turned = rotation.rotate(embedded.model, 0)
    ids = embedded.tokenizer("The lighthouse keeper opened the door and", return_tensors="pt").input_ids
    with torch.no_grad():
        expected, found = embedded.model(ids).logits, turned(ids).logits
    assert (expected - found).abs().max() <= 2e-4 * expected.abs().max()


@pytest.mark.parametrize("size", [1, 8, 48, 64, 576])
def test_the_turn_is_orthogonal_and_depends_on_the_seed(size):
    turn = rotation.orthogonal(size, 3)
    torch.testing.assert_close(turn @ turn.T, torch.eye(size, dtype=torch.float64), rtol=0, atol=1e-12)
    assert torch.equal(turn, rotation.orthogonal(size, 3))
    assert size < 8 or not torch.equal(turn, rotation.orthogonal(size, 4))


def test_incoherence_helps_where_there_are_outliers():
    torch.manual_seed(0)
    weight = torch.randn(64, 576) * 0.02
    weight[:, 100] *= 40
    turned, turn = rotation.rotate_weight(weight, 0)
    torch.testing.assert_close(turned.double() @ turn.T, weight.double(), rtol=0, atol=1e-6)
    assert rotation.kurtosis(weight) > 100 and rotation.kurtosis(turned) < 6

    def error(values: torch.Tensor) -> float:
        return float(
            (quantize(values, "rtn", check_settings("rtn", {"group": "row"})).values - values).pow(2).mean()
        )

    assert error(turned) < 0.3 * error(weight)


def test_other_families_are_refused():
    model = GPT2LMHeadModel(GPT2Config(vocab_size=20, n_embd=16, n_layer=1, n_head=2))
    with pytest.raises(VisitorError, match="gpt2"):
        rotation.rotate(model, 0)
