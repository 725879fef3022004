"""The models of a recipe as folders: whole for a merge, or with empty weights for a check."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared import experts, gpu, hub, limits, models
from shared.errors import VisitorError

BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1}


@dataclass(frozen=True)
class Source:
    """One model of a recipe.

    Args:
        name: as the recipe has it, a revision after @ and an adapter after + included.
        folder: config.json, tokenizer and weights; of a model that is not downloaded the weights are holes.
        revision: the commit, or what else pins it.
        tensors: dtype and shape by tensor name.
        licence: an SPDX-like id, or "" where none is stated.
        here: whether the weights lie on this machine.
        lora: folder of an adapter to be added, or None.
    """

    name: str
    folder: Path
    revision: str
    tensors: dict[str, tuple[str, tuple[int, ...]]]
    licence: str
    here: bool
    lora: Path | None = None

    @property
    def config(self) -> dict[str, Any]:
        """Its config.json."""
        return dict(json.loads((self.folder / "config.json").read_text(encoding="utf-8")))

    @property
    def parameters(self) -> int:
        """How many weights it has."""
        return sum(_count(shape) for _, shape in self.tensors.values())

    @property
    def bytes(self) -> int:
        """Bytes of its weights."""
        return sum(_count(shape) * BYTES.get(dtype, 4) for dtype, shape in self.tensors.values())

    @property
    def dtype(self) -> str:
        """The dtype that most of its weights have, by safetensors' name."""
        sizes: dict[str, int] = {}
        for dtype, shape in self.tensors.values():
            sizes[dtype] = sizes.get(dtype, 0) + _count(shape)
        return max(sizes, key=lambda name: sizes[name]) if sizes else "F32"


def _count(shape: tuple[int, ...]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total


def split(name: str) -> tuple[str, str | None, str | None]:
    """A model's name as mergekit reads it, `model@revision+lora`: model, revision, adapter.

    Raises:
        VisitorError: more than one @ or +.
    """
    model, *lora = name.split("+")
    if len(lora) > 1:
        raise VisitorError(f"“{name[:60]}” has two adapters.", "Write model+adapter.")
    model, *revision = model.split("@")
    if len(revision) > 1:
        raise VisitorError(f"“{name[:60]}” has two revisions.", "Write model@revision.")
    return model.strip(), revision[0].strip() if revision else None, lora[0].strip() if lora else None


def check_name(name: str) -> None:
    """Raise a VisitorError unless the text names an expert, a Hub model, or a folder where the app runs locally."""
    model, _, lora = split(name)
    for part in [model, *([lora] if lora is not None else [])]:
        if part in experts.NAMES or hub.is_local_path(part):
            continue
        if part.startswith(("/", "./", "../", "~")) or "\\" in part:
            raise VisitorError(
                f"“{part[:60]}” is a path." if hub.is_space() else f"There is no folder “{part[:60]}”.",
                "Name a model of the Hub as owner/name, or an expert.",
            )
        hub.check_id(part)


def resolve(name: str, scratch: Path, *, whole: bool, report: Callable[[str], None] = lambda _: None) -> Source:
    """Find a model.

    Args:
        name: as in the recipe.
        scratch: a folder for models that are not downloaded.
        whole: whether the weights are needed; otherwise their headers do.
        report: called with a sentence before a long step.

    Raises:
        VisitorError: as `check_name` and `hub.download`.
    """
    check_name(name)
    model, revision, lora = split(name)
    adapter = _adapter(lora, report) if lora else None
    if model in experts.NAMES:
        folder, found, _ = models.expert_folder(model, report)
        return _local(name, folder, found, "apache-2.0", adapter)
    if model == models.EMBEDDED_MODEL and revision is None and (whole or not hub.reachable() or hub.has_snapshot(model)):
        folder, found, _ = models.base_folder(report)
        return _local(name, folder, found, "apache-2.0", adapter)
    if hub.is_local_path(model):
        return _local(name, hub.local_folder(model), "local folder", "", adapter)
    limit = limits.MAX_PARAMETERS_GPU if gpu.has_gpu() else limits.MAX_PARAMETERS_CPU
    if whole or not hub.reachable() or hub.has_snapshot(model, revision):
        folder, found = hub.download(model, limit, report, revision)
        return _local(name, folder, found, hub.licence(model, revision), adapter)
    found, _, _ = hub.inspect(model, limit, revision)
    folder = scratch / f"{model.replace('/', '--')}-{found[:12]}"
    if not (folder / "config.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        hub.small_files(model, found, folder)
        write_holes(folder, hub.weight_headers(model, found))
    return _local(name, folder, found, hub.licence(model, found), adapter, here=False)


def _adapter(lora: str, report: Callable[[str], None]) -> Path:
    if lora in experts.NAMES:
        return experts.folder(lora)
    if hub.is_local_path(lora):
        folder = Path(lora).expanduser().resolve()
    else:
        folder, _ = hub.download(lora, limits.MAX_PARAMETERS_CPU, report)
    if not (folder / "adapter_config.json").is_file() or not (folder / "adapter_model.safetensors").is_file():
        raise VisitorError(f"{lora[:60]} is no LoRA adapter in safetensors.", "Name one that has adapter_model.safetensors.")
    return folder


def _local(name: str, folder: Path, revision: str, licence: str, lora: Path | None, *, here: bool = True) -> Source:
    if not (folder / "config.json").is_file():
        raise VisitorError(f"{name[:60]} has no config.json.", "Choose a whole model.")
    return Source(name, folder, revision, read_headers(folder), licence, here, lora)


def read_headers(folder: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Dtype and shape of every tensor in a folder's safetensors files, from their headers.

    Raises:
        VisitorError: a file is damaged.
    """
    found: dict[str, tuple[str, tuple[int, ...]]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with path.open("rb") as file:
                (length,) = struct.unpack("<Q", file.read(8))
                header = json.loads(file.read(min(length, 100_000_000)))
            tensors = {name: (item["dtype"], tuple(item["shape"])) for name, item in header.items() if name != "__metadata__"}
        except (OSError, ValueError, KeyError, TypeError, struct.error):
            raise VisitorError(f"{path.name} is no safetensors file.", "Download or save the model again.") from None
        found.update(tensors)
    return found


def write_holes(folder: Path, headers: dict[str, dict[str, tuple[str, list[int], int]]]) -> None:
    """Write weight files whose headers are true and whose weights are holes: full length, no disk.

    mergekit's own planner reads them as it reads a model, so a check asks mergekit itself.
    """
    for file, tensors in headers.items():
        header: dict[str, Any] = {}
        offset = 0
        for name, (dtype, shape, size) in tensors.items():
            header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + size]}
            offset += size
        text = json.dumps(header).encode("utf-8")
        text += b" " * (-len(text) % 8)
        with (folder / Path(file).name).open("wb") as target:
            target.write(struct.pack("<Q", len(text)) + text)
            target.truncate(8 + len(text) + offset)
    if len(headers) > 1:
        places = {name: Path(file).name for file, tensors in headers.items() for name in tensors}
        (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}), encoding="utf-8")
