"""GGUF's block types, one tensor at a time: quantized and read back by ggml's own C code.

`ggml_quantize_chunk` and what reads blocks are exported by the shared object inside the wheel xllamacpp;
where that is missing, the gguf package stands in for the types that it knows.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import threading
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

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


def substitute(type: str, columns: int) -> tuple[str, str]:
    """The type that llama.cpp takes where rows of `columns` weights do not fit one, and why."""
    block = layout(type)[0]
    if columns % block == 0:
        return type, ""
    other = _FALLBACK.get(type, "F16")
    if columns % layout(other)[0]:
        other = "F16"
    return other, f"rows of {columns} weights are no multiple of {block}"


_FALLBACK = {
    **{
        name: "IQ4_NL"
        for name in ("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_XS")
    },
    **{
        "Q2_K": "Q4_0",
        "Q3_K": "Q4_0",
        "TQ1_0": "Q4_0",
        "TQ2_0": "Q4_0",
        "Q4_K": "Q5_0",
        "Q5_K": "Q5_1",
        "Q6_K": "Q8_0",
    },
}
"""Types of blocks of 256, and of 32 what llama.cpp takes instead (src/llama-quant.cpp)."""


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
        importance: (columns,) E[x²] of the inputs, (matrices, columns) of matrices that stand one after
            another, or None.

    Returns:
        The blocks, uint8 (rows, bytes of a row).

    Raises:
        VisitorError: a shape that the type cannot hold, no importance where it needs one, or values that are
            not finite.
    """
    from gguf.constants import GGMLQuantizationType
    from gguf.quants import quantize as by_numpy

    rows, columns = weight.shape
    if importance is not None and importance.dim() == 2:
        parts = weight.chunk(len(importance))
        return np.concatenate(
            [quantize(part, type, one) for part, one in zip(parts, importance, strict=True)]
        )
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


def dequantize(data: Bytes, type: str, columns: int, out: Tensor | None = None) -> Tensor:
    """Weights of blocks, float32 (rows, columns): by ggml's own C code, or by the gguf package, which agrees
    with it to the bit, where that is missing.

    Args:
        data: (rows, bytes of a row); it may be a mapped file.
        type: of ggml.
        columns: weights of a row.
        out: where they go, contiguous (rows, columns); new memory by default.
    """
    import torch

    if out is None:
        out = torch.empty((len(data), columns))
    blocks = np.ascontiguousarray(data)
    if type in PLAIN:
        plain = {"F32": np.float32, "F16": np.float16, "BF16": np.int16}[type]
        stored = torch.from_numpy(_writable(blocks).view(plain))
        return out.copy_((stored.view(torch.bfloat16) if type == "BF16" else stored).view(out.shape))
    unpack = _unpacker(type)
    if unpack is not None:
        unpack(blocks.ctypes.data, out.data_ptr(), out.numel())
        return out
    from gguf.constants import GGMLQuantizationType
    from gguf.quants import dequantize as by_numpy

    values = by_numpy(blocks, GGMLQuantizationType[type])
    return out.copy_(torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32).reshape(out.shape)))


def _writable(array: Bytes) -> Bytes:
    """The array, or a copy of one that may not be written to, which torch warns of."""
    return array if array.flags.writeable else array.copy()


@cache
def _unpacker(type: str) -> Any:
    """The C function of ggml that reads a type's blocks, called with their address, that of the values, and
    how many; None where there is none.
    """
    name = f"{type[:-1].lower()}K" if type.endswith("_K") else type.lower()
    unpack = getattr(_library(), f"dequantize_row_{name}", None)
    if unpack is not None:
        unpack.restype = None
        unpack.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
    return unpack
