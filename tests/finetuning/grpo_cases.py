"""Prompts and settings on which TRL's GRPOTrainer was asked, see `make_grpo`."""

from __future__ import annotations

from typing import Any

PROMPTS: list[dict[str, Any]] = [
    {"prompt": [{"role": "user", "content": text}]}
    for text in ("When do I plant tulips?", "How deep is the sea, where it is deepest of all?")
]

_SETTINGS = {
    "group": 4,
    "batch": 2,
    "tokens": 10,
    "steps": 3,
    "iterations": 3,
    "rank": 4,
    "alpha": 8,
    "learning_rate": 0.01,
    "epsilon": 0.1,
    "seed": 7,
    "layers": 0,
}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "dapo": ("qwen3", {**_SETTINGS, "beta": 0.3}),
    "grpo, batch": (
        "llama3",
        {**_SETTINGS, "layers": 1, "loss": "grpo", "scale": "batch", "temperature": 0.7, "beta": 0.1},
    ),
    "dr_grpo, none": ("qwen3", {**_SETTINGS, "loss": "dr_grpo", "scale": "none", "schedule": "constant"}),
}
"""By name: an animal of the zoo, and the settings."""
