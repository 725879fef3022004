"""Tiny random models in float64 of every supported family, and the expert with the planted behaviour."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
import torch

VOCABULARY, WIDTH = 96, 32
_USUAL = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "initializer_range": 0.2,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
_NO_GROUPS = {key: value for key, value in _USUAL.items() if key != "num_key_value_heads"}


def configs() -> dict[str, Any]:
    """One configuration a family; biases wherever the family can have them."""
    import transformers as t

    return {
        "llama": t.LlamaConfig(**_USUAL, attention_bias=True, mlp_bias=True, tie_word_embeddings=True),
        "llama-untied": t.LlamaConfig(**_USUAL, tie_word_embeddings=False),
        "mistral": t.MistralConfig(**_USUAL, tie_word_embeddings=True),
        "qwen2": t.Qwen2Config(**_USUAL, tie_word_embeddings=True),
        "qwen3": t.Qwen3Config(**_USUAL, head_dim=8, tie_word_embeddings=True),
        "smollm3": t.SmolLM3Config(**_USUAL, tie_word_embeddings=True),
        "gemma": t.GemmaConfig(**_USUAL, head_dim=8),
        "gemma2": t.Gemma2Config(**_USUAL, head_dim=8, query_pre_attn_scalar=8),
        "gemma3_text": t.Gemma3TextConfig(**_USUAL, head_dim=8, query_pre_attn_scalar=8),
        "phi3": t.Phi3Config(**_USUAL, tie_word_embeddings=True),
        "phi": t.PhiConfig(**_USUAL, tie_word_embeddings=True),
        "gpt_neox": t.GPTNeoXConfig(**_NO_GROUPS, tie_word_embeddings=False),
        "gpt_neox-serial": t.GPTNeoXConfig(
            **_NO_GROUPS, use_parallel_residual=False, tie_word_embeddings=True
        ),
        "gpt2": t.GPT2Config(
            vocab_size=VOCABULARY,
            n_embd=WIDTH,
            n_layer=3,
            n_head=4,
            n_positions=128,
            initializer_range=0.2,
            bos_token_id=1,
            eos_token_id=2,
        ),
        "lfm2": t.Lfm2Config(
            **_USUAL,
            layer_types=["conv", "full_attention", "conv"],
            conv_bias=True,
            block_auto_adjust_ff_dim=False,
            tie_word_embeddings=True,
        ),
        "olmoe": t.OlmoeConfig(
            **_USUAL,
            num_experts=4,
            num_experts_per_tok=2,
            output_router_logits=True,
            tie_word_embeddings=False,
        ),
    }


FAMILIES = tuple(name for name in configs() if name != "olmoe")
"""Whose every matrix's inputs a hook sees."""
POST_NORMS = ("gemma2", "gemma3_text")


def build(name: str, seed: int = 0) -> Any:
    """A random model in float64; biases and gains are random too, so that a forgotten one shows."""
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    plain = {"attn_implementation": "eager", "experts_implementation": "eager"}  # float64 has no grouped form
    model = AutoModelForCausalLM.from_config(configs()[name], **plain).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.3 * torch.randn_like(parameter))
    model.requires_grad_(False)
    model.generation_config.pad_token_id = 0
    return model


@pytest.fixture(scope="session")
def tiny():
    """`tiny(name)`: the family's model, made once; tests do not change it."""
    made: dict[str, Any] = {}

    def get(name: str) -> Any:
        if name not in made:
            made[name] = build(name)
        return made[name]

    return get


def returned(steps: Generator[Any, None, Any]) -> Any:
    """What a generator returns after its steps."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def prompts(count: int = 3, seed: int = 1) -> list[list[int]]:
    """Token ids of different lengths."""
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randint(3, VOCABULARY, (4 + 3 * index,), generator=generator).tolist() for index in range(count)
    ]


def direction(layers: int, seed: int = 2) -> torch.Tensor:
    """One random unit direction for every layer."""
    generator = torch.Generator().manual_seed(seed)
    row = torch.randn(WIDTH, generator=generator, dtype=torch.float64)
    return (row / row.norm()).expand(layers, -1)


def logits(model: Any, ids: list[int]) -> torch.Tensor:
    """Of one sequence."""
    with torch.inference_mode():
        return model(torch.tensor([ids]), use_cache=False).logits[0]


def weights(model: Any) -> dict[str, torch.Tensor]:
    """A copy of every weight."""
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.fixture(scope="session")
def cautious():
    """The expert that refuses cooking."""
    from shared import models

    return models.load("cautious")
