"""Affine grids: a code is the weight over a scale, shifted by a zero point and rounded.

    q = clamp(round(w / scale) + zero, low, high),    ŵ = scale · (q − zero)

What differs between the methods is where the grid lies: symmetric around zero (absmax), or from the smallest
to the largest weight (zero point, round-to-nearest); and how many weights share one: the tensor, a row, or a
group of a row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantization.record import QuantizedTensor
from shared.errors import VisitorError

if TYPE_CHECKING:
    from torch import Tensor

Group = int | str
"""Weights that share a scale: a number of neighbours in a row, "row", or "tensor"."""


@dataclass(frozen=True)
class Grid:
    """An affine grid for every group of a weight.

    Args:
        scale: float32 (rows, groups), or (1, 1) for the whole tensor; stored as float16.
        zero: the code of 0, integers in float32, same shape.
        low: lowest code.
        high: highest code.
    """

    scale: Tensor
    zero: Tensor
    low: int
    high: int


def grouped(weight: Tensor, group: Group) -> Tensor:
    """A weight (rows, columns) as (rows, groups, size), or (1, 1, all) for the whole tensor; a view where it
    can be.

    Raises:
        VisitorError: the group does not divide the row.
    """
    if group == "tensor":
        return weight.reshape(1, 1, -1)
    columns = weight.shape[1]
    size = columns if group == "row" else int(group)
    if columns % size:
        fitting = [number for number in (16, 32, 64, 128, 256) if columns % number == 0]
        raise VisitorError(
            f"Groups of {size} do not divide rows of {columns} weights.",
            f"Use {' or '.join(map(str, [*fitting, 'row']))}.",
        )
    return weight.reshape(weight.shape[0], columns // size, size)


def stored(scale: Tensor) -> Tensor:
    """A scale as float16 holds it; a grid that is finer than float16 can say, as for weights near zero,
    becomes 0.
    """
    import torch

    return scale.clamp(max=torch.finfo(torch.float16).max).half().float()


def symmetric_grid(blocks: Tensor, bits: int, clip: float = 1.0, scale_factor: float = 1.0) -> Grid:
    """The grid of absmax: the largest weight gets the highest code, 2^(bits−1) − 1."""
    import torch

    high = 2 ** (bits - 1) - 1
    scale = stored(blocks.abs().amax(2) * clip / high * scale_factor)
    return Grid(scale, torch.zeros_like(scale), -high, high)


def range_grid(blocks: Tensor, bits: int, clip: float = 1.0, scale_factor: float = 1.0) -> Grid:
    """The grid from the smallest to the largest weight; the range is widened to hold 0, so that 0 stays 0."""
    high = 2**bits - 1
    low, top = (
        blocks.amin(2).clamp(max=0) * clip,
        blocks.amax(2).clamp(min=0) * clip,
    )  # a third of the time of aminmax
    scale = stored((top - low) / high * scale_factor)
    return Grid(scale, _over(-low, scale).round().clamp(0, high), 0, high)


def middle_grid(blocks: Tensor, bits: int) -> Grid:
    """The symmetric grid of GPTQ's files: the code of 0 is the middle one of 2^bits, and the largest weight
    lies half a step outside or inside.
    """
    import torch

    scale = stored(blocks.abs().amax(2) * 2 / (2**bits - 1))
    return Grid(scale, torch.full_like(scale, 2 ** (bits - 1)), 0, 2**bits - 1)


def _over(value: Tensor, scale: Tensor) -> Tensor:
    """Value / scale, and 0 where the scale is 0."""
    return value * (scale > 0) / (scale + (scale == 0))


def encode(blocks: Tensor, grid: Grid) -> Tensor:
    """Codes of blocks (rows, groups, size), int16."""
    import torch

    inverse = _over(torch.ones_like(grid.scale), grid.scale)[..., None]
    return (blocks * inverse).round_().add_(grid.zero[..., None]).clamp_(grid.low, grid.high).to(torch.int16)


def decode(codes: Tensor, grid: Grid) -> Tensor:
    """Weights of codes, float32 in the same shape."""
    return (codes.float() - grid.zero[..., None]) * grid.scale[..., None]


def affine_bytes(elements: int, groups: int, bits: int, with_zero: bool) -> int:
    """Bytes of codes at their width, a float16 scale a group, and a zero point of the codes' width a
    group.
    """
    return math.ceil(elements * bits / 8) + 2 * groups + (math.ceil(groups * bits / 8) if with_zero else 0)


def finish(
    weight: Tensor, grid: Grid, codes: Tensor, group: Group, bits: int, type: str, with_zero: bool
) -> QuantizedTensor:
    """Codes and their grid as a result."""
    return QuantizedTensor(
        type=type,
        codes=codes.reshape(weight.shape),
        values=decode(codes, grid).reshape(weight.shape),
        stored_bytes=affine_bytes(weight.numel(), grid.scale.numel(), bits, with_zero),
        details={"kind": "affine", "grid": grid, "group": group, "bits": bits, "with_zero": with_zero},
    )


def suffix(group: Group) -> str:
    """How a type's name says the group."""
    return {"row": "per row", "tensor": "per tensor"}.get(str(group), f"g{group}")


def absmax(
    weight: Tensor, bits: int = 8, group: Group = "row", clip: float = 1.0, scale_factor: float = 1.0
) -> QuantizedTensor:
    """Symmetric quantization: scale = max|w| / (2^(bits−1) − 1), no zero point.

    Args:
        weight: (rows, columns), float32.
        bits: 2 to 8.
        group: see `Group`.
        clip: share of the largest weight that the grid reaches; what lies beyond is clipped.
        scale_factor: stretches the grid.
    """
    blocks = grouped(weight, group)
    grid = symmetric_grid(blocks, bits, clip, scale_factor)
    return finish(weight, grid, encode(blocks, grid), group, bits, f"int{bits} {suffix(group)} absmax", False)


def zero_point(
    weight: Tensor, bits: int = 8, group: Group = "row", clip: float = 1.0, scale_factor: float = 1.0
) -> QuantizedTensor:
    """Asymmetric quantization: scale = (max − min) / (2^bits − 1), zero = round(−min / scale). Arguments as
    of `absmax`.
    """
    blocks = grouped(weight, group)
    grid = range_grid(blocks, bits, clip, scale_factor)
    return finish(
        weight, grid, encode(blocks, grid), group, bits, f"int{bits} {suffix(group)} zero point", True
    )


def rtn(
    weight: Tensor, bits: int = 4, group: Group = 64, clip: float = 1.0, scale_factor: float = 1.0
) -> QuantizedTensor:
    """Group round-to-nearest: the zero-point grid for every few neighbours of a row. Arguments as of
    `absmax`.
    """
    blocks = grouped(weight, group)
    grid = range_grid(blocks, bits, clip, scale_factor)
    return finish(weight, grid, encode(blocks, grid), group, bits, f"int{bits} {suffix(group)}", True)
