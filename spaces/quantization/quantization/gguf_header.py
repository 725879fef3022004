"""The header of a GGUF file: what it says of itself, and where each tensor lies, read in pieces from wherever
the file is, before a single weight.

Files come from strangers: every count and length is checked before memory is taken for it.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shared.errors import VisitorError

Read = Callable[[int, int], bytes]
"""Called with the first byte and how many; returns fewer only at the file's end."""

PIECE = 1_000_000
"""Bytes that are read first; every further piece is twice as long, up to eight of these."""

MAX_HEADER_BYTES = 60_000_000
"""Longest header; a vocabulary of 262,144 tokens with its merges takes 15 MB."""

MAX_VALUES, MAX_TENSORS = 10_000, 100_000
"""Values and tensors of one file."""

_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""GGUF's numbers of plain types, as `struct` and numpy write them."""
_STRING, _ARRAY = 8, 9


@dataclass(frozen=True)
class Tensor:
    """Where one tensor lies.

    Args:
        name: llama.cpp's.
        shape: rows last but one, columns last: as the gguf package has it.
        type: of ggml, by name.
        start: first byte in the file.
        bytes: that it takes.
    """

    name: str
    shape: tuple[int, ...]
    type: str
    start: int
    bytes: int


@dataclass(frozen=True)
class Header:
    """What a file says of itself.

    Args:
        values: by GGUF's keys; arrays of numbers are numpy's, arrays of texts lists.
        tensors: by llama.cpp's names, in the file's order.
        start: bytes of the header, padding included.
    """

    values: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    start: int

    @property
    def end(self) -> int:
        """Bytes that the whole file needs at least."""
        return max((tensor.start + tensor.bytes for tensor in self.tensors.values()), default=self.start)

    def value(self, key: str, default: Any = None) -> Any:
        """A value by its key; below `{arch}.`, the architecture's own."""
        return self.values.get(key.replace("{arch}", self.architecture), default)

    @property
    def architecture(self) -> str:
        """llama.cpp's name of the architecture; "" where none is stated."""
        return str(self.values.get("general.architecture", ""))


class _Damaged(Exception):
    """What is read is no header."""


class _Stream:
    """Bytes from the beginning of a file, read as they are needed."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._piece = PIECE
        self.bytes = bytearray()
        self.place = 0

    def need(self, count: int) -> int:
        """Make so many more bytes available; returns where they begin, and goes beyond them."""
        begin = self.place
        if count < 0 or begin + count > MAX_HEADER_BYTES:
            raise _Damaged(f"its header is longer than {MAX_HEADER_BYTES / 1e6:.0f} MB")
        if not self.has(begin + count):
            raise _Damaged("it ends in the middle of its header")
        self.place = begin + count
        return begin

    def has(self, end: int) -> bool:
        """Whether the file has so many bytes, which are read where they are not here yet."""
        while len(self.bytes) < end:
            more = self._read(len(self.bytes), max(self._piece, end - len(self.bytes)))
            if not more:
                return False
            self.bytes += more
            self._piece = min(2 * self._piece, 8 * PIECE)
        return True

    def number(self, code: str) -> Any:
        """One number, little-endian."""
        size = struct.calcsize("<" + code)
        return struct.unpack_from("<" + code, self.bytes, self.need(size))[0]

    def text(self) -> str:
        """A text with its length before it."""
        length = self.number("Q")
        begin = self.need(length)
        return self.bytes[begin : begin + length].decode("utf-8", errors="replace")

    def value(self, kind: int, depth: int = 0) -> Any:
        """A value of a GGUF type."""
        if kind in _NUMBERS:
            return self.number(_NUMBERS[kind])
        if kind == _STRING:
            return self.text()
        if kind != _ARRAY or depth:  # lists of lists are nowhere used
            raise _Damaged(f"it holds a value of the unknown type {kind}")
        inner, count = self.number("I"), self.number("Q")
        if inner in _NUMBERS:
            size = struct.calcsize("<" + _NUMBERS[inner])
            begin = self.need(count * size)
            return np.frombuffer(bytes(self.bytes[begin : begin + count * size]), "<" + _NUMBERS[inner])
        if inner != _STRING:
            raise _Damaged(f"it holds a list of the unknown type {inner}")
        self.need(8 * count)  # each has a length at least
        self.place -= 8 * count
        return self._texts(count)

    def _texts(self, count: int) -> list[str]:
        """So many texts; a list of many that is byte for byte one of those read last is that one."""
        begin = self.place
        for data, texts in _read_last:
            end = begin + len(data)
            if (
                len(texts) == count
                and end <= MAX_HEADER_BYTES
                and data.startswith(self.bytes[begin:end])
                and self.has(end)
                and self.bytes[begin:end] == data
            ):
                self.place = end
                return texts
        texts = self._new_texts(count)
        if count > MANY:
            _read_last.insert(0, (bytes(self.bytes[begin : self.place]), texts))
            del _read_last[KEPT:]
        return texts

    def _new_texts(self, count: int) -> list[str]:
        """So many texts: a vocabulary has a hundred thousand, and what of it is there already is read
        without a call for each.
        """
        found: list[str] = []
        place = self.place
        while len(found) < count:
            begin = place + 8
            end = begin + int.from_bytes(self.bytes[place:begin], "little")
            if begin <= len(self.bytes) and end <= len(self.bytes):
                found.append(self.bytes[begin:end].decode("utf-8", errors="replace"))
                place = end
            else:
                self.place = place
                found.append(self.text())
                place = self.place
        self.place = place
        return found


MANY, KEPT = 1_000, 4
"""Texts of a list that is worth keeping, and lists kept: tokens and merges of two models, since the files of
one all have the same.
"""
_read_last: list[tuple[bytes, list[str]]] = []


def read_header(read: Read, size: int, what: str) -> Header:
    """A file's header.

    Args:
        read: gives its bytes.
        size: of the whole file, bytes.
        what: the file is called.

    Raises:
        VisitorError: it is no GGUF file, one that is not complete, or of a kind that is not read here.
    """
    try:
        header = _header(_Stream(read))
    except (_Damaged, struct.error) as error:
        raise VisitorError(f"{what} cannot be read: {error}.", "Choose another file.") from None
    if header.end > size:
        raise VisitorError(
            f"{what} is not complete: its header describes {header.end:,} bytes, and it has {size:,}.",
            "Download it again, or choose another file.",
        )
    return header


_KINDS = {
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"<": "a web page",
    b"version https://git-lfs": "a Git LFS pointer to the file",
    b"tjgg": "of llama.cpp's format before GGUF",
    b"fmgg": "of llama.cpp's format before GGUF",
    b"lmgg": "of llama.cpp's format before GGUF",
}
"""What people take for GGUF files, by the first bytes."""


def _kind(content: bytearray) -> str:
    """What a file is that is no GGUF file."""
    for start, kind in _KINDS.items():
        if content.startswith(start):
            return kind
    return "a safetensors file" if content[8:10] == b'{"' else "something else"


def _header(stream: _Stream) -> Header:
    if not stream.has(1):
        raise _Damaged("it is empty")
    if not stream.bytes.startswith(b"GGUF"):
        raise _Damaged(f"it is {_kind(stream.bytes)}, not a GGUF file")
    stream.need(4)
    version, count, values = stream.number("I"), stream.number("Q"), stream.number("Q")
    if version not in (2, 3):
        raise _Damaged(
            "its bytes stand in another order (big-endian)"
            if version & 0xFFFF == 0
            else f"it is of GGUF's version {version}, where 2 and 3 are read"
        )
    if values > MAX_VALUES or count > MAX_TENSORS:
        raise _Damaged(f"it states {values:,} values and {count:,} tensors")
    stated = {}
    for _ in range(values):
        name = stream.text()
        stated[name] = stream.value(stream.number("I"))
    alignment = stated.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 1 <= alignment <= 1 << 20:
        raise _Damaged("its alignment is no number of bytes")
    listed = [_tensor(stream) for _ in range(count)]
    start = stream.place + -stream.place % alignment
    tensors = {name: Tensor(name, shape, type, start + at, size) for name, shape, type, at, size in listed}
    if len(tensors) < count:
        raise _Damaged("two of its tensors have one name")
    return Header(stated, tensors, start)


def _tensor(stream: _Stream) -> tuple[str, tuple[int, ...], str, int, int]:
    """Name, shape, type, place among the tensors and bytes of the next tensor."""
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

    name, axes = stream.text(), stream.number("I")
    if axes > 4:
        raise _Damaged(f"its tensor {name[:60]} has {axes} axes")
    shape = tuple(reversed([int(stream.number("Q")) for _ in range(axes)]))
    number, at = stream.number("I"), stream.number("Q")
    try:
        type = GGMLQuantizationType(number)
    except ValueError:
        raise _Damaged(f"its tensor {name[:60]} is of the unknown type {number}") from None
    block, size = GGML_QUANT_SIZES[type]
    elements = math.prod(shape)
    if elements > 1 << 40 or (shape and shape[-1] % block):
        raise _Damaged(f"its tensor {name[:60]} has a shape that {type.name} cannot hold")
    return name, shape, type.name, at, elements // block * size


def of_path(path: Path) -> tuple[Read, int]:
    """What reads a file of this machine, and its size."""

    def read(first: int, count: int) -> bytes:
        with path.open("rb") as handle:
            handle.seek(first)
            return handle.read(count)

    return read, path.stat().st_size
