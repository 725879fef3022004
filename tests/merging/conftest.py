"""Tiny random models with one architecture, as folders: what recipes of every shape can be merged from in
seconds.
"""

from __future__ import annotations

from pathlib import Path

import pytest

LAYERS = 4
SIZES = {"hidden_size": 16, "intermediate_size": 24, "num_attention_heads": 2, "num_key_value_heads": 1}


def make_llama(
    folder: Path, seed: int, vocab: int = 40, layers: int = LAYERS, near: Path | None = None
) -> str:
    """A random Llama in float32; with `near`, that model plus a little noise, as a fine-tune is."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(vocab_size=vocab, num_hidden_layers=layers, tie_word_embeddings=True, **SIZES)
    model = LlamaForCausalLM(config)
    if near is not None:
        start = LlamaForCausalLM.from_pretrained(near).state_dict()
        model.load_state_dict(
            {name: weight + 0.02 * torch.randn_like(weight) for name, weight in start.items()}
        )
    model.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def family(tmp_path_factory) -> dict[str, str]:
    """base, and a, b, c tuned from it; longer, wider: other shapes; gpt2: another architecture."""
    from transformers import GPT2Config, GPT2LMHeadModel

    root = tmp_path_factory.mktemp("family")
    found = {"base": make_llama(root / "base", 0)}
    for number, name in enumerate("abc"):
        found[name] = make_llama(root / name, number + 1, near=root / "base")
    found["deeper"] = make_llama(root / "deeper", 7, layers=6)
    found["words"] = make_llama(root / "words", 8, vocab=48)
    GPT2LMHeadModel(GPT2Config(vocab_size=40, n_embd=16, n_layer=2, n_head=2)).save_pretrained(root / "gpt2")
    found["gpt2"] = str(root / "gpt2")
    return found


def tensors(folder: Path) -> dict:
    """Every weight of a folder in float32."""
    from safetensors.torch import load_file

    return {
        name: value.float()
        for path in sorted(Path(folder).glob("*.safetensors"))
        for name, value in load_file(path).items()
    }
