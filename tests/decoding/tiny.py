"""Tiny random models of two architectures, with a tokenizer made on the spot: small enough for brute
force.
"""

from __future__ import annotations

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from shared.models import Loaded

EOS = 1


def tokenizer(size: int) -> PreTrainedTokenizerFast:
    """Words w0 … w<size−1>; w1 ends the text."""
    words = Tokenizer(models.WordLevel({f"w{i}": i for i in range(size)}, unk_token="w0"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=words, unk_token="w0", eos_token="w1", pad_token="w1")


def tiny(kind: str, vocabulary: int = 12, seed: int = 0, layers: int = 4, sharp: float = 6.0) -> Loaded:
    """A random GPT-2 or Llama with float32 weights, sharp enough that its distributions differ from
    uniform.
    """
    torch.manual_seed(seed)
    if kind == "gpt2":
        model = GPT2LMHeadModel(
            GPT2Config(
                vocab_size=vocabulary,
                n_embd=32,
                n_layer=layers,
                n_head=4,
                n_positions=64,
                bos_token_id=0,
                eos_token_id=EOS,
            )
        )
    else:
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=vocabulary,
                hidden_size=32,
                intermediate_size=48,
                num_hidden_layers=layers,
                num_attention_heads=4,
                num_key_value_heads=2,
                max_position_embeddings=64,
                bos_token_id=0,
                eos_token_id=EOS,
                tie_word_embeddings=False,
            )
        )
        model.lm_head.weight.data *= sharp * 8
    if kind == "gpt2":
        model.transformer.wte.weight.data *= sharp
    model.generation_config.pad_token_id = EOS
    return Loaded(
        model.eval(), tokenizer(vocabulary), f"tiny/{kind}", "none", "random weights", "float32", "cpu"
    )
