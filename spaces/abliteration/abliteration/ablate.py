"""The edit while the model runs: hooks on a twin that change what is written into the residual stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from abliteration.activations import batches, padded
from abliteration.bake import in_front, strength
from abliteration.edit import Edit, Means
from shared.models import twin

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from abliteration.architecture import Anatomy, Write


def live(model: PreTrainedModel, anatomy: Anatomy, edit: Edit) -> PreTrainedModel:
    """A twin of the model that runs with the edit; the model itself stays as it is.

    A strength of 0 leaves no hook: the twin then computes the same bits.
    """
    edited = twin(model)
    if edit.method == "norm_preserving":
        for write in anatomy.writes:
            if alpha := strength(edit, write):
                _keep_lengths(edited, write, in_front(model, edit, write), alpha)
        return edited
    if edit.method == "fitted":
        assert edit.reads is not None
        for write in anatomy.writes:
            if write.module in edit.reads and (alpha := strength(edit, write)):
                row = edit.directions[write.layer].to(model.device, model.dtype)
                _gated(edited, write.module, edit.reads[write.module].to(row), alpha * row)
        return edited
    if edit.method == "add":
        assert edit.step is not None
        step = edit.step.to(model.device, model.dtype)
        _before(edited, anatomy.blocks[edit.layer], lambda hidden: hidden + step)
        return edited
    kernel, rows = edit.kernel, edit.directions.to(model.device, model.dtype)
    means = edit.means or Means(0.0, *3 * ((0.0,) * anatomy.layers,))
    if kernel.embedding:
        _before(edited, anatomy.blocks[0], _removal(rows[0], kernel.embedding, means.embedding))
    for layer, name in enumerate(anatomy.blocks):
        if kernel.blocks[layer]:
            _before(edited, name, _removal(rows[layer], kernel.blocks[layer], means.blocks[layer]))
        for part, strengths, middle in (
            ("attention", kernel.attention, means.attention),
            ("mlp", kernel.mlp, means.mlp),
        ):
            if strengths[layer]:
                change = _removal(rows[layer], strengths[layer], middle[layer])
                _after(edited, anatomy.write(part, layer).output, change)
    return edited


def _removal(row: Tensor, strength: float, mean: float) -> Callable[[Tensor], Tensor]:
    scaled = strength * row
    if mean == 0:
        return lambda hidden: hidden - (hidden @ row)[..., None] * scaled
    return lambda hidden: hidden - (hidden @ row - mean)[..., None] * scaled


def _keep_lengths(edited: PreTrainedModel, write: Write, u: Tensor, alpha: float) -> None:
    """A norm-preserving edit while the model runs: W′ = (I − α·uuᵀ)W·diag(c), so the matrix's inputs are
    multiplied by c, and u is taken from what it writes. c follows from ‖w‖ and uᵀw of every column w alone:
    ‖(I − α·uuᵀ)w‖² = ‖w‖² − (2α − α²)(uᵀw)².

    A token's embedding is a column itself: what is left of it gets its length back.
    """
    import torch

    module: Any = edited.get_submodule(write.module)
    u = u.to(module.weight.dtype)
    take = _removal(u, alpha, 0.0)
    if write.part in ("embedding", "positions"):

        def short(hidden: Tensor) -> Tensor:
            left = take(hidden)
            return left * (hidden.norm(dim=-1, keepdim=True) / left.norm(dim=-1, keepdim=True).clamp(1e-30))

        _after(edited, write.module, short)
        return
    columns = module.weight.detach() if write.rows else module.weight.detach().T
    bias = getattr(module, "bias", None)

    def stretch(vectors: Tensor) -> Tensor:
        lost = (2 * alpha - alpha**2) * ((vectors @ u) / vectors.norm(dim=-1).clamp(min=1e-30)) ** 2
        return (1 - lost).clamp(min=1e-30).rsqrt()

    factors = stretch(columns)
    more = None if bias is None else (stretch(bias.detach()[None]) - 1) * bias.detach()
    _before(edited, write.module, lambda hidden: hidden * factors)
    _after(edited, write.module, lambda output: take(output if more is None else output + more))
    assert torch.isfinite(factors).all()


def _before(model: PreTrainedModel, name: str, change: Callable[[Tensor], Tensor]) -> None:
    def hook(_: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (change(inputs[0]), *inputs[1:])

    model.get_submodule(name).register_forward_pre_hook(hook)


def _after(model: PreTrainedModel, name: str, change: Callable[[Tensor], Tensor]) -> None:
    def hook(_: Any, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        return change(output)

    model.get_submodule(name).register_forward_hook(hook)


def _gated(model: PreTrainedModel, name: str, read: Tensor, step: Tensor) -> None:
    """Let a matrix write a step as often as a vector says of its inputs."""

    def hook(_: Any, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        return output + (inputs[0] @ read)[..., None] * step

    model.get_submodule(name).register_forward_hook(hook)


def harmless_means(
    model: PreTrainedModel, anatomy: Anatomy, directions: Tensor, prompts: list[list[int]]
) -> Means:
    """What the harmless prompts write along each layer's direction, averaged over their last tokens.

    Args:
        directions: unit rows, float32 (layers, width).
        prompts: token ids.
    """
    import torch

    watched, rows = twin(model), directions.to(model.device, model.dtype)
    sums: dict[tuple[str, int], float] = {}
    ends = torch.empty(0)  # of the batch that runs

    def keep(key: tuple[str, int], hidden: Tensor) -> None:
        last = hidden[torch.arange(len(hidden), device=hidden.device), ends - 1]
        sums[key] = sums.get(key, 0.0) + float((last @ rows[key[1]]).sum())

    def keep_input(key: tuple[str, int]) -> Callable[..., None]:
        return lambda _, inputs: keep(key, inputs[0])

    def keep_output(key: tuple[str, int]) -> Callable[..., None]:
        return lambda _, inputs, output: keep(key, output)

    for layer, name in enumerate(anatomy.blocks):
        watched.get_submodule(name).register_forward_pre_hook(keep_input(("blocks", layer)))
        for part in ("attention", "mlp"):
            output = watched.get_submodule(anatomy.write(part, layer).output)
            output.register_forward_hook(keep_output((part, layer)))
    for batch in batches(prompts):
        ids, ends = padded([prompts[index] for index in batch], model.device)
        with torch.inference_mode():
            watched.base_model(ids, use_cache=False)
    by = {
        part: tuple(sums[part, layer] / len(prompts) for layer in range(anatomy.layers))
        for part in ("attention", "mlp", "blocks")
    }
    return Means(by["blocks"][0], **by)
