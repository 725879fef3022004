"""What random directions give in the place of a found one: the ribbons behind the candidates' curves.

An edit with a random direction is the same for every layer that a direction is read at, so one pool of draws
serves them all. A random step is as long as the layer's difference of means, so each candidate has draws of
its own. What a draw changes is measured on `PROMPTS` of a side and added to the untouched model's mean over
all of them: prompts differ far more than a random direction moves them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abliteration import data
from abliteration.ablate import live
from abliteration.activations import first_tokens
from abliteration.numbers import short
from abliteration.select import Baseline, Candidate, both_of, steering
from shared.estimates import quantile
from shared.measure import kl_divergence

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from abliteration.study import Study

EDITS, STEPS, PROMPTS = 16, 4, 8
"""Random edits for all candidates together, random steps for each, and prompts of a side."""


@dataclass(frozen=True)
class Ribbons:
    """Quantiles of what chance gives, at 5 %, 50 % and 95 %.

    Args:
        bypass: mean score of positive prompts with a random direction in the edit.
        kl: mean first-token KL on negative prompts with the same.
        induce: mean score of negative prompts with a random step.
    """

    bypass: data.Quantiles
    kl: data.Quantiles
    induce: data.Quantiles

    def to_json(self) -> data.Ribbons:
        """As the figure takes them."""
        return {"bypass": self.bypass, "kl": self.kl, "induce": self.induce}

    def medians(self) -> data.Chance:
        """The middle of each."""
        return {"bypass": self.bypass[1], "kl": self.kl[1], "induce": self.induce[1]}


def ribbons(
    known: Study,
    tried: Sequence[Candidate],
    edited: Callable[[int, int, Tensor | None], PreTrainedModel],
    *,
    alike: bool,
    seed: int = 0,
) -> Iterator[tuple[int, int, Candidate | None, Ribbons | None]]:
    """Draw, and measure: how many draws of how many are done, and each candidate with its ribbons.

    Args:
        known: as for `select.candidates`, as is `edited`.
        tried: the candidates.
        alike: whether a random edit is the same for every layer; otherwise each candidate has draws of its
            own.
        seed: of the draws.
    """
    model, anatomy, directions, base = known.loaded.model, known.anatomy, known.directions, known.base
    few = [known.asked("select", "positive")[:PROMPTS], known.asked("select", "negative")[:PROMPTS]]
    total = (EDITS if alike else STEPS * len(tried)) + STEPS * len(tried)
    done, pool = 0, list[tuple[float, float]]()
    if alike and tried:
        for number in range(EDITS):
            first = tried[0]
            pool.append(
                _edit(edited(first.layer, first.position, guess(anatomy.width, seed, number)), base, few)
            )
            done += 1
            yield done, total, None, None
    for candidate in tried:
        own = pool
        if not alike:
            draws = [_guess(anatomy.width, seed, candidate.layer, number) for number in range(STEPS)]
            own = [_edit(edited(candidate.layer, candidate.position, row), base, few) for row in draws]
            done += STEPS
        pushed = []
        for number in range(STEPS):
            row = _guess(anatomy.width, seed, candidate.layer, number)
            step = steering(directions, candidate.layer, candidate.position, 1.0, row)
            pushed.append(_moved(live(model, anatomy, step), base, few[1], base.before[1]))
            done += 1
        bypass, kl = zip(*own, strict=True)
        yield done, total, candidate, Ribbons(_quantiles(bypass), _quantiles(kl), _quantiles(pushed))


def guess(width: int, seed: int, number: int) -> Tensor:
    """A random unit direction, the same for the same seed and number."""
    import torch

    row = torch.randn(width, generator=torch.Generator().manual_seed(1_000 * (seed % 10**9) + number))
    return row / row.norm()


def _guess(width: int, seed: int, layer: int, number: int) -> Tensor:
    return guess(width, seed, EDITS + STEPS * layer + number)


def _edit(edited: PreTrainedModel, base: Baseline, few: Sequence[list[list[int]]]) -> tuple[float, float]:
    """Bypass and KL with an edit."""
    positive, after = both_of(first_tokens(edited, [*few[0], *few[1]])[0], len(few[0]))
    spared = base.spared()[: len(after)]
    spared = spared if spared.any() else ~spared
    kl = float(kl_divergence(base.negative[: len(after)][spared], after[spared]).mean())
    return _moved(edited, base, few[0], base.before[0], positive), kl


def _moved(
    edited: PreTrainedModel,
    base: Baseline,
    prompts: list[list[int]],
    before: Tensor,
    log_p: Tensor | None = None,
) -> float:
    """The untouched model's mean score, and what a draw moves it by on a few of the prompts."""
    after = base.scale.of(edited, prompts, log_p)
    return float(before.mean() + (after - before[: len(after)]).mean())


def _quantiles(values: Sequence[float]) -> data.Quantiles:
    return [short(value, 5) for value in quantile(values, [0.05, 0.5, 0.95])]
