"""Two models' tensors, read piece by piece: from safetensors on this machine, or by ranges from the Hub, so
that a model of any size is compared without being loaded.

It is long because what is read of strangers' files has to be seen in one place.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared import embedded_model, experts, hub, hub_files, limits, models
from shared.errors import VisitorError

if TYPE_CHECKING:
    from torch import Tensor

FLOATS = {"F64": ("float64", 8), "F32": ("float32", 4), "F16": ("float16", 2), "BF16": ("bfloat16", 2)}
"""torch's name and the bytes of a number, by safetensors' name of its dtype; other dtypes are codes."""
MOST_ROWS = 8_192
"""Rows of a long table, such as an embedding, that are looked at: evenly spread blocks of it."""
BLOCKS = 16
_WEIGHTS = re.compile(r"(adapter_|pytorch_)?model(-\d{5}-of-\d{5})?\.safetensors")
_OUTER = ("base_model", "model", "language_model", "transformer", "text_model")
"""Names of the modules around the layers, which wrappers add and drop."""

Read = Callable[[int, int], bytes]
"""Reads so many bytes of a file from a first one on."""


@dataclass(frozen=True)
class Entry:
    """One tensor in a file.

    Args:
        file: that holds it.
        dtype: safetensors' name.
        shape: of the tensor.
        first: its first byte in the file.
    """

    file: str
    dtype: str
    shape: tuple[int, ...]
    first: int

    @property
    def bytes(self) -> int:
        """How long it is; 0 for a dtype that holds codes."""
        return math.prod(self.shape) * (FLOATS[self.dtype][1] if self.dtype in FLOATS else 0)


@dataclass(frozen=True)
class Weights:
    """A model's tensors.

    Args:
        id: of the model, as it was named.
        revision: the commit, or what else pins it.
        source: which copy answered.
        config: its config.json; of an adapter its adapter_config.json.
        entries: by the tensor's name.
        files: readers by file name.
        texts: what reads another of its files, or gives None where it has none.
        paths: of the files that lie on this machine whole, by name.
    """

    id: str
    revision: str
    source: str
    config: dict[str, Any]
    entries: dict[str, Entry]
    files: Mapping[str, Read]
    texts: Callable[[str], bytes | None] = field(default=lambda _: None)
    paths: Mapping[str, Path] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Of all tensors together."""
        return sum(entry.bytes for entry in self.entries.values())

    @property
    def adapter(self) -> bool:
        """Whether it is a LoRA and not a model."""
        return any(".lora_A." in name for name in self.entries)

    @property
    def dtype(self) -> str:
        """The dtype of most numbers, a name of torch's."""
        counts: dict[str, int] = {}
        for entry in self.entries.values():
            counts[entry.dtype] = counts.get(entry.dtype, 0) + math.prod(entry.shape)
        most = max(counts, key=counts.__getitem__, default="F32")
        return FLOATS[most][0] if most in FLOATS else most.lower()

    def get(self, name: str, first: int = 0, count: int | None = None) -> Tensor:
        """A tensor in its own dtype, or `count` items of its first axis from `first` on.

        Raises:
            VisitorError: the Hub broke off, or the tensor holds codes and not numbers.
        """
        import torch

        entry = self.entries[name]
        if entry.dtype not in FLOATS:
            raise VisitorError(
                f"{name[:80]} of {self.id[:80]} is stored as {entry.dtype}, which are codes and not weights.",
                "Compare the model that it was quantized from.",
            )
        kind, size = FLOATS[entry.dtype]
        length, *others = entry.shape or (1,)
        count = length - first if count is None else count
        each = math.prod(others) * size
        content = bytearray(self.files[entry.file](entry.first + first * each, count * each))
        shape = (count, *others) if entry.shape else ()
        if not content:
            return torch.zeros(shape, dtype=getattr(torch, kind))
        return torch.frombuffer(content, dtype=getattr(torch, kind)).reshape(shape)


def _entries(name: str, read: Read, size: int, model: str) -> Iterator[tuple[str, Entry]]:
    """The tensors of a safetensors file, from its header, which is checked."""
    try:
        (length,) = struct.unpack("<Q", read(0, 8))
        if length > min(size - 8, limits.MAX_HEADER_BYTES):
            raise ValueError
        header = json.loads(read(8, length))
        for tensor, item in header.items():
            if tensor == "__metadata__":
                continue
            first, last = (int(edge) for edge in item["data_offsets"])
            entry = Entry(name, str(item["dtype"]), tuple(map(int, item["shape"])), 8 + length + first)
            fits = entry.dtype not in FLOATS or entry.bytes == last - first
            if not (0 <= first <= last <= size - 8 - length and fits and min(entry.shape, default=0) >= 0):
                raise ValueError
            yield tensor, entry
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, struct.error):
        raise VisitorError(
            f"{name} of {model[:80]} is not a safetensors file.", "Choose another copy of the model."
        ) from None


def _assembled(
    model: str,
    revision: str,
    source: str,
    files: dict[str, tuple[Read, int]],
    texts: Callable[[str], bytes | None],
    paths: Mapping[str, Path],
) -> Weights:
    """Weights from readers and sizes of the safetensors files."""
    if not files or len(files) > limits.MAX_WEIGHT_FILES:
        raise VisitorError(
            f"{model[:80]} has {len(files)} safetensors files of weights.",
            f"Choose a model with 1 to {limits.MAX_WEIGHT_FILES} of them.",
        )
    entries: dict[str, Entry] = {}
    for name, (read, size) in sorted(files.items()):
        entries.update(_entries(name, read, size, model))
    if len(entries) > limits.MAX_TENSORS:
        raise VisitorError(
            f"{model[:80]} has {len(entries):,} tensors; at most {limits.MAX_TENSORS:,} are compared.",
            "Choose another model.",
        )
    readers = {name: read for name, (read, _) in files.items()}
    adapter = any(".lora_A." in name for name in entries)
    config = _json(texts("adapter_config.json" if adapter else "config.json"))
    return Weights(model, revision, source, config, entries, readers, texts, paths)


def _json(content: bytes | None) -> dict[str, Any]:
    try:
        value = json.loads(content or b"{}")
    except (ValueError, RecursionError):
        value = {}
    return value if isinstance(value, dict) else {}


def of_folder(folder: Path, model: str, revision: str, source: str) -> Weights:
    """The tensors of a folder.

    Raises:
        VisitorError: it has no safetensors file, or a damaged one.
    """
    paths = {
        path.name: path for path in sorted(folder.glob("*.safetensors")) if _WEIGHTS.fullmatch(path.name)
    }
    files = {name: (_reader(path), path.stat().st_size) for name, path in paths.items()}

    def texts(name: str) -> bytes | None:
        path = folder / name
        small = path.is_file() and path.stat().st_size <= limits.MAX_HEADER_BYTES
        return path.read_bytes() if small else None

    return _assembled(model, revision, source, files, texts, paths)


def _reader(path: Path) -> Read:
    def read(first: int, count: int) -> bytes:
        with path.open("rb") as handle:
            handle.seek(first)
            return handle.read(count)

    return read


def opened(name: str, report: Callable[[str], None] = lambda _: None) -> Weights:
    """A model's tensors by its name; nothing of the weights is read yet.

    Args:
        name: a Hub id (of a model or of a LoRA adapter), an expert, or for the owner a local folder.
        report: called with a sentence before a long step.

    Raises:
        VisitorError: as `hub.download`, or it has no safetensors.
    """
    if name in experts.NAMES:
        return of_folder(*_named(name, embedded_model.expert_folder(name, report)))
    if name == models.EMBEDDED_MODEL and not hub.has_snapshot(name) and not hub.reachable():
        return of_folder(*_named(name, embedded_model.base_folder(report)))
    if hub.is_local_path(name):
        return of_folder(hub.local_folder(name), name, "local folder", "local folder")
    hub.check_id(name)
    if not hub.reachable():
        folder, revision = hub.download(name, 10**12, report)
        return of_folder(folder, name, revision, models.HUB_SOURCE)
    report(f"Reading the headers of {name}")
    listed = hub_files.listing(name)
    files = {
        path: (_remote(listed, path), size) for path, size in listed.sizes.items() if _WEIGHTS.fullmatch(path)
    }

    def texts(path: str) -> bytes | None:
        size = listed.sizes.get(path, 0)
        return _remote(listed, path)(0, size) if 0 < size <= limits.MAX_HEADER_BYTES else None

    paths = {path: found for path in files if (found := hub_files.kept(listed, path))}
    return _assembled(name, listed.revision, models.HUB_SOURCE, files, texts, paths)


def _named(name: str, found: tuple[Path, str, str]) -> tuple[Path, str, str, str]:
    folder, revision, source = found
    return folder, name, revision, source


def _remote(listed: hub_files.Listing, path: str) -> Read:
    """Reads a file of the Hub: from the cache where it lies there whole."""
    found = hub_files.kept(listed, path)
    return _reader(found) if found else hub_files.ranges(listed, path)


# Which tensor of one is which of the other


@dataclass(frozen=True)
class Piece:
    """A matrix or vector that two models have.

    Args:
        name: in the edited model; of one of a layer's experts that are kept in one tensor, with its number.
        base: the tensor's name in the base model.
        edited: in the edited one; an adapter has the name of its A.
        at: the expert's place in the tensor, or None.
        rows: which rows of a long table are looked at, as (first, count); empty for all.
        shape: of what is looked at.
    """

    name: str
    base: str
    edited: str
    at: int | None
    rows: tuple[tuple[int, int], ...]
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Pair:
    """Two models, tensor by tensor.

    Args:
        base: as it was.
        edited: as it was published; an adapter is added to the base.
        pieces: that both have, in the model's order.
        unmatched: names that only one of them has, or that have another shape there.
    """

    base: Weights
    edited: Weights
    pieces: tuple[Piece, ...]
    unmatched: tuple[str, ...]

    def values(self, piece: Piece) -> tuple[Tensor, Tensor, str]:
        """A piece of the base and of the edited model in their own dtypes, and the dtype whose rounding the
        edited one shows.
        """
        before = _taken(self.base, piece.base, piece)
        if not self.edited.adapter:
            after = _taken(self.edited, piece.edited, piece)
            return before, after, str(after.dtype).removeprefix("torch.")
        import torch

        change = _lora(self.edited, piece.edited)
        return before, before.to(torch.float64) + change, "float32"


def _taken(weights: Weights, name: str, piece: Piece) -> Tensor:
    import torch

    if piece.at is not None:
        return weights.get(name, piece.at, 1)[0]
    if piece.rows:
        return torch.cat([weights.get(name, first, count) for first, count in piece.rows])
    return weights.get(name)


def _lora(adapter: Weights, name: str) -> Tensor:
    """ΔW of a LoRA, float64."""
    import torch

    down = adapter.get(name).to(torch.float64)
    up = adapter.get(name.replace("lora_A", "lora_B")).to(torch.float64)
    rank, config = len(down), adapter.config
    alpha = float(config.get("lora_alpha", rank))
    module = name.split(".lora_A")[0]
    for pattern, value in (config.get("alpha_pattern") or {}).items():
        if re.fullmatch(rf"(.*\.)?{re.escape(str(pattern))}", module):
            alpha = float(value)
    change = up @ down * (alpha / (math.sqrt(rank) if config.get("use_rslora") else rank))
    return change.T if config.get("fan_in_fan_out") else change


def inner(name: str) -> str:
    """A tensor's name without the modules around the layers."""
    parts = name.split(".")
    while len(parts) > 2 and parts[0] in _OUTER:
        parts = parts[1:]
    return ".".join(parts)


def paired(base: Weights, edited: Weights) -> Pair:
    """Two models' tensors side by side.

    Raises:
        VisitorError: the base is an adapter, the adapter is no plain LoRA, or they have nothing in common.
    """
    if base.adapter:
        raise VisitorError(
            f"The base {base.id[:80]} is an adapter.", "Name the model that was edited as the base."
        )
    places = {inner(name): name for name in base.entries}
    if edited.adapter:
        if edited.config.get("use_dora") or any("lora_magnitude" in name for name in edited.entries):
            raise VisitorError(f"{edited.id[:80]} is a DoRA.", "Merge it into its base, and compare that.")
        names = {
            inner(name.split(".lora_A.")[0]) + ".weight": name
            for name in edited.entries
            if ".lora_A." in name
        }
    else:
        names = {inner(name): name for name in edited.entries}
    if tied := _tied(base, edited, places, names):
        places = {**places, **tied}
    pieces: list[Piece] = []
    unmatched: list[str] = [name for key, name in names.items() if key not in places]
    if not edited.adapter:
        unmatched += [name for key, name in places.items() if key not in names and key not in (tied or {})]
    for key in sorted(set(places) & set(names), key=_order):
        shape = base.entries[places[key]].shape
        if not edited.adapter and edited.entries[names[key]].shape != shape:
            unmatched.append(names[key])
            continue
        pieces += _pieces(key, places[key], names[key], shape)
    if not pieces:
        raise VisitorError(
            f"{edited.id[:80]} and {base.id[:80]} have no tensor of the same name and shape.",
            "Name the model that the edited one was made from.",
        )
    return Pair(base, edited, tuple(pieces), tuple(sorted(unmatched)))


def _tied(
    base: Weights, edited: Weights, places: Mapping[str, str], names: Mapping[str, str]
) -> dict[str, str]:
    """A head that was untied by an edit of the embedding, compared with the matrix that it was."""
    heads = [key for key in names if key.endswith("lm_head.weight") and key not in places]
    tables = [key for key in places if re.search(r"(embed_tokens|wte|embed_in)\.weight$", key)]
    if edited.adapter or len(heads) != 1 or len(tables) != 1:
        return {}
    same = edited.entries[names[heads[0]]].shape == base.entries[places[tables[0]]].shape
    return {heads[0]: places[tables[0]]} if same else {}


def _pieces(key: str, base: str, edited: str, shape: tuple[int, ...]) -> Iterator[Piece]:
    if len(shape) == 3 and min(shape[1:]) > 1 and ".conv" not in key:  # experts kept in one tensor
        for at in range(shape[0]):
            yield Piece(f"{key}[{at}]", base, edited, at, (), shape[1:])
    elif len(shape) == 2 and shape[0] > MOST_ROWS and shape[0] > 2 * shape[1] and ".lora_" not in edited:
        each = MOST_ROWS // BLOCKS
        starts = [round(block * (shape[0] - each) / (BLOCKS - 1)) for block in range(BLOCKS)]
        yield Piece(key, base, edited, None, tuple((start, each) for start in starts), (MOST_ROWS, shape[1]))
    else:
        yield Piece(key, base, edited, None, (), shape)


def layer_of(name: str) -> int:
    """The layer of a tensor's name; −1 outside of the layers."""
    found = re.search(r"\.(\d{1,4})\.", f".{name}")
    return int(found[1]) if found else -1


def _order(name: str) -> tuple[int, str]:
    return layer_of(name), name


def width_of(weights: Weights) -> int:
    """The width of the residual stream, as config.json says; else of the embedding."""
    for config in (weights.config, weights.config.get("text_config")):
        for name in ("hidden_size", "n_embd", "d_model"):
            if isinstance(config, dict) and isinstance(config.get(name), int):
                return int(config[name])
    for name, entry in weights.entries.items():
        if re.search(r"(embed_tokens|wte|embed_in)\.weight$", name) and len(entry.shape) == 2:
            return entry.shape[1]
    return 0
