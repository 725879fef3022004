"""The edit in the weights: every matrix that writes into the stream, its bias and the tied head.

W is looked at as [width, n], whatever the layout it is stored in. With u the unit direction in front of the
matrix (r̂, or norm(g⊙r̂) where a norm with gain g follows), the edited matrix is (I − α·uuᵀ)W and the edited
bias (I − α·uuᵀ)b.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abliteration.architecture import Anatomy, Write, gain
from abliteration.edit import Edit
from shared.errors import VisitorError
from shared.models import twin

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel


def strength(edit: Edit, write: Write) -> float:
    """The kernel's strength at one matrix."""
    if write.part in ("embedding", "positions"):
        return edit.kernel.embedding
    return (edit.kernel.attention if write.part == "attention" else edit.kernel.mlp)[write.layer]


def in_front(model: PreTrainedModel, edit: Edit, write: Write) -> Tensor:
    """The unit direction u to project a matrix against, in the matrix's dtype and on its device: r̂, or
    norm(g⊙r̂) before a norm.
    """
    import torch

    weight = model.get_submodule(write.module).weight
    row = edit.directions[write.layer].to(weight.device, torch.float64)
    fold = gain(model, write)
    if fold is not None:
        row = fold.to(row.device, torch.float64) * row
    return (row / row.norm()).to(weight.dtype)  # type: ignore[arg-type]


def bake(model: PreTrainedModel, anatomy: Anatomy, edit: Edit) -> PreTrainedModel:
    """A twin with the edit in its weights; what is not edited is shared with the model, which stays as it is.

    A tied head is untied: it keeps the matrix that the embedding had.

    Raises:
        VisitorError: the edit has no form as weights: an affine edit, a step that is added, or a kernel on
            block inputs.
    """
    import torch

    check_bakeable(edit)
    baked = twin(model)
    with torch.no_grad():
        for write in anatomy.writes:
            alpha = strength(edit, write)
            if not alpha:
                continue
            module, u = baked.get_submodule(write.module), in_front(model, edit, write)
            keep_lengths = edit.method == "norm_preserving"
            if write.part == "embedding" and anatomy.tied:
                _untie(baked, anatomy)
            module.weight = _parameter(_projected(module.weight.detach(), u, alpha, write.rows, keep_lengths))
            bias = getattr(module, "bias", None)
            if bias is not None:
                module.bias = _parameter(_projected(bias.detach()[None], u, alpha, True, keep_lengths)[0])
    return baked


def bakeable(edit: Edit) -> bool:
    """Whether weights can do it.

    What the kernel removes at a block's input, the writes before it must have removed: their own layers'
    direction, which is the block's only where all layers have the same.
    """
    import torch

    same = all(torch.equal(row, edit.directions[0]) for row in edit.directions)
    return (
        edit.method not in ("affine", "add")
        and edit.kernel.bakeable()
        and (same or not any(edit.kernel.blocks))
    )


def check_bakeable(edit: Edit) -> None:
    """Raise a VisitorError for an edit that has no form as weights."""
    if edit.method in ("affine", "add"):
        name = "An affine edit" if edit.method == "affine" else "A step that is added"
        raise VisitorError(
            f"{name} would need biases that the model has no place for.",
            "Use it live, or export an ablation.",
        )
    if not bakeable(edit):
        raise VisitorError(
            "The kernel edits the stream at a block's input, where no matrix writes.",
            "Draw it on embedding, attention and MLP: all three at strength 1 clear every block's input.",
        )


def _projected(weight: Tensor, u: Tensor, alpha: float, rows: bool, keep_lengths: bool) -> Tensor:
    """(I − α·uuᵀ)W for a weight stored as [width, n], or [n, width] with `rows`; with each column's length
    restored where wanted.
    """
    left = weight - alpha * (weight @ u)[:, None] * u if rows else weight - alpha * u[:, None] * (u @ weight)
    if keep_lengths:
        axis = 1 if rows else 0
        left *= weight.norm(dim=axis, keepdim=True) / left.norm(dim=axis, keepdim=True).clamp(min=1e-30)
    return left


def _parameter(value: Tensor) -> Any:
    import torch

    return torch.nn.Parameter(value, requires_grad=False)


def _untie(baked: PreTrainedModel, anatomy: Anatomy) -> None:
    """Give the head the matrix for itself. It is the same tensor still: only the embedding's module gets
    another.
    """
    baked.config.tie_word_embeddings = False
    baked.get_submodule(anatomy.head).weight = baked.get_submodule(anatomy.family.embedding).weight


def save(baked: PreTrainedModel, tokenizer: Any, folder: Path) -> list[Path]:
    """Write an edited model as safetensors with its tokenizer; the files, none of them in a folder of its
    own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # safetensors refuses tensors that share memory; a head that was untied is another Parameter object over
    # its own storage
    baked.save_pretrained(folder)
    if tokenizer is not None:
        # several chat templates would go into a folder
        tokenizer.save_pretrained(folder, save_jinja_files=False)
    return sorted(folder.iterdir())


@dataclass(frozen=True)
class Adapter:
    """What a rank-1 adapter holds and what it leaves out.

    Args:
        files: as PEFT reads them.
        modules: how many matrices.
        left_out: what the edit does besides; the adapter gives the edited logits only where this is empty.
    """

    files: tuple[Path, ...]
    modules: int
    left_out: tuple[str, ...]


def save_lora(model: PreTrainedModel, anatomy: Anatomy, edit: Edit, folder: Path, base: str) -> Adapter:
    """Write the edit as a LoRA of rank 1: ΔW = B·A with B = −α·u, A = uᵀW, per linear matrix.

    Args:
        base: name of the model that the adapter is for.

    Raises:
        VisitorError: the edit has no form as weights or its change of a matrix has not rank 1, or it edits no
            linear matrix.
    """
    import torch
    from peft import LoraConfig
    from safetensors.torch import save_file

    check_bakeable(edit)
    if edit.method == "norm_preserving":
        raise VisitorError(
            "A norm-preserving edit changes each matrix by more than rank 1.",
            "Export the whole model, or use the plain ablation.",
        )
    tensors: dict[str, Tensor] = {}
    left_out, modules = [], []
    for write in anatomy.writes:
        alpha = strength(edit, write)
        if not alpha:
            continue
        module = model.get_submodule(write.module)
        if write.part in ("embedding", "positions"):
            left_out.append(f"{write.part} (strength {alpha:g})")
            continue
        if getattr(module, "bias", None) is not None:
            left_out.append(f"{write.module}.bias")
        u, weight = in_front(model, edit, write), module.weight.detach()
        modules.append(write.module)
        name = f"base_model.model.{write.module}"
        tensors[f"{name}.lora_A.weight"] = (
            (weight @ u if write.rows else u @ weight)[None].float().contiguous().cpu()
        )
        tensors[f"{name}.lora_B.weight"] = (-alpha * u)[:, None].float().contiguous().cpu()
    if not modules:
        raise VisitorError(
            "The kernel edits no attention or MLP matrix.",
            "Draw a strength there, or export the whole model.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    settings = LoraConfig(
        r=1,
        lora_alpha=1,
        lora_dropout=0.0,
        target_modules=modules,
        task_type="CAUSAL_LM",
        fan_in_fan_out=anatomy.family.rows,
        base_model_name_or_path=base,
        inference_mode=True,
    ).to_dict()
    settings = {
        key: sorted(value) if isinstance(value, set) else getattr(value, "value", value)
        for key, value in settings.items()
    }
    (folder / "adapter_config.json").write_text(
        json.dumps(settings, indent=1, sort_keys=True) + "\n", encoding="utf-8"
    )
    assert all(torch.isfinite(value).all() for value in tensors.values())
    return Adapter(tuple(sorted(folder.iterdir())), len(modules), tuple(left_out))
