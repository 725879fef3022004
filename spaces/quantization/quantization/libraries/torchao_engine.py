"""torchao's tensor subclasses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantization import modules
from quantization.libraries import common
from quantization.record import QuantizedModel, QuantizedTensor
from shared.errors import VisitorError
from shared.models import Loaded

if TYPE_CHECKING:
    from torch import Tensor, nn

FORMATS = (
    "int8-weight-only",
    "int8-dynamic",
    "int4-g32-weight-only",
    "int8-dynamic-int4-g32",
    "float8-weight-only",
)
"""What works on a CPU with torchao 0.18; its int4 and dynamic float8 kernels need a GPU."""


def _settings(spec: str) -> Any:
    import torch
    import torchao.quantization as ao

    int4 = torch.int4  # type: ignore[attr-defined]  # torch's types do not name it
    if spec == "int8-weight-only":
        return ao.Int8WeightOnlyConfig()
    if spec == "int8-dynamic":
        return ao.Int8DynamicActivationInt8WeightConfig()
    if spec == "float8-weight-only":
        return ao.Float8WeightOnlyConfig()
    if spec == "int4-g32-weight-only":
        return ao.IntxWeightOnlyConfig(weight_dtype=int4, granularity=ao.PerGroup(32))
    return ao.Int8DynamicActivationIntxWeightConfig(weight_dtype=int4, weight_granularity=ao.PerGroup(32))


def quantize_model(loaded: Loaded, spec: str, windows: Tensor | None) -> QuantizedModel:
    """Quantize every linear layer of the decoder's blocks with `torchao.quantize_`."""
    from torch import nn

    names = common.only_linear(loaded, "torchao")
    reports = []
    with common.silence():
        import torchao.quantization as ao

        settings = _settings(spec)

        def make(layer: nn.Linear, name: str) -> nn.Module:
            if "g32" in spec and layer.in_features % 32:
                raise VisitorError(
                    f"Groups of 32 do not divide rows of {layer.in_features} weights.", "Choose int8."
                )
            holder = nn.Sequential(common.bare_linear(layer))
            ao.quantize_(holder, settings)
            reports.append(
                modules.report(name, layer.weight.detach().float().cpu(), _read(holder[0].weight, spec))
            )
            return holder[0]

        model = common.swapped(loaded, names, make).eval()
    notes = ["No file: torchao's tensors are loaded with the library version that made them."]
    if "int4" in spec:
        notes.insert(
            0, "torchao keeps these 4-bit codes in a byte each: 8 bits and more are stored, 4 are used."
        )
    return QuantizedModel(
        format=f"torchao:{spec}",
        version=common.version("torchao"),
        model=model,
        tensors=tuple(reports),
        other_bytes=modules.other_bytes(loaded.model, set(names), modules.width(loaded)),
        runtime="torchao, activations rounded to int8"
        if "dynamic" in spec
        else "torchao, dequantized for each product, float32",
        notes=tuple(notes),
    )


def _read(weight: Any, spec: str) -> QuantizedTensor:
    """Codes, values and stored bytes of a quantized tensor: every inner tensor at the width that it has."""
    import torch

    parts, _ = weight.__tensor_flatten__()
    stored = sum(
        getattr(weight, part).numel() * getattr(weight, part).element_size()
        for part in parts
        if getattr(weight, part) is not None
    )
    codes = weight.qdata.cpu()
    if codes.dtype == torch.float8_e4m3fn:
        codes = codes.view(torch.uint8)
    return QuantizedTensor(
        f"torchao {spec}", codes.to(torch.int16), weight.dequantize().float().cpu(), stored
    )
