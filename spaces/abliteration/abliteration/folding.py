"""How an edit passes a norm between a matrix and the stream, as in Gemma 2 and 3: o = g⊙Wa/rms(Wa).

At run time α·r̂r̂ᵀo is taken from o. In the weights that is (I − α·vuᵀ)W with u ∝ g⊙r̂ and either v ∝ r̂/g,
which takes the same from o before the norm divides, or v = u, which changes the norm less where g has small
entries. Then the norm divides by another length: a factor of its gain brings that back on average. Which v
and which factor come closest to the run-time edit is measured, matrix by matrix, on a few prompts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from abliteration.ablate import live
from abliteration.activations import batches, padded
from abliteration.bake import sides, strength
from abliteration.edit import Edit, Fold

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from abliteration.architecture import Anatomy, Write

PROMPTS = 16
"""Prompts whose tokens say how a norm rescales."""


def folds(
    model: PreTrainedModel, anatomy: Anatomy, edit: Edit, prompts: list[list[int]]
) -> dict[str, Fold] | None:
    """The fold of each edited matrix with a norm behind it; None where the family has no such norms, or the
    edit none of its own (norm-preserving, affine, add).

    Args:
        prompts: token ids; all their tokens count.
    """
    import torch

    if anatomy.family.post_norms is None or edit.method != "ablate":
        return None
    running = live(model, anatomy, edit)
    writes = [write for write in anatomy.writes if write.output != write.module and strength(edit, write)]
    sums: dict[tuple[str, bool], Tensor] = {}
    kept = torch.empty(0)  # which tokens of the batch that runs are prompts'

    def watch(write: Write) -> Callable[..., None]:
        norm: Any = model.get_submodule(write.output)
        alpha = strength(edit, write)
        row = edit.directions[write.layer].to(model.device, model.dtype)
        choices = {oblique: sides(model, edit, write, Fold(oblique, 1.0)) for oblique in (True, False)}

        def hook(_: Any, __: Any, output: Tensor) -> None:
            written = output[kept]
            after = norm(written)
            wanted = (after - alpha * (after @ row)[:, None] * row).double()
            for oblique, (u, v) in choices.items():
                made = norm(written - alpha * (written @ u)[:, None] * v).double()
                new = torch.stack(((made * wanted).sum(), (made * made).sum(), (wanted * wanted).sum()))
                sums[write.module, oblique] = sums.get((write.module, oblique), 0) + new

        return hook

    for write in writes:
        running.get_submodule(write.module).register_forward_hook(watch(write))
    for batch in batches(prompts):
        ids, ends = padded([prompts[index] for index in batch], model.device)
        kept = torch.arange(ids.shape[1], device=ids.device) < ends[:, None]
        with torch.inference_mode():
            running.base_model(ids, use_cache=False)
    return {write.module: _closest(sums, write.module) for write in writes}


def _closest(sums: dict[tuple[str, bool], Tensor], module: str) -> Fold:
    """The fold whose output is nearest to the wanted one, by least squares."""
    errors = {}
    for oblique in (True, False):
        both, own, wanted = sums[module, oblique].tolist()
        if own > 0 and both > 0 and own < float("inf"):
            errors[wanted - both * both / own] = Fold(oblique, both / own)
    return errors[min(errors)] if errors else Fold(False, 1.0)
