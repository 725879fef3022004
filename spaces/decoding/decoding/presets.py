"""The strategies and examples that the page offers."""

from __future__ import annotations

from typing import Any

from decoding.request import Request
from decoding.structured.presets import EXAMPLES as CONSTRAINTS

PRESETS: dict[str, dict[str, Any]] = {
    "greedy": {},
    "beam 5": {"num_beams": 5},
    "nucleus .9": {"do_sample": True, "top_k": 0, "top_p": 0.9},
    "top-k 50": {"do_sample": True, "top_k": 50},
    "min-p .1": {"do_sample": True, "top_k": 0, "min_p": 0.1},
    "pure sampling": {"do_sample": True, "top_k": 0},
    "warm: temperature 1.5": {"do_sample": True, "top_k": 0, "temperature": 1.5},
    "cool: temperature .5": {"do_sample": True, "top_k": 0, "temperature": 0.5},
    "typical .9": {"do_sample": True, "top_k": 0, "typical_p": 0.9},
    "top-h .4": {"do_sample": True, "top_k": 0, "top_h": 0.4},
    "four samples": {"do_sample": True, "top_k": 0, "top_p": 0.95, "num_return_sequences": 4},
    "greedy, repetition_penalty 1.3": {"repetition_penalty": 1.3},
    "greedy, no repeated trigram": {"no_repeat_ngram_size": 3},
    "beam 5, length_penalty 2": {"num_beams": 5, "length_penalty": 2.0},
    "beam 4 sampled": {"num_beams": 4, "do_sample": True, "top_k": 0},
    "diverse beam 6 in 3": {
        "num_beams": 6,
        "num_beam_groups": 3,
        "diversity_penalty": 1.0,
        "num_return_sequences": 3,
    },
    "contrastive .6": {"penalty_alpha": 0.6, "top_k": 4},
    "DoLa": {"dola_layers": "high"},
    "greedy, unconstrained": {"unconstrained": True},
    "llama.cpp default": {"runtime": "llama.cpp"},
    "llama.cpp, DRY": {"runtime": "llama.cpp", "dry_multiplier": 0.8},
    "llama.cpp greedy, DRY": {"runtime": "llama.cpp", "temperature": 0.0, "dry_multiplier": 0.8},
    "llama.cpp, XTC": {"runtime": "llama.cpp", "xtc_probability": 0.5},
    "llama.cpp, mirostat 2": {"runtime": "llama.cpp", "mirostat": 2},
}
"""Named strategies; each value holds `GenerationConfig` fields, or llama.cpp's. `top_k: 0` because unset it
means 50.
"""

EXAMPLES: dict[str, dict[str, Any]] = {
    "lighthouse": {
        "label": "Three strategies, one lighthouse",
        "prompt": "The lighthouse keeper opened the door and",
        "strategies": ["greedy", "beam 5", "nucleus .9"],
        "max_new_tokens": 20,
        "seed": 4,
        "chat": False,
    },
    "repetition": {
        "label": "Why greedy repeats itself",
        "prompt": "The best thing about music is that",
        "strategies": ["greedy", "greedy, repetition_penalty 1.3", "contrastive .6"],
        "max_new_tokens": 32,
        "seed": 0,
        "chat": False,
    },
    "chat": {
        "label": "Hot and cold answers",
        "prompt": "Name a colour that has no name yet.",
        "strategies": ["greedy", "cool: temperature .5", "warm: temperature 1.5", "min-p .1"],
        "max_new_tokens": 24,
        "seed": 1,
        "chat": True,
    },
    "loop": {
        "label": "llama.cpp, and the loop that DRY sees",
        "prompt": "Round and round and round and round and",
        "strategies": ["greedy", "llama.cpp greedy, DRY", "llama.cpp default"],
        "max_new_tokens": 16,
        "seed": 2,
        "chat": False,
    },
    "structured": {
        "label": "What JSON costs the model",
        "prompt": "Who was Ada Lovelace? Give name, year of birth and fields.",
        "strategies": ["greedy", "beam 5", "greedy, unconstrained"],
        "max_new_tokens": 64,
        "seed": 0,
        "chat": True,
        "constraint": "json_schema",
        "constraint_text": CONSTRAINTS["a person as JSON"][1],
    },
}
"""Requests whose results are stored in the repository; `make examples` computes them."""


def example_request(name: str) -> Request:
    """The request of an example."""
    example = {key: value for key, value in EXAMPLES[name].items() if key != "label"}
    strategies = [{"name": preset, **PRESETS[preset]} for preset in example["strategies"]]
    return Request.parse(**{**example, "strategies": strategies})
