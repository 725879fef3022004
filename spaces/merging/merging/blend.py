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
from shared import models
from shared.behaviour import Behaviour
from shared.errors import VisitorError
from shared.estimates import Share, estimate
from shared.measure import Windows, continuation_log_probabilities, window_losses
from shared.rules import LIKELIER, Rule
from shared.talk import token_ids

if TYPE_CHECKING:
    from torch import Tensor

    from shared.models import Loaded

EACH = 10
"""Prompts of a behaviour that a point of the plane or a candidate answers."""
START_TOKENS = 4
"""Tokens that tell a refusal and the pirate's first word; whether an answer is one sentence takes
`ANSWER_TOKENS`.
"""
FEWEST = 4
"""Prompts that a visitor's behaviour needs for a search: half of them are kept for measuring the best."""


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
        behaviours: that are counted.
        prompts: of each behaviour, by its name.
        windows: of a text.
        tokens: longest answer.
    """

    behaviours: tuple[Behaviour, ...]
    prompts: dict[str, tuple[str, ...]]
    windows: Windows
    tokens: int

    @property
    def names(self) -> list[str]:
        """Of the behaviours."""
        return [one.name for one in self.behaviours]

    @property
    def each(self) -> int:
        """Prompts of a behaviour, at most."""
        return max(map(len, self.prompts.values()), default=0)


def held_out(origin: Loaded, behaviours: Sequence[Behaviour]) -> Task:
    """Held-out prompts and the evaluation text, of which a parent's perplexity is.

    Args:
        origin: that reads the text.
        behaviours: to count.
    """
    return _task(origin, behaviours, "evaluation", [one.parted(EACH)[1] for one in behaviours])


def measured(origin: Loaded, behaviours: Sequence[Behaviour]) -> Task:
    """As `held_out`; where nothing is searched, a visitor's prompts need not be parted."""
    return _task(origin, behaviours, "evaluation", [one.measured(EACH) for one in behaviours])


def fit(origin: Loaded, behaviours: Sequence[Behaviour]) -> Task:
    """Prompts and text that share nothing with the held-out ones: those that the experts were trained on, or
    every second one of a visitor's; and the calibration text.

    Args:
        origin: as for `held_out`.
        behaviours: likewise.
    """
    return _task(origin, behaviours, "calibration", [one.parted(EACH)[0] for one in behaviours])


def check_searchable(behaviours: Sequence[Behaviour]) -> None:
    """Raise a VisitorError where a behaviour has too few prompts to search on some and measure on others."""
    for one in behaviours:
        if not isinstance(one.prompts, str) and len(one.prompts) < FEWEST:
            raise VisitorError(
                f"“{one.name}” has {len(one.prompts)} prompts, of which a search keeps half for measuring.",
                f"Give it at least {FEWEST}.",
            )


def _task(
    origin: Loaded, behaviours: Sequence[Behaviour], text: str, prompts: Sequence[tuple[str, ...]]
) -> Task:
    by_name = {one.name: some for one, some in zip(behaviours, prompts, strict=True)}
    tokens = max((_tokens(origin, one.rule) for one in behaviours), default=START_TOKENS)
    return Task(tuple(behaviours), by_name, sample_windows(origin, text), tokens)


def _tokens(origin: Loaded, rule: Rule) -> int:
    """So many tokens of an answer tell whether it shows a behaviour."""
    if rule.kind == LIKELIER:
        return START_TOKENS
    if rule.kind == "starts with":
        longest = max(len(token_ids(origin.tokenizer, phrase)) for phrase in rule.phrases)
        return max(START_TOKENS, longest + 1)
    return ANSWER_TOKENS


@dataclass(frozen=True)
class Point:
    """A blend's numbers.

    Args:
        weights: of the task vectors.
        losses: −ln p of every scored token of the text, nats, float64 (windows, scored).
        shares: of the behaviours, counted in answers; empty where none were written.
        chances: by behaviour, as `chances_of` has them; empty where not asked for. Unlike a share they change
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
    """Count the behaviours in greedy answers to the task's prompts; of "is likelier", the prompts where it
    is.
    """
    said = [one for one in task.behaviours if one.rule.kind != LIKELIER]
    asked = tuple(dict.fromkeys(prompt for one in said for prompt in task.prompts[one.name]))
    answers = answers_of(loaded, asked, task.tokens) if asked else ()
    shares = comparison.shares_of(said, dict(zip(asked, answers, strict=True)), task.prompts)
    for one in task.behaviours:
        if one.rule.kind == LIKELIER:
            values = comparison.contrast_of(loaded, one.rule, task.prompts[one.name])
            shares[one.name] = Share(int((values > 0).sum()), len(values))
    return {name: shares[name] for name in task.names}


def chances_of(loaded: Loaded, task: Task) -> dict[str, float]:
    """Mean log-probability of each behaviour as wanted, nats, which changes with every weight: of the opening
    that shows it; of "is likelier", ln σ of the contrast; of any other rule, whose answers must be read, the
    logarithm of its share.

    That share is (count + ½) / (n + 1), which is never zero. Of what is not wanted it is the logarithm of one
    minus the probability, prompt by prompt.
    """
    import torch

    counted = None
    chances = {}
    for one in task.behaviours:
        prompts, opening = task.prompts[one.name], opening_of(one)
        if one.rule.kind == LIKELIER:
            values = comparison.contrast_of(loaded, one.rule, prompts)
            signed = values if one.wanted else -values
            chances[one.name] = float(torch.nn.functional.logsigmoid(signed).mean())
        elif opening:
            logs = opening_logs(loaded, prompts, opening)
            if not one.wanted:
                logs = (-torch.expm1(logs.clamp(max=-1e-9))).log()
            chances[one.name] = float(logs.mean())
        else:
            counted = counted or shares_of(loaded, task)
            share = counted[one.name]
            good = share.count if one.wanted else share.of - share.count
            chances[one.name] = math.log((good + 0.5) / (share.of + 1))
    return chances


def opening_of(behaviour: Behaviour) -> str:
    """How an answer begins that shows a behaviour: what it says itself, or the first phrase of "starts
    with"; "" where there is none.
    """
    if behaviour.opening or behaviour.rule.kind != "starts with":
        return behaviour.opening
    return behaviour.rule.phrases[0]


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
