"""What is done to the residual stream: along which directions, by which method, how strongly where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abliteration.kernel import Kernel

if TYPE_CHECKING:
    from torch import Tensor

METHODS = ("ablate", "fitted", "norm_preserving", "affine", "add")


@dataclass(frozen=True)
class Means:
    """How much of each layer's direction the harmless prompts carry, by write: where an affine edit moves to.

    Args:
        embedding: r̂ᵀ of embedding and positions, averaged over the harmless prompts' last tokens.
        attention: of the attention's output, by layer.
        mlp: of the MLP's output, by layer.
        blocks: of the block's input, by layer.
    """

    embedding: float
    attention: tuple[float, ...]
    mlp: tuple[float, ...]
    blocks: tuple[float, ...]


@dataclass(frozen=True)
class Fold:
    """How an edit of a matrix passes the norm that stands between it and the stream.

    Args:
        oblique: whether r̂/g is taken from what the matrix writes, which the norm's gain g turns into r̂, and
            not norm(g⊙r̂).
        gain: what the norm's gain is multiplied by, because the norm rescales what is left.
    """

    oblique: bool
    gain: float


@dataclass(frozen=True)
class Edit:
    """What is done to the residual stream.

    Args:
        method: "ablate", h ← h − α(r̂ᵀh)r̂; "fitted", W ← W + α·r̂aᵀ with a from `reads`; "norm_preserving", an
            ablation in the weights with every column's length restored; "affine", h ← h − α(r̂ᵀh − m)r̂ with m
            from `means`; "add", h ← h + step at one block's input.
        directions: unit rows r̂ by the layer that they are removed from, float32 (layers, width).
        kernel: the strengths α; "add" has no use for them.
        means: for "affine".
        layer: for "add".
        step: for "add": c·r, float32 (width,).
        reads: for "fitted": a by the matrix's module, float32 (inputs,), see `fitting`.
        folds: by the matrix's module, where a norm stands behind it; see `folding.folds`.
    """

    method: str
    directions: Tensor
    kernel: Kernel
    means: Means | None = None
    layer: int = 0
    step: Tensor | None = None
    reads: Mapping[str, Tensor] | None = None
    folds: Mapping[str, Fold] | None = None
