"""SmoothQuant (Xiao et al. 2023): weights and activations in 8 bits, after moving the activations' outliers
into the weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantization.methods.affine import absmax
from quantization.record import QuantizedTensor

if TYPE_CHECKING:
    from torch import Tensor, nn

    from quantization.calibration import Calibration


def smooth_scales(weight: Tensor, inputs: Calibration, alpha: float) -> Tensor:
    """s_j = max|x_j|^α / max|w_j|^(1−α) for every input column j."""
    largest = inputs.column_maximum.clamp(min=1e-5).pow(alpha) / weight.abs().amax(0).clamp(min=1e-5).pow(
        1 - alpha
    )
    return largest.clamp(min=1e-5)


def smoothquant(weight: Tensor, inputs: Calibration, bits: int = 8, alpha: float = 0.5) -> QuantizedTensor:
    """Rows of W·s in `bits` bits. At run time the inputs are divided by s and rounded per token, see
    `activation_linear`.

    `values` are the weights over s again: they alone say nothing of the activations' rounding.

    Args:
        weight: (rows, columns), float32.
        inputs: what the layer sees.
        bits: of weights and activations, 4 to 8.
        alpha: how much of the difficulty moves into the weights, 0 to 1.
    """
    scales = smooth_scales(weight, inputs, alpha)
    result = absmax(weight * scales, bits, "row")
    return QuantizedTensor(
        f"w{bits}a{bits} smoothquant",
        result.codes,
        result.values / scales,
        result.stored_bytes + 2 * len(scales),
        {**result.details, "scales": scales},
    )


def round_per_token(values: Tensor, bits: int) -> Tensor:
    """Activations (…, features) on a symmetric grid of their own for every token."""
    high = 2 ** (bits - 1) - 1
    scale = values.abs().amax(-1, keepdim=True) / high
    scale = scale + (scale == 0)
    return (values / scale).round().clamp(-high, high) * scale


def activation_linear(result: QuantizedTensor, bias: Tensor | None, bits: int) -> nn.Module:
    """A linear layer that rounds its inputs too: divided by the smoothing scales, columns in 16 bits left out
    of it.
    """
    import torch
    from torch import nn

    class ActivationLinear(nn.Module):
        """y = round(x/s) · (Ŵ·s)ᵀ + bias; outlier columns, where there are any, in full."""

        scales: Tensor
        weight: Tensor
        kept: Tensor

        def __init__(self) -> None:
            super().__init__()
            scales = result.details.get("scales", torch.ones(result.values.shape[1]))
            self.register_buffer("scales", scales)
            self.register_buffer("weight", result.values * scales)
            self.register_buffer("kept", result.details.get("kept", torch.zeros(0, dtype=torch.long)))
            self.bias = nn.Parameter(bias.detach(), requires_grad=False) if bias is not None else None

        def forward(self, inputs: Tensor) -> Tensor:
            """As nn.Linear."""
            smoothed = inputs / self.scales
            rest = smoothed.index_fill(-1, self.kept, 0) if len(self.kept) else smoothed
            rounded = round_per_token(rest, bits)
            if len(self.kept):
                rounded = rounded.index_copy(-1, self.kept, smoothed[..., self.kept])
            return nn.functional.linear(rounded, self.weight, self.bias)

    return ActivationLinear()
