"""The integer codes inside GGUF's blocks, and a weight as its blocks stand for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from quantization.record import QuantizedTensor
from shared.ggml import Bytes, Float32, dequantize, layout, quantize

if TYPE_CHECKING:
    from torch import Tensor


def quantized(weight: Tensor, type: str, importance: Tensor | None = None) -> QuantizedTensor:
    """A weight as a type stores it; `codes` as `codes_of` finds them. Raises as `quantize`."""
    data = quantize(weight, type, importance)
    return from_bytes(data, type, weight.shape[1])


def from_bytes(data: Bytes, type: str, columns: int) -> QuantizedTensor:
    """The result that blocks stand for."""
    import torch

    codes = torch.from_numpy(codes_of(data, type, columns).astype(np.int16))
    details = {"kind": "ggml", "data": data, "block": min(layout(type)[0], 256)}
    return QuantizedTensor(type, codes, dequantize(data, type, columns), data.nbytes, details)


def codes_of(data: Bytes, type: str, columns: int) -> npt.NDArray[np.int16]:
    """The integer code of every weight, (rows, columns).

    Unpacked from the bits for the legacy, K, IQ4, TQ and MXFP4 types. The IQ1 to IQ3 types store an index
    into a table of whole groups of 4 or 8 weights: there the code is the rank of the weight's level among
    those of its block.
    """
    block, size = layout(type)
    rows = len(data)
    blocks = data.reshape(-1, size)
    unpack = _UNPACK.get(type)
    codes = unpack(blocks) if unpack else _ranks(dequantize(data, type, columns).numpy().reshape(-1, block))
    return codes.reshape(rows, columns)


def distinct(data: Bytes, type: str, values: Tensor) -> set[int]:
    """The different codes among some rows, without one for every weight: as `codes_of`, in less time.

    Args:
        data: (rows, bytes of a row).
        type: of ggml.
        values: that the blocks stand for, (rows, columns).
    """
    block, size = layout(type)
    if unpack := _UNPACK.get(type):
        codes = unpack(data.reshape(-1, size))
        least = int(codes.min())
        return set((np.bincount((codes - least).ravel()).nonzero()[0] + least).tolist())
    order = np.sort(values.numpy().reshape(-1, block), axis=1)
    return set(range(int((order[:, 1:] != order[:, :-1]).sum(axis=1).max()) + 1))


def most(type: str) -> int:
    """As many different codes as a type can have, or more."""
    digit = re.search(r"\d", type)
    return 2 ** int(digit[0]) if digit and type in _UNPACK else 256


def enough(type: str) -> int:
    """Different codes after which no more are looked for: Q8_0's own writers leave −128 out, and would be
    searched to the last weight for it.
    """
    return 255 if type == "Q8_0" else most(type)


def _ranks(values: Float32) -> npt.NDArray[np.int16]:
    """The rank of each value among the different ones of its block."""
    order = np.sort(values, axis=1)
    fresh = np.concatenate([np.zeros((len(values), 1), bool), order[:, 1:] != order[:, :-1]], axis=1).cumsum(
        axis=1
    )
    places = np.argsort(np.argsort(values, axis=1, kind="stable"), axis=1)
    return np.take_along_axis(fresh, places, axis=1).astype(np.int16)


def _nibbles(packed: Bytes) -> Any:
    """Low halves, then high halves, of every 16 bytes: how 32 weights lie in the legacy types."""
    return np.concatenate([packed & 15, packed >> 4], axis=-1).astype(np.int16)


def _fifth_bits(packed: Bytes) -> Any:
    """32 single bits of 4 bytes."""
    return np.unpackbits(packed, axis=-1, bitorder="little").astype(np.int16)


def _pairs(packed: Bytes, chunk: int, shifts: tuple[int, ...], mask: int) -> Any:
    """K types: each `chunk` bytes hold as many weights for every shift, one after another."""
    parts = packed.reshape(len(packed), -1, 1, chunk)
    return ((parts >> np.array(shifts, np.uint8)[:, None]) & mask).reshape(len(packed), -1).astype(np.int16)


def _q3_codes(blocks: Bytes) -> Any:
    low = _pairs(blocks[:, 32:96], 32, (0, 2, 4, 6), 3)
    high = (
        ((blocks[:, None, :32] >> np.arange(8, dtype=np.uint8)[:, None]) & 1)
        .reshape(len(blocks), 256)
        .astype(np.int16)
    )
    return low + 4 * high


def _q5_codes(blocks: Bytes) -> Any:
    low = _pairs(blocks[:, 48:176], 32, (0, 4), 15)
    high = (
        ((blocks[:, None, 16:48] >> np.arange(8, dtype=np.uint8)[:, None]) & 1)
        .reshape(len(blocks), 256)
        .astype(np.int16)
    )
    return low + 16 * high


def _q6_codes(blocks: Bytes) -> Any:
    low = _pairs(blocks[:, :128], 64, (0, 4), 15)
    return low + 16 * _pairs(blocks[:, 128:192], 32, (0, 2, 4, 6), 3)


_UNPACK: dict[str, Callable[[Bytes], Any]] = {
    "Q4_0": lambda b: _nibbles(b[:, 2:]),
    "Q4_1": lambda b: _nibbles(b[:, 4:]),
    "Q5_0": lambda b: _nibbles(b[:, 6:]) + 16 * _fifth_bits(b[:, 2:6]),
    "Q5_1": lambda b: _nibbles(b[:, 8:]) + 16 * _fifth_bits(b[:, 4:8]),
    "Q8_0": lambda b: b[:, 2:].view(np.int8).astype(np.int16),
    "Q2_K": lambda b: _pairs(b[:, 16:80], 32, (0, 2, 4, 6), 3),
    "Q3_K": _q3_codes,
    "Q4_K": lambda b: _pairs(b[:, 16:], 32, (0, 4), 15),
    "Q5_K": _q5_codes,
    "Q6_K": _q6_codes,
    "IQ4_NL": lambda b: _nibbles(b[:, 2:]),
    "IQ4_XS": lambda b: _nibbles(b[:, 8:].reshape(-1, 8, 16)).reshape(len(b), 256),
    "TQ2_0": lambda b: _pairs(b[:, :64], 32, (0, 2, 4, 6), 3),
    "MXFP4": lambda b: _nibbles(b[:, 1:]),
}
"""Where a type's codes lie in its block (llama.cpp, ggml-common.h)."""
