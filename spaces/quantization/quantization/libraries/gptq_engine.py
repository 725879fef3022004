"""GPTQ in its own checkpoint format, which transformers, vLLM and SGLang read on a GPU."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from quantization import checkpoints, modules, rotation
from quantization.calibration import block_by_block
from quantization.libraries import common
from quantization.methods import METHODS, affine
from quantization.methods.gptq import gptq
from quantization.record import QuantizedModel, TensorReport
from shared.models import Loaded, twin

if TYPE_CHECKING:
    from torch import Tensor

    from quantization import formats

FORMATS = {"int4": (4, None), "int4-g32": (4, 32), "int8": (8, None)}
"""Bits and group size; None takes the largest of 128, 64 and 32 that divides every row."""


def quantize_model(loaded: Loaded, spec: str, calibration: formats.Calibration) -> QuantizedModel:
    """Quantize the linear layers of the decoder's blocks by GPTQ on symmetric grids.

    Args:
        loaded: the base model.
        spec: a key of `FORMATS`.
        calibration: what the layers learn from.

    Raises:
        VisitorError: as `common.only_linear` and `checkpoints.group_of`, or a mixture of experts.
    """
    bits, stated = FORMATS[spec]
    names = common.packable(loaded, "GPTQ", bits)
    group = checkpoints.group_of({name: loaded.model.get_parameter(name).shape[1] for name in names}, stated)
    model = twin(loaded.model)
    packed: dict[str, Tensor] = {}
    reports: dict[str, TensorReport] = {}
    in_turn = _goes_in_turn(loaded)
    learnt = (
        block_by_block(model, calibration.windows)
        if in_turn
        else iter([calibration.moments(loaded, products=True)])
    )
    for moments in learnt:
        for name, seen in moments.items():
            weight = loaded.model.get_parameter(name).detach().float().cpu()
            result = gptq(weight, seen, bits, group, grid_of=affine.middle_grid)
            order = 4 * weight.shape[1]  # the group of every column
            result = replace(result, stored_bytes=result.stored_bytes + order)
            layer = name.removesuffix("weight")
            packed |= {f"{layer}{part}": value for part, value in checkpoints.gptq_tensors(result).items()}
            modules.replace_weight(model, name, result.values.to(loaded.model.device))
            reports[name] = modules.report(name, weight, result)
    settings = {
        "quant_method": "gptq",
        "bits": bits,
        "group_size": group,
        "sym": True,
        "desc_act": False,
        "true_sequential": False,
        "damp_percent": 0.01,
        "lm_head": False,
        "checkpoint_format": "gptq",
    }
    notes = (
        f"Groups of {group}, symmetric.",
        "Each block learns from what the quantized blocks before it leave."
        if in_turn
        else METHODS["gptq"].leaves_out,
    )
    ordered = {name: reports[name] for name in names}
    return common.packed_model(loaded, model, ordered, packed, settings, spec, notes)


def _goes_in_turn(loaded: Loaded) -> bool:
    """Whether the blocks can be run one by one: of a family that is known, all with the same mask."""
    kinds = set(getattr(loaded.model.config, "layer_types", None) or [])
    return rotation.supported(loaded.model) is None and len(kinds) <= 1
