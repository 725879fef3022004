"""How much each input of a layer matters: E[x²] over a text, in llama.cpp's importance matrices: the GGUF
files of today, and the .dat files of before (llama.cpp, tools/imatrix/imatrix.cpp).

A .dat file holds means times the calls that they are of, a GGUF file sums and how many inputs were summed;
both name layers as llama.cpp does.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from quantization import gguf_families, gguf_header
from quantization.calibration import Calibration, calibration_windows, collect
from shared import limits
from shared.errors import VisitorError
from shared.files import written_whole

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from shared.models import Loaded

FILE, DATASET = "imatrix.gguf", "calibration text"
"""How a matrix that was computed here is called in a file that was made with it."""

KINDS = ("gguf", "dat")
"""Formats that are written."""

_SUMS, _COUNTS = ".in_sum2", ".counts"
_OUTSIDE = ("output.weight", "token_embd.weight")
"""What a matrix may name even where the model has no such tensor: llama-imatrix does where it is told to."""

_LONGEST_NAME, _MOST_ENTRIES = 1_000, 100_000


@dataclass(frozen=True)
class Importance:
    """What the quantizers of a model are told of its columns.

    Args:
        columns: E[x²] by parameter name, float32 (columns,), or (experts, columns) of stacked matrices.
        file: name of the file that it is from, or goes into.
        datasets: that it was computed on, by name.
        chunks: windows of text.
        chunk_size: tokens of each; 0 where a file does not say.
    """

    columns: Mapping[str, Tensor]
    file: str
    datasets: tuple[str, ...]
    chunks: int
    chunk_size: int

    @property
    def tokens(self) -> int:
        """Tokens that were seen, as far as is known."""
        return self.chunks * self.chunk_size

    @property
    def stem(self) -> str:
        """What the name of a file made with it has of its name."""
        return re.sub(r"[^\w.-]+", "-", self.file.rpartition(".")[0])[:40] or "imatrix"

    def describe(self, writer: Any) -> None:
        """Say in a GGUF file's metadata what it was made with, by llama-quantize's keys."""
        writer.add_string("quantize.imatrix.file", self.file)
        writer.add_string("quantize.imatrix.dataset", ", ".join(self.datasets))
        writer.add_uint32("quantize.imatrix.entries_count", len(self.columns))
        writer.add_uint32("quantize.imatrix.chunks_count", self.chunks)


def of_moments(moments: Mapping[str, Calibration], windows: Tensor) -> Importance:
    """The matrix of what layers saw of a text's windows (windows, tokens), by parameter name."""
    columns = {name: one.column_mean_square for name, one in moments.items()}
    return Importance(columns, FILE, (DATASET,), *windows.shape)


def of_kind(loaded: Loaded, kind: str) -> Importance:
    """The matrix of the text to learn from of a kind, of `kinds.KINDS`.

    Raises:
        VisitorError: as `calibration_windows`.
    """
    from quantization import kinds

    text = kinds.text_of(loaded, kind, learn=True)
    windows = calibration_windows(loaded.tokenizer, text, kinds.context_of(loaded)).ids
    whole = of_moments(collect(loaded.model, windows, products=False), windows)
    return replace(whole, file=f"imatrix-{kind}.gguf", datasets=(kind,))


def _layers(model: PreTrainedModel) -> dict[str, tuple[str, tuple[int, ...]]]:
    """What a matrix of the model holds, by llama.cpp's names: parameter, and the shape of its E[x²]."""
    found = {}
    for part in gguf_families.parts(model):
        parameter = model.get_parameter(part.parameter)
        if part.name.startswith("blk.") and parameter.dim() > 1:
            if gguf_families.is_kept_whole(part.parameter):
                continue
            columns = parameter.shape[0 if part.transposed else -1]
            found[part.name] = (part.parameter, (*parameter.shape[:-2], columns))
    return found


def _entries(importance: Importance, loaded: Loaded) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    """E[x²] (matrices, columns) by llama.cpp's names, sorted as it sorts them."""
    for name, (parameter, shape) in sorted(_layers(loaded.model).items()):
        if parameter in importance.columns:
            values = importance.columns[parameter].detach().cpu().numpy()
            yield name, np.ascontiguousarray(values, np.float32).reshape(-1, shape[-1])


def write(importance: Importance, loaded: Loaded, path: Path) -> None:
    """Write a matrix as a GGUF file, or in the format of before where the name ends in .dat.

    Raises:
        VisitorError: the disk is full, or llama.cpp has no names for the model's layers.
    """
    entries = list(_entries(importance, loaded))
    with written_whole(path, "the importance matrix") as part:
        (_write_dat if path.suffix == ".dat" else _write_gguf)(importance, entries, part)


def _write_gguf(importance: Importance, entries: Iterable[tuple[str, Any]], path: Path) -> None:
    import gguf

    writer = gguf.GGUFWriter(path, "")
    for values in writer.kv_data:
        values.pop("general.architecture", None)  # a matrix has none
    try:
        writer.add_type("imatrix")
        writer.add_array("imatrix.datasets", list(importance.datasets))
        writer.add_uint32("imatrix.chunk_count", importance.chunks)
        writer.add_uint32("imatrix.chunk_size", importance.chunk_size)
        count = max(1, importance.tokens or importance.chunks)
        for name, values in entries:
            writer.add_tensor(name + _SUMS, values * np.float32(count))
            writer.add_tensor(name + _COUNTS, np.full((len(values), 1), count, np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def _write_dat(importance: Importance, entries: Iterable[tuple[str, Any]], path: Path) -> None:
    entries, chunks = list(entries), max(1, importance.chunks)
    with path.open("wb") as file:
        file.write(struct.pack("<i", len(entries)))
        for name, values in entries:
            data = name.encode()
            file.write(struct.pack("<i", len(data)) + data + struct.pack("<ii", chunks, values.size))
            file.write((values * np.float32(chunks)).tobytes())
        words = ", ".join(importance.datasets).encode()
        file.write(struct.pack("<ii", importance.chunks, len(words)) + words)


def read(path: Path, name: str, loaded: Loaded) -> Importance:
    """A matrix that somebody made of this model.

    Args:
        path: of the file.
        name: that it has, for sentences.
        loaded: the model.

    Raises:
        VisitorError: as `opened`, or it is of another model.
    """
    means, datasets, chunks, chunk_size = opened(path, name)
    return Importance(_checked(means, name, loaded), name, datasets, chunks, chunk_size)


Found = tuple[dict[str, npt.NDArray[np.float32]], tuple[str, ...], int, int]
"""Means by llama.cpp's names, datasets, chunks and their size."""


def opened(path: Path, name: str) -> Found:
    """What a matrix's file holds, of whatever model.

    Args:
        path: of the file.
        name: that it has, for sentences.

    Raises:
        VisitorError: it is no importance matrix, or is damaged.
    """
    size = path.stat().st_size
    if size > limits.MAX_MATRIX_BYTES:
        raise VisitorError(
            f"{name} has {size / 1e6:,.0f} MB; an importance matrix has at most "
            f"{limits.MAX_MATRIX_BYTES / 1e6:,.0f} here.",
            "Choose another file.",
        )
    content = np.fromfile(path, np.uint8)
    is_gguf = content[:4].tobytes() == b"GGUF"
    return (_read_gguf if is_gguf else _read_dat)(content, path, name)


def _read_gguf(content: npt.NDArray[np.uint8], path: Path, name: str) -> Found:
    header = gguf_header.read_header(*gguf_header.of_path(path), name)
    sums = [one.removesuffix(_SUMS) for one in header.tensors if one.endswith(_SUMS)]
    if not sums:
        raise VisitorError(
            f"{name} is no importance matrix: its GGUF file is of the type "
            f"“{str(header.value('general.type', 'model'))[:30]}”.",
            "Choose the file that llama-imatrix wrote.",
        )

    def values(tensor: str) -> npt.NDArray[np.float32]:
        one = header.tensors.get(tensor)
        if one is None or one.type != "F32" or one.start % 4:
            raise VisitorError(f"{name} is damaged: it has no {tensor[:80]}.", "Choose another file.")
        return content[one.start : one.start + one.bytes].view("<f4").reshape(one.shape)

    means = {}
    for layer in sums:
        total, counts = values(layer + _SUMS), values(layer + _COUNTS).reshape(-1, 1)
        total = total.reshape(-1, total.shape[-1])
        if len(counts) != len(total):
            raise VisitorError(f"{name} is damaged: {layer[:80]} lacks counts.", "Choose another file.")
        # what no token reached counts alike, as in llama.cpp
        means[layer] = np.where(counts > 0, total / np.maximum(counts, 1e-30), np.float32(1))
    stated = header.value("imatrix.datasets", [])
    datasets = tuple(str(one)[:200] for one in stated[:20]) if isinstance(stated, list) else ()
    chunks, size = (_count(header.value(f"imatrix.{key}")) for key in ("chunk_count", "chunk_size"))
    return means, datasets, chunks, size


def _read_dat(content: npt.NDArray[np.uint8], _: Path, name: str) -> Found:
    data, place = content.tobytes(), 0
    damaged = VisitorError(
        f"{name} is no importance matrix that llama.cpp wrote.", "Choose a file of llama-imatrix."
    )

    def number() -> int:
        nonlocal place
        if place + 4 > len(data):
            raise damaged
        place += 4
        return int(struct.unpack_from("<i", data, place - 4)[0])

    def taken(count: int) -> bytes:
        nonlocal place
        if not 0 <= count <= len(data) - place:
            raise damaged
        place += count
        return data[place - count : place]

    count = number()
    if not 1 <= count <= _MOST_ENTRIES:
        raise damaged
    means: dict[str, npt.NDArray[np.float32]] = {}
    for _number in range(count):
        length = number()
        if not 1 <= length <= _LONGEST_NAME:
            raise damaged
        layer = taken(length).decode("utf-8", errors="replace")
        calls, values = number(), number()
        if values < 1:
            raise damaged
        means[layer] = (np.frombuffer(taken(4 * values), "<f4")[None] / max(1, calls)).astype(np.float32)
    if place == len(data):  # the oldest files end here
        return means, (), 0, 0
    chunks, length = number(), number()
    return means, (taken(length).decode("utf-8", errors="replace")[:200],), _count(chunks), 0


def _count(value: Any) -> int:
    """A stated count, 0 where it is none."""
    return value if isinstance(value, int) and 0 <= value < 1 << 31 else 0


def _checked(found: dict[str, npt.NDArray[np.float32]], name: str, loaded: Loaded) -> dict[str, Tensor]:
    """Means by parameter name.

    Raises:
        VisitorError: they are of another model, or no means of squares.
    """
    import torch

    layers, remedy = _layers(loaded.model), "Name the model that it was computed with, or compute one here."
    known = {*_OUTSIDE, *(part.name for part in gguf_families.parts(loaded.model))}
    if other := next((one for one in found if one not in known), ""):
        raise VisitorError(
            f"{name} is of another model: it has {_quoted(other)}, and {loaded.id} has no such layer.", remedy
        )
    columns: dict[str, Tensor] = {}
    for layer, (parameter, shape) in layers.items():
        values = found.get(layer)
        if values is None:
            raise VisitorError(
                f"{name} is of another model, or not whole: it lacks {layer}, which {loaded.id} has.", remedy
            )
        if values.size != math.prod(shape):
            raise VisitorError(
                f"{name} is of another model: its {layer} is of {values.size:,} inputs, and that of "
                f"{loaded.id} has {math.prod(shape):,}.",
                remedy,
            )
        if not np.isfinite(values).all() or values.min() < 0:
            raise VisitorError(f"{name} holds values that are no mean squares.", "Choose another file.")
        columns.setdefault(parameter, torch.from_numpy(values.astype(np.float32).reshape(shape)))
    return columns


def _quoted(text: str) -> str:
    return f"“{text[:60]}”"
