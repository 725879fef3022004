"""The memory that llama.cpp takes for a model: its file, the keys and values of a context, and what it
computes in. The formula is held to llama.cpp's own account in the tests.
"""

from __future__ import annotations

from typing import Any

from quantization import data, gguf_families
from shared.errors import VisitorError

AT_ONCE = 512
"""Tokens that llama.cpp computes at once, as it is set by default."""

CACHE_BITS = {"f16": 16.0, "q8_0": 8.5, "q4_0": 4.5}
"""Bits of each number of keys and values, by the cache's format."""

STEP = 256
"""A cache has room for a multiple of so many tokens."""


def memory_of(config: Any) -> data.Memory | None:
    """What a model of that configuration takes beside its weights; None where llama.cpp is not known to run
    it as it is.

    What is computed in: float32 numbers for 512 tokens at once (every token's logits, the MLP with its gate,
    and its hidden state), and a mask of 16 bits for each of them and each token of the context.
    """
    try:
        family, settings = gguf_families.family_of(config), gguf_families.settings(config)
    except VisitorError:
        return None
    text = gguf_families.text_part(config)
    layers = int(settings["block_count"])  # type: ignore[arg-type]
    kinds = list(getattr(text, "layer_types", None) or [])
    windowed = kinds.count("sliding_attention") if family.windowed else 0
    heads = int(settings.get("attention.head_count_kv", settings["attention.head_count"]))  # type: ignore[arg-type]
    numbers = 2 * heads * gguf_families.head_size(text)
    width = int(settings["feed_forward_length"])  # type: ignore[arg-type]
    halves = 1 + family.gated
    floats = text.vocab_size + halves * width + int(settings["embedding_length"])  # type: ignore[arg-type]
    return {
        "numbers": (layers - windowed) * numbers,
        "windowed_numbers": windowed * numbers,
        "window": int(text.sliding_window or 0) if windowed else 0,
        "compute_bytes": 4 * AT_ONCE * floats,
        "mask_bytes": 2 * AT_ONCE,
        "longest": int(text.max_position_embeddings),
        "at_once": AT_ONCE,
        "cache_bits": dict(CACHE_BITS),
    }


def cache_bytes(memory: data.Memory, context: int, cache: str = "f16") -> int:
    """Bytes of keys and values of a context, in a cache's format.

    Args:
        memory: of the model.
        context: tokens.
        cache: of `CACHE_BITS`.
    """
    whole = context + -context % STEP
    near = memory["window"] + memory["at_once"]
    part = min(whole, near + -near % STEP)
    numbers = memory["numbers"] * whole + memory["windowed_numbers"] * part
    return int(numbers * memory["cache_bits"][cache] / 8)


def compute_bytes(memory: data.Memory, context: int) -> int:
    """Bytes that llama.cpp reserves to compute in, for a context of so many tokens."""
    return memory["compute_bytes"] + memory["mask_bytes"] * (context + -context % STEP)
