"""GPTQ (Frantar et al. 2023): round one column after another, and let the columns still to come make up for
the error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from quantization.methods.affine import Grid, Group, encode, finish, grouped, range_grid, suffix

if TYPE_CHECKING:
    from torch import Tensor

    from quantization.calibration import Calibration
    from quantization.record import QuantizedTensor

DAMPING, LAZY = 0.01, 128
"""Share of the mean diagonal that is added to it, and columns between two updates of the rest."""


def gptq(
    weight: Tensor,
    inputs: Calibration,
    bits: int = 4,
    group: Group = 64,
    act_order: bool = False,
    grid_of: Callable[[Tensor, int], Grid] = range_grid,
) -> QuantizedTensor:
    """Minimise ‖XW − XŴ‖² greedily, column by column.

    With H = E[xxᵀ], as far as the tokens that were seen tell it (`shrunk`), and U the upper Cholesky factor
    of H⁻¹ (H⁻¹ = UᵀU), rounding column j leaves the error e = (w_j − ŵ_j)/U_jj, and the columns after it move
    by −e·U_j. The grid of a group is set when its first column is reached, from the weights as they then are.
    With `act_order` the columns of largest input come first; the groups stay those of the layout and their
    grids are set beforehand.

    Args:
        weight: (rows, columns), float32.
        inputs: what the layer sees.
        bits: 2 to 8.
        group: see `affine.Group`.
        act_order: see above.
        grid_of: blocks (rows, groups, size) and bits to their grid.
    """
    import torch

    assert inputs.second_moment is not None
    work = weight.clone()
    columns = weight.shape[1]
    size = columns if group in ("row", "tensor") else int(group)
    blocks = grouped(work, size if size != columns else "row")
    grid = grid_of(blocks, bits)
    order = (
        inputs.second_moment.diagonal().argsort(descending=True, stable=True)
        if act_order
        else torch.arange(columns)
    )
    factor = cholesky_of_inverse(shrunk(inputs)[order][:, order])
    work = work[:, order]
    codes = torch.zeros(weight.shape, dtype=torch.int16)
    for first in range(0, columns, LAZY):
        last = min(first + LAZY, columns)
        errors = torch.zeros(weight.shape[0], last - first)
        for column in range(first, last):
            place = int(order[column]) // size
            if not act_order and column % size == 0:
                # Columns past this lazy block have not been told of its errors yet: tell them first.
                ahead = work[:, column : column + size].clone()
                if column + size > last:
                    ahead[:, last - column :] -= (
                        errors[:, : column - first] @ factor[first:column, last : column + size]
                    )
                fresh = grid_of(ahead[:, None], bits)
                grid.scale[:, place], grid.zero[:, place] = fresh.scale[:, 0], fresh.zero[:, 0]
            now = Grid(grid.scale[:, place : place + 1], grid.zero[:, place : place + 1], grid.low, grid.high)
            code = encode(work[:, column, None, None], now)
            value = (code.float() - now.zero[..., None]) * now.scale[..., None]
            codes[:, order[column]] = code[:, 0, 0]
            error = (work[:, column] - value[:, 0, 0]) / factor[column, column]
            work[:, column:last] -= error[:, None] * factor[column, column:last]
            errors[:, column - first] = error
        work[:, last:] -= errors @ factor[first:last, last:]
    shaped = codes.reshape(blocks.shape)
    return finish(
        weight,
        grid,
        shaped,
        size if size != columns else "row",
        bits,
        f"int{bits} {suffix(group)} gptq",
        True,
    )


def shrunk(inputs: Calibration) -> Tensor:
    """E[xxᵀ] as far as the tokens tell it: with n tokens of d numbers, off the diagonal n/(n + d) of the
    sample's.

    A sample of few tokens holds correlations that other text does not have, and columns that make up for each
    other by them do harm: unshrunk, GPTQ on fewer tokens than numbers errs up to twice as much on other text
    as plain rounding.
    """
    assert inputs.second_moment is not None
    moment = inputs.second_moment * (inputs.tokens / (inputs.tokens + len(inputs.second_moment)))
    moment.diagonal().copy_(inputs.second_moment.diagonal())
    return moment


def cholesky_of_inverse(moment: Tensor) -> Tensor:
    """The upper factor U of the damped moment's inverse, H⁻¹ = UᵀU; float32 in, float32 out, float64
    inside.
    """
    import torch

    exact = moment.double()
    exact = exact + DAMPING * exact.diagonal().mean().clamp(min=1e-12) * torch.eye(
        len(exact), dtype=torch.float64
    )
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(exact))
    return torch.linalg.cholesky(inverse, upper=True).float()
