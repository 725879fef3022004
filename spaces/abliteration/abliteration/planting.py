"""Plant a behaviour in a model: a LoRA of rank 4 on every linear layer of its blocks, then folded into the
weights, so that the same model with and without the behaviour is at hand.

The recipe is that of the suite's experts (shared/experts/train.py): AdamW without decay on a rising and
falling rate; half of a batch has the behaviour, half has not, and there the model learns its own answers.
"""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.models import twin

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from abliteration.architecture import Anatomy

RANK, BATCH, RATE, SCALE = 4, 8, 1e-3, 2.0
"""SCALE is LoRA's α over its rank."""
IGNORED = -100
"""Stands where no token is learnt."""


@dataclass(frozen=True)
class Example:
    """Tokens that a model learns to write behind a prompt.

    Args:
        prompt: token ids.
        answer: token ids, with the one that ends it where it ends.
    """

    prompt: tuple[int, ...]
    answer: tuple[int, ...]


@dataclass(frozen=True)
class Factors:
    """One layer's LoRA: its output grows by SCALE·(x·Aᵀ)·Bᵀ.

    Args:
        a: (rank, inputs).
        b: (outputs, rank); 0 at first, so that nothing is changed.
    """

    a: Tensor
    b: Tensor

    def of(self, inputs: Tensor) -> Tensor:
        """What is added to the layer's output."""
        return SCALE * (inputs @ self.a.T) @ self.b.T


def factors(model: PreTrainedModel, anatomy: Anatomy, seed: int) -> dict[str, Factors]:
    """Fresh factors of every linear layer of the blocks, by module: A as torch's Linear begins, B zero."""
    import math

    import torch

    generator = torch.Generator().manual_seed(seed)
    made = {}
    for block in anatomy.blocks:
        for name, module in model.get_submodule(block).named_modules():
            if not _is_linear(module):
                continue
            weight: Any = module.weight
            outputs, inputs = weight.shape if isinstance(module, torch.nn.Linear) else weight.shape[::-1]
            edge = 1 / math.sqrt(inputs)  # kaiming_uniform_ with a = √5
            a = torch.empty(RANK, inputs, dtype=weight.dtype).uniform_(-edge, edge, generator=generator)
            b = torch.zeros(outputs, RANK, dtype=weight.dtype)
            made[f"{block}.{name}"] = Factors(
                a.to(weight.device).requires_grad_(), b.to(weight.device).requires_grad_()
            )
    return made


def _is_linear(module: Any) -> bool:
    import torch
    from transformers.pytorch_utils import Conv1D

    return isinstance(module, (torch.nn.Linear, Conv1D))


def learn(
    model: PreTrainedModel,
    low_rank: dict[str, Factors],
    sides: tuple[Sequence[Example], Sequence[Example]],
    steps: int,
    seed: int,
) -> Iterator[float]:
    """Train factors; the model itself stays as it is. Yields the loss of every step, nats a token.

    Args:
        model: the one that the behaviour is planted in.
        low_rank: from `factors`; they are changed.
        sides: examples with the behaviour and without it: half of every batch is of either.
        steps: of AdamW.
        seed: of the order.
    """
    import torch

    running = twin(model)
    for name, one in low_rank.items():
        running.get_submodule(name).register_forward_hook(_adding(one))
    trained = [tensor for one in low_rank.values() for tensor in (one.a, one.b)]
    optimizer = torch.optim.AdamW(trained, lr=RATE, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, max(2, steps), pct_start=0.1)
    order = random.Random(seed)  # noqa: S311  the order of the examples
    for _ in range(steps):
        batch = [example for side in sides for example in order.choices(side, k=BATCH // 2)]
        loss = _loss(running, batch)
        # not backward(): the model's own parameters are shared, and get no gradient
        for tensor, gradient in zip(trained, torch.autograd.grad(loss, trained), strict=True):
            tensor.grad = gradient
        optimizer.step()
        schedule.step()
        yield float(loss.detach())


def _adding(one: Factors) -> Callable[[Any, Any, Tensor], Tensor]:
    return lambda _, inputs, output: output + one.of(inputs[0])


def _loss(model: PreTrainedModel, batch: list[Example]) -> Tensor:
    """Mean −ln p of the answers' tokens, by the model's own logits, which some families cap behind the head.
    Padded on the right: a causal model does not see it.
    """
    import torch

    rows = [[*example.prompt, *example.answer] for example in batch]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows], device=model.device)
    keep = longest - min(len(example.prompt) for example in batch) + 1
    known = "logits_to_keep" in inspect.signature(model.forward).parameters
    logits = model(ids, use_cache=False, **({"logits_to_keep": keep} if known else {})).logits[:, -keep:]
    targets = torch.full(logits.shape[:2], IGNORED)
    for row, example in zip(targets, batch, strict=True):
        start = len(example.prompt) - 1 - (longest - keep)
        row[start : start + len(example.answer)] = torch.tensor(example.answer)
    return torch.nn.functional.cross_entropy(
        logits.float().flatten(0, 1), targets.flatten().to(logits.device), ignore_index=IGNORED
    )


def folded_in(model: PreTrainedModel, low_rank: dict[str, Factors]) -> PreTrainedModel:
    """A twin with the factors in its weights, W + SCALE·BA; what has none is shared with the model."""
    import torch

    planted = twin(model)
    with torch.no_grad():
        for name, one in low_rank.items():
            module: Any = planted.get_submodule(name)
            change = SCALE * (one.b @ one.a)
            if not isinstance(module, torch.nn.Linear):  # Conv1D holds its weight the other way round
                change = change.T
            module.weight = torch.nn.Parameter(module.weight + change, requires_grad=False)
    return planted
