"""The metrics of a task, by lm-eval's names, and how sure they are.

Every metric is a function of sums over the documents: a mean of one sum and a count, a perplexity of summed
log-likelihoods and words, F1 of summed true and false positives. So the bootstrap draws documents, adds up
and computes the whole metric anew, and the paired test does the same with the two models' answers exchanged
document by document (approximate randomization: Noreen 1989, Computer-Intensive Methods for Testing
Hypotheses). Shares of right answers have Wilson's interval and McNemar's exact test instead, as everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluation import overlap
from shared import paired
from shared.errors import VisitorError

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]

DRAWS = 2_000
"""Bootstrap samples of the documents, and exchanges of the test."""
MOST_EXCHANGED = 11
"""Documents up to which every exchange is tried: 2,048."""
_LARGEST = 700.0
"""Above it exp is no number."""


@dataclass(frozen=True)
class Metric:
    """A metric.

    Args:
        name: lm-eval's.
        says: what it counts.
        value: of sums over documents, (…, k), to the metric, (…).
        higher: whether more is better.
        share: whether a document is right or wrong and the metric their share.
        aggregation: lm-eval's name of the function, which a task may state.
    """

    name: str
    says: str
    value: Callable[[Numbers], Numbers]
    higher: bool = True
    share: bool = False
    aggregation: str = "mean"


def _mean(sums: Numbers) -> Numbers:
    return sums[..., 0] / sums[..., 1]


def _perplexity(sums: Numbers) -> Numbers:
    return np.exp(np.minimum(-_mean(sums), _LARGEST))


def _bits(sums: Numbers) -> Numbers:
    return -_mean(sums) / math.log(2)


def f1(sums: Numbers) -> Numbers:
    """F1 of true and false positives and false negatives; 0 where there are none, as scikit-learn's."""
    below = 2 * sums[..., 0] + sums[..., 1] + sums[..., 2]
    return np.where(below > 0, 2 * sums[..., 0] / np.where(below > 0, below, 1), 0.0)


def mcc(sums: Numbers) -> Numbers:
    """Matthews' correlation of the right choices and the answers, of a table of both (…, K²), for any number
    of choices (Gorodkin 2004, R_K); 0 where one of them never changes, as scikit-learn's.
    """
    size = math.isqrt(sums.shape[-1])
    table = sums.reshape(*sums.shape[:-1], size, size)
    right, said, n = table.sum(-1), table.sum(-2), table.sum((-1, -2))
    both = np.trace(table, axis1=-2, axis2=-1) * n - (right * said).sum(-1)
    below = (n**2 - (said**2).sum(-1)) * (n**2 - (right**2).sum(-1))
    return np.where(below > 0, both / np.sqrt(np.where(below > 0, below, 1)), 0.0)


BY_KIND: dict[str, tuple[Metric, ...]] = {
    "multiple_choice": (
        Metric("acc", "the likeliest choice is right", _mean, share=True),
        Metric("acc_norm", "the likeliest choice by character is right", _mean, share=True),
        Metric("acc_bytes", "the likeliest choice by byte is right", _mean, share=True),
        Metric(
            "acc_mutual_info",
            "the choice that the prompt makes likelier most is right",
            _mean,
            share=True,
        ),
        Metric("f1", "precision and recall of the second choice", f1, aggregation="f1"),
        Metric("mcc", "correlation of answers and right choices", mcc, aggregation="matthews_corrcoef"),
        Metric(
            "brier_score", "how far probabilities are from right", _mean, False, aggregation="brier_score"
        ),
    ),
    "generate_until": (
        Metric("exact_match", "what is taken of the answer is the target", _mean, share=True),
        Metric("bleu", "runs of words in common", overlap.bleu, aggregation="bleu"),
        Metric("chrf", "runs of characters in common", overlap.chrf, aggregation="chrf"),
    ),
    "loglikelihood": (
        Metric("perplexity", "of the targets", _perplexity, False, aggregation="perplexity"),
        Metric("acc", "the target is what the model would write", _mean, share=True),
    ),
    "loglikelihood_rolling": (
        Metric("word_perplexity", "by word", _perplexity, False, aggregation="weighted_perplexity"),
        Metric("byte_perplexity", "by byte", _perplexity, False, aggregation="weighted_perplexity"),
        Metric("bits_per_byte", "bits that a byte takes", _bits, False, aggregation="bits_per_byte"),
    ),
}
"""The metrics of every output type."""
USUAL = {
    "multiple_choice": ("acc", "acc_norm"),
    "generate_until": ("exact_match",),
    "loglikelihood": ("perplexity", "acc"),
    "loglikelihood_rolling": ("word_perplexity", "byte_perplexity", "bits_per_byte"),
}
"""Those of a task that names none, as in lm-eval."""


@dataclass(frozen=True)
class Valued:
    """A metric of a model, with its 95 % interval.

    Args:
        value: the metric.
        low: end of the interval; None where a single document leaves it unknown.
        high: likewise.
        count: right answers, where it is a share.
    """

    value: float
    low: float | None
    high: float | None
    count: int | None = None


@dataclass(frozen=True)
class Apart:
    """How far the second model's metric is from the first one's.

    Args:
        value: second less first.
        low: end of its 95 % interval; None where a single document leaves it unknown.
        high: likewise.
        p: of the two-sided test that neither is better.
        gained: documents that only the second has right, where the metric is a share.
        lost: that only the first has right.
    """

    value: float
    low: float | None
    high: float | None
    p: float
    gained: int | None = None
    lost: int | None = None


def valued(metric: Metric, rows: Numbers) -> Valued:
    """A metric with its interval: Wilson's of a share, else the bootstrap's over documents (percentiles).

    Args:
        metric: how rows are added up.
        rows: of every document what is added up, (n, k).

    Raises:
        VisitorError: it is a perplexity that is too large for a number.
    """
    n = len(rows)
    if metric.share:
        one = paired.score([bool(right) for right in rows[:, 0]], range(n))
        return Valued(one.count / n, one.low, one.high, one.count)
    value = float(metric.value(rows.sum(0)))
    if value >= math.exp(_LARGEST):
        raise VisitorError(
            f"{metric.name} is too large for a number, as where a text without blanks counts as one word.",
            "Leave it out of metric_list: byte_perplexity and bits_per_byte need no words.",
        )
    if n < 2:
        return Valued(value, None, None)
    low, high = np.quantile(metric.value(_drawn(n) @ rows), (0.025, 0.975))
    return Valued(value, float(low), float(high))


def apart(metric: Metric, first: Numbers, second: Numbers) -> Apart:
    """Two models' metrics on the same documents.

    Args:
        metric: how rows are added up.
        first: of every document what is added up, (n, k).
        second: likewise, of the same documents.
    """
    n = len(first)
    if metric.share:
        old, new = ([bool(right) for right in rows[:, 0]] for rows in (first, second))
        one = paired.difference(old, new, range(n))
        return Apart(one.mean, one.low, one.high, one.p, one.gained, one.lost)
    value = float(metric.value(second.sum(0)) - metric.value(first.sum(0)))
    p = exchanged_p(metric, first, second)
    if n < 2:
        return Apart(value, None, None, p)
    draws = _drawn(n)
    low, high = np.quantile(metric.value(draws @ second) - metric.value(draws @ first), (0.025, 0.975))
    return Apart(value, float(low), float(high), p)


def exchanged_p(metric: Metric, first: Numbers, second: Numbers, seed: int = 0) -> float:
    """The two-sided p-value of a metric's difference, were the two models' answers to every document
    exchanged at random: exact for few documents, else of `DRAWS` exchanges, which count the one seen.
    """
    n = len(first)
    if n <= MOST_EXCHANGED:
        every = np.arange(2**n)[:, None] >> np.arange(n) & 1
    else:
        every = np.random.default_rng(seed).integers(0, 2, (DRAWS, n))
    moved = every.astype(np.float64) @ (second - first)
    found = np.abs(metric.value(second.sum(0) - moved) - metric.value(first.sum(0) + moved))
    seen = abs(float(metric.value(second.sum(0)) - metric.value(first.sum(0))))
    as_far = int((found >= seen * (1 - 1e-9) - 1e-12).sum())
    return as_far / len(every) if n <= MOST_EXCHANGED else (1 + as_far) / (1 + DRAWS)


def _drawn(n: int) -> Numbers:
    """How often each document stands in each bootstrap sample, (draws, n); the same for all models."""
    draws: Numbers = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), DRAWS).astype(np.float64)
    return draws


def means(values: Sequence[float], weights: Sequence[float] | None = None) -> Numbers:
    """Rows of a mean, or of one that is weighted."""
    found: Numbers = np.array([values, [1.0] * len(values) if weights is None else weights], np.float64).T
    return found


def tables(golds: Sequence[int], answers: Sequence[int], size: int) -> Numbers:
    """Rows of `mcc`: one 1 at the right choice and the answer."""
    found: Numbers = np.zeros((len(golds), size * size))
    for at, (gold, answer) in enumerate(zip(golds, answers, strict=True)):
        found[at, gold * size + answer] = 1
    return found


def positives(golds: Sequence[int], answers: Sequence[int]) -> Numbers:
    """Rows of `f1`: the second choice counts as positive."""
    found: Numbers = np.array(
        [
            (gold == 1 == answer, answer == 1 != gold, gold == 1 != answer)
            for gold, answer in zip(golds, answers, strict=True)
        ],
        np.float64,
    ).reshape(-1, 3)
    return found
