"""A next-token distribution small enough to send: its likeliest tokens, and the rest of the vocabulary as a
histogram.

The browser computes the sampler chain from this. Temperature and entropies need a sum over the whole
vocabulary; each histogram bin keeps count, mean and variance of its log-probabilities, from which such sums
follow to 1e-4.
"""

from __future__ import annotations

import math
from typing import Any

import torch

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
    decode: Any,
    limit: int | None = LIMIT,
    removed_by: str | None = None,
) -> dict[str, Any]:
    """The distribution as JSON; see the module's text.

    Args:
        raw: [V] float32, log-probabilities of the model's logits, before any setting.
        base: [V] float32, log-probabilities after penalties and constraints, before temperature and filters;
            −inf where a token was removed.
        decode: function from a list of token ids to their texts.
        limit: tokens to list, None for all of the vocabulary.
        removed_by: the setting that removed tokens, if there is one.

    Returns:
        `vocab_size`, `ids`, `texts`, `raw`, `base` (null where equal to `raw`), `tail` and `removed`;
        log-probabilities in nats.
    """
    finite = torch.isfinite(base)
    remaining = int(finite.sum())
    count = remaining if limit is None else min(limit, remaining)
    values, ids = torch.topk(base, count)
    same = raw is base or torch.equal(raw, base)
    listed = ids.tolist()
    digits = 7 if limit is None else 5  # among a whole flat vocabulary five digits would make ties
    result: dict[str, Any] = {
        "vocab_size": base.shape[0],
        "ids": listed,
        "texts": decode(listed),
        "raw": rounded(raw[ids], digits),
        "base": None if same else rounded(values, digits),
        "tail": _tail(base, ids, finite) if remaining > count else None,
        "removed": [],
    }
    if remaining < base.shape[0]:
        lost = torch.where(finite, -torch.inf, raw)
        top, lost_ids = torch.topk(lost, min(REMOVED, base.shape[0] - remaining))
        texts = decode(lost_ids.tolist())
        rows = zip(lost_ids.tolist(), texts, rounded(top), strict=True)
        result["removed"] = [
            {"id": i, "text": text, "raw": value, "by": removed_by} for i, text, value in rows
        ]
    return result


def rounded(values: torch.Tensor, digits: int = 5) -> list[float | None]:
    """A tensor as JSON numbers; null for what is not finite."""
    return [round(value, digits) if abs(value) < math.inf else None for value in values.tolist()]


def _tail(base: torch.Tensor, listed: torch.Tensor, finite: torch.Tensor) -> dict[str, Any]:
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
        "mean": [round(value, 4) for value in mean[kept].tolist()],
        "variance": [round(value, 5) for value in variance[kept].tolist()],
    }
