"""What a visitor asks for who trains: rows, objective, adapter, steps, and further runs beside the first."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Self

from finetuning.request import FOLDED, name_text, row_text
from finetuning.sets import BEHAVIOURS, SETS
from shared import behaviour, request
from shared.behaviour import Behaviour
from shared.checks import SEED, between, finite, flag, one_of, whole
from shared.embedded_model import EMBEDDED_MODEL
from shared.errors import VisitorError
from shared.request import setting

OBJECTIVES = {"sft": "SFT", "dpo": "DPO", "orpo": "ORPO", "kto": "KTO"}
PAIRED = ("dpo", "orpo")
"""Objectives that learn from a chosen and a rejected answer."""
TARGETS: dict[str, tuple[str, ...]] = {
    "all-linear": (),
    "attention": ("q_proj", "k_proj", "v_proj", "o_proj"),
    "q_proj, v_proj": ("q_proj", "v_proj"),
    "mlp": ("gate_proj", "up_proj", "down_proj"),
}
"""Which linear layers get an adapter, by what the choice is called; none named stands for all."""
MAX_TRAINED_ROWS = 2_000
MAX_RATE = 1_000_000
"""Largest learning rate: what one far too large does is to be seen."""
VERSUS = (
    *("seed", "learning_rate", "rank", "alpha", "targets", "layers", "batch", "beta", "schedule"),
    *("packing", "qlora"),
)
"""Settings that a further run may change: rows, objective and steps stay the same."""
MOST_BESIDE = 3
"""Runs beside the first."""


def rate(name: str, value: Any) -> float:
    number = finite(value)
    if not 0 < number <= MAX_RATE:
        raise VisitorError(
            f"{name} is {str(value)[:40]}.",
            f"Use a number above 0 and at most {MAX_RATE:,}, such as 0.002.",
        )
    return number


def _versus(name: str, value: Any) -> str:
    """Changed settings as `setting=value`, with semicolons between, and | between runs; the API may send an
    object, or a list of them.
    """
    if isinstance(value, dict):
        value = [value]
    if isinstance(value, list) and all(isinstance(one, dict) for one in value):
        value = " | ".join("; ".join(f"{key}={item}" for key, item in one.items()) for one in value)
    text = name_text(name, value)
    beside(text)
    return text


def beside(text: str) -> list[dict[str, str]]:
    """The settings that each further run changes.

    Raises:
        VisitorError: one is none, or may not differ; or there are too many runs.
    """
    runs = [_changes(part) for part in text.split("|") if part.strip()]
    if len(runs) > MOST_BESIDE:
        raise VisitorError(
            f"{len(runs)} runs are asked for beside the first.", f"Ask for {MOST_BESIDE} at most."
        )
    return runs


def _changes(text: str) -> dict[str, str]:
    changes: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        key, sign, value = (piece.strip() for piece in part.partition("="))
        if not sign or key not in VERSUS:
            raise VisitorError(
                f"“{part[:40]}” is no change for a further run.",
                f"Write setting=value, of {', '.join(VERSUS)}; with ; between settings and | between runs.",
            )
        if key in changes:
            raise VisitorError(f"{key} is changed twice for one run.", "Name it once, or put | between runs.")
        changes[key] = value
    return changes


def _behaviours(_: str, value: Any) -> tuple[Behaviour, ...]:
    return behaviour.behaviours_of(value)


@dataclass(frozen=True)
class TrainRequest(request.Request):
    """Everything that determines a run."""

    objective: str = setting(
        "sft",
        one_of(*OBJECTIVES),
        "sft; dpo or orpo on pairs of a chosen and a rejected answer; kto on answers with a label",
    )
    data: str = setting("pirate", one_of(*SETS), f"a stored set, where no rows are given: {', '.join(SETS)}")
    rows: str = setting(
        "",
        row_text,
        "rows of your own: prompt with completion (KTO: and label), or with chosen and rejected; or messages",
    )
    dataset: str = setting("", name_text, "a dataset of the Hub, in the place of rows")
    config: str = setting("", name_text, "the dataset's config")
    split: str = setting("train", name_text, "the dataset's split")
    limit: int = setting(24, whole(1, MAX_TRAINED_ROWS), "rows to train on at most")
    model: str = setting(EMBEDDED_MODEL, name_text, "the model to adapt: a Hub id, or an expert")
    rank: int = setting(8, whole(1, 256), "r of LoRA")
    alpha: float = setting(16.0, between(0.01, 4096), "lora_alpha; ΔW is alpha/r · B·A")
    targets: str = setting("all-linear", one_of(*TARGETS), f"which layers are adapted: {', '.join(TARGETS)}")
    layers: int = setting(8, whole(0, 1_000), "blocks that get adapters, counted from the top; 0 for all")
    learning_rate: float = setting(0.002, rate, "the largest step size of AdamW")
    schedule: str = setting(
        "linear", one_of("linear", "constant"), "linear to 0 as TRL's default, or constant"
    )
    steps: int = setting(30, whole(1, 500), "optimizer steps")
    batch: int = setting(4, whole(1, 32), "rows of a step")
    beta: float = setting(0.1, between(0.001, 10), "β of DPO and KTO, λ of ORPO")
    desirable_weight: float = setting(1.0, between(0.001, 1_000), "KTO: weight of wanted answers")
    undesirable_weight: float = setting(1.0, between(0.001, 1_000), "KTO: weight of unwanted answers")
    max_length: int = setting(256, whole(8, 2_048), "tokens of a row that are kept, prompt and answer")
    seed: int = setting(42, SEED, "of the adapter's A and of the order of rows")
    packing: bool = setting(
        False, flag, "SFT: rows are packed up to max_length as TRL does (bfd); a step reads batch packs"
    )
    qlora: bool = setting(
        False,
        flag,
        "QLoRA: the blocks' linear layers are rounded to NF4 before training, as bitsandbytes does",
    )
    versus: str = setting(
        "",
        _versus,
        "up to three further runs with other settings, such as “seed=1 | seed=2 | rank=2; alpha=4”: "
        + ", ".join(VERSUS),
    )
    behaviours: tuple[Behaviour, ...] = setting(
        (),
        _behaviours,
        "what answers are counted by, presets by name; by default what the stored set teaches",
    )
    answers: int = setting(8, whole(1, 40), "held-out questions that are answered before and after")

    def to_json(self) -> dict[str, Any]:
        return {**super().to_json(), "behaviours": behaviour.to_json(self.behaviours)}

    def to_form(self) -> dict[str, Any]:
        return {**super().to_form(), "behaviours": behaviour.text_of(self.behaviours)}

    def consistent(self) -> Self:
        if self.rows.strip() and self.dataset:
            raise VisitorError("Both rows and a dataset are given.", FOLDED)
        if self.objective == "kto" and min(one.batch for one in self.runs()) < 2:
            raise VisitorError(
                "KTO sets each prompt of a step beside another row's answer, and a step has one row.",
                "Set batch to 2 or more.",
            )
        runs = self.runs()
        if self.objective != "sft" and any(one.packing for one in runs):
            raise VisitorError(
                f"Packing is of SFT: TRL packs no rows for {OBJECTIVES[self.objective]}.",
                "Switch packing off.",
            )
        for at, other in enumerate(runs[1:], 1):
            if self.objective == "sft" and other.beta != self.beta:
                raise VisitorError(
                    "beta is of DPO, ORPO and KTO, and this is SFT.", "Change another setting."
                )
            if other in runs[:at]:
                raise VisitorError(
                    f"Run {at + 1} is {'the first one' if other == runs[0] else 'an earlier one'} again.",
                    "Change a setting, such as seed=1.",
                )
        return self

    def runs(self) -> list[Self]:
        """The runs that are asked for, each without `versus`.

        Raises:
            VisitorError: a changed setting is refused.
        """
        first = replace(self, versus="")
        checks = {name: one.metadata["check"] for name, one in self.declared().items()}
        return [
            first,
            *(
                replace(first, **{name: checks[name](name, value) for name, value in changes.items()})
                for changes in beside(self.versus)
            ),
        ]

    @property
    def paired(self) -> bool:
        """Whether a row is a pair of answers."""
        return self.objective in PAIRED

    @property
    def own(self) -> bool:
        """Whether the rows are the visitor's."""
        return bool(self.rows.strip() or self.dataset)

    def judged(self, uploaded: bool = False) -> tuple[Behaviour, ...]:
        """The behaviours that are counted."""
        if self.behaviours or self.own or uploaded:
            return self.behaviours
        return tuple(behaviour.PRESETS[name] for name in BEHAVIOURS[self.data])

    def rates(self) -> list[float]:
        """The step size of every step."""
        if self.schedule == "constant":
            return [self.learning_rate] * self.steps
        return [self.learning_rate * (self.steps - step) / self.steps for step in range(self.steps)]

    def marks(self) -> list[int]:
        """After which steps everything is measured: before the first, after the last, and five between."""
        return sorted({math.ceil(self.steps * share / 6) for share in range(7)})
