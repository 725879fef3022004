"""What a visitor asks for who trains by rewards: prompts, a reward, groups of answers, adapter, steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

from finetuning import rewards
from finetuning.questions import SETS
from finetuning.request import FOLDED, name_text, row_text
from finetuning.rewards import Part
from finetuning.train_request import MAX_TRAINED_ROWS, TARGETS, rate
from shared import request
from shared.checks import SEED, between, one_of, whole
from shared.errors import VisitorError
from shared.request import setting

COURSE = "about 50 characters"
"""The reward of the exercise in the Hugging Face course, which leaves the division by 50 out."""
BRIEF = "concise"
"""The expert that answers in one sentence. Of 8 answers that it samples 6 or 7 end within 24 tokens; the
embedded model's go on, so that all are paid alike and a length cannot be learnt.
"""
LOSSES = ("dapo", "grpo", "dr_grpo")
MARKS = 2
"""How many times everything is measured after the first step's beginning."""
MAX_SAMPLED = 24_000
"""Tokens that all answers of a run may have together."""


def _reward(_: str, value: Any) -> str:
    """A reward's parts, one a line; the API may send a list."""
    return rewards.text_of(rewards.parts_of(value))


@dataclass(frozen=True)
class GrpoRequest(request.Request):
    """Everything that determines a run."""

    reward: str = setting(
        COURSE,
        _reward,
        "parts of the reward, one a line, each with a weight before it: " + "; ".join(rewards.KINDS),
    )
    data: str = setting(
        "questions", one_of(*SETS), f"stored prompts, where none are given: {', '.join(SETS)}"
    )
    rows: str = setting(
        "",
        row_text,
        "prompts of your own: questions, one a line; or rows with prompt, and answer if the reward needs it",
    )
    dataset: str = setting("", name_text, "a dataset of the Hub, in the place of rows")
    config: str = setting("", name_text, "the dataset's config")
    split: str = setting("train", name_text, "the dataset's split")
    limit: int = setting(24, whole(1, MAX_TRAINED_ROWS), "prompts to train on at most")
    model: str = setting(
        BRIEF,
        name_text,
        "the model to adapt: a Hub id, or an expert; by default one whose answers end, as a length needs",
    )
    group: int = setting(8, whole(2, 16), "answers to each prompt, TRL's num_generations")
    batch: int = setting(1, whole(1, 8), "prompts of a step")
    tokens: int = setting(24, whole(2, 96), "longest answer, TRL's max_completion_length")
    temperature: float = setting(1.0, between(0.1, 5), "of the sampling")
    steps: int = setting(5, whole(1, 100), "how often answers are sampled and learnt from")
    iterations: int = setting(2, whole(1, 8), "optimizer steps on the same answers, TRL's num_iterations")
    learning_rate: float = setting(0.005, rate, "the largest step size of AdamW")
    schedule: str = setting(
        "linear", one_of("linear", "constant"), "linear to 0 as TRL's default, or constant"
    )
    beta: float = setting(
        0.0, between(0, 10), "β, weight of the KL divergence from the model before training"
    )
    epsilon: float = setting(
        0.2, between(0.001, 10), "ε: how far a token's ratio may go from 1 before the clip"
    )
    scale: str = setting(
        "group",
        one_of("group", "batch", "none"),
        "whose standard deviation divides advantages, TRL's scale_rewards: group, batch or none",
    )
    loss: str = setting(
        "dapo", one_of(*LOSSES), f"how tokens are averaged, TRL's loss_type: {', '.join(LOSSES)}"
    )
    rank: int = setting(8, whole(1, 256), "r of LoRA")
    alpha: float = setting(16.0, between(0.01, 4096), "lora_alpha; ΔW is alpha/r · B·A")
    targets: str = setting("all-linear", one_of(*TARGETS), f"which layers are adapted: {', '.join(TARGETS)}")
    layers: int = setting(8, whole(0, 1_000), "blocks that get adapters, counted from the top; 0 for all")
    seed: int = setting(42, SEED, "of the adapter's A, of the order of prompts and of the sampling")
    answers: int = setting(12, whole(1, 16), "held-out prompts that are answered greedily")

    def consistent(self) -> Self:
        if self.rows.strip() and self.dataset:
            raise VisitorError("Both prompts and a dataset are given.", FOLDED)
        sampled = self.steps * self.batch * self.group * self.tokens
        if sampled > MAX_SAMPLED:
            raise VisitorError(
                f"The run would sample up to {sampled:,} tokens; the limit is {MAX_SAMPLED:,}.",
                "Lower steps, group, batch or tokens.",
            )
        return self

    @property
    def parts(self) -> tuple[Part, ...]:
        """Of the reward."""
        return rewards.parts_of(self.reward)

    @property
    def own(self) -> bool:
        """Whether the prompts are the visitor's."""
        return bool(self.rows.strip() or self.dataset)

    def rates(self) -> list[list[float]]:
        """The step size of every optimizer step, by step."""
        every = self.steps * self.iterations
        sizes = [
            self.learning_rate * (1 if self.schedule == "constant" else (every - at) / every)
            for at in range(every)
        ]
        return [sizes[at : at + self.iterations] for at in range(0, every, self.iterations)]

    def marks(self) -> list[int]:
        """After which steps everything is measured: before the first, after the last, and one between."""
        return sorted({math.ceil(self.steps * share / MARKS) for share in range(MARKS + 1)})
