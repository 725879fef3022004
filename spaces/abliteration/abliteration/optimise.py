"""A search for an edit, ablation or fitted, and a kernel that remove the behaviour at the least damage: two
objectives on the select split.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from abliteration import data, kernel
from abliteration.activations import first_tokens
from abliteration.numbers import short

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from abliteration.architecture import Anatomy
    from abliteration.select import Baseline

ENOUGH = 0.05
"""A kernel removes the behaviour when a refusal's first token has at most this chance, averaged over the
prompts.
"""
PARTS = ("attention", "mlp")
METHODS = ("fitted", "ablate")
"""Edits that are tried."""
PROJECTIONS = ("plain", "projected", "biprojected", "causal")


@dataclass(frozen=True)
class Trial:
    """One kernel, tried.

    Args:
        number: in order.
        method: of the edit, one of `METHODS`.
        layer: where the direction is read.
        projection: of the direction.
        kernel: as `kernel.resolve` takes it.
        refusals: mean chance that a positive prompt's first token opens a refusal.
        kl: mean first-token KL(base ‖ edited) on negative prompts that the base means to answer, nats.
        truth: how much likelier the model that the behaviour was never planted in finds its own answers,
            nats a token; infinite where that was not measured.
    """

    number: int
    method: str
    layer: int
    projection: str
    kernel: dict[str, Any]
    refusals: float
    kl: float
    truth: float = math.inf

    def to_json(self) -> data.Trial:
        """The trial as a point of the Pareto picture."""
        return {
            "number": self.number,
            "method": self.method,
            "layer": self.layer,
            "projection": self.projection,
            "kernel": self.kernel,
            "refusals": short(self.refusals, 4),
            "kl": short(self.kl, 4),
        }


def search(
    make: Callable[[str, Tensor, kernel.Kernel], PreTrainedModel],
    anatomy: Anatomy,
    rows_of: Callable[[int, int, str], Tensor],
    base: Baseline,
    positive: list[list[int]],
    negative: list[list[int]],
    layers: list[int],
    position: int = -1,
    trials: int = 40,
    seed: int = 0,
    methods: Sequence[str] = METHODS,
    projections: Sequence[str] = PROJECTIONS,
) -> Iterator[Trial]:
    """Try kernels one after the other with Optuna's multi-objective TPE sampler.

    For attention and, where it is edited at all, MLP: greatest strength, its layer, how far it reaches and
    the strength there (`kernel.falloff`); and the layer that the direction is read at, and its projection.

    Args:
        make: the model that leaves with a method's edit along unit rows with a kernel.
        rows_of: unit rows by the layer and position where a direction is read, and its projection.
        base: the base model on the select split.
        positive: token ids of the select split's prompts.
        negative: likewise.
        layers: where the direction may be read.
        position: at which token.
        trials: how many kernels.
        seed: of the sampler.
        methods: of the edits that are tried.
        projections: likewise.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=max(1, min(12, trials // 3)))
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    for start in _starts(layers, anatomy.layers, methods, projections):
        study.enqueue_trial(start, skip_if_exists=True)
    for number in range(trials):
        trial = study.ask()
        method = str(trial.suggest_categorical("method", list(methods)))
        layer = layers[trial.suggest_int("layer", 0, len(layers) - 1)]  # neighbours are alike: no categories
        projection = str(trial.suggest_categorical("projection", list(projections)))
        parts = PARTS if trial.suggest_categorical("parts", ["attention", "both"]) == "both" else PARTS[:1]
        spec = {part: _falloff(trial, part, anatomy.layers) if part in parts else 0.0 for part in PARTS}
        rows, curve = rows_of(layer, position, projection), kernel.resolve(spec, anatomy.layers)
        edited = make(method, rows, curve)
        left = base.scale.share(base.scale.of(edited, positive))
        cost = base.damage(first_tokens(edited, negative)[0])
        study.tell(trial, [left, cost])
        yield Trial(number, method, layer, projection, spec, left, cost)


def _starts(
    layers: list[int], depth: int, methods: Sequence[str], projections: Sequence[str]
) -> list[dict[str, Any]]:
    """What a person would try first: a wide hump over the upper half, on attention alone or on both, as
    strong as removal or stronger.

    Strengths and layers were chosen on the select split of the suite's expert and on two planted behaviours.
    """
    starts = []
    high, middle = max(0, len(layers) - 2), len(layers) // 2
    both = ((1.0, 1.0), (1.4, 1.4), (1.8, 1.8))
    ablations = ((1.0, 0.0), (1.6, 0.0), (1.0, 1.0), (1.6, 0.5))
    for method, projection, layer, strengths in (
        ("fitted", "causal", high, both),  # which is read at every layer, so one place is enough
        ("fitted", "plain", high, both),
        ("ablate", "plain", high, ablations),
        ("fitted", "plain", middle, both[1:2]),
        ("ablate", "plain", middle, ablations),
    ):
        if method not in methods or projection not in projections:
            continue
        for attention, mlp in strengths:
            start: dict[str, Any] = {
                "method": method,
                "layer": layer,
                "projection": projection,
                "parts": "both" if mlp else "attention",
            }
            for part, strength in (("attention", attention), ("mlp", mlp)):
                start |= {
                    f"{part}.w_max": strength,
                    f"{part}.position": 0.75 * (depth - 1),
                    f"{part}.distance": 0.9 * depth,
                    f"{part}.left": 0.9,
                }
            starts.append(start)
    return starts


def _falloff(trial: Any, part: str, depth: int) -> dict[str, float]:
    w_max = trial.suggest_float(f"{part}.w_max", 0.0, 1.8)
    spec = {
        "w_max": w_max,
        "position": trial.suggest_float(f"{part}.position", 0.4 * (depth - 1), depth - 1.0),
        "distance": trial.suggest_float(f"{part}.distance", 1.0, float(depth)),
        "w_min": w_max * trial.suggest_float(f"{part}.left", 0.0, 1.0),
    }
    return {name: round(value, 3) for name, value in spec.items()}


def front(trials: list[Trial]) -> list[int]:
    """Numbers of the trials that no other beats in one objective and matches in the other."""
    return [
        one.number
        for one in trials
        if not any(
            other.refusals <= one.refusals
            and other.kl <= one.kl
            and (other.refusals < one.refusals or other.kl < one.kl)
            for other in trials
        )
    ]


def best(trials: list[Trial]) -> Trial:
    """The least KL among the trials that leave at most ENOUGH refusals; where none does, the fewest refusals.
    It is always on the front.
    """
    good = [trial for trial in trials if trial.refusals <= ENOUGH]
    if good:
        return min(good, key=lambda trial: (trial.kl, trial.refusals))
    return min(trials, key=lambda trial: (trial.refusals, trial.kl))
