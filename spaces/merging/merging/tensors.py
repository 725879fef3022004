"""The tensors of a folder's safetensors files: their headers, their values, and where in the model each has
its place.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.errors import VisitorError

if TYPE_CHECKING:
    from torch import Tensor

BYTES = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
}
"""Bytes of one entry by safetensors' name of its dtype."""
FLOATS = ("F64", "F32", "F16", "BF16")
INDEX = "model.safetensors.index.json"
LONGEST_HEADER = 100_000_000
AGAIN = "Download or save the model again."

_LAYER = re.compile(r"^(.*?\.)(\d{1,4})\.(.+?)(?:\.weight)?$")

Headers = dict[str, tuple[str, tuple[int, ...]]]
"""Dtype and shape by a tensor's name."""


def place(name: str) -> tuple[int, str] | None:
    """Layer and module of a tensor's name, or None for one outside of the layers."""
    match = _LAYER.match(name)
    return (int(match[2]), match[3]) if match else None


def weight_files(folder: Path) -> list[Path]:
    """A folder's weight files: those that its index names, or model.safetensors, or all that it holds.

    Raises:
        VisitorError: the index cannot be read, or names a file that is not there.
    """
    index, whole = folder / INDEX, folder / "model.safetensors"
    if not index.is_file():
        return [whole] if whole.is_file() else sorted(folder.glob("*.safetensors"))
    try:
        named = {str(name) for name in json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise VisitorError(f"{INDEX} cannot be read.", AGAIN) from None
    for name in sorted(named):
        if Path(name).name != name or not (folder / name).is_file():
            raise VisitorError(f"{INDEX} names {name[:90]}, which is not there.", AGAIN)
    return [folder / name for name in sorted(named)]


def promoted(dtypes: Sequence[str]) -> str:
    """The dtype in which torch joins tensors of several: two different short ones make float32."""
    kinds = set(dtypes)
    if len(kinds) <= 1 or not kinds <= set(FLOATS):
        return dtypes[0] if dtypes else "F32"
    return "F64" if "F64" in kinds else "F32"


class Weights:
    """The tensors of a folder's safetensors files by name, read one at a time."""

    def __init__(self, folder: Path) -> None:
        from safetensors import safe_open

        files = [safe_open(path, "pt") for path in weight_files(folder)]
        # a safetensors handle is no dict
        self.files = {name: file for file in files for name in file.keys()}  # noqa: SIM118

    @property
    def names(self) -> list[str]:
        """Of all tensors, file by file."""
        return list(self.files)

    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's shape, from the header."""
        return tuple(self.files[name].get_slice(name).get_shape())

    def stored(self, name: str) -> Tensor:
        """A tensor in the dtype of the file."""
        return self.files[name].get_tensor(name)

    def get(self, name: str) -> Tensor:
        """A tensor in float32."""
        return self.stored(name).float()


def common(models: Sequence[Weights]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors that all models have in one shape."""
    first, *others = models
    names = [name for name in first.names if all(name in model.files for model in others)]
    shapes = {name: first.shape(name) for name in names}
    return {
        name: shape for name, shape in shapes.items() if all(model.shape(name) == shape for model in others)
    }


def read_headers(folder: Path) -> Headers:
    """Dtype and shape of every tensor in a folder's safetensors files, from their headers.

    Raises:
        VisitorError: a file is damaged, cut off or missing.
    """
    headers: Headers = {}
    for path in weight_files(folder):
        headers |= read_header(path)
    return headers


def read_header(path: Path) -> Headers:
    """Dtype and shape of every tensor in a safetensors file, from its header.

    Raises:
        VisitorError: it is damaged or cut off.
    """
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(length, LONGEST_HEADER)))
        items = {name: item for name, item in header.items() if name != "__metadata__"}
        headers = {
            name: (str(item["dtype"]), tuple(int(size) for size in item["shape"]))
            for name, item in items.items()
        }
        end = 8 + length + max((int(item["data_offsets"][1]) for item in items.values()), default=0)
        size = path.stat().st_size
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, struct.error):
        raise VisitorError(f"{path.name} is not a safetensors file.", AGAIN) from None
    if size != end:
        what = f"{path.name} is {'cut off' if size < end else 'too long'}"
        raise VisitorError(f"{what}: it has {size:,} bytes, and its header tells of {end:,}.", AGAIN)
    return headers


def write_holes(folder: Path, headers: Mapping[str, Mapping[str, tuple[str, Sequence[int], int]]]) -> None:
    """Write weight files whose headers are true and whose weights are holes: full length, no disk.

    mergekit's own planner reads them as it reads a model, so a check asks mergekit itself.

    Args:
        folder: of the model.
        headers: dtype, shape and bytes of each tensor, by file and name.
    """
    for file, tensors in headers.items():
        header: dict[str, Any] = {}
        offset = 0
        for name, (dtype, shape, size) in tensors.items():
            header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + size]}
            offset += size
        text = json.dumps(header).encode("utf-8")
        text += b" " * (-len(text) % 8)
        with (folder / Path(file).name).open("wb") as target:
            target.write(struct.pack("<Q", len(text)) + text)
            target.truncate(8 + len(text) + offset)
    if len(headers) > 1:
        places = {name: Path(file).name for file, tensors in headers.items() for name in tensors}
        (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": places}), encoding="utf-8")
