"""Which layers carry a parent's behaviour: its task vector added band by band, and how much of its speech
comes with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from merging.atlas import place

if TYPE_CHECKING:
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

    def to_json(self) -> dict[str, Any]:
        """The shares as the figure takes them."""
        return {
            "parent": self.parent,
            "bands": [list(band) for band in self.bands],
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


def sequences(tokenizer: Any, prompts: list[str], answers: list[str]) -> list[tuple[list[int], int]]:
    """Prompt and answer as tokens, and where the answer begins."""
    found = []
    for prompt, answer in zip(prompts, answers, strict=True):
        if tokenizer.chat_template:
            asked = tokenizer.apply_chat_template(
                [{"role": "user", "content": prompt}], add_generation_prompt=True, tokenize=False
            )
        else:
            asked = prompt
        start = tokenizer(asked, add_special_tokens=not tokenizer.chat_template)["input_ids"]
        found.append((start + tokenizer(answer, add_special_tokens=False)["input_ids"], len(start)))
    return found


def likelihood(model: Any, pairs: list[tuple[list[int], int]], pad: int) -> float:
    """Mean log-probability of an answer's token, in nats, over all answers in one padded batch."""
    import torch

    width = max(len(tokens) for tokens, _ in pairs)
    ids = torch.tensor([tokens + [pad] * (width - len(tokens)) for tokens, _ in pairs], device=model.device)
    mask = torch.tensor(
        [[1] * len(tokens) + [0] * (width - len(tokens)) for tokens, _ in pairs], device=model.device
    )
    scored = torch.tensor(
        [[start <= place < len(tokens) for place in range(1, width)] for tokens, start in pairs],
        device=model.device,
    )
    with torch.inference_mode():
        logits = model(ids, attention_mask=mask).logits[:, :-1][scored].float()
    truth = ids[:, 1:][scored]
    return float(-torch.nn.functional.cross_entropy(logits, truth).double())


def carriers(base: Loaded, parent: Loaded, prompts: list[str], answers: list[str]) -> Iterator[Carriers]:
    """Measure a parent band by band, yielding what is known so far; both models are left as they are.

    Args:
        base: the model that the parent was tuned from.
        parent: of the same shapes.
        prompts: questions.
        answers: what the parent answered to them.
    """
    import torch

    from shared.models import twin

    pairs = sequences(parent.tokenizer, prompts, answers)
    pad = parent.tokenizer.pad_token_id or 0
    theirs = dict(parent.model.named_parameters())
    mine = {
        name: weight
        for name, weight in base.model.named_parameters()
        if name in theirs and weight.shape == theirs[name].shape
    }
    spots: dict[str, tuple[int, str]] = {}
    for name in mine:
        spot = place(name)
        part = part_of(spot[1]) if spot else None
        if spot and part:
            spots[name] = (spot[0], part)
    bands = bands_of(1 + max((layer for layer, _ in spots.values()), default=0))
    low, high = likelihood(base.model, pairs, pad), likelihood(parent.model, pairs, pad)
    tokens = sum(len(row) - start for row, start in pairs)
    share: dict[str, list[float]] = {part: [] for part in PARTS}
    gap = high - low
    yield Carriers(parent.id, bands, share, low, high, tokens, abs(gap) < 1e-6)
    if abs(gap) < 1e-6:
        return
    for first, last in bands:
        for part in PARTS:
            mixed = twin(base.model)  # others use the base at the same moment
            for name in (
                name for name, (layer, kind) in spots.items() if first <= layer <= last and kind == part
            ):
                holder, _, own = name.rpartition(".")
                setattr(
                    mixed.get_submodule(holder),
                    own,
                    torch.nn.Parameter(theirs[name].to(base.device), requires_grad=False),
                )
            share[part].append((likelihood(mixed, pairs, pad) - low) / gap)
        yield Carriers(
            parent.id,
            bands,
            {k: list(v) for k, v in share.items()},
            low,
            high,
            tokens,
            (first, last) == bands[-1],
        )
    torch.cuda.empty_cache() if base.device == "cuda" else None
