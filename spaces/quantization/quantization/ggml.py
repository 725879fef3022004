"""GGUF's block types, one tensor at a time: quantized by ggml's own C code, read back by the gguf package.

`ggml_quantize_chunk` is exported by the shared object inside the wheel xllamacpp; where that is missing,
gguf's numpy quantizers stand in for the types they know.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import threading
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from quantization.record import QuantizedTensor
from shared.errors import VisitorError

if TYPE_CHECKING:
    from torch import Tensor

Bytes = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]

TYPES = (
    "Q4_0",
    "Q4_1",
    "Q5_0",
    "Q5_1",
    "Q8_0",
    "Q2_K",
    "Q3_K",
    "Q4_K",
    "Q5_K",
    "Q6_K",
    "IQ4_NL",
    "IQ4_XS",
    "IQ3_S",
    "IQ3_XXS",
    "IQ2_S",
    "IQ2_XS",
    "IQ2_XXS",
    "IQ1_M",
    "IQ1_S",
    "TQ1_0",
    "TQ2_0",
    "MXFP4",
)
"""Types that a visitor can choose, by ggml's names."""

WITH_IMPORTANCE = ("IQ2_XXS", "IQ2_XS", "IQ1_S", "IQ1_M")
"""Types that ggml refuses to make without knowing which columns matter."""

PLAIN = ("F32", "F16", "BF16")
"""Types without blocks."""

_lock = threading.Lock()


def layout(type: str) -> tuple[int, int]:
    """Weights and bytes of a type's block."""
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

    block, size = GGML_QUANT_SIZES[GGMLQuantizationType[type]]
    return int(block), int(size)


def bits(type: str) -> float:
    """Bits per weight of a type."""
    block, size = layout(type)
    return 8 * size / block


@cache
def _library() -> Any:
    """Xllamacpp's shared object, or None where the package is missing."""
    try:
        files = importlib.metadata.files("xllamacpp") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    path = next((file.locate() for file in files if str(file).endswith(".so")), None)
    if path is None:
        return None
    library = ctypes.CDLL(str(path))
    library.ggml_quantize_chunk.restype = ctypes.c_size_t
    library.ggml_quantize_chunk.argtypes = [
        ctypes.c_int,
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_int64,
        ctypes.c_int64,
        ctypes.c_int64,
        ctypes.c_void_p,
    ]
    library.ggml_quantize_init.argtypes = [ctypes.c_int]
    return library


def version() -> str:
    """What quantizes, for a reader."""
    if _library() is None:
        return f"gguf {importlib.metadata.version('gguf')} (numpy)"
    return f"llama.cpp's ggml (xllamacpp {importlib.metadata.version('xllamacpp')})"


def check(type: str, columns: int, importance: Any = None) -> None:
    """Raise a VisitorError unless rows of that many weights can be held by a type."""
    if type not in TYPES and type not in PLAIN:
        raise VisitorError(f"There is no type “{type[:40]}”.", f"Choose one of {', '.join(TYPES)}.")
    block, _ = layout(type)
    if columns % block:
        raise VisitorError(
            f"{type} holds blocks of {block} weights, and rows of {columns} are no multiple of {block}.",
            "Choose a type with blocks of 32, as llama.cpp would." if columns % 32 == 0 else "Choose F16.",
        )
    if type in WITH_IMPORTANCE and importance is None:
        raise VisitorError(
            f"{type} needs to know which columns matter.",
            "Choose a linear layer, whose inputs the calibration text shows.",
        )


def quantize(weight: Tensor, type: str, importance: Tensor | None = None) -> Bytes:
    """Quantize a weight.

    Args:
        weight: (rows, columns), float32 on the CPU.
        type: of ggml.
        importance: (columns,) E[x²] of the inputs, or None.

    Returns:
        The blocks, uint8 (rows, bytes of a row).

    Raises:
        VisitorError: a shape that the type cannot hold, no importance where it needs one, or values that are
            not finite.
    """
    from gguf.constants import GGMLQuantizationType
    from gguf.quants import quantize as by_numpy

    rows, columns = weight.shape
    check(type, columns, importance)
    array = np.ascontiguousarray(weight.detach().numpy(), dtype=np.float32)
    low, high = array.min(initial=0), array.max(initial=0)  # no copy of the weight; NaN goes into both
    if not np.isfinite((low, high)).all():
        raise VisitorError("The weight holds values that are not finite.", "Choose another tensor or model.")
    kind = GGMLQuantizationType[type]
    library = _library()
    if library is None or type in PLAIN or max(high, -low) < 1e-30:
        # ggml's search divides by sums of squares, which vanish for weights that small: numpy's plain path is
        # safe there
        try:
            return np.asarray(by_numpy(array, kind)).view(np.uint8).reshape(rows, -1)
        except NotImplementedError:
            if library is None:
                raise VisitorError(
                    f"{type} needs ggml's own code, which is not installed.", "Install xllamacpp."
                ) from None
            return np.zeros((rows, columns // layout(type)[0] * layout(type)[1]), np.uint8)
    block, size = layout(type)
    out = np.zeros((rows, columns // block * size), np.uint8)
    matter = _scaled(importance)
    with _lock:  # the tables of the IQ types are made on first use
        library.ggml_quantize_init(int(kind))
    library.ggml_quantize_chunk(
        int(kind),
        array.ctypes.data,
        out.ctypes.data,
        0,
        rows,
        columns,
        matter.ctypes.data if matter is not None else None,
    )
    return out


def _scaled(importance: Tensor | None) -> Float32 | None:
    """The importance with mean 1 and no vanishing column: ggml asserts, or never ends, on weights whose sums
    underflow.
    """
    if importance is None:
        return None
    array = np.ascontiguousarray(importance.detach().cpu().numpy(), dtype=np.float64)
    mean = array.mean()
    return np.maximum(array / mean, 1e-6).astype(np.float32) if mean > 0 else np.ones(len(array), np.float32)


def dequantize(data: Bytes, type: str, columns: int) -> Tensor:
    """Weights of blocks, float32 (rows, columns), by the gguf package."""
    import torch
    from gguf.constants import GGMLQuantizationType
    from gguf.quants import dequantize as by_numpy

    values = by_numpy(np.ascontiguousarray(data), GGMLQuantizationType[type])
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32).reshape(len(data), columns))


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


_UNPACK: dict[str, Any] = {
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

_SYMMETRIC = {"Q4_0": 8, "Q5_0": 16, "Q8_0": 0}
_WITH_MINIMUM = ("Q4_1", "Q5_1")
_IQ4 = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)
_E2M1 = (0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12)


def _half(data: Bytes) -> float:
    return float(data.view(np.float16)[0])


def explain_block(row: Bytes, type: str, columns: int, block: int, weights: Float32) -> dict[str, Any]:
    """One block in full arithmetic; `values` are gguf's own, bit for bit.

    Args:
        row: the row's bytes.
        type: of ggml.
        columns: weights in the row.
        block: which block of the row.
        weights: the row's original weights.
    """
    length, size = layout(type)
    data = row[block * size : (block + 1) * size]
    start = block * length
    values = dequantize(data[None], type, length).numpy()[0]
    known: dict[str, Any] = {
        "start": start,
        "weights": weights[start : start + length].tolist(),
        "codes": codes_of(data[None], type, length)[0].tolist(),
        "values": values.tolist(),
        "affine": None,
        "note": "",
    }
    if type in _SYMMETRIC:
        return {**known, **_explain_symmetric(data, type)}
    if type in _WITH_MINIMUM:
        scale, minimum = _half(data[:2]), _half(data[2:4])
        high = 15 if type == "Q4_1" else 31
        return {
            **known,
            "levels": [scale * code + minimum for code in range(high + 1)],
            "parameters": [
                {"name": "scale d", "value": scale, "stored": "float16"},
                {"name": "minimum m", "value": minimum, "stored": "float16"},
            ],
            "formula": "ŵ = d · q + m",
            "steps": [
                "d = (max − min) / " + str(high),
                "m = min",
                f"q = round((w − m) / d), from 0 to {high}",
            ],
        }
    if type in ("IQ4_NL", "MXFP4"):
        return {**known, **_explain_table(data, type)}
    return {**known, **_explain_super(data, type, values, np.array(known["codes"]))}


def _explain_symmetric(data: Bytes, type: str) -> dict[str, Any]:
    scale, zero = _half(data[:2]), _SYMMETRIC[type]
    low, high = (-127, 127) if zero == 0 else (0, 2 * zero - 1)
    how = "d = max|w| / 127" if zero == 0 else f"d = the weight of largest size, with its sign, / −{zero}"
    return {
        "levels": sorted(scale * (code - zero) for code in range(low, high + 1)),
        "parameters": [{"name": "scale d", "value": scale, "stored": "float16"}],
        "formula": f"ŵ = d · (q − {zero})" if zero else "ŵ = d · q",
        "steps": [
            how,
            f"q = round(w / d){f' + {zero}' if zero else ''}, from {low} to {high}, with d as it was before float16.",
        ],
        "affine": {"scale": scale, "zero": zero, "low": low, "high": high},
    }


def _explain_table(data: Bytes, type: str) -> dict[str, Any]:
    if type == "IQ4_NL":
        scale, table, name, stored = _half(data[:2]), _IQ4, "scale d", "float16"
    else:
        scale, table, name, stored = (
            2.0 ** (int(data[0]) - 128),
            _E2M1,
            "scale, a power of two",
            "8 bits (E8M0)",
        )
    return {
        "levels": sorted({scale * level for level in table}),
        "parameters": [{"name": name, "value": scale, "stored": stored}],
        "formula": "ŵ = d · table[q]",
        "steps": [f"table: {', '.join(map(str, table))}", "q = the entry nearest to w / d"],
    }


_SUPER = {
    "Q2_K": (16, 0, 3, "sixteen scales and minima of 4 bits"),
    "Q3_K": (16, 4, 7, "sixteen scales of 6 bits"),
    "Q4_K": (32, 0, 15, "eight scales and minima of 6 bits"),
    "Q5_K": (32, 0, 31, "eight scales and minima of 6 bits"),
    "Q6_K": (16, 32, 63, "sixteen scales of 8 bits"),
    "IQ4_XS": (32, 0, 15, "eight scales of 6 bits"),
    "TQ1_0": (256, 0, 2, "one scale"),
    "TQ2_0": (256, 1, 2, "one scale"),
}
"""For each type with blocks of 256: weights that share a scale, the code of zero, the highest code, and what
is stored.
"""


def _explain_super(data: Bytes, type: str, values: Float32, codes: npt.NDArray[np.int16]) -> dict[str, Any]:
    """Types with blocks in blocks: the scale and minimum of each sub-block."""
    if type not in _SUPER:
        levels = sorted({float(value) for value in values})
        return {
            "levels": levels,
            "parameters": [
                {
                    "name": "levels in this block",
                    "value": len(levels),
                    "stored": f"{bits(type):.4g} bits a weight in all",
                }
            ],
            "formula": "ŵ = scale · sign · grid[index]",
            "steps": [
                "Groups of 4 or 8 weights are stored together, as an index into a table of allowed patterns and their signs."
            ],
            "note": "A codebook of patterns: no weight has a code of its own. The codes shown are ranks of the levels in this block.",
        }
    length, zero, high, stored = _SUPER[type]
    parts = []
    for start in range(0, len(values), length):
        part = slice(start, start + length)
        scale, minimum = sub_scale(data, type, start // length)
        table = (
            _IQ4
            if type == "IQ4_XS"
            else [code - zero for code in range(high + 1)]
            if type != "TQ1_0"
            else [-1, 0, 1]
        )
        parts.append(
            {
                "start": start,
                "length": len(values[part]),
                "scale": scale,
                "minimum": minimum,
                "levels": sorted(scale * level - minimum for level in table),
            }
        )
    top = {
        "Q2_K": data[80:82],
        "Q3_K": data[108:110],
        "Q6_K": data[208:210],
        "TQ1_0": data[52:54],
        "TQ2_0": data[64:66],
    }.get(type, data[:2])
    parameters = [{"name": "scale of scales d", "value": _half(top), "stored": "float16"}]
    if type in ("Q2_K", "Q4_K", "Q5_K"):
        lows = data[82:84] if type == "Q2_K" else data[2:4]
        parameters.append({"name": "scale of minima", "value": _half(lows), "stored": "float16"})
    with_minimum = type in ("Q2_K", "Q4_K", "Q5_K")
    formula = (
        "ŵ = s · q − m"
        if with_minimum
        else "ŵ = s · table[q]"
        if type == "IQ4_XS"
        else f"ŵ = s · (q − {zero})"
        if zero
        else "ŵ = s · q"
    )
    return {
        "levels": parts[0]["levels"],
        "sub_blocks": parts,
        "parameters": parameters,
        "formula": formula,
        "steps": [
            f"The block stores {stored}, which the float16 above multiply.",
            "Each sub-block has levels of its own, the bands of the picture.",
        ],
        "note": f"{len(values)} weights, {len(parts)} sub-blocks.",
    }


def sub_scale(data: Bytes, type: str, index: int) -> tuple[float, float]:
    """Scale and minimum of a sub-block of a type with blocks of 256 (llama.cpp, ggml-quants.c)."""
    if type == "Q2_K":
        packed = int(data[index])
        return _half(data[80:82]) * (packed & 15), _half(data[82:84]) * (packed >> 4)
    if type == "Q6_K":
        return _half(data[208:210]) * int(data[192:208].view(np.int8)[index]), 0.0
    if type == "Q3_K":
        low = int(data[96 + index % 8] >> (4 * (index // 8))) & 15
        high = int(data[104 + index % 4] >> (2 * (index // 4))) & 3
        return _half(data[108:110]) * (low + 16 * high - 32), 0.0
    if type in ("Q4_K", "Q5_K"):
        scales = data[4:16].astype(int)
        if index < 4:
            scale, minimum = scales[index] & 63, scales[index + 4] & 63
        else:
            scale = (scales[index + 4] & 15) | ((scales[index - 4] >> 6) << 4)
            minimum = (scales[index + 4] >> 4) | ((scales[index] >> 6) << 4)
        return _half(data[:2]) * int(scale), _half(data[2:4]) * int(minimum)
    if type == "IQ4_XS":
        high = int(data[2:4].view(np.uint16)[0]) >> (2 * index) & 3
        low = int(data[4 + index // 2]) >> (4 * (index % 2)) & 15
        return _half(data[:2]) * (low + 16 * high - 32), 0.0
    return _half(data[52:54] if type == "TQ1_0" else data[64:66]), 0.0
