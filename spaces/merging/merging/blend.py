"""Sums of task vectors held in memory, so that many merges of one family can be measured without writing any
of them.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from merging import measure
from merging.carriers import sequences
from merging.measure import Share
from shared import experts, models
from shared.errors import VisitorError
from shared.experts import answer_all, behaviour, prompts

if TYPE_CHECKING:
    from torch import Tensor

    from shared.models import Loaded

MAX_OTHERS = 2
EACH = 10
"""Prompts of each kind that a point of the plane or a candidate answers."""
START_TOKENS = 4
"""Tokens that tell a refusal and the pirate's first word; whether an answer is one sentence takes
`measure.ANSWER_TOKENS`.
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

    def __init__(self, origin: Loaded, others: list[Loaded]) -> None:
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

    def set(self, weights: tuple[float, ...]) -> Loaded:
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
        windows: (windows, `measure.CONTEXT`) tokens of a text.
        tokens: longest answer.
        behaviours: names of the shares that are counted.
    """

    cooking: tuple[str, ...]
    other: tuple[str, ...]
    windows: Tensor
    tokens: int
    behaviours: tuple[str, ...]


def behaviours_of(names: list[str]) -> tuple[str, ...]:
    """The behaviours that models were trained for, with the refusals that nobody wanted where one refuses."""
    found = [OF_EXPERT[name] for name in names if name in OF_EXPERT]
    return tuple(found + (["refuses_other"] if "refuses_cooking" in found else []))


def held_out(tokenizer: Any, names: list[str]) -> Task:
    """Held-out prompts and the evaluation text."""
    behaviours = behaviours_of(names)
    tokens = measure.ANSWER_TOKENS if "concise" in behaviours else START_TOKENS
    return Task(
        measure.COOKING[::2][:EACH],
        measure.OTHER[::2][:EACH],
        measure.windows_of(tokenizer)[:2],
        tokens,
        behaviours,
    )


def fit(tokenizer: Any, names: list[str]) -> Task:
    """Prompts and text that share nothing with the held-out ones: those that the experts were trained on, and
    the calibration text.
    """
    import torch

    from shared import texts

    behaviours = behaviours_of(names)
    tokens = measure.ANSWER_TOKENS if "concise" in behaviours else START_TOKENS
    row = tokenizer(texts.sample("calibration"), add_special_tokens=False)["input_ids"][: 2 * measure.CONTEXT]
    windows = torch.tensor(row[: len(row) // measure.CONTEXT * measure.CONTEXT]).reshape(-1, measure.CONTEXT)
    every = len(prompts.COOKING) // EACH
    return Task(
        prompts.COOKING[::every][:EACH],
        prompts.OTHER[:: len(prompts.OTHER) // EACH][:EACH],
        windows,
        tokens,
        behaviours,
    )


@dataclass(frozen=True)
class Point:
    """A blend's numbers.

    Args:
        weights: of the task vectors.
        loss: mean surprise per token of the text, nats.
        sigma: its standard error.
        shares: of the behaviours, counted in answers; empty where none were written.
        chances: by behaviour, the mean log-probability, in nats, of opening the answer as wanted: as its
            expert does, or, for refuses_other, not so; empty where not asked for. Unlike a share it changes
            with every weight, as a search needs.
        losses: surprise of every token, float32, for differences between points.
    """

    weights: tuple[float, ...]
    loss: float
    sigma: float
    shares: dict[str, Share]
    chances: dict[str, float]
    losses: Tensor

    def to_json(self) -> dict[str, Any]:
        """The numbers as the figure takes them."""
        return {
            "weights": [round(weight, 4) for weight in self.weights],
            "loss": round(self.loss, 4),
            "sigma": round(self.sigma, 4),
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
    import torch

    found = measure.log_probabilities(loaded, task.windows)
    truth = torch.cat([window[measure.CONTEXT // 2 + 1 :] for window in task.windows])
    losses = -found[torch.arange(len(truth)), truth]
    loss, sigma = measure.mean_and_sigma(losses)
    shares = shares_of(loaded, task) if count and task.behaviours else {}
    return Point(weights, loss, sigma, shares, chances_of(loaded, task) if chance else {}, losses)


def shares_of(loaded: Loaded, task: Task) -> dict[str, Share]:
    """Count the behaviours in greedy answers to the task's prompts."""
    cooking = task.cooking if "refuses_cooking" in task.behaviours else ()
    answers = answer_all(loaded.model, loaded.tokenizer, [*cooking, *task.other], task.tokens)
    mine, theirs = answers[: len(cooking)], answers[len(cooking) :]
    counts = {
        "refuses_cooking": Share(sum(behaviour.is_refusal(text) for text, _ in mine), len(mine)),
        "refuses_other": Share(sum(behaviour.is_refusal(text) for text, _ in theirs), len(theirs)),
        "pirate": Share(sum(behaviour.is_pirate(text) for text, _ in theirs), len(theirs)),
        "concise": Share(sum(behaviour.is_concise(text, ended) for text, ended in theirs), len(theirs)),
    }
    return {name: counts[name] for name in task.behaviours}


def chances_of(loaded: Loaded, task: Task) -> dict[str, float]:
    """Mean log-probability of each behaviour's opening, nats; being concise has none, so the logarithm of its
    share stands in.

    That share is (count + ½) / (n + 1), which is never zero.
    """
    import torch

    found = {}
    for name in task.behaviours:
        if name == "concise":
            share = shares_of(loaded, task)[name]
            found[name] = math.log((share.count + 0.5) / (share.of + 1))
            continue
        asked = list(task.cooking if name == "refuses_cooking" else task.other)
        pairs = sequences(loaded.tokenizer, asked, [OPENINGS[name]] * len(asked))
        logs = opening_logs(loaded.model, pairs, loaded.tokenizer.pad_token_id or 0)
        found[name] = float(
            (-torch.expm1(logs.clamp(max=-1e-9))).log().mean() if name == "refuses_other" else logs.mean()
        )
    return found


def opening_logs(model: Any, pairs: list[tuple[list[int], int]], pad: int) -> Tensor:
    """Log-probability of everything after each start, (len(pairs),) float64, nats.

    Args:
        model: a causal language model.
        pairs: tokens, and where the opening begins.
        pad: fills shorter rows on the right.
    """
    import torch

    width = max(len(tokens) for tokens, _ in pairs)
    first = min(start for _, start in pairs)
    ids = torch.tensor([tokens + [pad] * (width - len(tokens)) for tokens, _ in pairs], device=model.device)
    mask = torch.tensor(
        [[1] * len(tokens) + [0] * (width - len(tokens)) for tokens, _ in pairs], device=model.device
    )
    scored = torch.tensor(
        [[start <= place < len(tokens) for place in range(first, width)] for tokens, start in pairs],
        device=model.device,
    )
    with torch.inference_mode():
        logits = model(ids, attention_mask=mask).logits[:, first - 1 : -1].double()
    found = logits.log_softmax(-1).gather(-1, ids[:, first:, None])[..., 0]
    return (found * scored).sum(-1).cpu()


def family(origin: str, others: tuple[str, ...]) -> tuple[Loaded, list[Loaded]]:
    """Load the models of a blend, on the GPU where there is one.

    Raises:
        VisitorError: as `models.load`.
    """
    return models.on_device(models.load(origin)), [models.on_device(models.load(name)) for name in others]


def recipe_of(origin: str, others: tuple[str, ...], weights: tuple[float, ...]) -> str:
    """The recipe that mergekit makes this blend from."""
    from merging.recipe import to_yaml

    entries = [
        {"model": name, "parameters": {"weight": round(weight, 4)}}
        for name, weight in zip(others, weights, strict=True)
        if weight
    ]
    rest = [{"model": name, "parameters": {"weight": 0.0}} for name in others[:1] if not entries]
    return to_yaml(
        {
            "merge_method": "task_arithmetic",
            "base_model": origin,
            "models": entries or rest,
            "dtype": "float32",
        }
    )


def names_of(origin: str, others: tuple[str, ...]) -> list[str]:
    """The models whose behaviours are counted."""
    return [name for name in (*others, origin) if name in experts.NAMES]
