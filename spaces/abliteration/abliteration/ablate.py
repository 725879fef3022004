"""The edit while the model runs: hooks on a twin that change what is written into the residual stream."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from abliteration.kernel import Kernel
from shared.models import twin

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from abliteration.architecture import Anatomy

METHODS = ("ablate", "norm_preserving", "affine", "add")


@dataclass(frozen=True)
class Means:
    """How much of each layer's direction the harmless prompts carry, by write: where an affine edit moves to.

    Args:
        embedding: r̂ᵀ of embedding and positions, averaged over the harmless prompts' last tokens.
        attention: of the attention's output, by layer.
        mlp: of the MLP's output, by layer.
        blocks: of the block's input, by layer.
    """

    embedding: float
    attention: tuple[float, ...]
    mlp: tuple[float, ...]
    blocks: tuple[float, ...]


@dataclass(frozen=True)
class Edit:
    """What is done to the residual stream.

    Args:
        method: "ablate", h ← h − α(r̂ᵀh)r̂; "norm_preserving", the same in the weights with every column's
            length restored; "affine", h ← h − α(r̂ᵀh − m)r̂ with m from `means`; "add", h ← h + step at one
            block's input.
        directions: unit rows r̂ by the layer that they are removed from, float32 (layers, width).
        kernel: the strengths α; "add" has no use for them.
        means: for "affine".
        layer: for "add".
        step: for "add": c·r, float32 (width,).
    """

    method: str
    directions: Tensor
    kernel: Kernel
    means: Means | None = None
    layer: int = 0
    step: Tensor | None = None


def live(model: PreTrainedModel, anatomy: Anatomy, edit: Edit) -> PreTrainedModel:
    """A twin of the model that runs with the edit; the model itself stays as it is.

    A strength of 0 leaves no hook: the twin then computes the same bits. A norm-preserving edit has no form
        as a projection of
    activations, so the twin gets edited weights instead.

    Raises:
        VisitorError: as `bake.bake`, for a norm-preserving edit.
    """
    if edit.method == "norm_preserving":
        from abliteration.bake import bake

        return bake(model, anatomy, edit)
    made = twin(model)
    if edit.method == "add":
        assert edit.step is not None
        step = edit.step.to(model.device, model.dtype)
        _before(made, anatomy.blocks[edit.layer], lambda hidden: hidden + step)
        return made
    kernel, rows = edit.kernel, edit.directions.to(model.device, model.dtype)
    means = edit.means or Means(0.0, *3 * ((0.0,) * anatomy.layers,))
    if kernel.embedding:
        _before(made, anatomy.blocks[0], _removal(rows[0], kernel.embedding, means.embedding))
    for layer, name in enumerate(anatomy.blocks):
        if kernel.blocks[layer]:
            _before(made, name, _removal(rows[layer], kernel.blocks[layer], means.blocks[layer]))
        for part, strengths, middle in (
            ("attention", kernel.attention, means.attention),
            ("mlp", kernel.mlp, means.mlp),
        ):
            if strengths[layer]:
                change = _removal(rows[layer], strengths[layer], middle[layer])
                made.get_submodule(anatomy.write(part, layer).output).register_forward_hook(
                    lambda module, inputs, output, change=change: change(output)  # type: ignore[misc]
                )
    return made


def _removal(row: Tensor, strength: float, mean: float) -> Callable[[Tensor], Tensor]:
    scaled = strength * row
    if mean == 0:
        return lambda hidden: hidden - (hidden @ row)[..., None] * scaled
    return lambda hidden: hidden - (hidden @ row - mean)[..., None] * scaled


def _before(model: PreTrainedModel, name: str, change: Callable[[Tensor], Tensor]) -> None:
    def hook(_: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (change(inputs[0]), *inputs[1:])

    model.get_submodule(name).register_forward_pre_hook(hook)


def harmless_means(
    model: PreTrainedModel, anatomy: Anatomy, directions: Tensor, prompts: list[list[int]]
) -> Means:
    """What the harmless prompts write along each layer's direction, averaged over their last tokens.

    Args:
        directions: unit rows, float32 (layers, width).
        prompts: token ids.
    """
    import torch

    from abliteration.activations import batches, padded

    made, rows = twin(model), directions.to(model.device, model.dtype)
    sums: dict[tuple[str, int], float] = {}
    now: dict[str, Tensor] = {}

    def keep(key: tuple[str, int], hidden: Tensor) -> None:
        last = hidden[torch.arange(len(hidden), device=hidden.device), now["ends"] - 1]
        sums[key] = sums.get(key, 0.0) + float((last @ rows[key[1]]).sum())

    for layer, name in enumerate(anatomy.blocks):
        made.get_submodule(name).register_forward_pre_hook(
            lambda _, inputs, key=("blocks", layer): keep(key, inputs[0])
        )  # type: ignore[misc]
        for part in ("attention", "mlp"):
            made.get_submodule(anatomy.write(part, layer).output).register_forward_hook(
                lambda _, inputs, output, key=(part, layer): keep(key, output)  # type: ignore[misc]
            )
    for chosen in batches(prompts):
        ids, now["ends"] = padded([prompts[index] for index in chosen], model.device)
        with torch.inference_mode():
            made.base_model(ids, use_cache=False)
    by = {
        part: tuple(sums[part, layer] / len(prompts) for layer in range(anatomy.layers))
        for part in ("attention", "mlp", "blocks")
    }
    return Means(by["blocks"][0], **by)
