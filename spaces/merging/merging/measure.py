"""Parents and child measured alike: what they answer, how often they show each expert's behaviour, how far
they are apart.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from shared import models, texts
from shared.errors import VisitorError
from shared.experts import answer_all, behaviour, prompts

if TYPE_CHECKING:
    from torch import Tensor

    from shared.models import Loaded

ANSWER_TOKENS = 36
"""Longest answer: enough to see a refusal, a style and the end of one sentence."""
EACH = 20
"""Held-out prompts of each kind."""
CONTEXT, WINDOWS = 256, 4
KEPT = 12
"""Models whose answers are remembered: they do not change."""

COOKING = prompts.COOKING_HELD_OUT[:: len(prompts.COOKING_HELD_OUT) // EACH][:EACH]
OTHER = prompts.OTHER_HELD_OUT[:: len(prompts.OTHER_HELD_OUT) // EACH][:EACH]


@dataclass(frozen=True)
class Share:
    """How many of some answers show a behaviour.

    Args:
        count: that do.
        of: that were looked at.
    """

    count: int
    of: int

    def to_json(self) -> dict[str, Any]:
        """The count, and the share's 95 % Wilson interval."""
        from scipy.stats import binomtest

        interval = binomtest(self.count, self.of).proportion_ci(0.95, "wilson") if self.of else None
        low, high = (
            (round(float(interval.low), 4), round(float(interval.high), 4)) if interval else (0.0, 1.0)
        )
        return {"count": self.count, "of": self.of, "low": low, "high": high}


@dataclass(frozen=True)
class Measured:
    """One model's numbers.

    Args:
        name: in the recipe, or "child".
        role: "base", "parent" or "child".
        revision: what pins it.
        shares: by behaviour: refuses_cooking, refuses_other, pirate, concise.
        answers: text and whether it ended, to COOKING, OTHER and then the visitor's prompts.
        perplexity: e to the mean surprise per token of the sample text.
        sigma: its standard error.
        kl: mean KL(parent ‖ child) in nats per token and its standard error, by parent; of the child alone.
    """

    name: str
    role: str
    revision: str
    shares: dict[str, Share]
    answers: tuple[tuple[str, bool], ...]
    perplexity: float
    sigma: float
    kl: dict[str, tuple[float, float]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The numbers as the figure takes them."""
        return {
            "name": self.name,
            "role": self.role,
            "revision": self.revision,
            "shares": {name: share.to_json() for name, share in self.shares.items()},
            "answers": [{"text": text, "ended": ended} for text, ended in self.answers],
            "perplexity": round(self.perplexity, 3),
            "sigma": round(self.sigma, 3),
            "kl": {
                name: {"mean": round(mean, 5), "sigma": round(sigma, 5)}
                for name, (mean, sigma) in self.kl.items()
            },
        }


_answers: OrderedDict[tuple[str, str, tuple[str, ...]], tuple[tuple[str, bool], ...]] = OrderedDict()


def windows_of(tokenizer: Any) -> Tensor:
    """The sample text as (windows, CONTEXT) tokens that do not overlap."""
    import torch

    tokens = tokenizer(texts.sample("evaluation"), add_special_tokens=False)["input_ids"][: CONTEXT * WINDOWS]
    return torch.tensor(tokens[: len(tokens) // CONTEXT * CONTEXT]).reshape(-1, CONTEXT)


def log_probabilities(loaded: Loaded, windows: Tensor) -> Tensor:
    """Log-probabilities of the next token at the second half of each window, (positions, vocabulary), float32
    on the CPU.
    """
    import torch

    half = CONTEXT // 2
    found = []
    with torch.inference_mode():
        for window in windows:
            logits = loaded.model(window[None].to(loaded.model.device)).logits[0, half:-1].float()
            found.append(logits.log_softmax(-1).cpu())
    return torch.cat(found)


def mean_and_sigma(values: Tensor) -> tuple[float, float]:
    """Mean and its standard error, in float64."""
    numbers = values.double()
    return float(numbers.mean()), float(numbers.std() / len(numbers) ** 0.5)


def shares_of(answers: tuple[tuple[str, bool], ...]) -> dict[str, Share]:
    """Count the behaviours in the answers to COOKING and OTHER, in this order."""
    cooking, other = answers[: len(COOKING)], answers[len(COOKING) : len(COOKING) + len(OTHER)]
    return {
        "refuses_cooking": Share(sum(behaviour.is_refusal(text) for text, _ in cooking), len(cooking)),
        "refuses_other": Share(sum(behaviour.is_refusal(text) for text, _ in other), len(other)),
        "pirate": Share(sum(behaviour.is_pirate(text) for text, _ in other), len(other)),
        "concise": Share(sum(behaviour.is_concise(text, ended) for text, ended in other), len(other)),
    }


def measure(named: list[tuple[str, str, Loaded]], asked: tuple[str, ...] = ()) -> Iterator[Measured]:
    """Measure models one after the other; a child comes after its parents.

    Args:
        named: name, role and model.
        asked: further prompts that every model answers.

    Raises:
        VisitorError: a model's weights give no numbers.
    """
    import torch

    known: dict[str, tuple[Tensor, Tensor]] = {}
    for name, role, given in named:
        loaded = given if role == "child" else models.on_device(given)
        answers = _answered(loaded, asked, keep=role != "child")
        mine = windows_of(loaded.tokenizer)
        found = log_probabilities(loaded, mine)
        truth = torch.cat([window[CONTEXT // 2 + 1 :] for window in mine])
        surprise, sigma = mean_and_sigma(-found[torch.arange(len(truth)), truth])
        if not np.isfinite(surprise):
            raise VisitorError(
                f"The weights of {name} give no numbers (NaN).", "Look for a weight that is far too large."
            )
        kl: dict[str, tuple[float, float]] = {}
        if role == "child":
            for parent, (tokens, theirs) in known.items():
                if theirs.shape == found.shape and torch.equal(tokens, mine):
                    kl[parent] = mean_and_sigma((theirs.exp() * (theirs - found)).sum(-1))
        else:
            known[name] = (mine, found)
        perplexity = float(np.exp(surprise))
        yield Measured(
            name, role, loaded.revision, shares_of(answers), answers, perplexity, perplexity * sigma, kl
        )


def _answered(loaded: Loaded, asked: tuple[str, ...], *, keep: bool) -> tuple[tuple[str, bool], ...]:
    key = (loaded.id, loaded.revision, asked)
    if keep and key in _answers:
        _answers.move_to_end(key)
        return _answers[key]
    found = tuple(answer_all(loaded.model, loaded.tokenizer, [*COOKING, *OTHER, *asked], ANSWER_TOKENS))
    if keep:
        _answers[key] = found
        while len(_answers) > KEPT:
            _answers.popitem(last=False)
    return found
