"""The edit while the model runs: hooks on a twin that change what is written into the residual stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from abliteration.activations import batches, padded
from abliteration.bake import in_front, strength
from abliteration.edit import Edit, Means
from shared.models import twin

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from abliteration.architecture import Anatomy, Write


@dataclass(frozen=True)
class Change:
    """One hook of an edit.

    Args:
        module: where.
        before: whether what enters the module is changed, or what leaves it.
        of: from a module's input and, behind it, its output, to what is there instead.
    """

    module: str
    before: bool
    of: Callable[[Tensor, Tensor | None], Tensor]


def live(model: PreTrainedModel, anatomy: Anatomy, edit: Edit) -> PreTrainedModel:
    """A twin of the model that runs with the edit; the model itself stays as it is.

    A strength of 0 leaves no hook: the twin then computes the same bits.
    """
    return together(model, anatomy, [edit])


def together(model: PreTrainedModel, anatomy: Anatomy, edits: Sequence[Edit]) -> PreTrainedModel:
    """A twin that runs several edits in one pass: a batch's rows are parted into as many equal shares, the
    first of which has the first edit, and so on. Not several `norm_preserving` ones, which change learned
    positions, of which a batch has one row.
    """
    assert len(edits) == 1 or all(edit.method != "norm_preserving" for edit in edits)
    made = twin(model)
    by_place: dict[tuple[str, bool], list[list[Change]]] = {}
    for number, edit in enumerate(edits):
        for change in changes(model, anatomy, edit):
            at = by_place.setdefault((change.module, change.before), [[] for _ in edits])
            at[number].append(change)
    for (module, before), lists in by_place.items():
        _hook(made, module, before, lists)
    return made


def _hook(model: PreTrainedModel, name: str, before: bool, lists: list[list[Change]]) -> None:
    """Make one module's changes, those of each edit to its share of the rows."""
    import torch

    def changed(hidden: Tensor, output: Tensor | None) -> Tensor:
        found = hidden if output is None else output
        if len(lists) == 1:
            return _changed(lists[0], hidden, output)
        count = len(found) // len(lists)
        parts = zip(lists, hidden.split(count), found.split(count), strict=True)
        return torch.cat([_changed(some, one, None if before else other) for some, one, other in parts])

    module = model.get_submodule(name)
    if before:
        module.register_forward_pre_hook(lambda _, inputs: (changed(inputs[0], None), *inputs[1:]))
    else:
        module.register_forward_hook(lambda _, inputs, output: changed(inputs[0], output))


def _changed(some: list[Change], hidden: Tensor, output: Tensor | None) -> Tensor:
    for change in some:
        if output is None:
            hidden = change.of(hidden, None)
        else:
            output = change.of(hidden, output)
    return hidden if output is None else output


def changes(model: PreTrainedModel, anatomy: Anatomy, edit: Edit) -> Iterator[Change]:
    """What an edit changes while the model runs, hook by hook."""
    if edit.method == "norm_preserving":
        for write in anatomy.writes:
            if alpha := strength(edit, write):
                yield from _keep_lengths(model, write, in_front(model, edit, write), alpha)
        return
    if edit.method == "fitted":
        assert edit.reads is not None
        for write in anatomy.writes:
            if write.module in edit.reads and (alpha := strength(edit, write)):
                row = edit.directions[write.layer].to(model.device, model.dtype)
                yield _gated(write.module, edit.reads[write.module].to(row), alpha * row)
        return
    if edit.method == "add":
        assert edit.step is not None
        step = edit.step.to(model.device, model.dtype)
        yield _before(anatomy.blocks[edit.layer], lambda hidden: hidden + step)
        return
    kernel, rows = edit.kernel, edit.directions.to(model.device, model.dtype)
    means = edit.means or Means(0.0, *3 * ((0.0,) * anatomy.layers,))
    if kernel.embedding:
        yield _before(anatomy.blocks[0], _removal(rows[0], kernel.embedding, means.embedding))
    for layer, name in enumerate(anatomy.blocks):
        if kernel.blocks[layer]:
            yield _before(name, _removal(rows[layer], kernel.blocks[layer], means.blocks[layer]))
        for part, strengths, middle in (
            ("attention", kernel.attention, means.attention),
            ("mlp", kernel.mlp, means.mlp),
        ):
            if strengths[layer]:
                removal = _removal(rows[layer], strengths[layer], middle[layer])
                yield _after(anatomy.write(part, layer).output, removal)


def _removal(row: Tensor, strength: float, mean: float) -> Callable[[Tensor], Tensor]:
    scaled = strength * row
    if mean == 0:
        return lambda hidden: hidden - (hidden @ row)[..., None] * scaled
    return lambda hidden: hidden - (hidden @ row - mean)[..., None] * scaled


def _keep_lengths(model: PreTrainedModel, write: Write, u: Tensor, alpha: float) -> Iterator[Change]:
    """A norm-preserving edit while the model runs: W′ = (I − α·uuᵀ)W·diag(c), so the matrix's inputs are
    multiplied by c, and u is taken from what it writes. c follows from ‖w‖ and uᵀw of every column w alone:
    ‖(I − α·uuᵀ)w‖² = ‖w‖² − (2α − α²)(uᵀw)².

    A token's embedding is a column itself: what is left of it gets its length back.
    """
    import torch

    module: Any = model.get_submodule(write.module)
    u = u.to(module.weight.dtype)
    take = _removal(u, alpha, 0.0)
    if write.part in ("embedding", "positions"):

        def short(hidden: Tensor) -> Tensor:
            left = take(hidden)
            return left * (hidden.norm(dim=-1, keepdim=True) / left.norm(dim=-1, keepdim=True).clamp(1e-30))

        yield _after(write.module, short)
        return
    columns = module.weight.detach() if write.rows else module.weight.detach().T
    bias = getattr(module, "bias", None)

    def stretch(vectors: Tensor) -> Tensor:
        lost = (2 * alpha - alpha**2) * ((vectors @ u) / vectors.norm(dim=-1).clamp(min=1e-30)) ** 2
        return (1 - lost).clamp(min=1e-30).rsqrt()

    factors = stretch(columns)
    more = None if bias is None else (stretch(bias.detach()[None]) - 1) * bias.detach()
    assert torch.isfinite(factors).all()
    yield _before(write.module, lambda hidden: hidden * factors)
    yield _after(write.module, lambda output: take(output if more is None else output + more))


def _before(name: str, change: Callable[[Tensor], Tensor]) -> Change:
    return Change(name, True, lambda hidden, _: change(hidden))


def _after(name: str, change: Callable[[Tensor], Tensor]) -> Change:
    def of(_: Tensor, output: Tensor | None) -> Tensor:
        assert output is not None
        return change(output)

    return Change(name, False, of)


def _gated(name: str, read: Tensor, step: Tensor) -> Change:
    """Let a matrix write a step as often as a vector says of its inputs."""

    def of(hidden: Tensor, output: Tensor | None) -> Tensor:
        assert output is not None
        return output + (hidden @ read)[..., None] * step

    return Change(name, False, of)


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
    ids = ends = torch.empty(0)  # of the batch that runs

    def keep(key: tuple[str, int], hidden: Tensor) -> None:
        hidden = hidden.reshape(*ids.shape, -1)  # experts write a row for every token of the batch
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
