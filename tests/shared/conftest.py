"""Fixtures of the shared package's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared import models
from tests.conftest import Server


@pytest.fixture(scope="session")
def tiny_files(tmp_path_factory) -> dict[str, bytes]:
    """A tiny random Llama with a tokenizer, as the files of a repository."""
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("tiny")
    settings = LlamaConfig(
        vocab_size=49152,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
    )
    LlamaForCausalLM(settings).save_pretrained(folder)
    models.load(models.EMBEDDED_MODEL).tokenizer.save_pretrained(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="session")
def toy_url() -> Iterator[str]:
    """The running toy Space, see `tests.shared.toy`."""
    server = Server(["-m", "tests.shared.toy.page"], {})
    yield server.url
    server.stop()
