"""The stored results: what each asks for."""

from __future__ import annotations

import json
from pathlib import Path

from finetuning.grpo_request import GrpoRequest
from finetuning.plan import PlanRequest
from finetuning.request import MaskRequest
from finetuning.train_request import TrainRequest

FOLDER = Path(__file__).parents[1] / "examples"

_SYSTEM = {"role": "system", "content": "You help in a garden shop. Be brief."}


def _talk(*said: str, system: bool = True) -> dict[str, list[dict[str, str]]]:
    roles = ("user", "assistant")
    turns = [{"role": roles[place % 2], "content": text} for place, text in enumerate(said)]
    return {"messages": [_SYSTEM, *turns] if system else turns}


def _lines(*rows: object) -> str:
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)


GARDEN = _lines(
    _talk(
        "When do I plant tulips?",
        "In October, ten centimetres deep.",
        "And in a pot?",
        "The same, with holes below.",
    ),
    _talk("My basil dies every winter.", "It is an annual. Sow it again in April, indoors."),
    _talk("Do snails eat lavender?", "Hardly ever: they dislike its oil."),
)
QUESTIONS = _lines(
    _talk("When do I plant tulips?", "In October, ten centimetres deep.", system=False),
    _talk("Do snails eat lavender?", "Hardly ever: they dislike its oil.", system=False),
)
THOUGHTS = _lines(
    _talk(
        "How many bulbs fit in one square metre?",
        "<think>\nTen centimetres apart: 10 times 10.\n</think>\n\nAbout a hundred.",
        "And on half of it?",
        "<think>\nHalf of a hundred.\n</think>\n\nAbout fifty.",
        system=False,
    ),
)

EXAMPLES: dict[str, tuple[str, MaskRequest]] = {
    "never_stops": (
        "It never learns to stop",
        MaskRequest(rows=GARDEN, template="chatml-stop-outside", trainer="trl_assistant"),
    ),
    "right": ("As it should be", MaskRequest(rows=GARDEN, template="chatml-marked", trainer="trl_assistant")),
    "defaults": ("TRL's defaults", MaskRequest(rows=GARDEN, trainer="trl")),
    "pad_is_eos": ("Pad token = stop token", MaskRequest(rows=GARDEN, trainer="transformers")),
    "other_eos": (
        "EOS that no answer ends with",
        MaskRequest(rows=QUESTIONS, template="gemma", trainer="axolotl"),
    ),
    "thoughts": (
        "Thoughts that vanish",
        MaskRequest(rows=THOUGHTS, template="thinking", trainer="unsloth"),
    ),
}
"""By name: the chip's label, and the request."""

RUNS: dict[str, tuple[str, TrainRequest]] = {
    "pirate": ("A pirate in 30 steps", TrainRequest()),
    "rates": (
        "Two seeds, and a rate too small",
        TrainRequest(steps=20, versus="seed=1 | learning_rate=0.00005", answers=4),
    ),
    "prefers": (
        "DPO: why do both answers fall?",
        TrainRequest(objective="dpo", data="concise", steps=20, versus="learning_rate=0.0005", answers=4),
    ),
    "broken": ("A rate too large", TrainRequest(steps=12, learning_rate=0.1, answers=4)),
}
"""Runs by name: the chip's label, and the request."""

REWARDED: dict[str, tuple[str, GrpoRequest]] = {
    "length": ("Answers of about 50 characters", GrpoRequest()),
    "rots": ("The same at three times the rate", GrpoRequest(learning_rate=0.015, steps=6)),
}
"""Runs of GRPO by name: the chip's label, and the request."""

PLANS: dict[str, tuple[str, PlanRequest]] = {"embedded": ("The embedded model", PlanRequest())}
"""Plans by name: the label, and the request."""
