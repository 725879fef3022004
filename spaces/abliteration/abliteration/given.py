"""A direction from a file of the visitor's: safetensors, or a GGUF control vector of llama.cpp's or repeng's.

The vectors are by the layer at whose input they act. In GGUF, and under that name anywhere, `direction.k` is
added behind block k, which is the input of layer k + 1; see `vectors`, which writes both. TransformerLens'
names, `blocks.k.hook_resid_pre` and `hook_resid_post`, say the same of a block's two ends.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from abliteration.directions import SMALLEST, Directions
from shared import shelf
from shared.errors import VisitorError

if TYPE_CHECKING:
    from torch import Tensor

MAX_BYTES, MAX_VECTORS, MAX_STRINGS = 32_000_000, 1_000, 100_000
FROM_FILE = "vector file"
"""Where an edit's direction is from, instead of a projection."""
ENDINGS = (".safetensors", ".gguf")
_PICKLED = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"\x93NUM")
"""How torch's and NumPy's files begin. A safetensors file begins with its header's length, which may begin
alike.
"""
_BEHIND = re.compile(r"(?:direction\.|blocks\.(?=\d+\.hook_resid_post$))(\d{1,3})(?:\.hook_resid_post)?")
_READ = re.compile(
    r"(?:(?:difference|layer|layers)\.|blocks\.(?=\d+\.hook_resid_pre$))(\d{1,3})(?:\.hook_resid_pre)?"
)
_REMEDY = "Upload a direction as step 5 saves it, or a control vector of llama.cpp's or repeng's."
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of GGUF's numbers by their type."""
_BF16 = 30
_FORMS = {0: "<f4", 1: "<f2", _BF16: "<i2", 28: "<f8"}
"""NumPy's name of GGUF's types of unquantized tensors: F32, F16, BF16 by its bits, F64."""


@dataclass(frozen=True)
class Given:
    """Vectors of a file.

    Args:
        rows: float32 (width,) by layer; of a file with one vector for all layers by None.
        edited: a row for every layer, float32 (layers, width), where the file states an edit's own beside
            them: those of a projection, while `rows` are raw differences.
        stacked: how many rows the one matrix has that they are from; 0 where they have tensors of their own.
    """

    rows: Mapping[int | None, Tensor]
    edited: Tensor | None = None
    stacked: int = 0

    @property
    def width(self) -> int:
        """Numbers of a vector."""
        return len(next(iter(self.rows.values())))

    def layer(self, layers: int, asked: int | None = None) -> int:
        """The layer whose vector is shown and added: the one asked for, else the middle of those it has.

        Raises:
            VisitorError: the file has vectors, and none for that layer.
        """
        has = self.has(layers)
        if asked is None:
            return has[len(has) // 2]
        if asked not in has:
            raise VisitorError(
                f"The file has no vector for layer {asked}.",
                f"Write one of {_listed(has)}, or leave the layer empty.",
            )
        return asked

    def has(self, layers: int) -> list[int]:
        """The layers with a vector of their own; all of them where one vector is for all."""
        own = sorted(layer for layer in self.rows if layer is not None and layer < layers)
        return own or list(range(layers))

    def raw(self, layer: int) -> Tensor:
        """The vector of a layer as it is; of a layer that has none that of the nearest one."""
        known = [one for one in self.rows if one is not None]
        return self.rows[min(known, key=lambda one: abs(one - layer)) if known else None]

    def units(self, layers: int, asked: int | None = None) -> Tensor:
        """Unit directions by layer, float32 (layers, width): each layer's own, or one for all where a
        layer is asked for.
        """
        import torch

        places = range(layers) if asked is None else [asked] * layers
        if self.edited is not None:
            return torch.nn.functional.normalize(self.edited[list(places)], dim=-1)
        return torch.nn.functional.normalize(torch.stack([self.raw(place) for place in places]), dim=-1)


def _listed(layers: list[int]) -> str:
    few = [str(layer) for layer in layers[:6]]
    return ", ".join(few) if len(layers) <= len(few) else f"{', '.join(few[:5])} … {layers[-1]}"


def opened(name: str, layers: int, width: int) -> Given:
    """A vector file of the visitor's own shelf, for a model with so many layers. What acts behind the last
    block, which llama.cpp's generator and repeng write too, is no layer's and left out.

    Raises:
        VisitorError: it is not there any more, it is another thing that was made, as `read`, or it is of a
            model of another width or depth.
    """
    made = shelf.made_of(name)
    if made.kind != "vector":
        raise VisitorError(f"{name[:80]} is no vector file.", "Upload one under Advanced.")
    found = read(made.folder / made.file)
    if found.width != width:
        raise VisitorError(
            f"The file's vectors have {found.width:,} numbers, the model's stream has {width:,}.",
            "Choose the model that they were found in.",
        )
    if found.stacked not in (0, layers, layers + 1):
        raise VisitorError(
            f"The file's matrix has {found.stacked:,} rows, the model {layers:,} layers.",
            f"Give one row a layer, {layers:,} or {layers + 1:,} of them, or one vector alone.",
        )
    if found.edited is not None and len(found.edited) not in (layers, layers + 1):
        raise VisitorError(
            f"The file's “direction” has {len(found.edited):,} rows, the model {layers:,} layers.",
            "Give it one row a layer, or leave it out: the vectors beside it are then taken.",
        )
    deepest = max((layer for layer in found.rows if layer is not None), default=0)
    kept = {layer: row for layer, row in found.rows.items() if layer is None or layer < layers}
    if deepest > layers or not kept:
        raise VisitorError(
            f"The file has a vector for layer {deepest}, the model's layers are 0 to {layers - 1}.",
            "Choose the model that they were found in.",
        )
    return replace(found, rows=kept, edited=None if found.edited is None else found.edited[:layers])


def cosines(file: Given, found: Directions, position: int) -> list[float | None]:
    """Cosine of a file's direction and the difference of means, by layer; None where the sets are equal."""
    layers = len(found.differences)
    rows = file.units(layers)
    return [
        round(
            float(rows[layer] @ found.raw(layer, position).float())
            / float(found.raw(layer, position).norm()),
            4,
        )
        if found.differ(layer, position)
        else None
        for layer in range(layers)
    ]


def read(path: Path) -> Given:
    """The vectors of a file.

    Raises:
        VisitorError: it is too large, no such file, damaged, or its vectors are no directions.
    """
    import torch

    tensors = _tensors(path)
    rows: dict[int | None, Tensor] = {}
    stacked = 0
    for name, tensor in tensors.items():
        behind, at = _BEHIND.fullmatch(name), _READ.fullmatch(name)
        if tensor.ndim == 1 and (behind or at):
            rows[int(behind[1]) + 1 if behind else int(at[1]) if at else 0] = tensor
    rest = [tensor for name, tensor in tensors.items() if name == "direction" or len(tensors) == 1]
    if not rows and rest and rest[0].ndim == 1:
        rows[None] = rest[0]
    elif not rows and rest and rest[0].ndim == 2 and len(rest[0]) <= MAX_VECTORS:
        rows.update(enumerate(rest[0]))
        stacked = len(rows)
    if not rows:
        named = ", ".join(f"“{name[:20]}”" for name in list(tensors)[:3]) or "none of floating point"
        raise VisitorError(
            f"The file holds no direction that is known by its name; its tensors: {named}.", _REMEDY
        )
    if len({len(row) for row in rows.values()}) > 1 or not len(next(iter(rows.values()))):
        raise VisitorError("The file's vectors differ in length.", _REMEDY)
    kept = {layer: row.float() for layer, row in rows.items()}
    if not all(bool(torch.isfinite(row.norm())) for row in kept.values()):
        raise VisitorError("The file's vectors hold numbers that are not finite.", _REMEDY)
    kept = {layer: row for layer, row in kept.items() if float(row.norm()) > SMALLEST}
    if not kept:
        raise VisitorError("The file's vectors are all zero.", _REMEDY)
    own = tensors.get("direction") if len(tensors) > 1 else None
    width = len(next(iter(kept.values())))
    if own is None or stacked or None in kept:
        return Given(kept, stacked=stacked)
    if own.ndim != 2 or own.shape[1] != width:
        raise VisitorError(
            f"The file's “direction” is no matrix with rows of {width:,} numbers.",
            "Correct it, or leave “direction” out: the vectors beside it are then taken.",
        )
    lengths = own.float().norm(dim=-1)
    bad = (~(torch.isfinite(lengths) & (lengths > SMALLEST))).nonzero().flatten().tolist()
    if bad:
        raise VisitorError(
            f"Row {bad[0]} of the file's “direction” is zero or not finite.",
            "Correct it, or leave “direction” out: the vectors beside it are then taken.",
        )
    return Given(kept, own.float())


def _tensors(path: Path) -> dict[str, Tensor]:
    """The floating-point tensors of a file by name; where there is one alone, without axes of length 1 before
    its last.

    Raises:
        VisitorError: it is too large, of another kind, or damaged.
    """
    if path.stat().st_size > MAX_BYTES:
        raise VisitorError(f"The file has more than {MAX_BYTES // 1_000_000} MB.", _REMEDY)
    with path.open("rb") as handle:
        begin = handle.read(9)
    length = int.from_bytes(begin[:8], "little")
    if begin.startswith(_PICKLED) and not (begin[8:] == b"{" and length <= path.stat().st_size - 8):
        raise VisitorError(
            "The file is torch's or NumPy's own, which may hold code that runs when it is opened.",
            "Save its tensor with safetensors.torch.save_file, and upload that.",
        )
    try:
        tensors = _gguf(path.read_bytes()) if begin.startswith(b"GGUF") else _safetensors(path)
    except (ValueError, struct.error, OverflowError, UnicodeDecodeError) as error:
        raise VisitorError(f"The vector file cannot be read: {str(error)[:80]}.", _REMEDY) from error
    if len(tensors) > 1:
        return tensors
    return {
        name: tensor.flatten() if tensor.ndim > 1 and tensor.numel() == tensor.shape[-1] else tensor
        for name, tensor in tensors.items()
    }


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError, safe_open

    found: dict[str, Tensor] = {}
    try:
        with safe_open(path, framework="pt") as handle:
            names = list(handle.keys())
            if len(names) > MAX_VECTORS:
                raise ValueError(f"{len(names):,} tensors")
            for name in names:
                tensor = handle.get_tensor(name)
                if tensor.is_floating_point():
                    found[name] = tensor
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    return found


class _Cursor:
    """Reads a file's bytes on and on, never past their end."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 4  # behind the magic

    def take(self, form: str) -> int:
        """A number, as `struct` names it."""
        (value,) = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize(form)
        return int(value)

    def skip(self, size: int) -> bytes:
        """So many bytes."""
        if size > len(self.data) - self.at:
            raise ValueError("a value goes beyond its end")
        self.at += size
        return self.data[self.at - size : self.at]

    def string(self) -> str:
        """A text with its length before it."""
        return self.skip(self.take("Q")).decode("utf-8")

    def value(self, kind: int) -> None:
        """Pass over a value: GGUF's type 8 is a string, 9 a list of one type."""
        if kind == 8:
            self.string()
        elif kind == 9:
            inner, length = self.take("I"), self.take("Q")
            if inner in _SIZES:
                self.skip(_SIZES[inner] * length)
            elif inner == 8 and length <= MAX_STRINGS:
                for _ in range(length):
                    self.string()
            else:
                raise ValueError("it has a list of lists or a long one of texts")
        elif kind in _SIZES:
            self.skip(_SIZES[kind])
        else:
            raise ValueError(f"it has a value of type {kind}")


def _gguf(data: bytes) -> dict[str, Tensor]:
    """The float tensors of a GGUF file. The gguf library believes the counts in a file, and would read for
    ever.
    """
    import numpy as np
    import torch

    cursor, alignment = _Cursor(data), 32
    version, count, pairs = cursor.take("I"), cursor.take("Q"), cursor.take("Q")
    if version not in (2, 3) or count > MAX_VECTORS or pairs > MAX_VECTORS:
        raise ValueError(f"version {version} with {count:,} tensors")
    for _ in range(pairs):
        name, kind = cursor.string(), cursor.take("I")
        if name == "general.alignment" and kind == 4:
            alignment = cursor.take("I")
        else:
            cursor.value(kind)
    if not 1 <= alignment <= 4_096:
        raise ValueError(f"an alignment of {alignment:,}")
    stated: list[tuple[str, list[int], int, int]] = []
    for _ in range(count):
        name, axes = cursor.string(), cursor.take("I")
        if not 1 <= axes <= 4:
            raise ValueError(f"a tensor with {axes:,} axes")
        shape = [cursor.take("Q") for _ in range(axes)]
        stated.append((name, shape[::-1], cursor.take("I"), cursor.take("Q")))
    start = math.ceil(cursor.at / alignment) * alignment
    found: dict[str, Tensor] = {}
    held = start
    for name, shape, kind, offset in stated:
        if kind not in _FORMS:
            raise ValueError("its vectors are quantized: F32, F16, BF16 and F64 are read")
        numbers, form = math.prod(shape), np.dtype(_FORMS[kind])
        held += numbers * form.itemsize
        if start + offset + numbers * form.itemsize > len(data):
            raise ValueError("a tensor goes beyond its end")
        if held > len(data):  # else a small file would hold as much as it says
            raise ValueError("its tensors lie over one another")
        values = np.frombuffer(data, form, numbers, start + offset).reshape(shape)
        if kind == _BF16:
            found[name] = torch.from_numpy(values.astype(np.int16)).view(torch.bfloat16)
        else:
            found[name] = torch.from_numpy(values.astype(form.newbyteorder("=")))
    return found
