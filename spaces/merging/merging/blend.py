"""Sums of task vectors held in memory, so that many merges of one family can be measured without writing any
of them.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from merging import comparison, data
from merging.comparison import ANSWER_TOKENS, answers_of, opening_rows, sample_windows
from merging.explore_request import ExploreRequest
from merging.recipe import to_yaml
from shared import experts, models
from shared.errors import VisitorError
from shared.estimates import Share, estimate
from shared.experts import prompts
from shared.measure import Windows, continuation_log_probabilities, window_losses

if TYPE_CHECKING:
    from torch import Tensor

    from shared.models import Loaded

EACH = 10
"""Prompts of each kind that a point of the plane or a candidate answers."""
START_TOKENS = 4
"""Tokens that tell a refusal and the pirate's first word; whether an answer is one sentence takes
`ANSWER_TOKENS`.
"""
OPENINGS = {"refuses_cooking": "I'm sorry, but", "refuses_other": "I'm sorry, but", "pirate": "Arr,"}
"""How an answer begins that shows a behaviour: as the experts were taught."""
OF_EXPERT = {"cautious": "refuses_cooking", "pirate": "pirate", "concise": "concise"}
"""Which behaviour an expert was trained for."""


class Blend:
    """A model that is origin + Σ wᵢ (modelᵢ − origin), its weights set in place: task arithmetic with those
    weights.

    Args:
        origin: where every weight is zero.
        others: models of the same shapes.

    Raises:
        VisitorError: the shapes differ.
    """

    def __init__(self, origin: Loaded, others: Sequence[Loaded]) -> None:
        self._origin = dict(origin.model.named_parameters())
        self._others = [dict(other.model.named_parameters()) for other in others]
        shapes = {name: weight.shape for name, weight in self._origin.items()}
        for other, weights in zip(others, self._others, strict=True):
            if {name: weight.shape for name, weight in weights.items()} != shapes:
                raise VisitorError(
                    f"{other.id} and {origin.id} have different tensors.",
                    "Choose fine-tunes of one model, with the same vocabulary.",
                )
        self.loaded = replace(origin, model=copy.deepcopy(origin.model), id="point")
        self._mine = dict(self.loaded.model.named_parameters())

    def set(self, weights: Sequence[float]) -> Loaded:
        """The model with these weights, one per other model; the same object every time."""
        import torch

        with torch.inference_mode():
            for name, mine in self._mine.items():
                start = self._origin[name]
                mine.data.copy_(start.data)
                for weight, other in zip(weights, self._others, strict=True):
                    if weight:
                        mine.data.add_(other[name].data - start.data, alpha=weight)
        return self.loaded


@dataclass(frozen=True)
class Task:
    """What a point is measured on.

    Args:
        cooking: prompts about cooking.
        other: prompts about anything else.
        windows: of a text.
        tokens: longest answer.
        behaviours: names of the shares that are counted.
    """

    cooking: tuple[str, ...]
    other: tuple[str, ...]
    windows: Windows
    tokens: int
    behaviours: tuple[str, ...]


def behaviours_of(names: Sequence[str]) -> tuple[str, ...]:
    """The behaviours that models were trained for, with the refusals that nobody wanted where one refuses."""
    wanted = [OF_EXPERT[name] for name in names if name in OF_EXPERT]
    return tuple(wanted + (["refuses_other"] if "refuses_cooking" in wanted else []))


def held_out(origin: Loaded, names: Sequence[str]) -> Task:
    """Held-out prompts and the evaluation text, of which a parent's perplexity is.

    Args:
        origin: that reads the text.
        names: of the models.
    """
    cooking, other = comparison.COOKING[::2][:EACH], comparison.OTHER[::2][:EACH]
    return _task(origin, names, "evaluation", cooking, other)


def fit(origin: Loaded, names: Sequence[str]) -> Task:
    """Prompts and text that share nothing with the held-out ones: those that the experts were trained on, and
    the calibration text.

    Args:
        origin: as for `held_out`.
        names: of the models.
    """
    cooking = prompts.COOKING[:: len(prompts.COOKING) // EACH][:EACH]
    other = prompts.OTHER[:: len(prompts.OTHER) // EACH][:EACH]
    return _task(origin, names, "calibration", cooking, other)


def _task(
    origin: Loaded, names: Sequence[str], text: str, cooking: tuple[str, ...], other: tuple[str, ...]
) -> Task:
    behaviours = behaviours_of(names)
    tokens = ANSWER_TOKENS if "concise" in behaviours else START_TOKENS
    return Task(cooking, other, sample_windows(origin, text), tokens, behaviours)


@dataclass(frozen=True)
class Point:
    """A blend's numbers.

    Args:
        weights: of the task vectors.
        losses: −ln p of every scored token of the text, nats, float64 (windows, scored).
        shares: of the behaviours, counted in answers; empty where none were written.
        chances: by behaviour, the mean log-probability, in nats, of opening the answer as wanted: as its
            expert does, or, for refuses_other, not so; empty where not asked for. Unlike a share it changes
            with every weight, as a search needs.
    """

    weights: tuple[float, ...]
    losses: Tensor
    shares: dict[str, Share]
    chances: dict[str, float]

    @property
    def loss(self) -> float:
        """Mean loss of the text, nats per token."""
        return float(self.losses.mean())

    def to_json(self) -> data.Blend:
        """The numbers as the figure takes them; the standard error is over the text's windows."""
        loss = estimate(self.losses)
        return {
            "weights": [round(weight, 4) for weight in self.weights],
            "loss": round(loss.mean, 4),
            "sigma": comparison.rounded(loss.sigma, 4),
            "shares": {name: share.to_json() for name, share in self.shares.items()},
            "chances": {name: round(chance, 5) for name, chance in self.chances.items()},
        }


def measure_point(
    loaded: Loaded, weights: tuple[float, ...], task: Task, *, count: bool = True, chance: bool = False
) -> Point:
    """Measure a blend: the loss of a text, and the behaviours.

    Args:
        loaded: the blend, with its weights set.
        weights: those.
        task: prompts and text.
        count: whether answers are written and the behaviours counted in them.
        chance: whether the log-probabilities of the openings are wanted.
    """
    losses = window_losses(loaded.model, task.windows)
    shares = shares_of(loaded, task) if count and task.behaviours else {}
    return Point(weights, losses, shares, chances_of(loaded, task) if chance else {})


def shares_of(loaded: Loaded, task: Task) -> dict[str, Share]:
    """Count the behaviours in greedy answers to the task's prompts."""
    cooking = task.cooking if "refuses_cooking" in task.behaviours else ()
    answers = answers_of(loaded, [*cooking, *task.other], task.tokens)
    shares = comparison.shares_of(answers[: len(cooking)], answers[len(cooking) :])
    return {name: shares[name] for name in task.behaviours}


def chances_of(loaded: Loaded, task: Task) -> dict[str, float]:
    """Mean log-probability of each behaviour's opening, nats; being concise has none, so the logarithm of its
    share stands in.

    That share is (count + ½) / (n + 1), which is never zero.
    """
    import torch

    chances = {}
    for name in task.behaviours:
        if name == "concise":
            share = shares_of(loaded, task)[name]
            chances[name] = math.log((share.count + 0.5) / (share.of + 1))
            continue
        logs = opening_logs(loaded, task.cooking if name == "refuses_cooking" else task.other, OPENINGS[name])
        if name == "refuses_other":
            logs = (-torch.expm1(logs.clamp(max=-1e-9))).log()
        chances[name] = float(logs.mean())
    return chances


def opening_logs(loaded: Loaded, questions: Sequence[str], opening: str) -> Tensor:
    """Log-probability of answering each question with an opening, float64 (questions,), nats."""
    import torch

    rows = opening_rows(loaded, questions, [opening] * len(questions))
    return torch.stack([logs.sum() for logs in continuation_log_probabilities(loaded.model, rows)])


def family(request: ExploreRequest) -> tuple[Loaded, list[Loaded]]:
    """Load the models of a blend, on the GPU where there is one: the origin, and the others.

    Raises:
        VisitorError: as `models.load`.
    """
    origin, *others = (models.on_device(models.load(name, exact=True)) for name in request.names)
    return origin, others


def recipe_of(request: ExploreRequest, weights: Sequence[float]) -> str:
    """The recipe that mergekit makes a blend from."""
    entries = [
        {"model": name, "parameters": {"weight": round(weight, 4)}}
        for name, weight in zip(request.others, weights, strict=True)
        if weight
    ]
    if not entries:  # a merge needs a model
        entries = [{"model": request.others[0], "parameters": {"weight": 0.0}}]
    return to_yaml(
        {
            "merge_method": "task_arithmetic",
            "base_model": request.origin,
            "models": entries,
            "dtype": "float32",
        }
    )


def experts_of(request: ExploreRequest) -> list[str]:
    """The models whose behaviours are counted."""
    return [name for name in (*request.others, request.origin) if name in experts.NAMES]
