"""A next-token distribution small enough to send: its likeliest tokens, and the rest of the vocabulary as a
histogram.

The browser computes the sampler chain from this. Temperature and entropies need a sum over the whole
vocabulary; each histogram bin keeps count, mean and variance of its log-probabilities, from which such sums
follow to 1e-4.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch

from decoding import data
from decoding.trace import number

Labels = Callable[[Sequence[int]], list[str]]
"""From token ids to what a list of tokens shows of each."""

LIMIT = 40
"""Tokens listed by name, unless the caller asks for another number."""

BINS = 21
"""Number of the tail's bins."""

FIRST_WIDTH = 0.05
GROWTH = 1.3
"""The first bin's width in nats, and how much wider each next one is: the deeper, the less a token weighs."""

REMOVED = 8
"""Removed tokens that are listed, the likeliest ones."""


def summarise(
    raw: torch.Tensor,
    base: torch.Tensor,
    texts: Labels,
    limit: int | None = LIMIT,
    removed_by: str | None = None,
    named: Sequence[int] = (),
    log_sum: float | None = None,
) -> data.Distribution:
    """The distribution as JSON; see the module's text.

    Args:
        raw: [V] float32, log-probabilities of the model's logits, before any setting.
        base: [V] float32, log-probabilities after penalties and constraints, before temperature and filters;
            −inf where a token was removed.
        texts: see `Labels`.
        limit: tokens to list, None for all of the vocabulary.
        removed_by: the setting that removed tokens, if there is one.
        named: tokens to list beside the likeliest.
        log_sum: what a logit is above its log-probability, for those who need the logits.
    """
    finite = torch.isfinite(base)
    remaining = int(finite.sum())
    count = remaining if limit is None else min(limit, remaining)
    values, ids = torch.topk(base, count)
    if count < remaining and (more := sorted({*named}.difference(ids.tolist()))):
        extra = torch.tensor(more, device=base.device)
        extra = extra[torch.argsort(base[extra], descending=True)]
        ids, values = torch.cat([ids, extra]), torch.cat([values, base[extra]])
    same = raw is base or torch.equal(raw, base)
    listed = ids.tolist()
    digits = 7 if limit is None else 5  # among a whole flat vocabulary five digits would make ties
    summary: data.Distribution = {
        "vocab_size": base.shape[0],
        "ids": listed,
        "texts": texts(listed),
        "raw": _rounded(raw[ids], digits),
        "base": None if same else _rounded(values, digits),
        "tail": _tail(base, ids, finite) if remaining > len(ids) else None,
        "removed": _removed(raw, finite, texts, removed_by),
    }
    if log_sum is not None:
        summary["log_sum"] = round(log_sum, 5)
    return summary


def _removed(
    raw: torch.Tensor, finite: torch.Tensor, texts: Labels, removed_by: str | None
) -> list[data.RemovedToken]:
    """The likeliest of the tokens that are not finite any more."""
    lost = torch.where(finite, -torch.inf, raw)
    top, ids = torch.topk(lost, min(REMOVED, len(raw) - int(finite.sum())))
    rows = zip(ids.tolist(), texts(ids.tolist()), top.tolist(), strict=True)
    return [{"id": i, "text": text, "raw": number(value), "by": removed_by} for i, text, value in rows]


def _rounded(values: torch.Tensor, digits: int = 5) -> list[float]:
    return [round(value, digits) for value in values.tolist()]


def _tail(base: torch.Tensor, listed: torch.Tensor, finite: torch.Tensor) -> data.Tail:
    """Histogram of the log-probabilities of all tokens that are neither listed nor removed."""
    inside = finite.clone()
    inside[listed] = False
    values = base[inside].double()
    start = float(values.max())
    # Bin edges lie at depths FIRST_WIDTH · (GROWTH^i − 1) / (GROWTH − 1) below the start.
    depth = (start - values) * ((GROWTH - 1) / FIRST_WIDTH)
    index = (torch.log1p(depth) / math.log(GROWTH)).long().clamp_(0, BINS - 1)
    count = torch.bincount(index, minlength=BINS).double()
    some = count.clamp_min(1)
    mean = torch.bincount(index, values, BINS) / some
    variance = torch.bincount(index, (values - mean[index]) ** 2, BINS) / some
    kept = count > 0
    return {
        "start": round(start, 5),
        "count": count[kept].long().tolist(),
        "mean": _rounded(mean[kept], 4),
        "variance": _rounded(variance[kept]),
    }
