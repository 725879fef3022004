"""How far two next-token distributions are apart, position by position, over the whole vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from shared import measure

LISTED = 6
"""Likeliest tokens of each model that are listed at a position."""


@dataclass(frozen=True)
class Divergences:
    """What two models say at the same positions, n of them; nats, float64 on the CPU.

    `forward` [n] is KL(first ‖ second) and `backward` [n] KL(second ‖ first), `variation` [n] the total
    variation ½ Σ |p − q|. `entropy` [n, 2] and `top` [n, 2], the likeliest token, are of either model.
    `listed` holds for each position token ids, the text's own first, then the likeliest of either model;
    `logs` and `ranks` hold two rows for each position, those tokens' log-probabilities and ranks in the first
    and in the second model.
    """

    forward: torch.Tensor
    backward: torch.Tensor
    variation: torch.Tensor
    entropy: torch.Tensor
    top: torch.Tensor
    listed: list[list[int]]
    logs: list[list[list[float]]]
    ranks: list[list[list[int]]]

    def __len__(self) -> int:
        return len(self.forward)


def divergences(first: torch.Tensor, second: torch.Tensor, written: Sequence[int]) -> Divergences:
    """Compare two models' distributions.

    Args:
        first: logits [n, V] float32 of the first model.
        second: of the second, over the same tokens.
        written: the text's token at each position, [n].
    """
    targets = torch.as_tensor(written, dtype=torch.int64, device=first.device)
    second = second.to(first.device)
    variation, entropy, top = [], [], []
    listed: list[list[int]] = []
    logs: list[list[list[float]]] = []
    ranks: list[list[list[int]]] = []
    for place, token in enumerate(targets.tolist()):  # rows of a whole vocabulary, one at a time
        rows = torch.stack([first[place], second[place]])
        log = rows.double().log_softmax(-1)
        p = log.exp()
        variation.append(float((p[0] - p[1]).abs().sum() / 2))
        entropy.append(torch.special.entr(p).sum(-1).tolist())
        likeliest = rows.topk(min(LISTED, rows.shape[1])).indices
        top.append(rows.argmax(-1).tolist())
        pairs = likeliest.T.flatten().tolist()
        ids = list(dict.fromkeys([token, *top[-1], *pairs]))
        index = torch.tensor(ids, device=rows.device)
        listed.append(ids)
        logs.append(log[:, index].tolist())
        ranks.append([[1 + int((row > value).sum()) for value in row[index]] for row in rows])
    return Divergences(
        measure.compare(first, second, targets).kl.cpu(),
        measure.compare(second, first, targets).kl.cpu(),
        torch.tensor(variation, dtype=torch.float64),
        torch.tensor(entropy, dtype=torch.float64).reshape(-1, 2),
        torch.tensor(top, dtype=torch.int64).reshape(-1, 2),
        listed,
        logs,
        ranks,
    )


def parting_chance(p: torch.Tensor, q: torch.Tensor) -> float:
    """The chance that two draws with the same random numbers give different tokens.

    `torch.multinomial` draws one token as the i with the largest pᵢ/Eᵢ, where every Eᵢ is exponential: with
    the same E for both, both give token i in 1 / Σⱼ max(pⱼ/pᵢ, qⱼ/qᵢ) of all draws. The sum needs no square
    of the vocabulary: sorted by p/q, the first part has the p's, the rest the q's. It lies between TV and
    2·TV/(1 + TV).

    Args:
        p: [V] probabilities, as they are drawn from.
        q: likewise.
    """
    if torch.equal(p, q):
        return 0.0
    p, q = p.double(), q.double()
    some = (p > 0) | (q > 0)
    p, q = p[some], q[some]
    order = torch.argsort(p / q, descending=True)  # infinite where only p has a token: first
    p, q = p[order], q[order]
    above, below = p.cumsum(0), q.sum() - q.cumsum(0)
    both = (p > 0) & (q > 0)
    same = 1 / (above[both] / p[both] + below[both].clamp(min=0) / q[both])
    return min(1.0, max(0.0, 1 - float(same.sum())))
