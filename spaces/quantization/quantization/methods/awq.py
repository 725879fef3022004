"""AWQ (Lin et al. 2024): scale up the columns whose inputs are large before rounding, and down again
after.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantization.methods.affine import Group, rtn, suffix
from quantization.record import QuantizedTensor

if TYPE_CHECKING:
    from torch import Tensor

    from quantization.calibration import Calibration

STEPS = 20
"""Exponents that are tried, from 0 (plain rounding) up."""


def awq(weight: Tensor, inputs: Calibration, bits: int = 4, group: Group = 64) -> QuantizedTensor:
    """Round w·s in groups and divide by s, with s = E|x|^α for the exponent α in [0, 1) of the least output
    error.

    The error of the outputs is E‖x(W − Ŵ)‖² = tr(ΔW·E[xxᵀ]·ΔWᵀ), so that no activations need to be kept. The
    scales s are counted as stored, 16 bits a column; where a norm or a layer before can take them in they
    cost nothing.

    Args:
        weight: (rows, columns), float32.
        inputs: what the layer sees.
        bits: 2 to 8.
        group: see `affine.Group`.
    """
    exponent, scales, result = search(weight, inputs, bits, group)
    return QuantizedTensor(
        type=f"int{bits} {suffix(group)} awq",
        codes=result.codes,
        values=result.values / scales,
        stored_bytes=result.stored_bytes + 2 * len(scales),
        details={**result.details, "scales": scales, "exponent": exponent},
    )


def search(
    weight: Tensor, inputs: Calibration, bits: int, group: Group
) -> tuple[float, Tensor, QuantizedTensor]:
    """The exponent of the least output error, its scales s (columns,), and w·s rounded. Rows of several
    weights with the same inputs, one after another, share the scales. Arguments as of `awq`.
    """
    assert inputs.second_moment is not None
    best: tuple[float, float, Tensor, QuantizedTensor] | None = None
    for step in range(STEPS):
        exponent = step / STEPS
        scales = inputs.column_mean_absolute.clamp(min=1e-8).pow(exponent)
        scales = (scales / (scales.max() * scales.min()).sqrt()).half().float()
        result = rtn(weight * scales, bits, group)
        loss = output_error(weight - result.values / scales, inputs.second_moment)
        if best is None or loss < best[0]:
            best = (loss, exponent, scales, result)
    assert best is not None
    return best[1:]


def output_error(difference: Tensor, second_moment: Tensor) -> float:
    """E‖x·ΔWᵀ‖² of a weight's error (rows, columns): the trace of ΔW·E[xxᵀ]·ΔWᵀ."""
    return float((difference @ second_moment * difference).sum())
