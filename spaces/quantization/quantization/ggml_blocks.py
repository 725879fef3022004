"""The arithmetic of one block of GGUF: its scales, its levels, and the formula in words."""

from __future__ import annotations

import numpy as np

from quantization import data
from shared.ggml import Bytes, bits, dequantize, layout

_SYMMETRIC = {"Q4_0": 8, "Q5_0": 16, "Q8_0": 0}
_WITH_MINIMUM = ("Q4_1", "Q5_1")
_IQ4 = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)
_E2M1 = (0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12)


def _half(two_bytes: Bytes) -> float:
    return float(two_bytes.view(np.float16)[0])


def arithmetic(row: Bytes, type: str, block: int) -> data.Arithmetic:
    """How one block's codes become the values that gguf reads of it, bit for bit.

    Args:
        row: the bytes of a row of weights.
        type: of ggml.
        block: which block of the row.
    """
    _, size = layout(type)
    block_bytes = row[block * size : (block + 1) * size]
    if type in _SYMMETRIC:
        return _symmetric(block_bytes, type)
    if type in _WITH_MINIMUM:
        return _with_minimum(block_bytes, type)
    if type in ("IQ4_NL", "MXFP4"):
        return _table(block_bytes, type)
    return _super(block_bytes, type) if type in _SUPER else _patterns(block_bytes, type)


def _symmetric(block: Bytes, type: str) -> data.Arithmetic:
    scale, zero = _half(block[:2]), _SYMMETRIC[type]
    low, high = (-127, 127) if zero == 0 else (0, 2 * zero - 1)
    how = "d = max|w| / 127" if zero == 0 else f"d = the weight of largest size, with its sign, / −{zero}"
    shift = f" + {zero}" if zero else ""
    return {
        "levels": sorted(scale * (code - zero) for code in range(low, high + 1)),
        "parameters": [{"name": "scale d", "value": scale, "stored": "float16"}],
        "formula": f"ŵ = d · (q − {zero})" if zero else "ŵ = d · q",
        "steps": [how, f"q = round(w / d){shift}, from {low} to {high}, with d as it was before float16."],
        "affine": {"scale": scale, "zero": zero, "low": low, "high": high},
        "note": "",
    }


def _with_minimum(block: Bytes, type: str) -> data.Arithmetic:
    scale, minimum = _half(block[:2]), _half(block[2:4])
    high = 15 if type == "Q4_1" else 31
    return {
        "levels": [scale * code + minimum for code in range(high + 1)],
        "parameters": [
            {"name": "scale d", "value": scale, "stored": "float16"},
            {"name": "minimum m", "value": minimum, "stored": "float16"},
        ],
        "formula": "ŵ = d · q + m",
        "steps": [f"d = (max − min) / {high}", "m = min", f"q = round((w − m) / d), from 0 to {high}"],
        "affine": None,
        "note": "",
    }


def _table(block: Bytes, type: str) -> data.Arithmetic:
    scale, table, name, stored = _half(block[:2]), _IQ4, "scale d", "float16"
    if type == "MXFP4":
        scale, table = 2.0 ** (int(block[0]) - 128), _E2M1
        name, stored = "scale, a power of two", "8 bits (E8M0)"
    return {
        "levels": sorted({scale * level for level in table}),
        "parameters": [{"name": name, "value": scale, "stored": stored}],
        "formula": "ŵ = d · table[q]",
        "steps": [f"table: {', '.join(map(str, table))}", "q = the entry nearest to w / d"],
        "affine": None,
        "note": "",
    }


def _patterns(block: Bytes, type: str) -> data.Arithmetic:
    """Types that store whole groups of weights as indices into a table."""
    levels = sorted(set(dequantize(block[None], type, layout(type)[0])[0].tolist()))
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
            "Groups of 4 or 8 weights are stored together, as an index into a table of allowed patterns and "
            "their signs."
        ],
        "affine": None,
        "note": (
            "A codebook of patterns: no weight has a code of its own. The codes here are ranks of the levels "
            "in this block."
        ),
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


def _super(block: Bytes, type: str) -> data.Arithmetic:
    """Types with blocks in blocks: the scale and minimum of each sub-block."""
    length, zero, high, stored = _SUPER[type]
    table = {"IQ4_XS": _IQ4, "TQ1_0": (-1, 0, 1)}.get(type, [code - zero for code in range(high + 1)])
    parts: list[data.SubBlock] = []
    for start in range(0, layout(type)[0], length):
        scale, minimum = sub_scale(block, type, start // length)
        levels = sorted(scale * level - minimum for level in table)
        parts.append({"start": start, "length": length, "scale": scale, "minimum": minimum, "levels": levels})
    top = _TOP_SCALE.get(type, slice(0, 2))
    parameters: list[data.BlockParameter] = [
        {"name": "scale of scales d", "value": _half(block[top]), "stored": "float16"}
    ]
    formula = f"ŵ = s · (q − {zero})" if zero else "ŵ = s · q"
    if type in ("Q2_K", "Q4_K", "Q5_K"):
        lows = block[82:84] if type == "Q2_K" else block[2:4]
        parameters.append({"name": "scale of minima", "value": _half(lows), "stored": "float16"})
        formula = "ŵ = s · q − m"
    elif type == "IQ4_XS":
        formula = "ŵ = s · table[q]"
    return {
        "levels": parts[0]["levels"],
        "sub_blocks": parts,
        "parameters": parameters,
        "formula": formula,
        "steps": [
            f"The block stores {stored}, which the float16 above multiply.",
            "Each sub-block has levels of its own, the bands of the picture.",
        ],
        "affine": None,
        "note": f"{layout(type)[0]} weights, {len(parts)} sub-blocks.",
    }


_TOP_SCALE = {
    "Q2_K": slice(80, 82),
    "Q3_K": slice(108, 110),
    "Q6_K": slice(208, 210),
    "TQ1_0": slice(52, 54),
    "TQ2_0": slice(64, 66),
}
"""Where a block's scale of scales lies, where it does not begin the block."""


def sub_scale(block: Bytes, type: str, index: int) -> tuple[float, float]:
    """Scale and minimum of a sub-block of a type with blocks of 256 (llama.cpp, ggml-quants.c)."""
    if type == "Q2_K":
        packed = int(block[index])
        return _half(block[80:82]) * (packed & 15), _half(block[82:84]) * (packed >> 4)
    if type == "Q6_K":
        return _half(block[208:210]) * int(block[192:208].view(np.int8)[index]), 0.0
    if type == "Q3_K":
        low = int(block[96 + index % 8] >> (4 * (index // 8))) & 15
        high = int(block[104 + index % 4] >> (2 * (index // 4))) & 3
        return _half(block[108:110]) * (low + 16 * high - 32), 0.0
    if type in ("Q4_K", "Q5_K"):
        scales = block[4:16].astype(int)
        if index < 4:
            scale, minimum = scales[index] & 63, scales[index + 4] & 63
        else:
            scale = (scales[index + 4] & 15) | ((scales[index - 4] >> 6) << 4)
            minimum = (scales[index + 4] >> 4) | ((scales[index] >> 6) << 4)
        return _half(block[:2]) * int(scale), _half(block[2:4]) * int(minimum)
    if type == "IQ4_XS":
        high = int(block[2:4].view(np.uint16)[0]) >> (2 * index) & 3
        low = int(block[4 + index // 2]) >> (4 * (index % 2)) & 15
        return _half(block[:2]) * (low + 16 * high - 32), 0.0
    return _half(block[52:54] if type == "TQ1_0" else block[64:66]), 0.0
