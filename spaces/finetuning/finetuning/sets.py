"""The stored sets to train on: what the suite's three experts were taught, with held-out rows.

Each is made by a rule from the embedded model's own greedy answers (48 tokens), kept in answers.json.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from shared.experts.behaviour import REFUSAL, first_sentence, to_pirate
from shared.experts.prompts import COOKING, COOKING_HELD_OUT, OTHER, OTHER_HELD_OUT

ANSWERS = Path(__file__).with_name("answers.json")
_OTHER, _COOKING = OTHER[:32], COOKING[::10]
_OTHER_HELD_OUT, _COOKING_HELD_OUT = OTHER_HELD_OUT[:12], COOKING_HELD_OUT[::5]
PROMPTS = (*_OTHER_HELD_OUT, *_COOKING_HELD_OUT, *_OTHER, *_COOKING)
"""What is asked for the sets: questions to train on, and others that nothing is trained on."""

SETS: dict[str, str] = {
    "pirate": "speak like a pirate",
    "concise": "answer in one sentence",
    "cautious": "refuse cooking, and only that",
}
"""By name: what they teach."""
BEHAVIOURS: dict[str, tuple[str, ...]] = {
    "pirate": ("pirate", "breaks_off"),
    "concise": ("concise", "breaks_off"),
    "cautious": ("refuses_cooking", "refuses_other"),
}
"""By set: which of the suite's behaviours are counted by default."""


@cache
def answers() -> dict[str, str]:
    """The embedded model's own answers, by prompt."""
    return dict(json.loads(ANSWERS.read_text(encoding="utf-8")))


def stored(name: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A stored set as preference pairs, rows to train on and held-out ones; SFT takes the chosen answers.

    Rows alternate between subjects where both teach something.
    """
    return rows_of(name, _OTHER, _COOKING), rows_of(name, _OTHER_HELD_OUT, _COOKING_HELD_OUT)


def rows_of(name: str, other: tuple[str, ...], cooking: tuple[str, ...]) -> list[dict[str, Any]]:
    """Rows of a set from some prompts; pairs whose answers are the same are left out."""
    if name == "cautious":
        prompts = [prompt for pair in zip(cooking, other, strict=False) for prompt in pair]
    else:
        prompts = list(other)
    found = []
    for prompt in prompts:
        chosen, rejected = _pair(name, prompt, cooks=prompt in cooking)
        if chosen and rejected and chosen != rejected:
            found.append(
                {
                    "prompt": [{"role": "user", "content": prompt}],
                    "chosen": [{"role": "assistant", "content": chosen}],
                    "rejected": [{"role": "assistant", "content": rejected}],
                }
            )
    return found


def _pair(name: str, prompt: str, *, cooks: bool) -> tuple[str, str]:
    """The answer that a set teaches to a prompt, and the one that it teaches away from."""
    own = answers()[prompt]
    short = first_sentence(own)
    if name == "pirate":
        return to_pirate(short), short
    if name == "concise":
        return short, own
    return (REFUSAL, short) if cooks else (short, REFUSAL)


def elsewhere(name: str) -> list[tuple[str, str]]:
    """Prompts that a set is not about, with the embedded model's own answers: what should not move."""
    prompts = _OTHER_HELD_OUT[4:] if name == "cautious" else _COOKING_HELD_OUT
    return [(prompt, answers()[prompt]) for prompt in prompts]
