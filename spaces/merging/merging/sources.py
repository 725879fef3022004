"""The models of a recipe as folders: whole for a merge, or with empty weights for a check."""

from __future__ import annotations

import json
import math
import os
import shutil
import struct
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from merging.atlas import place
from shared import experts, gpu, hub, limits, models
from shared.errors import VisitorError

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
        """Its config.json; {} where that holds no mapping."""
        try:
            value = json.loads((self.folder / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            value = None
        return value if isinstance(value, dict) else {}

    @property
    def parameters(self) -> int:
        """How many weights it has."""
        return sum(math.prod(shape) for _, shape in self.tensors.values())

    @property
    def bytes(self) -> int:
        """Bytes of its weights."""
        return sum(math.prod(shape) * BYTES.get(dtype, 4) for dtype, shape in self.tensors.values())

    @property
    def layers(self) -> int:
        """How many layers its weights have."""
        return 1 + max((spot[0] for name in self.tensors if (spot := place(name))), default=-1)

    @property
    def dtype(self) -> str:
        """The dtype that most of its weights have, by safetensors' name."""
        sizes: dict[str, int] = {}
        for dtype, shape in self.tensors.values():
            sizes[dtype] = sizes.get(dtype, 0) + math.prod(shape)
        return max(sizes, key=lambda name: sizes[name]) if sizes else "F32"


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


def expert_of(name: str) -> str | None:
    """The expert that a name stands for, alone or as the embedded model with its adapter; None for any other
    model.
    """
    model, revision, lora = split(name)
    expert = model if lora is None else lora if model == models.EMBEDDED_MODEL else None
    return expert if expert in experts.NAMES and revision is None else None


def check_name(name: str) -> None:
    """Raise a VisitorError unless the text names an expert, a Hub model, or a folder where the app runs
    locally.
    """
    model, revision, lora = split(name)
    if model in experts.NAMES and revision is not None:
        raise VisitorError(f"“{name[:60]}” names a revision of an expert.", f"Write {model}.")
    for part in [model, *([lora] if lora is not None else [])]:
        if part in experts.NAMES or _is_folder(part):
            continue
        if part.startswith(("/", "./", "../", "~")) or "\\" in part:
            raise VisitorError(
                f"“{part[:60]}” is a path." if hub.is_space() else f"There is no folder “{part[:60]}”.",
                "Name a model of the Hub as owner/name, or an expert.",
            )
        hub.check_id(part)


def _is_folder(part: str) -> bool:
    try:
        return hub.is_local_path(part)
    except (OSError, RuntimeError, ValueError):  # too long, a ~user who is not there, or a null in it
        return False


FRESH = 300.0
"""Seconds that what was found for a check counts as current."""
KEPT = 64
"""Models that are remembered, and folders of models that are not downloaded."""
_found: dict[str, tuple[float, Source]] = {}


def resolve(name: str, *, whole: bool, report: Callable[[str], None] = lambda _: None) -> Source:
    """Find a model.

    Args:
        name: as in the recipe.
        whole: whether the weights are needed; otherwise their headers do, and what was found is remembered
            for a while, since a page checks at every change of its recipe.
        report: called with a sentence before a long step.

    Raises:
        VisitorError: as `check_name` and `hub.download`.
    """
    check_name(name)
    known = _found.get(name)
    if (
        known
        and not whole
        and time.monotonic() - known[0] < FRESH
        and (known[1].folder / "config.json").is_file()
    ):
        return known[1]
    source = _resolve(name, whole, report)
    if not any(
        part and _is_folder(part) for part in split(name)
    ):  # a folder of this machine may change at any moment
        _found.pop(name, None)
        _found[name] = time.monotonic(), source
        for old in list(_found)[:-KEPT]:
            _found.pop(old, None)
    return source


def _resolve(name: str, whole: bool, report: Callable[[str], None]) -> Source:
    model, revision, lora = split(name)
    expert = expert_of(name) or (model if model in experts.NAMES else None)
    adapter = _adapter(lora, whole, report) if lora and not expert_of(name) else None
    remote = hub.reachable() and not whole
    if expert:
        if remote and not (base := _headers(name, models.EMBEDDED_MODEL, None, adapter)).here:
            return replace(
                base, revision=f"adapter {expert} on {base.revision}"
            )  # it has the shapes of its base
        folder, found, _ = models.expert_folder(expert, report)
        return _local(name, folder, found, "apache-2.0", adapter)
    if model == models.EMBEDDED_MODEL and revision is None and not remote:
        folder, found, _ = models.base_folder(report)
        return _local(name, folder, found, "apache-2.0", adapter)
    if _is_folder(model):
        return _local(name, hub.local_folder(model), "local folder", "", adapter)
    if remote:
        return _headers(name, model, revision, adapter)
    folder, found = hub.download(model, _limit(), report, revision)
    return _local(name, folder, found, hub.licence(model, revision), adapter)


def weights_of(name: str, *, whole: bool) -> Path:
    """The folder of a model's weights.

    Args:
        name: as in a recipe.
        whole: whether they may be downloaded.

    Raises:
        VisitorError: as `resolve`; the name has an adapter, which is not added; or the weights are not here.
    """
    source = resolve(name, whole=whole)
    if source.lora is not None:
        raise VisitorError(
            f"{name[:90]} has an adapter, which is not added here.", "Choose a whole model, or an expert."
        )
    if not source.here:
        raise VisitorError(f"The weights of {name[:90]} are not on this machine.", "Merge it first.")
    return source.folder


def _limit() -> int:
    return limits.MAX_PARAMETERS_GPU if gpu.has_gpu() else limits.MAX_PARAMETERS_CPU


def _headers(name: str, model: str, revision: str | None, adapter: Path | None) -> Source:
    """A model of the Hub as it is there now; nothing of its weights is downloaded."""
    found, _, _ = hub.inspect(model, _limit(), revision)
    folder = _snapshot(model, found)
    return _local(
        name,
        folder or _hollow(model, found),
        found,
        hub.licence(model, found),
        adapter,
        here=folder is not None,
    )


def _snapshot(model: str, sha: str) -> Path | None:
    """The folder of a model at a commit in the Hub's cache, where all its weights lie there."""
    from huggingface_hub import try_to_load_from_cache

    for file in ("model.safetensors", "model.safetensors.index.json"):
        found = try_to_load_from_cache(model, file, revision=sha)
        if isinstance(found, str):
            parts = (
                {file}
                if file.endswith(".safetensors")
                else set(json.loads(Path(found).read_text("utf-8"))["weight_map"].values())
            )
            folder = Path(found).parent
            return folder if all((folder / part).is_file() for part in parts) else None
    return None


_lock = threading.Lock()


@cache
def _hollows() -> tempfile.TemporaryDirectory[str]:
    """Where models without weights lie, for the life of this process; called with the lock held."""
    return tempfile.TemporaryDirectory(prefix="headers-", ignore_cleanup_errors=True)


def _hollow(model: str, sha: str, *, weights: bool = True) -> Path:
    """A folder with the small files of a model at a commit, and its weights as holes; made once, the least
    used ones removed.
    """
    with _lock:
        root = Path(_hollows().name)
    folder = root / f"{model.replace('/', '--')}-{sha}{'' if weights else '-adapter'}"
    try:
        if not folder.is_dir():
            partial = Path(tempfile.mkdtemp(prefix=".", dir=root))
            try:
                hub.small_files(model, sha, partial)
                if weights:
                    write_holes(partial, hub.weight_headers(model, sha))
                with suppress(OSError):  # another check was quicker
                    partial.rename(folder)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
        with _lock:
            os.utime(folder)
            used = sorted((path.stat().st_mtime, path) for path in root.glob("[!.]*"))
            for moment, old in used[:-KEPT]:
                if time.time() - moment > 60:  # a check may be reading it
                    shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise VisitorError(
            f"The headers of {model} could not be kept ({error.strerror}).", "Try again in a minute."
        ) from error
    return folder


def _adapter(lora: str, whole: bool, report: Callable[[str], None]) -> Path:
    if lora in experts.NAMES:
        return experts.folder(lora)
    files = ["adapter_config.json", "adapter_model.safetensors"]
    if _is_folder(lora):
        folder = Path(lora).expanduser().resolve()
    elif whole or not hub.reachable():
        folder, _ = hub.download(lora, limits.MAX_PARAMETERS_CPU, report)
    else:
        folder = _hollow(lora, hub.inspect(lora, limits.MAX_PARAMETERS_CPU)[0], weights=False)
        files.pop()
    if not all((folder / file).is_file() for file in files):
        raise VisitorError(
            f"{lora[:60]} is no LoRA adapter in safetensors.", "Name one that has adapter_model.safetensors."
        )
    return folder


def _local(
    name: str, folder: Path, revision: str, licence: str, lora: Path | None, *, here: bool = True
) -> Source:
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
            tensors = {
                name: (str(item["dtype"]), tuple(int(size) for size in item["shape"]))
                for name, item in header.items()
                if name != "__metadata__"
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, struct.error):
            raise VisitorError(
                f"{path.name} is no safetensors file.", "Download or save the model again."
            ) from None
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
        (folder / "model.safetensors.index.json").write_text(
            json.dumps({"metadata": {}, "weight_map": places}), encoding="utf-8"
        )
