"""Which layers carry a parent's behaviour: its task vector added band by band, and how much of its speech
comes with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from merging import data
from merging.comparison import Row, opening_rows
from merging.tensors import place
from shared.measure import continuation_log_probabilities

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from shared.models import Loaded

BANDS = 10
"""Groups of neighbouring layers."""
PARTS = ("attention", "MLP")


@dataclass(frozen=True)
class Carriers:
    """How much of a parent's behaviour each band of layers carries by itself.

    Args:
        parent: its name.
        bands: first and last layer of each band.
        share: by part, (ℓ(base + band) − ℓ(base)) / (ℓ(parent) − ℓ(base)), where ℓ is the mean
            log-probability of a token of the parent's own answers.
        base: ℓ(base), nats per token.
        whole: ℓ(parent), nats per token.
        tokens: how many tokens were scored.
        done: whether every band has been measured.
    """

    parent: str
    bands: tuple[tuple[int, int], ...]
    share: dict[str, list[float]]
    base: float
    whole: float
    tokens: int
    done: bool

    def to_json(self) -> data.Carriers:
        """The shares as the figure takes them."""
        return {
            "parent": self.parent,
            "bands": list(self.bands),
            "base": round(self.base, 4),
            "whole": round(self.whole, 4),
            "share": {part: [round(value, 4) for value in values] for part, values in self.share.items()},
            "tokens": self.tokens,
            "done": self.done,
        }


def bands_of(layers: int) -> tuple[tuple[int, int], ...]:
    """First and last layer of at most BANDS groups of neighbouring layers, as even as can be."""
    count = min(BANDS, layers)
    edges = [round(index * layers / count) for index in range(count + 1)]
    return tuple((low, high - 1) for low, high in pairwise(edges))


def part_of(module: str) -> str | None:
    """Whether a module belongs to "attention" or "MLP"; None for a norm."""
    if any(word in module for word in ("attn", "attention")):
        return "attention"
    return (
        "MLP"
        if any(word in module for word in ("mlp", "feed_forward", "ffn", "dense_h_to_4h", "dense_4h_to_h"))
        else None
    )


def likelihood(model: PreTrainedModel, rows: Sequence[Row]) -> float:
    """Mean log-probability of an answer's token, in nats, over all answers together."""
    import torch

    return float(torch.cat(continuation_log_probabilities(model, rows)).mean())


def carriers(
    base: Loaded, parent: Loaded, questions: Sequence[str], answers: Sequence[str]
) -> Iterator[Carriers]:
    """Measure a parent band by band, yielding what is known so far; both models are left as they are.

    Args:
        base: the model that the parent was tuned from.
        parent: of the same shapes.
        questions: that were put to the parent.
        answers: what it answered.

    Raises:
        VisitorError: the parent's chat template does not take a question.
    """
    import torch

    from shared.models import twin

    rows = opening_rows(parent, questions, answers)
    theirs = dict(parent.model.named_parameters())
    spots: dict[str, tuple[int, str]] = {}
    for name, weight in base.model.named_parameters():
        spot = place(name) if name in theirs and weight.shape == theirs[name].shape else None
        part = part_of(spot[1]) if spot else None
        if spot and part:
            spots[name] = spot[0], part
    bands = bands_of(1 + max((layer for layer, _ in spots.values()), default=0))
    low, high = likelihood(base.model, rows), likelihood(parent.model, rows)
    tokens = sum(len(row) - start for row, start in rows)
    gap = high - low
    share: dict[str, list[float]] = {part: [] for part in PARTS}
    yield Carriers(parent.id, bands, {part: [] for part in PARTS}, low, high, tokens, abs(gap) < 1e-6)
    if abs(gap) < 1e-6:
        return
    for first, last in bands:
        for part in PARTS:
            mixed = twin(base.model)  # others use the base at the same moment
            for name, (layer, kind) in spots.items():
                if first <= layer <= last and kind == part:
                    holder, _, own = name.rpartition(".")
                    weight = torch.nn.Parameter(theirs[name].to(base.device), requires_grad=False)
                    setattr(mixed.get_submodule(holder), own, weight)
            share[part].append((likelihood(mixed, rows) - low) / gap)
        known = {part: list(values) for part, values in share.items()}
        yield Carriers(parent.id, bands, known, low, high, tokens, (first, last) == bands[-1])
    torch.cuda.empty_cache() if base.device == "cuda" else None
