"""Half-quadratic quantization (Badri & Shaji 2023): look for the zero point that a few outliers do not pull
away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantization.methods.affine import Grid, Group, finish, grouped, range_grid, stored, suffix
from quantization.record import QuantizedTensor

if TYPE_CHECKING:
    from torch import Tensor

NORM, BETA, GROWTH, STEPS = 0.7, 10.0, 1.01, 20
"""The ℓp norm, the penalty's start and its growth, and the steps: hqq's own defaults."""


def hqq(weight: Tensor, bits: int = 4, group: Group = 64) -> QuantizedTensor:
    """Minimise ‖w − ŵ‖_p^p, p = 0.7, over the zero point, without any calibration data.

    The error is split off as e, so that two easy steps alternate:
        e ← shrink(w − ŵ),  shrink(x) = sign(x)·max(|x| − |x|^(p−1)/β, 0)      (the proximal step of ℓp)
        zero ← mean(q − (w − e)/scale)

    The zero point is a float16 number here, not a code.

    Args:
        weight: (rows, columns), float32.
        bits: 2 to 8.
        group: see `affine.Group`.
    """
    blocks = grouped(weight, group)
    start = range_grid(blocks, bits)
    wide = blocks.amax(2) - blocks.amin(2)
    scale = stored(wide / (2**bits - 1))
    scale = scale + (scale == 0) * stored(blocks.abs().amax(2).clamp(min=1e-4))
    grid = Grid(scale, -blocks.amin(2) / scale, start.low, start.high)
    best, least, beta = grid, float("inf"), BETA
    for _ in range(STEPS):
        codes, values = _round(blocks, grid)
        difference = blocks - values
        error = float(difference.abs().pow(NORM).mean())
        if error >= least:
            break
        best, least = grid, error
        split = difference.sign() * (
            difference.abs() - difference.abs().clamp(min=1e-8).pow(NORM - 1) / beta
        ).clamp(min=0)
        zero = (codes - (blocks - split) / grid.scale[..., None]).mean(2)
        grid, beta = Grid(grid.scale, zero, grid.low, grid.high), beta * GROWTH
    best = Grid(best.scale, stored(best.zero.abs()) * best.zero.sign(), best.low, best.high)
    codes, _ = _round(blocks, best)
    result = finish(weight, best, codes, group, bits, f"int{bits} {suffix(group)} hqq", True)
    extra = 2 * best.zero.numel() - -(-best.zero.numel() * bits // 8)  # the zero point is stored in 16 bits
    return QuantizedTensor(
        result.type, result.codes, result.values, result.stored_bytes + extra, result.details
    )


def _round(blocks: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
    """Codes and values on a grid whose zero is no integer: it is added before rounding."""
    import torch

    codes = (blocks / grid.scale[..., None] + grid.zero[..., None]).round().clamp(grid.low, grid.high)
    return codes.to(torch.int16), (codes - grid.zero[..., None]) * grid.scale[..., None]
