"""hqq's own layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantization import modules
from quantization.libraries import common
from quantization.record import QuantizedModel, QuantizedTensor
from shared.models import Loaded

if TYPE_CHECKING:
    from torch import Tensor, nn

FORMATS = {"int8": (8, 64), "int4-g64": (4, 64), "int3-g64": (3, 64), "int2-g16": (2, 16)}
"""Bits and group size by name."""


def quantize_model(loaded: Loaded, spec: str, windows: Tensor | None) -> QuantizedModel:
    """Replace every linear layer of the decoder's blocks by an HQQLinear in float32.

    Raises:
        VisitorError: the model's layers are Conv1D.
    """
    import torch
    from hqq.core.quantize import BaseQuantizeConfig, HQQLinear

    names = common.only_linear(loaded, "hqq")
    number, group = FORMATS[spec]
    reports = []

    def make(layer: nn.Linear, name: str) -> nn.Module:
        settings = BaseQuantizeConfig(nbits=number, group_size=group, axis=1)
        new = HQQLinear(
            common.bare_linear(layer), settings, compute_dtype=torch.float32, device=str(layer.weight.device)
        )
        reports.append(modules.report(name, layer.weight.detach().float().cpu(), _read(new)))
        return new

    with common.silence():
        model = common.swapped(loaded, names, make).eval()
    return QuantizedModel(
        format=f"hqq:{spec}",
        version=common.version("hqq"),
        model=model,
        tensors=tuple(reports),
        other_bytes=modules.other_bytes(loaded.model, set(names), modules.width(loaded)),
        runtime="hqq, dequantized for each product, float32",
        notes=(
            "Scales and zero points counted at 16 bits, as hqq stores them for a 16-bit model.",
            "No file: transformers cannot load HQQ back.",
        ),
    )


def _read(layer: Any) -> QuantizedTensor:
    """Codes and values of an HQQLinear."""
    import torch

    meta = layer.meta
    unpacked = layer.unpack(dtype=torch.uint8) if meta["packing"] != "8bit_u8" else layer.W_q
    groups = meta["scale"].numel()
    size = meta["shape"].numel() // groups
    codes = (
        unpacked.reshape(-1, unpacked.shape[-1])[:groups].reshape(meta["shape"]).cpu()
    )  # 3 bits are packed with padding
    values = layer.dequantize().detach().float().cpu().reshape(meta["shape"])
    return QuantizedTensor(
        f"hqq int{meta['nbits']} g{size}",
        codes.to(torch.int16),
        values,
        layer.W_q.numel() * layer.W_q.element_size() + 2 * 2 * groups,
    )
