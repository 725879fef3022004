"""bitsandbytes: NF4, FP4 and LLM.int8() as transformers uses them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantization import modules
from quantization.libraries import common
from quantization.record import QuantizedModel, QuantizedTensor
from shared.errors import VisitorError
from shared.models import Loaded

if TYPE_CHECKING:
    from torch import Tensor, nn

BLOCK = 64
"""Weights that share a scale."""

FORMATS = {"nf4": "nf4", "nf4-double": "nf4", "fp4": "fp4", "int8": "int8"}
"""What works on a CPU too, and bitsandbytes' quant_type."""


def quantize_model(loaded: Loaded, spec: str, windows: Tensor | None) -> QuantizedModel:
    """Replace every linear layer of the decoder's blocks by bitsandbytes'.

    Raises:
        VisitorError: as `common.only_linear`, or rows that it cannot multiply with.
    """
    import bitsandbytes
    import torch

    logging.getLogger("bitsandbytes").setLevel(
        logging.ERROR
    )  # it warns of every cast to float16, once a product
    names = common.only_linear(loaded, "bitsandbytes")
    odd = {width for name in names if (width := loaded.model.get_parameter(name).shape[1]) % BLOCK}
    if odd and spec != "int8" and loaded.device == "cpu":
        raise VisitorError(
            f"On a CPU bitsandbytes needs rows that blocks of {BLOCK} divide, and some here have {min(odd)}.",
            "Choose bitsandbytes:int8, or another engine.",
        )
    double = spec.endswith("-double")
    reports = []

    def make(layer: nn.Linear, name: str) -> nn.Module:
        shape = (layer.in_features, layer.out_features)
        weight = layer.weight.detach()
        new: Any
        if spec == "int8":
            new = bitsandbytes.nn.Linear8bitLt(
                *shape, bias=layer.bias is not None, has_fp16_weights=False, threshold=6.0
            )
            new.weight = bitsandbytes.nn.Int8Params(
                weight.clone().cpu(), has_fp16_weights=False, requires_grad=False
            )
        else:
            new = bitsandbytes.nn.Linear4bit(
                *shape,
                bias=layer.bias is not None,
                compute_dtype=torch.float32,
                quant_type=FORMATS[spec],
                compress_statistics=double,
                device="meta",  # its own random weight would be thrown away
            )
            new.weight = bitsandbytes.nn.Params4bit(
                weight.clone().cpu(),
                requires_grad=False,
                quant_type=FORMATS[spec],
                compress_statistics=double,
            )
        if layer.bias is not None:
            new.bias = torch.nn.Parameter(layer.bias.detach().clone(), requires_grad=False)
        new = new.to(weight.device)  # this is when bitsandbytes quantizes
        if spec == "int8" and new.weight.dtype != torch.int8:
            new(torch.zeros(1, shape[0], device=weight.device))
        reports.append(modules.report(name, weight.float().cpu(), _read(new, spec, weight.shape)))
        return new

    with common.silence():
        model = common.swapped(loaded, names, make).eval()
    modules.as_published(loaded, model, set(names))
    runtime = (
        "bitsandbytes int8 products, outlier columns in float"
        if spec == "int8"
        else "bitsandbytes, dequantized for each product, float32"
    )

    def export(folder: Path) -> list[Path]:
        state = {key: value for key, value in model.state_dict().items() if not key.endswith("weight_format")}
        return common.save(loaded, state, _settings(spec, double), folder)

    return QuantizedModel(
        format=f"bitsandbytes:{spec}",
        version=common.version("bitsandbytes"),
        model=model,
        tensors=tuple(reports),
        other_bytes=modules.other_bytes(loaded.model, set(names), modules.width(loaded)),
        runtime=runtime,
        export=export,
    )


def _read(layer: Any, spec: str, shape: Any) -> QuantizedTensor:
    """Codes and values of a quantized layer, and the bytes that its file holds."""
    import torch
    from bitsandbytes import functional

    if spec == "int8":
        codes = layer.weight.data.cpu()
        scale = (layer.weight.SCB if layer.weight.SCB is not None else layer.state.SCB).float().cpu()
        values = codes.float() * scale[:, None] / 127
        return QuantizedTensor(
            "bitsandbytes int8", codes.to(torch.int16), values, codes.numel() + 4 * len(scale)
        )
    packed = layer.weight.data
    values = functional.dequantize_4bit(packed, layer.weight.quant_state).float().cpu().reshape(shape)
    flat = packed.cpu().flatten()
    codes = torch.stack([flat >> 4, flat & 15], 1).reshape(shape).to(torch.int16)
    state = layer.weight.quant_state.as_dict(packed=True)
    stored = flat.numel() + sum(
        part.numel() * part.element_size() for part in state.values() if torch.is_tensor(part)
    )
    return QuantizedTensor(f"bitsandbytes {spec}", codes, values, stored)


def _settings(spec: str, double: bool) -> dict[str, Any]:
    """The quantization_config that transformers reads back."""
    from transformers import BitsAndBytesConfig

    if spec == "int8":
        return BitsAndBytesConfig(load_in_8bit=True).to_dict()
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=FORMATS[spec],
        bnb_4bit_use_double_quant=double,
        bnb_4bit_compute_dtype="float32",
    ).to_dict()
