"""AWQ in its own checkpoint format, which transformers, vLLM and SGLang read on a GPU.

Columns with large inputs are scaled up before they are rounded. A file has no room for the scales: the norm
before takes in those of layers with the same input, and the layer before those of the two outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from quantization import checkpoints, modules, rotation
from quantization.calibration import Calibration
from quantization.libraries import common
from quantization.methods import affine
from quantization.methods.awq import search
from quantization.record import QuantizedModel, QuantizedTensor, TensorReport
from shared.errors import VisitorError
from shared.models import Loaded, twin

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from quantization import formats

FORMATS = {"int4": (4, None), "int4-g32": (4, 32)}
"""Bits and group size; None takes the largest of 128, 64 and 32 that divides every row."""

CLIPS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5)
"""Shares of a group's range that are tried."""


@dataclass(frozen=True)
class Folded:
    """A weight with scales folded in: what is rounded is out · w · in.

    Args:
        name: of the parameter.
        inputs: factor of each column.
        outputs: factor of each row.
        clips: whether ranges narrower than the weights' are tried.
    """

    name: str
    inputs: Tensor
    outputs: Tensor
    clips: bool


def quantize_model(loaded: Loaded, spec: str, calibration: formats.Calibration) -> QuantizedModel:
    """Quantize the linear layers of the decoder's blocks, with scales that fold and clips that are searched.

    Args:
        loaded: the base model.
        spec: a key of `FORMATS`.
        calibration: what the layers learn from.

    Raises:
        VisitorError: a family whose norms and layers are not known here, or as `common.only_linear` and
            `checkpoints.group_of`.
    """
    import torch

    bits, stated = FORMATS[spec]
    names = common.packable(loaded, "AWQ", bits)
    if rotation.supported(loaded.model):
        raise VisitorError(
            f"AWQ folds its scales into norms and layers, and those of “{loaded.model.config.model_type}” "
            f"models are not known here ({', '.join(rotation.FAMILIES)} are).",
            "Choose gptq:int4, or another engine.",
        )
    group = checkpoints.group_of({name: loaded.model.get_parameter(name).shape[1] for name in names}, stated)
    moments = calibration.moments(loaded, products=True)
    model = twin(loaded.model)
    dtype = getattr(torch, modules.published_dtype(loaded))
    packed: dict[str, Tensor] = {}
    reports: dict[str, TensorReport] = {}
    norms: dict[str, Tensor] = {}
    for number in range(len(model.model.layers)):
        place = f"model.layers.{number}"
        folded, gains = _scales(loaded, place, moments, bits, group, dtype)
        norms |= gains
        for one in folded:
            weight = loaded.model.get_parameter(one.name).detach().float().cpu()
            result = _rounded(one, weight, moments[one.name], bits, group)
            layer = one.name.removesuffix("weight")
            packed |= {f"{layer}{part}": value for part, value in checkpoints.awq_tensors(result).items()}
            modules.replace_weight(model, one.name, result.values.to(loaded.model.device))
            bias = loaded.model.get_submodule(layer.removesuffix(".")).bias
            if bias is not None and bool((one.outputs != 1).any()):
                norms[f"{layer}bias"] = bias.detach() * one.outputs.to(bias.device)
            unfolded = replace(result, values=result.values / one.inputs / one.outputs[:, None])
            reports[one.name] = modules.report(one.name, weight, unfolded)
    modules.replace_weights(model, norms)
    settings = {
        "quant_method": "awq",
        "bits": bits,
        "group_size": group,
        "zero_point": True,
        "version": "gemm",
        "modules_to_not_convert": ["lm_head"],
    }
    notes = [f"Groups of {group}; scales are folded into what comes before, clips are searched."]
    if not _folds_values(loaded, "model.layers.0"):
        notes.append("Attention's output has no scales: several heads share a value.")
    ordered = {name: reports[name] for name in names}
    return common.packed_model(loaded, model, ordered, packed, settings, spec, tuple(notes))


def _folds_values(loaded: Loaded, place: str) -> bool:
    """Whether each of the values is an input of attention's output, once."""
    attention = loaded.model.get_submodule(f"{place}.self_attn")
    return bool(attention.v_proj.out_features == attention.o_proj.in_features)


def _scales(
    loaded: Loaded,
    place: str,
    moments: Mapping[str, Calibration],
    bits: int,
    group: int,
    dtype: torch.dtype,
) -> tuple[list[Folded], dict[str, Tensor]]:
    """The factors of a block's weights, and the norms that take them in, by parameter name."""
    import torch

    gains: dict[str, Tensor] = {}

    def weight(name: str) -> Tensor:
        return loaded.model.get_parameter(f"{place}.{name}.weight").detach().float().cpu()

    def shared(norm: str, *layers: str) -> Tensor:
        """Scales of layers after a norm, as exactly as the norm can take them in."""
        whole = torch.cat([weight(name) for name in layers])
        scales = search(whole, moments[f"{place}.{layers[0]}.weight"], bits, group)[1]
        before = weight(norm)
        after = (before / scales).to(dtype).float()
        gains[f"{place}.{norm}.weight"] = after
        return torch.where(after == 0, 1.0, before / torch.where(after == 0, 1.0, after))

    def own(layer: str) -> Tensor:
        return search(weight(layer), moments[f"{place}.{layer}.weight"], bits, group)[1]

    def none(layer: str, axis: int) -> Tensor:
        return torch.ones(loaded.model.get_parameter(f"{place}.{layer}.weight").shape[axis])

    query, key, value, output = (f"self_attn.{name}_proj" for name in "qkvo")
    gate, up, down = (f"mlp.{name}_proj" for name in ("gate", "up", "down"))
    attended = shared("input_layernorm", query, key, value)
    entered = shared("post_attention_layernorm", gate, up)
    left = own(down)
    given = own(output) if _folds_values(loaded, place) else none(output, 1)
    value_rows = 1 / given if _folds_values(loaded, place) else none(value, 0)
    made = [
        (query, attended, none(query, 0), False),
        (key, attended, none(key, 0), False),
        (value, attended, value_rows, True),
        (output, given, none(output, 0), True),
        (gate, entered, none(gate, 0), True),
        (up, entered, 1 / left, True),
        (down, left, none(down, 0), True),
    ]
    folded = [
        Folded(f"{place}.{name}.weight", inputs, outputs, clips) for name, inputs, outputs, clips in made
    ]
    return folded, gains


def _rounded(one: Folded, weight: Tensor, inputs: Calibration, bits: int, group: int) -> QuantizedTensor:
    """A folded weight rounded in groups, each with the clip of the least output error."""
    import torch

    assert inputs.second_moment is not None
    scaled = one.outputs[:, None] * weight * one.inputs
    blocks = affine.grouped(scaled, group)
    moment = inputs.second_moment / torch.outer(one.inputs, one.inputs)
    near = torch.stack(
        [moment[at : at + group, at : at + group] for at in range(0, len(moment), group)]
    )  # within a group, as its clip moves nothing else
    best: affine.Grid | None = None
    least = torch.full(blocks.shape[:2], torch.inf)
    for clip in CLIPS if one.clips else CLIPS[:1]:
        grid = affine.range_grid(blocks, bits, clip)
        error = blocks - affine.decode(affine.encode(blocks, grid), grid)
        loss = ((error.transpose(0, 1) @ near).transpose(0, 1) * error).sum(2)
        if best is None:
            best, least = grid, loss
            continue
        better = loss < least
        least = torch.where(better, loss, least)
        best = affine.Grid(
            torch.where(better, grid.scale, best.scale),
            torch.where(better, grid.zero, best.zero),
            grid.low,
            grid.high,
        )
    assert best is not None
    codes = affine.encode(blocks, best)
    return affine.finish(scaled, best, codes, group, bits, f"int{bits} g{group} awq", True)
