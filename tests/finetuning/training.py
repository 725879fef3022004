"""Rows and settings on which TRL's trainers were asked, see `make_training`."""

from __future__ import annotations

from typing import Any


def _said(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


_TEXTS = (
    ("When do I plant tulips?", "In October, ten centimetres deep.", "I do not know."),
    ("Do snails eat lavender?", "Hardly ever: they dislike its oil.", "Yes, always, and with great joy."),
    ("My basil dies every winter.", "It is an annual. Sow it again in April.", "Buy another."),
    ("How deep is the sea?", "Some four kilometres, where it is deep.", "Very."),
    ("What is a verb?", "A word for what somebody does.", "A word. Any word that you like, really."),
    ("Who painted the Mona Lisa?", "Leonardo did.", "Nobody knows who painted it."),
    ("Why does iron rust?", "It takes up oxygen where it is wet.", "It is old."),
)
ROWS: list[dict[str, Any]] = [
    {"prompt": _said("user", asked), "chosen": _said("assistant", good), "rejected": _said("assistant", bad)}
    for asked, good, bad in _TEXTS
]
"""Seven pairs, so that the last batch of an epoch is a smaller one."""

LABELLED: list[dict[str, Any]] = [
    {"prompt": row["prompt"], "completion": row["rejected" if at % 2 else "chosen"], "label": at % 2 == 0}
    for at, row in enumerate(ROWS)
]
"""Seven rows of KTO, of which the last is a step's only one."""

_SETTINGS = {"steps": 8, "batch": 3, "rank": 4, "alpha": 8, "learning_rate": 0.01, "seed": 7, "layers": 0}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "sft": ("qwen3", {**_SETTINGS, "objective": "sft"}),
    "sft constant": ("granite", {**_SETTINGS, "objective": "sft", "schedule": "constant", "layers": 1}),
    "dpo": ("qwen3", {**_SETTINGS, "objective": "dpo", "beta": 0.2}),
    "dpo upper": ("llama3", {**_SETTINGS, "objective": "dpo", "layers": 1, "targets": "attention"}),
    "orpo": ("qwen3", {**_SETTINGS, "objective": "orpo", "beta": 0.5}),
    "orpo cut": ("llama3", {**_SETTINGS, "objective": "orpo", "layers": 1, "max_length": 40}),
    "kto": (
        "qwen3",
        {**_SETTINGS, "objective": "kto", "beta": 0.2, "desirable_weight": 1.5, "undesirable_weight": 0.5},
    ),
    "kto cut": ("llama3", {**_SETTINGS, "objective": "kto", "layers": 1, "max_length": 40}),
    "sft cut": ("llama3", {**_SETTINGS, "objective": "sft", "max_length": 40}),
}
"""By name: an animal of the zoo, and the settings."""
