"""The numbers of an evaluation: scores, differences, planned looks, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from typing_extensions import TypedDict

from evaluation.data import (
    Bin,
    Calibration,
    Contamination,
    Difference,
    HeldScore,
    Looked,
    PairedDifference,
    PlannedLook,
    Score,
    SeenFrom,
)
from evaluation.request import CompareRequest
from shared import estimates, paired, power, sequential
from shared.choices import Scored
from shared.items import Item
from shared.paired import LEVEL

BINS = 5
"""Of the reliability curve: with as many items in each as the numbers allow."""
FEWEST_IN_BIN = 8
ASSUMED = (0.05, 0.1, 0.2, 0.4)
"""Shares of discordant items that a plan is shown for: as a format in 4 bits, a fine-tune, another model have
them, and as two guessers of four choices (.375).
"""


@dataclass(frozen=True)
class Result:
    """The answers so far.

    Args:
        request: what was asked for.
        items: those that all models have answered.
        groups: of every item its group.
        answers: of every model, of every item.
    """

    request: CompareRequest
    items: Sequence[Item]
    groups: Sequence[int]
    answers: tuple[tuple[Scored, ...], ...]

    def right(self, model: int) -> list[bool]:
        """Whether a model's answers are right."""
        return [one.right(self.request.metric) for one in self.answers[model]]

    def places(self, task: str) -> list[int]:
        """The items of a task; of "" all."""
        return [place for place, item in enumerate(self.items) if not task or item.task == task]

    @property
    def tasks(self) -> list[str]:
        """All items, which is called "", then every task."""
        return ["", *dict.fromkeys(item.task for item in self.items)]


def scores(result: Result) -> list[Score]:
    """Every model's score on every task."""
    found: list[Score] = []
    for model, answers in enumerate(result.answers):
        right = result.right(model)
        for task in result.tasks:
            some = result.places(task)
            one = paired.score([right[at] for at in some], [result.groups[at] for at in some])
            found.append(
                {
                    "model": model,
                    "task": task,
                    "count": one.count,
                    "of": one.of,
                    "low": round(one.low, 4),
                    "high": round(one.high, 4),
                    "groups": one.groups,
                    "brier": round(sum(answers[at].brier for at in some) / len(some), 4),
                }
            )
    return found


def differences(result: Result, only: Sequence[int] | None = None) -> list[Difference]:
    """Every other model against the first, on every task; p-values of tasks are Holm's for all tasks and
    models, those of all items for all models.

    Args:
        result: the answers so far.
        only: these items alone, as one task.
    """
    found: list[Difference] = []
    first, metric = result.right(0), result.request.metric
    for model in range(1, len(result.answers)):
        second = result.right(model)
        for task in result.tasks if only is None else [""]:
            some = result.places(task) if only is None else only
            one = paired.difference(
                [first[at] for at in some],
                [second[at] for at in some],
                [result.groups[at] for at in some],
            )
            changed = sum(
                result.answers[0][at].answer(metric) != result.answers[model][at].answer(metric)
                for at in some
            )
            found.append(
                {
                    "model": model,
                    "task": task,
                    **paired_data(one),
                    "changed": changed,
                }
            )
    for whole in (True, False):
        some_told = [told for told in found if (not told["task"]) == whole]
        for told, p in zip(some_told, paired.holm([told["p"] for told in some_told]), strict=True):
            told["p"] = float(f"{p:.4g}")
    return found


def paired_data(one: paired.Difference) -> PairedDifference:
    """A paired comparison as figures take it."""
    return {
        "mean": round(one.mean, 6),
        "low": round(one.low, 4),
        "high": round(one.high, 4),
        "gained": one.gained,
        "lost": one.lost,
        "of": one.of,
        "groups": one.groups,
        "p": one.p,
    }


class Held(TypedDict):
    """The part of a contamination that answers decide."""

    scores: list[HeldScore]
    differences: list[Difference]


def held(result: Result, told: Contamination) -> Held:
    """Every model's answers to the items that a corpus holds and to the others, and the differences to the
    first model on the others alone.
    """
    from scipy.stats import fisher_exact

    inside = [at for at in range(len(result.items)) if told["held"][at]]
    outside = [at for at in range(len(result.items)) if not told["held"][at]]
    alone = len(set(result.groups)) == len(result.groups)
    scores: list[HeldScore] = []
    for model in range(len(result.answers)):
        right = result.right(model)
        sides = [_held_side(result, right, some) for some in (inside, outside)]
        ((a, n), first), ((b, m), second) = sides
        p = fisher_exact([[a, n - a], [b, m - b]]).pvalue if alone and n and m else None
        scores.append(
            {
                "model": model,
                "held": (a, n),
                "held_interval": first,
                "clean": (b, m),
                "clean_interval": second,
                "p": None if p is None else float(p),
            }
        )
    tested = [one for one in scores if one["p"] is not None]
    for score, p in zip(tested, paired.holm([float(one["p"] or 0) for one in tested]), strict=True):
        score["p"] = float(f"{p:.4g}")
    return {"scores": scores, "differences": differences(result, outside) if outside else []}


def _held_side(
    result: Result, right: Sequence[bool], some: Sequence[int]
) -> tuple[tuple[int, int], tuple[float, float]]:
    """Right answers of some items, their number, and the interval."""
    if not some:
        return (0, 0), (0.0, 1.0)
    one = paired.score([right[at] for at in some], [result.groups[at] for at in some])
    return (one.count, one.of), (round(one.low, 4), round(one.high, 4))


def looks(result: Result, groups: Sequence[int], places: Sequence[int]) -> list[Looked]:
    """The planned looks so far, of every other model against the first; α is shared out evenly.

    Args:
        result: the answers so far.
        groups: of every planned item.
        places: after how many groups one looks.
    """
    others = len(result.answers) - 1
    first = result.right(0)
    done = len(result.items)
    whole = [group for group in range(max(groups) + 1) if done == len(groups) or group < groups[done]]
    found: list[Looked] = []
    for model in range(1, others + 1):
        second = result.right(model)
        sums = [0] * (max(groups) + 1)
        for at in range(done):
            sums[groups[at]] += int(second[at]) - int(first[at])
        level = LEVEL / others
        some = sequential.looks_at(sums[: len(whole)], places, level)
        found.append(
            {
                "model": model,
                "level": level,
                "looks": [_look(one, sum(group < one.groups for group in groups)) for one in some],
            }
        )
    return found


def _look(one: sequential.Look, items: int) -> PlannedLook:
    return {
        "groups": one.groups,
        "items": items,
        "total": one.total,
        "boundary": one.boundary,
        "spent": float(f"{one.spent:.3g}"),
        "stops": one.stops,
    }


def power_before(groups: int, level: float = LEVEL) -> list[SeenFrom]:
    """What so many independent items will show, before any was asked."""
    return [
        {"discordant": share, "smallest": _rounded(power.smallest_difference(groups, share, level))}
        for share in ASSUMED
    ]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def calibration(result: Result, tasks: Sequence[str] = ("",)) -> list[Calibration]:
    """How often every model's likeliest choice is right, by how probable it finds it: bins of as many items
    each as the numbers allow.

    Args:
        result: the answers so far.
        tasks: of which sets; "" for all items.
    """
    return [
        _calibrated(result, model, task, result.places(task))
        for model in range(len(result.answers))
        for task in tasks
    ]


def _calibrated(result: Result, model: int, task: str, places: Sequence[int]) -> Calibration:
    answers = [result.answers[model][at] for at in places]
    pairs = sorted((one.probabilities[one.answer()], one.answer() == one.item.gold) for one in answers)
    count = max(1, min(BINS, len(pairs) // FEWEST_IN_BIN))
    bins: list[Bin] = []
    for at in range(count):
        some = pairs[len(pairs) * at // count : len(pairs) * (at + 1) // count]
        right = sum(one for _, one in some)
        low, high = paired.wilson(right / len(some), len(some))
        bins.append(
            {
                "mean": round(sum(p for p, _ in some) / len(some), 4),
                "right": right,
                "of": len(some),
                "low": round(low, 4),
                "high": round(high, 4),
            }
        )
    brier = sum(one.brier for one in answers) / len(answers)
    against = _brier_difference(result, model, places) if model else None
    return {"model": model, "task": task, "bins": bins, "brier": round(brier, 4), "against": against}


def _brier_difference(result: Result, model: int, places: Sequence[int]) -> tuple[float, float, float]:
    """How far a model's Brier score is from the first one's, with its 95 % interval: the paired bootstrap
    over groups, percentiles.
    """
    sums: dict[int, float] = {}
    sizes: dict[int, int] = {}
    for at in places:
        group = result.groups[at]
        moved = result.answers[model][at].brier - result.answers[0][at].brier
        sums[group] = sums.get(group, 0.0) + moved
        sizes[group] = sizes.get(group, 0) + 1
    means = estimates.bootstrap_means([list(sums.values())], list(sizes.values()))[:, 0]
    low, high = estimates.quantile(means.tolist(), (0.025, 0.975))
    return round(sum(sums.values()) / len(places), 4), round(low, 4), round(high, 4)
