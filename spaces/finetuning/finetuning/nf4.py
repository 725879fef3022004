"""NF4, in which QLoRA keeps the weights that it does not train (Dettmers et al. 2023, appendix E)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

BLOCK = 64
"""Weights that share a scale, in the order of memory."""
LEVELS = (
    *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453),
    *(-0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0),
    *(0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224),
    *(0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
)
"""Quantiles of a normal distribution, as bitsandbytes has them."""


def rounded(weight: Tensor) -> Tensor:
    """Weights as NF4 keeps them, in their own dtype: of each block the nearest level times its largest size.

    Args:
        weight: of any shape; the last block may be smaller.
    """
    import torch

    flat = weight.detach().float().flatten()
    blocks = torch.nn.functional.pad(flat, (0, -len(flat) % BLOCK)).view(-1, BLOCK)
    scale = blocks.abs().amax(1, keepdim=True)
    levels = torch.tensor(LEVELS, device=flat.device)
    between = (levels[1:] + levels[:-1]) / 2
    shares = blocks / torch.where(scale > 0, scale, 1)
    near = levels[torch.bucketize(shares, between)]
    return (near * scale).flatten()[: len(flat)].view(weight.shape).to(weight.dtype)
