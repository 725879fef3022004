"""The two formats of checkpoints that servers read most, GPTQ's and AWQ's: codes of several weights in one
32-bit number, with a float16 scale and a zero point for every group of a row.

Both store a layer's weight as (inputs, outputs). GPTQ packs neighbours along the inputs, and its zero points
less 1; AWQ packs along the outputs, each eight in the order 0 2 4 6 1 3 5 7.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared import weights
from shared.errors import VisitorError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from quantization.record import QuantizedTensor

WORD = 32
"""Bits of a packed number."""

GROUPS = (128, 64, 32)
"""Group sizes that the kernels have, the preferred first."""

ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
"""In which AWQ packs eight neighbours."""


def group_of(widths: Mapping[str, int], stated: int | None = None) -> int:
    """The size of the groups: the stated one, or the largest that divides every layer's rows.

    Args:
        widths: inputs of each layer by its weight's name.
        stated: by the format's name.

    Raises:
        VisitorError: none divides all of them.
    """
    sizes = (stated,) if stated else GROUPS
    for size in sizes:
        if all(width % size == 0 for width in widths.values()):
            return size
    name = next(name for name, width in widths.items() if width % sizes[-1])
    raise VisitorError(
        f"Groups of {sizes[-1]} do not divide the rows of {name}, which have {widths[name]:,} weights.",
        "Choose another engine.",
    )


def pack(codes: Tensor, bits: int) -> Tensor:
    """Codes (n, m) as int32 (n · bits / 32, m): of neighbours along n the first has the lowest bits."""
    import torch

    count = WORD // bits
    parts = codes.long().reshape(-1, count, codes.shape[1])
    words = (parts << (bits * torch.arange(count))[:, None]).sum(1)
    return torch.where(words >= 1 << (WORD - 1), words - (1 << WORD), words).int()


def unpack(words: Tensor, bits: int) -> Tensor:
    """The codes (n, m) of `pack`, int16."""
    import torch

    shifts = (bits * torch.arange(WORD // bits))[:, None]
    return ((words.long()[:, None] >> shifts) & (2**bits - 1)).reshape(-1, words.shape[1]).short()


def gptq_tensors(result: QuantizedTensor) -> dict[str, Tensor]:
    """A quantized weight as a layer of a GPTQ checkpoint, by the names of its tensors."""
    import torch

    grid, bits = result.details["grid"], result.details["bits"]
    columns = result.codes.shape[1]
    size = columns // grid.scale.shape[1]
    return {
        "qweight": pack(result.codes.T, bits),
        "qzeros": pack(grid.zero - 1, bits).T.contiguous(),
        "scales": grid.scale.half().T.contiguous(),
        "g_idx": (torch.arange(columns) // size).int(),
    }


def awq_tensors(result: QuantizedTensor) -> dict[str, Tensor]:
    """A quantized weight as a layer of an AWQ checkpoint, by the names of its tensors."""
    grid, bits = result.details["grid"], result.details["bits"]
    return {
        "qweight": pack(_ordered(result.codes), bits).T.contiguous(),
        "qzeros": pack(_ordered(grid.zero), bits).T.contiguous(),
        "scales": grid.scale.half().T.contiguous(),
    }


def _ordered(values: Tensor) -> Tensor:
    """Values (outputs, …) in AWQ's order within each eight."""
    return values.reshape(-1, len(ORDER), *values.shape[1:])[:, list(ORDER)].reshape(values.shape)


def weight_of(tensors: Mapping[str, Tensor], settings: Mapping[str, Any]) -> Tensor:
    """A layer's weight (outputs, inputs) as a checkpoint has it, float32.

    Args:
        tensors: of the layer by name.
        settings: the checkpoint's `quantization_config`.
    """
    import torch

    bits, is_awq = int(settings["bits"]), settings["quant_method"] == "awq"
    scales = tensors["scales"].float().T
    if is_awq:
        back = torch.tensor(ORDER).argsort()
        codes, zeros = (
            unpack(tensors[name].T.contiguous(), bits).reshape(-1, len(ORDER), tensors[name].shape[0])
            for name in ("qweight", "qzeros")
        )
        codes, zeros = (one[:, back].reshape(-1, one.shape[2]) for one in (codes, zeros))
    else:
        codes = unpack(tensors["qweight"], bits).T
        zeros = unpack(tensors["qzeros"].T.contiguous(), bits) + 1
    size = codes.shape[1] // scales.shape[1]
    groups = torch.arange(codes.shape[1]) // size if is_awq else tensors["g_idx"].long()
    return (codes.float() - zeros.float()[:, groups]) * scales[:, groups]


def opened(folder: Path) -> PreTrainedModel:
    """The model of a folder in one of the two formats, its weights in float32: what their libraries compute
    with, which need a GPU.

    Raises:
        VisitorError: the folder lacks a weight, or has one too many.
    """
    import torch
    import transformers
    from safetensors.torch import load_file

    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))["quantization_config"]
    config = weights.configuration(folder)
    del config.quantization_config
    state: dict[str, Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        state |= load_file(path)
    for layer in [name.removesuffix(".qweight") for name in state if name.endswith(".qweight")]:
        names = [name for name in ("qweight", "qzeros", "scales", "g_idx") if f"{layer}.{name}" in state]
        state[f"{layer}.weight"] = weight_of({name: state.pop(f"{layer}.{name}") for name in names}, settings)
    kind = getattr(transformers, str(config.architectures[0]))
    model, report = kind.from_pretrained(
        None, config=config, state_dict=state, dtype=torch.float32, output_loading_info=True
    )
    weights.check_names(report, "The written checkpoint")
    return model.eval().requires_grad_(False)


def check_rows(rows: Iterable[tuple[str, int]], bits: int) -> None:
    """Raise a VisitorError for a layer whose outputs do not fill packed numbers.

    Args:
        rows: outputs of each layer by its weight's name.
        bits: of a code.
    """
    for name, count in rows:
        if count % (WORD // bits):
            raise VisitorError(
                f"{name} has {count:,} rows, which do not fill numbers of {WORD} bits.",
                "Choose another engine.",
            )
