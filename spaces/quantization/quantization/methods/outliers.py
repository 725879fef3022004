"""LLM.int8() (Dettmers et al. 2022): the few input columns with huge activations stay in 16 bits, the rest
take 8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantization.methods.affine import Grid, decode, encode, stored
from quantization.record import QuantizedTensor

if TYPE_CHECKING:
    from torch import Tensor

    from quantization.calibration import Calibration


def llm_int8(weight: Tensor, inputs: Calibration, threshold: float = 6.0) -> QuantizedTensor:
    """Rows in int8 by absmax, without the columns whose input reaches `threshold` anywhere in the calibration
    text.

    bitsandbytes looks for such columns at every call; here they are chosen once. At run time the other inputs
    are rounded to int8 per token, see `smoothquant.activation_linear`. Codes of the kept columns are 0 and
    say nothing.

    Args:
        weight: (rows, columns), float32.
        inputs: what the layer sees.
        threshold: activation from which a column counts as an outlier.
    """
    import torch

    kept = (inputs.column_maximum >= threshold).nonzero()[:, 0]
    rest = weight.index_fill(1, kept, 0)
    scale = stored(rest.abs().amax(1, keepdim=True) / 127)
    grid = Grid(scale, torch.zeros_like(scale), -127, 127)
    codes = encode(rest[:, None], grid)
    values = decode(codes, grid)[:, 0].index_copy(1, kept, weight[:, kept].half().float())
    rows, columns = weight.shape
    return QuantizedTensor(
        type=f"int8 + {len(kept)} columns in 16 bits",
        codes=codes[:, 0],
        values=values,
        stored_bytes=rows * (columns - len(kept)) + 2 * rows * len(kept) + 2 * rows + 4 * len(kept),
        details={"kind": "affine", "grid": grid, "group": "row", "bits": 8, "with_zero": False, "kept": kept},
    )
