"""What a visitor asks for: models, and prompts with instructions that a program can check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from evaluation.request import (
    EXPECTS,
    LONGEST_PROMPT,
    MOST_ANSWERS,
    ModelsRequest,
    check_answers,
    models_of,
    prompts_of,
)
from shared.checks import one_of, whole
from shared.embedded_model import EMBEDDED_MODEL
from shared.errors import VisitorError
from shared.instructions import MOST, Instruction, instruction_of
from shared.request import setting

BETWEEN = ";"
"""Between the instructions of a prompt."""
READINGS = {
    "strict": "the answer as it is",
    "loose": "without its first or last line, or asterisks, where that helps",
}
PROMPTS = (
    "Name three seas. Answer in one line, with commas between them. => exactly 1 line; at most 12 words",
    "Write the word HELLO and nothing else. => exactly 1 word; contains: hello; upper case",
    "Explain what rain is in exactly two sentences. => exactly 2 sentences",
    "Explain what a bridge is in at most 15 words. => at most 15 words",
    "List three fruits as a bulleted list, with a dash before each. => exactly 3 bullets",
    "List four animals as a bulleted list, with a dash before each. => exactly 4 bullets",
    "Answer with yes or no only: is snow white? => at most 1 word",
    "Write a sentence about the sea. Use only lower case letters. => lower case; contains: sea",
    "Write a sentence about a dog in capital letters only. => upper case; contains: dog",
    "Write a sentence that begins with the word Today. => starts with: Today",
    "Describe a garden in one sentence and end with the words the end. => ends with: the end.",
    "Write one sentence about winter without the word snow. => leaves out: snow; exactly 1 sentence",
    "Describe a cat without using the words cat and animal. => leaves out: cat, animal",
    "One sentence with the words key, door and night. => contains: key, door, night; exactly 1 sentence",
    "Write a sentence in which the word moon appears twice. => contains 2 times: moon",
    "Describe a train in one sentence, without any comma. => no commas; exactly 1 sentence",
    "Put your whole answer in double quotation marks: what does a baker do? => in quotation marks",
    "Give a JSON object with the keys name and age for a boy named Tom, 9. => JSON with keys: name, age",
    "Give a JSON list with three colours, and nothing else. => JSON",
    "Say thank you in one line of at most five words. => exactly 1 line; at most 5 words",
    "Write at least three sentences about bread. => at least 3 sentences",
    "Write two paragraphs about the moon, with an empty line between them. => exactly 2 paragraphs",
    "What is the capital of Japan? Answer in one word. => exactly 1 word; contains: Tokyo",
    "Write a line about summer that ends with an exclamation mark. => ends with: !; exactly 1 line",
)
"""Prompts of this page's own, each with what an answer is to do."""


@dataclass(frozen=True)
class Told:
    """A prompt with its instructions."""

    prompt: str
    instructions: tuple[Instruction, ...]


def told(line: str) -> Told:
    """A prompt and its instructions from a line.

    Raises:
        VisitorError: one of them is missing, too long, or cannot be checked.
    """
    prompt, arrow, asked = line.partition(EXPECTS)
    prompt, texts = prompt.strip(), [one for one in asked.split(BETWEEN) if one.strip()]
    if not prompt or not arrow or not texts:
        raise VisitorError(
            f"“{line[:60]}” has no prompt, or no instruction behind {EXPECTS}.",
            f"Write it such as “Name two seas {EXPECTS} at most 5 words{BETWEEN} contains: sea”.",
        )
    if len(prompt) > LONGEST_PROMPT or len(texts) > MOST:
        raise VisitorError(
            f"“{prompt[:40]}…” has {len(prompt):,} characters and {len(texts)} instructions.",
            f"Use at most {LONGEST_PROMPT} and {MOST}.",
        )
    return Told(prompt, tuple(map(instruction_of, texts)))


def _prompts(_: str, value: Any) -> tuple[str, ...]:
    found = prompts_of(value)
    for one in found[: MOST_ANSWERS + 1]:
        told(one)
    return found


@dataclass(frozen=True)
class FollowRequest(ModelsRequest):
    """Models, and prompts whose answers a program checks."""

    models: tuple[str, ...] = setting(
        (EMBEDDED_MODEL, "concise", "pirate"), models_of, ModelsRequest.declared()["models"].metadata["says"]
    )
    prompts: tuple[str, ...] = setting(
        PROMPTS,
        _prompts,
        f"what every model answers; after {EXPECTS} what the answer is to do, several with {BETWEEN} between",
    )
    reading: str = setting(
        "strict",
        one_of(*READINGS),
        "how an answer is checked, " + "; ".join(f"{name}: {says}" for name, says in READINGS.items()),
    )
    tokens: int = setting(64, whole(4, 128), "longest answer, tokens")

    @property
    def told(self) -> list[Told]:
        """The prompts with their instructions."""
        return list(map(told, self.prompts))

    def consistent(self) -> Self:
        check_answers(len(self.models), len(self.prompts))
        return self
