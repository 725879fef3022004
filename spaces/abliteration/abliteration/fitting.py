"""An edit that acts only where the behaviour begins: by least squares, and not at every token.

An ablation takes r̂ from everything that a matrix writes, also where it stands for something else. Here a
matrix W gets the rank-1 change r̂aᵀ whose vector a says at which inputs x it acts:

    aᵀx = m − r̂ᵀWx   at the last token of the prompts with the behaviour,
    aᵀx = 0          at the last token of the others, and at the tokens before both,

in the sense of ridge regression, in which the others' last tokens weigh WEIGHT times as much as any other
input, and m is the mean of r̂ᵀWx over them. With X the inputs, each times the root of its weight, a =
Xᵀ(XXᵀ + λ)⁻¹t: linear in t, so every direction is a product with what was solved once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from abliteration.activations import batches, padded
from shared.errors import VisitorError
from shared.models import twin

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from abliteration.architecture import Anatomy

RIDGE = 0.3
"""λ as a share of the mean of an input's squared length."""
WEIGHT = 30.0
"""Of the last tokens of the prompts without the behaviour, where nothing is to change."""
TOKENS = 1000
"""Inputs that a matrix is fitted on, the last tokens first."""
BYTES = 500_000_000
"""Of all matrices' inputs while they are read; larger models are fitted on fewer tokens."""


@dataclass(frozen=True)
class Fit:
    """What one matrix reads and writes.

    Args:
        solved: from what is wanted at each positive prompt's last token to a, float32 (inputs, positives).
        positive: what it writes there, float32 (positives, width).
        negative: what it writes at the last token of the others, mean over them, float32 (width,).
    """

    solved: Tensor
    positive: Tensor
    negative: Tensor

    def reads(self, row: Tensor) -> Tensor:
        """The vector a for a unit direction, float32 (inputs,)."""
        return self.solved @ ((self.negative - self.positive) @ row.to(self.positive))


def reads_of(fits: Mapping[str, Fit], rows: Tensor, anatomy: Anatomy) -> dict[str, Tensor]:
    """The vector a of every attention and MLP matrix, by module.

    Args:
        fits: of `fits`.
        rows: unit directions by layer, (layers, width).
        anatomy: of the model.
    """
    return {
        write.module: fits[write.module].reads(rows[write.layer])
        for write in anatomy.writes
        if write.module in fits
    }


def fits(
    model: PreTrainedModel, anatomy: Anatomy, positive: list[list[int]], negative: list[list[int]]
) -> dict[str, Fit]:
    """What every attention and MLP matrix reads and writes on two sets of prompts, by module.

    Args:
        positive: token ids of prompts with the behaviour; each ends where the behaviour begins.
        negative: likewise without it.

    Raises:
        VisitorError: norms stand between the family's matrices and the stream.
    """
    import torch

    if anatomy.family.post_norms is not None:
        raise VisitorError(
            f"A fitted edit of {anatomy.family.name} would have to pass the norms behind its matrices.",
            "Choose the method ablate.",
        )
    writes = [write for write in anatomy.writes if write.part in ("attention", "mlp")]
    prompts = [*positive, *negative]
    widths = sum(_inputs(model, write.module, write.rows) for write in writes)
    most = max(len(prompts), min(TOKENS, BYTES // (4 * widths)))
    earlier = sum(len(ids) - 1 for ids in prompts)
    chance = (most - len(prompts)) / max(1, earlier)
    generator = torch.Generator().manual_seed(0)
    drawn = [torch.rand(len(ids) - 1, generator=generator) < chance for ids in prompts]
    read: dict[str, list[Tensor]] = {write.module: [] for write in writes}
    wrote: dict[str, list[Tensor]] = {write.module: [] for write in writes}
    kept = last = torch.empty(0)  # of the batch that runs
    watched = twin(model)

    def watch(module: str) -> Callable[..., None]:
        def hook(_: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
            read[module].append(inputs[0][kept].float().cpu())
            wrote[module].append(output[last].float().cpu())

        return hook

    for write in writes:
        watched.get_submodule(write.module).register_forward_hook(watch(write.module))
    order, places = [], []
    for batch in batches(prompts):
        ids, ends = padded([prompts[index] for index in batch], model.device)
        last = torch.arange(ids.shape[1], device=ids.device) == ends[:, None] - 1
        kept = last.clone()
        for row, index in enumerate(batch):
            kept[row, : len(drawn[index])] |= drawn[index].to(kept.device)
        order += batch
        places.append(last[kept].cpu())
        with torch.inference_mode():
            watched.base_model(ids, use_cache=False)
    ends_at = torch.cat(places).nonzero().flatten()
    shows = torch.tensor([index < len(positive) for index in order])
    with torch.no_grad():
        return {
            write.module: _fit(
                torch.cat(read.pop(write.module)),
                torch.cat(wrote.pop(write.module)),
                ends_at,
                shows,
            )
            for write in writes
        }


def _inputs(model: PreTrainedModel, module: str, rows: bool) -> int:
    weight: Any = model.get_submodule(module).weight
    return int(weight.shape[0 if rows else 1])


def _fit(read: Tensor, wrote: Tensor, at: Tensor, shows: Tensor) -> Fit:
    """One matrix.

    Args:
        read: its inputs, (tokens, inputs).
        wrote: its outputs at the prompts' last tokens, (prompts, width).
        at: which of the tokens are a prompt's last, by prompt.
        shows: which of the prompts are positive.
    """
    import torch

    exact = read.double()
    ridge = max(RIDGE * float((exact**2).sum(1).mean()), 1e-30)
    exact[at[~shows]] *= WEIGHT**0.5
    gram = exact @ exact.T
    gram.diagonal().add_(ridge)
    wanted = torch.zeros(len(read), int(shows.sum()), dtype=torch.float64)
    wanted[at[shows], torch.arange(wanted.shape[1])] = 1
    solved = exact.T @ torch.linalg.solve(gram, wanted)
    return Fit(solved.float(), wrote[shows], wrote[~shows].mean(0))
