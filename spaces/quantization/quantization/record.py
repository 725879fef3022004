"""What every engine hands back: a quantized tensor, a report of it, and a quantized model."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from quantization import data

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class QuantizedTensor:
    """One weight as a method stores it, and what it stands for.

    Args:
        type: what was used, for a reader: "int4 g64", "nf4 b64", "Q5_0".
        codes: integer codes in the weight's shape; int16 or narrower.
        values: the weight again from codes and scales, float32, in the weight's shape.
        stored_bytes: codes packed at their nominal width, scales, zero points and codebooks.
        details: what `lab.block` needs to explain one block, by its method.
    """

    type: str
    codes: Tensor
    values: Tensor
    stored_bytes: int
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TensorReport:
    """What became of one weight of a model.

    Args:
        name: of the parameter in the model.
        shape: of the weight.
        type: what was used.
        wanted: by the format.
        reason: why they differ, or "".
        stored_bytes: as `QuantizedTensor.stored_bytes`.
        distinct_codes: different integer codes in the whole tensor: the proof that it is quantized.
        squared_error: Σ(w − ŵ)², summed in float64.
        squared_weight: Σw², summed in float64.
    """

    name: str
    shape: tuple[int, ...]
    type: str
    wanted: str
    reason: str
    stored_bytes: int
    distinct_codes: int
    squared_error: float
    squared_weight: float

    @property
    def elements(self) -> int:
        """Weights in the tensor."""
        return math.prod(self.shape)

    @property
    def sqnr(self) -> float | None:
        """Signal to quantization noise, 10·log10(Σw²/Σ(w−ŵ)²), in decibel; None without any error."""
        return (
            10 * math.log10(self.squared_weight / self.squared_error)
            if self.squared_error and self.squared_weight
            else None
        )

    def to_json(self) -> data.Tensor:
        """The report as the API and the figure take it."""
        return {
            "name": self.name,
            "shape": list(self.shape),
            "type": self.type,
            "asked": self.wanted,
            "reason": self.reason,
            "bits": round(8 * self.stored_bytes / self.elements, 4),
            "distinct_codes": self.distinct_codes,
            "mse": float(f"{self.squared_error / self.elements:.4g}"),
            "sqnr": None if self.sqnr is None else round(self.sqnr, 2),
        }


@dataclass(frozen=True)
class QuantizedModel:
    """A model as one format makes it, ready to be measured.

    Args:
        format: the format's name.
        version: library and version that quantized it.
        model: computes logits as this engine does; shares its untouched tensors with the base model.
        tensors: the weights that were quantized.
        other_bytes: the file's bytes of all other parameters, tied ones counted once.
        header_bytes: what the file holds beside weights, where that is much: a GGUF's tokenizer.
        runtime: how `model` computes, for a reader.
        notes: what a reader should know about this row.
        export: writes the format's own files into a folder and returns their paths, or None where it has
            none.
    """

    format: str
    version: str
    model: PreTrainedModel
    tensors: tuple[TensorReport, ...]
    other_bytes: int
    runtime: str
    notes: tuple[str, ...] = ()
    export: Any = None
    header_bytes: int = 0

    @property
    def weight_bytes(self) -> int:
        """Bytes that the weights take on disk."""
        return self.other_bytes + sum(tensor.stored_bytes for tensor in self.tensors)

    @property
    def file_bytes(self) -> int:
        """Bytes of the file."""
        return self.weight_bytes + self.header_bytes

    @property
    def bits_quantized(self) -> float:
        """Bits per weight of the quantized part."""
        return (
            8
            * sum(tensor.stored_bytes for tensor in self.tensors)
            / sum(tensor.elements for tensor in self.tensors)
        )
