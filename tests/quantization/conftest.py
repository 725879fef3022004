"""A small random Llama with a tokenizer of the zoo: GGUF needs a real one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from shared.models import Loaded
from tests import zoo
from tests.quantization import converter, herd


def small_llama(hidden: int = 64, tied: bool = True) -> Loaded:
    """Two layers of random weights; ids up to 400 are tokens."""
    torch.manual_seed(0)
    tokenizer = zoo.opened("granite").tokenizer
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=1,
        eos_token_id=2,
        tie_word_embeddings=tied,
        initializer_range=0.2,
    )
    model = LlamaForCausalLM(config).eval()
    model.generation_config.pad_token_id = 2
    return Loaded(model, tokenizer, "tiny/llama", "none", "random weights", "float32", "cpu")


@pytest.fixture(scope="session")
def tiny_gguf() -> Loaded:
    """Rows of 64 weights: the legacy types fit, the K types are substituted."""
    return small_llama()


@pytest.fixture(scope="session")
def mixable() -> Loaded:
    """Some megabytes, which the smallest budget of a mix does not hold."""
    return small_llama(384)


@pytest.fixture(scope="session")
def theirs(tmp_path_factory) -> dict[str, Path]:
    """The herd's GGUF files as llama.cpp's own converter writes them, in float32."""
    if converter.unpacked() is None:
        pytest.skip("llama.cpp's converter is not on the package index here")
    return converter.convert([herd.folder(name) for name in herd.WRITTEN], tmp_path_factory.mktemp("theirs"))


def at_once(*jobs: Callable[[], Any]) -> list[Any]:
    """What several functions return that start in the same moment."""
    ready, found = threading.Barrier(len(jobs)), [None] * len(jobs)

    def work(place: int) -> None:
        ready.wait(10)
        found[place] = jobs[place]()

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return found
