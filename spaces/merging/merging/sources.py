"""The models of a recipe as folders: whole for a merge, or with empty weights for a check."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from merging import data
from merging.hollow import KEPT, hollow, snapshot
from merging.names import check_name, expert_of, is_folder, split
from merging.tensors import BYTES, FLOATS, Headers, place, read_header, read_headers
from shared import embedded_model, experts, hub, models, owner, shelf
from shared.errors import VisitorError


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
    tensors: Headers
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

    def to_json(self) -> data.CheckedModel:
        """What a check says of the model."""
        return {
            "name": self.name,
            "revision": self.revision,
            "parameters": self.parameters,
            "bytes": self.bytes,
            "dtype": self.dtype,
            "licence": self.licence,
            "here": self.here,
        }


ANY_SIZE = 10**15
"""Parameters: a check reads headers alone, so that no model is too large for it."""
FRESH = 300.0
"""Seconds that a check's source counts as current."""
_remembered: dict[tuple[str, bool], tuple[float, Source]] = {}
"""By name, and whether its owner asked, whose token sees more."""


def resolve(name: str, *, whole: bool, report: Callable[[str], None] = lambda _: None) -> Source:
    """Find a model.

    Args:
        name: as in the recipe.
        whole: whether the weights are needed; otherwise their headers do, and the source is remembered for a
            while, since a page checks at every change of its recipe.
        report: called with a sentence before a long step.

    Raises:
        VisitorError: as `check_name` and `hub.download`.
    """
    check_name(name)
    key = name, owner.is_here()
    moment, known = _remembered.get(key, (-math.inf, None))
    fresh = time.monotonic() - moment < FRESH
    if known and not whole and fresh and (known.folder / "config.json").is_file():
        return known
    source = _resolve(name, whole, report)
    if any(part and is_folder(part) for part in split(name)):
        return source  # a folder of this machine may change at any moment
    _remembered.pop(key, None)
    _remembered[key] = time.monotonic(), source
    for old in list(_remembered)[:-KEPT]:
        _remembered.pop(old, None)
    return source


def _resolve(name: str, whole: bool, report: Callable[[str], None]) -> Source:
    model, revision, lora = split(name)
    expert = expert_of(name) or (model if model in experts.NAMES else None)
    adapter = _adapter(lora, whole, report) if lora and not expert_of(name) else None
    remote = hub.reachable() and not whole
    if expert:
        if remote and not (base := _headers(name, embedded_model.EMBEDDED_MODEL, None, adapter)).here:
            # it has the shapes of its base
            tensors = _in_float32(base.tensors)
            return replace(base, revision=f"adapter {expert} on {base.revision}", tensors=tensors)
        folder, commit, _ = embedded_model.expert_folder(expert, report)
        return _local(name, folder, commit, "apache-2.0", adapter)
    if model == embedded_model.EMBEDDED_MODEL and revision is None and not remote:
        folder, commit, _ = embedded_model.base_folder(report)
        return _local(name, folder, commit, "apache-2.0", adapter)
    if shelf.is_made(model):
        made = shelf.made_of(model)
        return _local(name, hub.local_folder(model), "on the shelf", made.licence, adapter)
    if is_folder(model):
        return _local(name, hub.local_folder(model), "local folder", "", adapter)
    if remote:
        return _headers(name, model, revision, adapter)
    folder, commit = hub.download(model, models.largest_model(), report, revision)
    return _local(name, folder, commit, hub.licence(model, revision), adapter)


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


def check_downloads(names: Iterable[str]) -> None:
    """Raise a VisitorError before anything is downloaded where the disk cannot hold all of some models."""
    missing = [source for name in dict.fromkeys(names) if not (source := resolve(name, whole=False)).here]
    if missing:
        hub.check_disk(
            f"The {len(missing)} models that are not here yet have", sum(source.bytes for source in missing)
        )


def _headers(name: str, model: str, revision: str | None, adapter: Path | None) -> Source:
    """A model of the Hub as it is there now, of any size; nothing of its weights is downloaded."""
    commit, _, _ = hub.inspect(model, ANY_SIZE, revision)
    folder = snapshot(model, commit)
    licence = hub.licence(model, commit)
    return _local(name, folder or hollow(model, commit), commit, licence, adapter, here=folder is not None)


def _adapter(lora: str, whole: bool, report: Callable[[str], None]) -> Path:
    if lora in experts.NAMES:
        return experts.folder(lora)
    files = ["adapter_config.json", "adapter_model.safetensors"]
    if shelf.is_made(lora):
        folder = shelf.made_of(lora).folder
    elif is_folder(lora):
        folder = Path(lora).expanduser().resolve()
    elif whole or not hub.reachable():
        folder, _ = hub.download(lora, models.largest_model(), report)
    else:
        folder = hollow(lora, hub.inspect(lora, models.largest_model())[0], weights=False)
        files.pop()
    if not all((folder / file).is_file() for file in files):
        raise VisitorError(
            f"{lora[:60]} is not a LoRA adapter in safetensors.",
            "Name one that has adapter_model.safetensors.",
        )
    if "adapter_model.safetensors" in files:
        read_header(folder / "adapter_model.safetensors")
    return folder


def _local(
    name: str, folder: Path, revision: str, licence: str, lora: Path | None, *, here: bool = True
) -> Source:
    if not (folder / "config.json").is_file():
        raise VisitorError(f"{name[:60]} has no config.json.", "Choose a whole model.")
    headers = read_headers(folder)
    return Source(
        name, folder, revision, headers if lora is None else _in_float32(headers), licence, here, lora
    )


def _in_float32(headers: Headers) -> Headers:
    """The tensors of a model to which an adapter is added before the merge, in float32."""
    return {name: ("F32" if dtype in FLOATS else dtype, shape) for name, (dtype, shape) in headers.items()}
