"""What random directions give in the place of a found one: the ribbons behind the candidates' curves.

An edit with a random direction is the same for every layer that a direction is read at, so one pool of draws
serves them all. A random step is as long as the layer's difference of means, so each candidate has draws of
its own. What a draw changes is measured on `PROMPTS` of a side and added to the untouched model's mean over
all of them: prompts differ far more than a random direction moves them. A random edit is made while the model
runs, without the rounding of a file's dtype, unless it keeps lengths or norms stand between the matrices and
the stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abliteration import data
from abliteration.ablate import together
from abliteration.activations import BATCH_TOKENS, Below, belows, first_tokens
from abliteration.edit import Edit
from abliteration.numbers import short
from abliteration.select import Candidate, both_of, steering
from abliteration.study import Study, leaving
from shared.estimates import quantile
from shared.measure import kl_divergence

if TYPE_CHECKING:
    from torch import Tensor

EDITS, STEPS, PROMPTS = 16, 4, 8
"""Random edits for all candidates together, random steps for each, and prompts of a side."""
TOGETHER = 8
"""Draws that are made in one pass."""
Few = tuple[list[list[int]], list[list[int]]]
"""Prompts of both sides."""


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
    edit: Callable[[int, int, Tensor], Edit],
    *,
    alike: bool,
    seed: int = 0,
) -> Iterator[tuple[int, int, Candidate | None, Ribbons | None]]:
    """Draw, and measure: how many draws of how many are done, and each candidate with its ribbons.

    Args:
        known: as for `select.candidates`.
        tried: the candidates.
        edit: of a layer and position, with another direction in the place of the found one.
        alike: whether a random edit is the same for every layer; otherwise each candidate has draws of its
            own.
        seed: of the draws.
    """
    width, directions, base = known.anatomy.width, known.directions, known.base
    few = (known.asked("select", "positive")[:PROMPTS], known.asked("select", "negative")[:PROMPTS])
    below: dict[int, Below] = {}
    if base.scale.tokens:
        below = belows(known.loaded.model, known.anatomy, few[1], [one.layer for one in tried])
    total = (EDITS if alike else STEPS * len(tried)) + STEPS * len(tried)
    done, pool = 0, list[tuple[float, float]]()
    if alike and tried:
        for start in range(0, EDITS, TOGETHER):
            rows = [guess(width, seed, number) for number in range(start, min(start + TOGETHER, EDITS))]
            first = tried[0]
            pool += _edits(known, [edit(first.layer, first.position, row) for row in rows], few)
            done += len(rows)
            yield done, total, None, None
    for candidate in tried:
        layer, position = candidate.layer, candidate.position
        rows = [_guess(width, seed, layer, number) for number in range(STEPS)]
        own = pool
        if not alike:
            own = _edits(known, [edit(layer, position, row) for row in rows], few)
            done += STEPS
        steps = [steering(directions, layer, position, 1.0, row) for row in rows]
        pushed = _pushed(known, steps, few[1], below.get(layer))
        done += STEPS
        bypass, kl = zip(*own, strict=True)
        yield done, total, candidate, Ribbons(_quantiles(bypass), _quantiles(kl), _quantiles(pushed))


def guess(width: int, seed: int, number: int) -> Tensor:
    """A random unit direction, the same for the same seed and number."""
    import torch

    row = torch.randn(width, generator=torch.Generator().manual_seed(1_000 * (seed % 10**9) + number))
    return row / row.norm()


def _guess(width: int, seed: int, layer: int, number: int) -> Tensor:
    return guess(width, seed, EDITS + STEPS * layer + number)


def _edits(known: Study, edits: list[Edit], few: Few) -> list[tuple[float, float]]:
    """Bypass and KL of each edit."""
    base, found = known.base, []
    norms = known.anatomy.family.post_norms is not None  # there a run-time edit is not that of the weights
    apart = norms or any(edit.method == "norm_preserving" for edit in edits)
    prompts = [*few[0], *few[1]]
    for some in [[edit] for edit in edits] if apart else _groups(known, edits, prompts):
        edited = leaving(known, some[0]) if apart else together(known.loaded.model, known.anatomy, some)
        for log_p in first_tokens(edited, prompts, copies=len(some))[0].chunk(len(some)):
            positive, after = both_of(log_p, len(few[0]))
            spared = base.spared()[: len(after)]
            spared = spared if spared.any() else ~spared
            kl = float(kl_divergence(base.negative[: len(after)][spared], after[spared]).mean())
            score = base.scale.of(edited, few[0], positive)
            found.append((_moved(base.before[0], score), kl))
    return found


def _pushed(known: Study, steps: list[Edit], prompts: list[list[int]], below: Below | None) -> list[float]:
    """Induced score of each step."""
    base, found = known.base, []
    for some in _groups(known, steps, prompts):
        stepped = together(known.loaded.model, known.anatomy, some)
        if base.scale.tokens:
            read = first_tokens(stepped, prompts, copies=len(some), below=below)[0].chunk(len(some))
            scores = [base.scale.of(stepped, prompts, log_p) for log_p in read]
        else:
            scores = [base.scale.of(stepped, prompts)]
        found += [_moved(base.before[1], after) for after in scores]
    return found


def _groups(known: Study, edits: list[Edit], prompts: list[list[int]]) -> list[list[Edit]]:
    """Edits that run in one pass: only one where the score is not of the first tokens, and no more than a
    pass of the longest prompt holds.
    """
    fit = BATCH_TOKENS // max(map(len, prompts))
    count = max(1, min(TOGETHER, fit)) if known.base.scale.tokens else 1
    return [edits[start : start + count] for start in range(0, len(edits), count)]


def _moved(before: Tensor, after: Tensor) -> float:
    """The untouched model's mean score, and what a draw moves it by on a few of the prompts."""
    return float(before.mean() + (after - before[: len(after)]).mean())


def _quantiles(values: Sequence[float]) -> data.Quantiles:
    return [short(value, 5) for value in quantile(values, [0.05, 0.5, 0.95])]
