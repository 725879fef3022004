"""The edit in the weights: every matrix that writes into the stream, its bias and the tied head.

W is looked at as [width, n], whatever the layout it is stored in. With u the unit direction in front of the
matrix (r̂, or norm(g⊙r̂) where a norm with gain g follows) and v what is taken away (u, or r̂/g before a norm,
see `folding`), uᵀv = 1, the edited matrix is (I − α·vuᵀ)W and the edited bias (I − α·vuᵀ)b. A
fitted edit is W + α·r̂aᵀ, and leaves biases alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abliteration.architecture import Anatomy, Write, gain
from abliteration.edit import Edit, Fold
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


def fold_of(edit: Edit, write: Write) -> Fold | None:
    """How the edit passes the norm behind a matrix, where that was measured."""
    return (edit.folds or {}).get(write.module)


def in_front(model: PreTrainedModel, edit: Edit, write: Write) -> Tensor:
    """The unit direction u to project a matrix against: `sides`' first."""
    return sides(model, edit, write, fold_of(edit, write))[0]


def sides(
    model: PreTrainedModel, edit: Edit, write: Write, fold: Fold | None = None
) -> tuple[Tensor, Tensor]:
    """The vectors u and v of (I − α·vuᵀ)W, in float32 or the matrix's finer dtype, on its device: r̂
    twice; before a norm norm(g⊙r̂) twice, or with an oblique fold norm(g⊙r̂) and the multiple of r̂/g with
    uᵀv = 1.
    """
    import torch

    weight = write.weight(model)
    row = edit.directions[write.layer].to(weight.device, torch.float64)
    exact = torch.float64 if weight.dtype == torch.float64 else torch.float32
    by = gain(model, write)
    if by is None:
        u = (row / row.norm()).to(exact)
        return u, u
    scaled = by.to(row.device, torch.float64) * row
    u = (scaled / scaled.norm()).to(exact)
    if fold is None or not fold.oblique:
        return u, u
    return u, (row / by.to(row.device, torch.float64) * scaled.norm() / (row @ row)).to(exact)


def bake(model: PreTrainedModel, anatomy: Anatomy, edit: Edit, *, linear: bool = False) -> PreTrainedModel:
    """A twin with the edit in its weights; what is not edited is shared with the model, which stays as it is.

    A tied head is untied: it keeps the matrix that the embedding had.

    Args:
        linear: attention's and MLP's matrices alone, without biases and norms: what an adapter holds.

    Raises:
        VisitorError: the edit has no form as weights: an affine edit, a step that is added, or a kernel on
            block inputs.
    """
    import torch

    check_bakeable(edit)
    anatomy.check_method(edit.method)
    baked = twin(model)
    keep_lengths = edit.method == "norm_preserving"
    with torch.no_grad():
        for write in anatomy.writes:
            alpha = strength(edit, write)
            if not alpha or (linear and write.part in ("embedding", "positions")):
                continue
            module, fold = baked.get_submodule(write.module), fold_of(edit, write)
            if edit.method == "fitted":
                module.weight = _parameter(_fitted(module.weight.detach(), edit, write))
                continue
            both = sides(model, edit, write, fold)
            if write.part == "embedding" and anatomy.tied:
                _untie(baked, anatomy)
            left = _projected(write.weight(model), both, alpha, write.rows, keep_lengths)
            setattr(module, write.name, _parameter(write.stored(left, model)))
            if linear:
                continue
            bias = getattr(module, "bias", None)
            if bias is not None:
                module.bias = _parameter(_projected(bias.detach()[None], both, alpha, True, keep_lengths)[0])
            if fold is not None:
                norm: Any = baked.get_submodule(write.output)
                norm.weight = _parameter(fold.gain * (1 + norm.weight.detach()) - 1)
    return baked


def rounded(baked: PreTrainedModel, model: PreTrainedModel, dtype: str) -> PreTrainedModel:
    """An edited twin whose edited numbers are those that a file of another dtype can hold.

    Args:
        baked: from `bake`; it is changed.
        model: that it was made from.
        dtype: of the file, a name of torch's.
    """
    import torch

    kept = {id(parameter) for parameter in model.parameters()}
    for module in baked.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            if id(parameter) not in kept:
                stored = parameter.detach().to(getattr(torch, dtype)).to(parameter.dtype)
                setattr(module, name, _parameter(stored))
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


def _projected(
    weight: Tensor, sides: tuple[Tensor, Tensor], alpha: float, rows: bool, keep_lengths: bool
) -> Tensor:
    """(I − α·vuᵀ)W for a weight stored as [width, n], or [n, width] with `rows`, in the weight's dtype; with
    each column's length restored where wanted.
    """
    import torch

    u, v = sides
    exact = weight.to(u.dtype)
    pair = (exact @ u, v) if rows else (v, u @ exact)
    left = torch.addr(exact, *pair, alpha=-alpha)
    if keep_lengths:
        axis = 1 if rows else 0
        left *= exact.norm(dim=axis, keepdim=True) / left.norm(dim=axis, keepdim=True).clamp(min=1e-30)
    return left.to(weight.dtype)


def _fitted(weight: Tensor, edit: Edit, write: Write) -> Tensor:
    """W + α·r̂aᵀ for a weight as it is stored."""
    import torch

    exact = torch.float64 if weight.dtype == torch.float64 else torch.float32
    read, step = _sides_of_fit(edit, write, exact, weight.device)
    pair = (read, step) if write.rows else (step, read)
    return torch.addr(weight.to(exact), *pair).to(weight.dtype)


def _sides_of_fit(edit: Edit, write: Write, dtype: Any, device: Any) -> tuple[Tensor, Tensor]:
    """Where a matrix acts and what it then writes: a and α·r̂."""
    assert edit.reads is not None
    row = edit.directions[write.layer].to(device, dtype)
    return edit.reads[write.module].to(device, dtype), strength(edit, write) * row


def _parameter(value: Tensor) -> Any:
    import torch

    return torch.nn.Parameter(value, requires_grad=False)


def _untie(baked: PreTrainedModel, anatomy: Anatomy) -> None:
    """Give the head the matrix for itself. It is the same tensor still: only the embedding's module gets
    another.
    """
    baked.config.tie_word_embeddings = False
    baked.get_submodule(anatomy.head).weight = baked.get_submodule(anatomy.family.embedding).weight


def save(baked: PreTrainedModel, tokenizer: Any, folder: Path, dtype: str = "") -> list[Path]:
    """Write an edited model as safetensors with its tokenizer; the files, none of them in a folder of its
    own.

    Args:
        dtype: that the file's numbers have, a name of torch's; "" for the model's.
    """
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    wanted = getattr(torch, dtype) if dtype else baked.dtype
    # safetensors refuses tensors that share memory; a head that was untied is another Parameter object over
    # its own storage
    if wanted == baked.dtype:
        baked.save_pretrained(folder)
    else:
        narrow: dict[int, Tensor] = {}  # tensors that are tied stay one
        for value in (values := baked.state_dict()).values():
            if value.is_floating_point():
                narrow.setdefault(value.data_ptr(), value.to(wanted))
        states = {
            name: narrow[value.data_ptr()] if value.is_floating_point() else value
            for name, value in values.items()
        }
        before = baked.config.dtype
        baked.config.dtype = wanted
        baked.save_pretrained(folder, state_dict=states)
        baked.config.dtype = before
        _state_dtype(folder, dtype)
    if tokenizer is not None:
        # several chat templates would go into a folder
        tokenizer.save_pretrained(folder, save_jinja_files=False)
    return sorted(folder.iterdir())


def _state_dtype(folder: Path, dtype: str) -> None:
    """Let config.json state the dtype of the file: transformers states that of the model in memory."""
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    for name in ("dtype", "torch_dtype"):
        if name in config:
            config[name] = dtype
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Adapter:
    """What an adapter holds and what it leaves out.

    Args:
        files: as PEFT reads them.
        modules: how many matrices the edit changes.
        rank: 1, and that of the adapter which goes along.
        left_out: what the edit does besides; the adapter gives the edited logits only where this is empty.
    """

    files: tuple[Path, ...]
    modules: int
    rank: int
    left_out: tuple[str, ...]


def save_lora(
    model: PreTrainedModel,
    anatomy: Anatomy,
    edit: Edit,
    folder: Path,
    base: str,
    own: Path | None = None,
) -> Adapter:
    """Write the edit as a LoRA of rank 1: ΔW = B·A with B = −α·v, A = uᵀW, per linear matrix.

    Args:
        base: name of the model that the adapter is for.
        own: folder of a LoRA that the model is the base with: it goes along, so that both are right on the
            base.

    Raises:
        VisitorError: the edit has no form as weights or its change of a matrix has not rank 1, or it edits no
            linear matrix.
    """
    import torch
    from peft import LoraConfig

    check_bakeable(edit)
    if edit.method == "norm_preserving":
        raise VisitorError(
            "A norm-preserving edit changes each matrix by more than rank 1.",
            "Export the whole model, or use the plain ablation.",
        )
    changes: dict[str, tuple[Tensor, Tensor]] = {}
    left_out: list[str] = []
    for write in anatomy.writes:
        alpha = strength(edit, write)
        if not alpha:
            continue
        module = model.get_submodule(write.module)
        if edit.method == "fitted":
            read, step = _sides_of_fit(edit, write, torch.float32, "cpu")
            changes[write.module] = read[None], step[:, None]
            continue
        if write.part in ("embedding", "positions"):
            left_out.append(f"{write.part} (strength {alpha:g})")
            continue
        if getattr(module, "bias", None) is not None:
            left_out.append(f"{write.module}.bias")
        fold = fold_of(edit, write)
        if fold is not None and fold.gain != 1:
            left_out.append(f"{write.output}.weight (gain times {fold.gain:.3g})")
        if write.stack:
            raise VisitorError(
                "Experts lie in one stack, and a LoRA holds linear layers.",
                "Export the whole model, or draw the kernel on attention alone.",
            )
        u, v = sides(model, edit, write, fold)
        weight = write.weight(model).to(u.dtype)
        along = weight @ u if write.rows else u @ weight
        changes[write.module] = along[None].float().cpu(), (-alpha * v)[:, None].float().cpu()
    if not changes:
        raise VisitorError(
            "The kernel edits no attention or MLP matrix.",
            "Draw a strength there, or export the whole model.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    count, rank = len(changes), 1
    if own is not None:
        changes, rank = _together(own, changes)
    _save_tensors(changes, folder)
    settings = LoraConfig(
        r=rank,
        lora_alpha=rank,
        lora_dropout=0.0,
        target_modules=list(changes),
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
    assert all(torch.isfinite(value).all() for pair in changes.values() for value in pair)
    return Adapter(tuple(sorted(folder.iterdir())), count, rank, tuple(left_out))


def _together(own: Path, changes: dict[str, tuple[Tensor, Tensor]]) -> tuple[dict[str, Any], int]:
    """A and B of an adapter and of an edit on top of it, by module, and their rank; nothing where one of them
    does not change a module.
    """
    import torch
    from safetensors.torch import load_file

    settings = json.loads((own / "adapter_config.json").read_text(encoding="utf-8"))
    tensors, factor = load_file(own / "adapter_model.safetensors"), settings["lora_alpha"] / settings["r"]
    both: dict[str, tuple[Tensor, Tensor]] = {}
    suffix = ".lora_A.weight"
    for name in sorted(name for name in tensors if name.endswith(suffix)):
        down, up = (tensors[name.replace("lora_A", part)].float() for part in ("lora_A", "lora_B"))
        module = name.removeprefix("base_model.model.").removesuffix(suffix)
        none = torch.zeros(1, down.shape[1]), torch.zeros(up.shape[0], 1)
        more_down, more_up = changes.get(module, none)
        both[module] = torch.cat((down, more_down)), torch.cat((factor * up, more_up), 1)
    missing = set(changes) - set(both)
    assert not missing, f"the adapter does not reach {sorted(missing)[0]}"
    return both, int(settings["r"]) + 1


def _save_tensors(changes: dict[str, tuple[Tensor, Tensor]], folder: Path) -> None:
    from safetensors.torch import save_file

    tensors = {
        f"base_model.model.{module}.lora_{part}.weight": value.contiguous()
        for module, pair in changes.items()
        for part, value in zip("AB", pair, strict=True)
    }
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
