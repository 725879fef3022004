"""The memory that a file needs, held to llama.cpp's own account of what it took."""

from __future__ import annotations

import pytest

from quantization import gguf_file
from quantization.llama_library import Reader
from quantization.memory import cache_bytes, compute_bytes, memory_of
from tests import zoo
from tests.quantization import herd
from tests.quantization.conftest import small_llama

MIB = 2**20


def account(loaded, tmp_path, context: int, cache: str):
    (path,) = gguf_file.quantize_model(loaded, "F16", None).export(tmp_path)
    return Reader(str(path)).context(context, cache)


@pytest.mark.parametrize(
    ("context", "cache"), [(512, "f16"), (2_000, "f16"), (32_768, "f16"), (2_048, "q8_0"), (8_192, "q4_0")]
)
def test_keys_and_values_take_what_llama_cpp_says(context, cache, tmp_path):
    loaded = small_llama(128)
    memory = memory_of(loaded.model.config)
    taken = account(loaded, tmp_path, context, cache)
    assert cache_bytes(memory, context, cache) / MIB == pytest.approx(taken.held, abs=0.02)
    assert compute_bytes(memory, context) / MIB == pytest.approx(taken.computed, rel=0.1)


@pytest.mark.parametrize(
    "name", ["gemma3", "gemma2", "olmo3", "qwen3", "mixtral8", "smollm3", "granite", "gpt2_published"]
)
def test_other_families_take_what_llama_cpp_says(name, tmp_path):
    """Sliding windows, experts, heads of a size of their own."""
    loaded = herd.opened(name)
    memory = memory_of(loaded.model.config)
    for context in (1_024, 16_384):
        taken = account(loaded, tmp_path, context, "f16")
        assert cache_bytes(memory, context) / MIB == pytest.approx(taken.held, abs=0.03), context
        assert compute_bytes(memory, context) / MIB == pytest.approx(taken.computed, rel=0.35)


def test_the_embedded_model_takes_what_llama_cpp_says(embedded, tmp_path):
    memory = memory_of(embedded.model.config)
    taken = account(embedded, tmp_path, 8_192, "f16")
    assert cache_bytes(memory, 8_192) / MIB == pytest.approx(taken.held, abs=0.02)
    assert compute_bytes(memory, 8_192) / MIB == pytest.approx(taken.computed, rel=0.03)


def test_a_model_that_llama_cpp_does_not_run_has_no_number():
    assert memory_of(zoo.opened("rinna").model.config) is None
