"""Quantization methods in plain torch, written to be read; each is held to its reference library or its paper
by a test.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from quantization.methods import affine, awq, codebook, gptq, hqq, outliers, smoothquant
from quantization.record import QuantizedTensor
from shared.checks import finite
from shared.errors import VisitorError

if TYPE_CHECKING:
    from torch import Tensor

    from quantization.calibration import Calibration


@dataclass(frozen=True)
class Setting:
    """One setting: its kind, its default, and the values that it may take."""

    kind: str  # "int" | "float" | "bool" | "group"
    default: Any
    low: float = -math.inf
    high: float = math.inf


@dataclass(frozen=True)
class Method:
    """A method: what a visitor reads of it, its settings, what it learns of a calibration text (nothing,
    or what each column of a layer's inputs does, or their products too), and what of the published method a
    whole model here goes without.
    """

    name: str
    title: str
    sentence: str
    function: Callable[..., QuantizedTensor]
    settings: dict[str, Setting] = field(default_factory=dict)
    needs_inputs: bool = False
    needs_products: bool = False
    leaves_out: str = ""


BITS8, BITS4 = Setting("int", 8, 2, 8), Setting("int", 4, 2, 8)
CLIP, FACTOR = Setting("float", 1.0, 0.05, 1.0), Setting("float", 1.0, 0.25, 4.0)
GROUP = Setting("group", 64)

_METHODS = (
    Method(
        "absmax",
        "Absmax",
        "A symmetric grid: the largest weight gets the highest code.",
        affine.absmax,
        {"bits": BITS8, "group": Setting("group", "row"), "clip": CLIP, "scale_factor": FACTOR},
    ),
    Method(
        "zero_point",
        "Zero point",
        "A grid from the smallest to the largest weight; no code is wasted on an empty side.",
        affine.zero_point,
        {"bits": BITS8, "group": Setting("group", "row"), "clip": CLIP, "scale_factor": FACTOR},
    ),
    Method(
        "rtn",
        "Group round-to-nearest",
        "Every few neighbours get a grid of their own, so that an outlier spoils only its group.",
        affine.rtn,
        {"bits": BITS4, "group": GROUP, "clip": CLIP, "scale_factor": FACTOR},
    ),
    Method(
        "nf4",
        "NF4",
        "16 levels where a normal distribution has its weights, times the block's largest weight.",
        codebook.nf4,
    ),
    Method("fp4", "FP4", "16 levels of a tiny float, times the block's largest weight.", codebook.fp4),
    Method(
        "hqq",
        "HQQ",
        "Looks for the zero point with the least error, not letting a few outliers decide.",
        hqq.hqq,
        {"bits": BITS4, "group": GROUP},
    ),
    Method(
        "gptq",
        "GPTQ",
        "Rounds column by column; later columns make up for the error of earlier ones.",
        gptq.gptq,
        {"bits": BITS4, "group": GROUP, "act_order": Setting("bool", False)},
        True,
        True,
        "Every layer learns from what it sees in the unquantized model; as published, from what the layers "
        "before it leave when they are quantized already.",
    ),
    Method(
        "awq",
        "AWQ",
        "Protects the columns that see large inputs by scaling them up before rounding.",
        awq.awq,
        {"bits": BITS4, "group": GROUP},
        True,
        True,
        "Every layer has scales of its own, counted in its size; as published, layers with the same input "
        "share them, the norm before takes them in, and clips are searched too.",
    ),
    Method(
        "smoothquant",
        "SmoothQuant",
        "Weights and activations in 8 bits, the activations' outliers moved into the weights.",
        smoothquant.smoothquant,
        {"bits": Setting("int", 8, 4, 8), "alpha": Setting("float", 0.5, 0.0, 1.0)},
        True,
        leaves_out="Every layer is smoothed by itself; as published, only those after a norm, which takes "
        "the scales in.",
    ),
    Method(
        "llm_int8",
        "LLM.int8()",
        "Columns with huge inputs stay in 16 bits, the rest take 8.",
        outliers.llm_int8,
        {"threshold": Setting("float", 6.0, 0.0, 1e9)},
        True,
    ),
)
METHODS = {method.name: method for method in _METHODS}
"""All own methods by name."""


def check_settings(method: str, settings: dict[str, Any]) -> dict[str, Any]:
    """A method's settings with the defaults filled in.

    Raises:
        VisitorError: no such method or setting, or a value out of range.
    """
    if method not in METHODS:
        raise VisitorError(f"There is no method “{method[:40]}”.", f"Choose one of {', '.join(METHODS)}.")
    known = METHODS[method].settings
    for name in settings:
        if name not in known:
            raise VisitorError(
                f"{method} has no setting “{str(name)[:40]}”.", f"It has {', '.join(known) or 'none'}."
            )
    return {
        name: _checked(name, setting, settings.get(name, setting.default)) for name, setting in known.items()
    }


def _checked(name: str, setting: Setting, value: Any) -> Any:
    if setting.kind == "bool":
        if not isinstance(value, bool):
            raise VisitorError(f"{name} is {str(value)[:40]}.", "Use true or false.")
        return value
    if setting.kind == "group":
        if value in ("row", "tensor"):
            return value
        low, high, whole = 8.0, 65_536.0, True
        remedy = "Use a number of weights from 8 on, row, or tensor."
    else:
        low, high, whole = setting.low, setting.high, setting.kind == "int"
        remedy = f"Use a {'whole ' if whole else ''}number from {low:g} to {high:g}."
    number = finite(value)
    if not low <= number <= high or (whole and not number.is_integer()):
        raise VisitorError(f"{name} is {str(value)[:40]}.", remedy)
    return int(number) if whole else number


def quantize(
    weight: Tensor, method: str, settings: dict[str, Any], inputs: Calibration | None = None
) -> QuantizedTensor:
    """Quantize a weight.

    Args:
        weight: (rows, columns), float32.
        method: a name in `METHODS`.
        settings: as `check_settings` returns them.
        inputs: what the layer sees, for methods that need it.

    Raises:
        VisitorError: a weight that is not finite, a group that does not divide the row, or calibration that
            is missing.
    """
    import torch

    chosen = METHODS[method]
    if not torch.isfinite(
        torch.stack(weight.aminmax())
    ).all():  # NaN or infinity anywhere shows in one of the two
        raise VisitorError("The weight holds values that are not finite.", "Choose another tensor or model.")
    weight = weight.detach().float().cpu()
    if not chosen.needs_inputs:
        return chosen.function(weight, **settings)
    if inputs is None:
        raise VisitorError(
            f"{chosen.title} learns from what a layer sees, and this weight is no linear layer's.",
            "Choose another method.",
        )
    if settings.get("group") == "tensor":
        raise VisitorError(f"{chosen.title} has no grid for the whole tensor.", "Use row, or a group size.")
    return chosen.function(weight, inputs, **settings)
