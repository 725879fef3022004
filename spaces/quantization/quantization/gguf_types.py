"""Which block type each tensor of a GGUF file gets: the rules of llama.cpp's llama-quantize for dense models.

A file type is a mix: "Q4_K_M" stores most tensors as Q4_K and those that suffer most in more bits. The rules
are those of llama.cpp's src/llama-quant.cpp, written down as data.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from shared import ggml

_LAYER = re.compile(r"\.(\d+)\.")

FILE_TYPES = {
    "F16": "F16",
    "BF16": "BF16",
    "Q4_0": "Q4_0",
    "Q4_1": "Q4_1",
    "Q5_0": "Q5_0",
    "Q5_1": "Q5_1",
    "Q8_0": "Q8_0",
    "Q2_K": "Q2_K",
    "Q6_K": "Q6_K",
    "IQ4_NL": "IQ4_NL",
    "IQ4_XS": "IQ4_XS",
    "Q2_K_S": "Q2_K",
    "Q3_K_S": "Q3_K",
    "Q3_K_M": "Q3_K",
    "Q3_K_L": "Q3_K",
    "Q4_K_S": "Q4_K",
    "Q4_K_M": "Q4_K",
    "Q5_K_S": "Q5_K",
    "Q5_K_M": "Q5_K",
    "IQ3_M": "IQ3_S",
    "IQ3_S": "IQ3_S",
    "IQ3_XS": "IQ3_S",
    "IQ3_XXS": "IQ3_XXS",
    "IQ2_M": "IQ2_S",
    "IQ2_S": "IQ2_XS",
    "IQ2_XS": "IQ2_XS",
    "IQ2_XXS": "IQ2_XXS",
    "IQ1_M": "IQ1_M",
    "IQ1_S": "IQ1_S",
    "TQ1_0": "TQ1_0",
    "TQ2_0": "TQ2_0",
}
"""File types and the block type of most of their tensors."""

SMALL = ("IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M", "IQ1_S", "IQ1_M")
"""File types that llama-quantize makes only with an importance matrix, beside Q2_K_S."""


def needs_importance(file_type: str) -> bool:
    """Whether a file type is made with an importance matrix only."""
    return file_type in SMALL or file_type in ("Q2_K_S", "IQ3_XXS")


_WITHOUT = ("F16", "BF16", "Q8_0", "TQ1_0", "TQ2_0")
"""File types whose blocks have nothing to choose by what columns matter."""


def may_learn(file_type: str) -> bool:
    """Whether a file type is made with and without an importance matrix."""
    return file_type not in _WITHOUT and not needs_importance(file_type)


@dataclass(frozen=True)
class Choice:
    """The type of one tensor.

    Args:
        name: of the parameter.
        wanted: by the file type's rules.
        used: after shapes that a type cannot hold.
        reason: why they differ, or "".
    """

    name: str
    wanted: str
    used: str
    reason: str


@dataclass(frozen=True)
class Shape:
    """What the rules ask of a model: layers, heads that share a key, a tied head, an importance matrix, and
    experts of a layer.
    """

    layers: int
    sharing: int
    tied: bool
    importance: bool
    experts: int = 0


def plan(
    file_type: str,
    tensors: list[tuple[str, tuple[int, int]]],
    shape: Shape,
    overrides: dict[str, str] | None = None,
) -> list[Choice]:
    """The type of every matrix of a model.

    Args:
        file_type: a key of `FILE_TYPES`.
        tensors: parameter names with their shapes (rows, columns).
        shape: of the model.
        overrides: types that win over the rules, by parameter name.
    """
    choices = []
    for name, (_, columns) in tensors:
        type = (overrides or {}).get(name) or wanted(file_type, name, columns, shape)
        used, reason = (type, "") if type in ggml.PLAIN else ggml.substitute(type, columns)
        choices.append(Choice(name, type, used, reason))
    return choices


def wanted(file_type: str, name: str, columns: int, shape: Shape) -> str:
    """The type that the rules ask for, whether or not the tensor's rows fit it."""
    default = FILE_TYPES[file_type]
    name = _usual_name(name)
    if default in ggml.PLAIN:
        return default
    if "lm_head" in name or ("embed_tokens" in name and shape.tied):
        return _output(file_type, default, columns)
    if "embed_tokens" in name:
        return _EMBEDDING.get(file_type, default)
    match = _LAYER.search(name)
    layer = int(match[1]) if match else 0
    if file_type in SMALL:
        return _small(file_type, name, layer, shape) or default
    if "v_proj" in name or "qkv_proj" in name:
        values = _values(file_type, layer, shape) or default
        return "Q8_0" if shape.experts == 8 else values
    if "down_proj" in name:
        return _down(file_type, layer, shape) or default
    if "o_proj" in name:
        if shape.experts == 8:
            return "Q5_K" if file_type in _EIGHT_EXPERTS else default
        return _ATTENTION_OUTPUT.get(file_type, default)
    if "k_proj" in name and shape.experts == 8:
        return "Q8_0"
    if "q_proj" in name or "k_proj" in name:
        return {"IQ3_XS": "IQ3_XXS", "IQ3_XXS": "IQ2_S"}.get(file_type, default)
    middle = shape.layers // 8 <= layer < 7 * shape.layers // 8
    return "IQ3_XXS" if file_type == "IQ3_XS" and middle else default


def _usual_name(name: str) -> str:
    """A parameter's name as most families have it."""
    for other, usual in _OTHER_NAMES.items():
        name = name.replace(other, usual)
    return name


_OTHER_NAMES = {
    ".wte.": ".embed_tokens.",
    ".attn.c_attn.": ".attn.qkv_proj.",
    ".attn.c_proj.": ".attn.o_proj.",
    ".mlp.c_proj.": ".mlp.down_proj.",
}
"""How GPT-2 calls what the rules speak of."""

_EMBEDDING = {
    **{name: "Q2_K" for name in ("IQ2_XXS", "IQ2_XS", "IQ1_S", "IQ1_M")},
    **{"IQ2_S": "IQ3_S", "IQ2_M": "IQ3_S", "IQ3_XXS": "IQ3_S", "TQ1_0": "Q4_K", "TQ2_0": "Q4_K"},
}
_ATTENTION_OUTPUT = {"Q2_K": "Q3_K", "IQ3_XXS": "IQ3_S", "Q3_K_M": "Q4_K", "Q3_K_L": "Q5_K", "IQ3_M": "Q4_K"}

_EIGHT_EXPERTS = (
    *("Q2_K", "Q3_K_S", "Q3_K_M", "Q4_K_S", "Q4_K_M"),
    *("IQ3_XS", "IQ3_XXS", "IQ3_S", "IQ3_M", "IQ4_NL", "IQ4_XS"),
)
"""File types whose attention output takes five bits in a mixture of eight experts."""


def more_bits(layer: int, layers: int) -> bool:
    """The first eighth, the last eighth, and every third layer between."""
    return layer < layers // 8 or layer >= 7 * layers // 8 or (layer - layers // 8) % 3 == 2


def _output(file_type: str, default: str, columns: int) -> str:
    if columns % ggml.layout(default)[0] or default == "Q8_0":
        return "Q8_0"
    return "Q5_K" if file_type in (*SMALL, "IQ3_XXS") else "Q6_K"


def _small(file_type: str, name: str, layer: int, shape: Shape) -> str | None:
    better = "IQ3_S" if file_type in ("IQ2_S", "IQ2_M") else "Q2_K"
    if "v_proj" in name or "qkv_proj" in name:
        return "Q4_K" if shape.sharing >= 4 or shape.experts >= 4 else better
    if "k_proj" in name and shape.experts == 8:
        return "Q4_K"
    if "down_proj" in name and layer < shape.layers // 8:
        return better
    if "o_proj" in name and shape.experts == 8:
        return "Q5_K"
    if "o_proj" in name:
        return {"IQ1_S": "IQ2_XXS", "IQ1_M": "IQ2_XXS", "IQ2_S": "IQ3_S", "IQ2_M": "IQ3_S"}.get(file_type)
    return None


def _values(file_type: str, layer: int, shape: Shape) -> str | None:
    shared = shape.sharing >= 4
    if file_type in ("Q4_K_M", "Q5_K_M"):
        return "Q6_K" if more_bits(layer, shape.layers) else None
    if file_type == "IQ3_XXS":
        return "Q4_K" if shared else None if shape.importance else "IQ3_S"
    by_layer = {"Q3_K_M": "Q5_K" if layer < 2 else "Q4_K", "Q4_K_S": "Q5_K" if layer < 4 else None}
    if file_type in by_layer:
        return by_layer[file_type]
    always = {"Q2_K": "Q4_K" if shared else "Q3_K", "IQ3_M": "Q4_K", "Q3_K_L": "Q5_K"}
    if file_type in always:
        return always[file_type]
    where_shared = {"Q2_K_S": "Q4_K", "IQ3_XS": "Q4_K", "IQ3_S": "Q4_K", "IQ4_NL": "Q5_K", "IQ4_XS": "Q5_K"}
    return where_shared.get(file_type) if shared else None


def _down(file_type: str, layer: int, shape: Shape) -> str | None:
    first, more = layer < shape.layers // 8, more_bits(layer, shape.layers)
    if file_type == "IQ3_XXS" and not shape.importance:
        return "Q4_K" if first else "Q3_K"
    if file_type == "Q3_K_M":
        return "Q5_K" if layer < shape.layers // 16 else "Q4_K"
    if file_type == "IQ3_M" and shape.experts == 8 and more:
        return "Q4_K"
    if file_type in ("IQ4_NL", "IQ4_XS"):
        return "Q5_K" if first and not shape.importance else None
    if file_type in ("Q4_0", "Q5_0"):
        return {"Q4_0": "Q4_1", "Q5_0": "Q5_1"}[file_type] if first and shape.importance else None
    if file_type in ("Q4_K_M", "Q5_K_M"):
        return "Q6_K" if more else None
    always = {"Q2_K": "Q3_K", "Q3_K_L": "Q5_K"}
    early = {"Q2_K_S": "Q4_K", "IQ3_M": "Q4_K", "Q4_K_S": "Q5_K"}
    return always.get(file_type) or (early.get(file_type) if first else None)
