"""Codebooks: 16 levels, the same for every block, times the block's largest weight."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantization.methods.affine import grouped
from quantization.record import QuantizedTensor

if TYPE_CHECKING:
    from torch import Tensor

NF4 = (
    -1.0,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
    0.0,
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194568634,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1.0,
)
"""NormalFloat: quantiles of a normal distribution, with an exact zero (Dettmers et al. 2023, QLoRA, appendix
E).
"""

FP4 = (
    0.0,
    0.005208333333,
    0.66666667,
    1.0,
    0.33333333,
    0.5,
    0.16666667,
    0.25,
    -0.0,
    -0.005208333333,
    -0.66666667,
    -1.0,
    -0.33333333,
    -0.5,
    -0.16666667,
    -0.25,
)
"""bitsandbytes' 4-bit float, by code: sign, two bits of exponent, one of mantissa, over its largest value
12.
"""

BLOCK = 64


def by_codebook(weight: Tensor, levels: tuple[float, ...], type: str) -> QuantizedTensor:
    """The nearest of `levels` times the block's absolute maximum; blocks of 64 run through the flat weight,
    as in bitsandbytes.

    Args:
        weight: (rows, columns), float32.
        levels: 16 numbers by code, from −1 to 1.
        type: for a reader.
    """
    import torch

    blocks = grouped(weight.reshape(1, -1), BLOCK if weight.numel() % BLOCK == 0 else "row")[0]
    largest = blocks.abs().amax(1)
    book = torch.tensor(levels, dtype=torch.float32)
    ordered, order = book.sort()
    between = (ordered[1:] + ordered[:-1]) / 2
    inverse = torch.where(
        largest > 0, 1 / largest.clamp(min=torch.finfo(torch.float32).tiny), torch.zeros_like(largest)
    )
    places = torch.bucketize(blocks * inverse[:, None], between)
    codes = order[places]
    values = book[codes] * largest[:, None]
    return QuantizedTensor(
        type=type,
        codes=codes.to(torch.int16).reshape(weight.shape),
        values=values.reshape(weight.shape),
        stored_bytes=weight.numel() // 2 + 4 * len(largest),
        details={
            "kind": "codebook",
            "largest": largest,
            "levels": tuple(float(level) for level in ordered),
            "block": blocks.shape[1],
        },
    )


def nf4(weight: Tensor) -> QuantizedTensor:
    """4-bit NormalFloat in blocks of 64, a float32 maximum each (QLoRA)."""
    return by_codebook(weight, NF4, f"nf4 b{BLOCK}")


def fp4(weight: Tensor) -> QuantizedTensor:
    """4-bit float in blocks of 64, a float32 maximum each (bitsandbytes)."""
    return by_codebook(weight, FP4, f"fp4 b{BLOCK}")
