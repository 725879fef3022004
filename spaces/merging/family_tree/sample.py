"""Some tensors of models that are too large to be downloaded: which, their bytes by ranges of the Hub's
files, and folders in which mergekit finds them where they belong.
"""

from __future__ import annotations

import json
import struct
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from merging.names import split
from merging.sources import Source
from merging.tensors import BYTES, Headers, place
from shared import experts, hub_files, limits
from shared.errors import VisitorError

MOST_BYTES = 300_000_000
"""Bytes of all models' tensors together that a sample reads."""
MOST_TENSORS = 48
PIECE = 8_000_000
"""Bytes that are asked for at once."""

Inputs = Mapping[str, Sequence[tuple[str, str]]]
"""Model and tensor of everything that goes into each tensor of a child."""


def sampled(
    inputs: Inputs, headers: Mapping[str, Headers], child: Headers, most: int = MOST_BYTES
) -> list[str]:
    """Names of the child's tensors that a sample compares, always the same ones: one after the other of every
    module, from layers as far apart as can be, as long as they and what they are made of fit.

    Args:
        inputs: of each tensor that the recipe gives.
        headers: of the parents.
        child: headers of the published model, which must have the tensor.
        most: bytes in all.
    """
    costs = {
        name: _bytes(child[name]) + sum(_bytes(headers[model][tensor]) for model, tensor in parts)
        for name, parts in inputs.items()
        if name in child
    }
    chosen: list[str] = []
    left = most
    for name in _spread(costs):
        if len(chosen) == MOST_TENSORS:
            break
        if costs[name] <= left:
            chosen.append(name)
            left -= costs[name]
    return [name for name in inputs if name in set(chosen)]


def _bytes(item: tuple[str, tuple[int, ...]]) -> int:
    size = BYTES.get(item[0], 4)
    for length in item[1]:
        size *= length
    return size


def _spread(costs: Mapping[str, int]) -> Iterator[str]:
    """Tensors in the order in which a sample takes them: in each round one of every module, the small ones
    first, each module beginning in another layer.
    """
    modules: dict[str, dict[int, str]] = defaultdict(dict)
    for name in costs:
        spot = place(name)
        modules[spot[1] if spot else name][spot[0] if spot else 0] = name
    least = {module: min(costs[name] for name in layers.values()) for module, layers in modules.items()}
    order = sorted(modules, key=lambda module: (least[module], module))
    turns = {
        module: _apart(sorted(modules[module]), at / max(1, len(order))) for at, module in enumerate(order)
    }
    for turn in range(max((len(layers) for layers in turns.values()), default=0)):
        for module in order:
            if turn < len(turns[module]):
                yield modules[module][turns[module][turn]]


def _apart(layers: Sequence[int], start: float) -> list[int]:
    """Layers in an order of which every beginning is spread: by the golden ratio, from a share of the way."""
    left = list(layers)
    ordered = []
    for turn in range(len(layers)):
        wanted = layers[0] + (layers[-1] - layers[0]) * ((start + 0.6180339887 * turn) % 1)
        ordered.append(min(left, key=lambda layer: (abs(layer - wanted), layer)))
        left.remove(ordered[-1])
    return ordered


def needed(names: Iterable[str], inputs: Inputs) -> dict[str, list[str]]:
    """Tensors of each parent that the child's tensors are made of."""
    wanted: dict[str, list[str]] = defaultdict(list)
    for name in names:
        for model, tensor in inputs[name]:
            if tensor not in wanted[model]:
                wanted[model].append(tensor)
    return dict(wanted)


def partly(source: Source, tensors: Sequence[str], folder: Path) -> Source:
    """A model with some of its weights: those that lie here, or a folder with the tensors' bytes at their
    places and holes elsewhere.

    Args:
        source: as a check resolves it.
        tensors: that are read.
        folder: is made.

    Raises:
        VisitorError: the model has an adapter or is an expert's, whose weights are nowhere as such; or the
            Hub did not answer as its headers say.
    """
    if source.here:
        return source
    model, _, lora = split(source.name)
    if lora or model in experts.NAMES:
        raise VisitorError(
            f"{source.name[:80]} has an adapter, which a sample does not add.", "Read all weights instead."
        )
    folder.mkdir(parents=True)
    places = _places(source.folder)
    for path in source.folder.iterdir():
        if path.name not in places:
            (folder / path.name).symlink_to(path.resolve())
    listed = hub_files.listing(model, source.revision)
    for file, (size, offsets) in places.items():
        wanted = [name for name in tensors if name in offsets]
        with (source.folder / file).open("rb") as hollow, (folder / file).open("wb") as target:
            target.write(hollow.read(size))
            target.truncate((source.folder / file).stat().st_size)
            if not wanted:
                continue
            if file not in listed.sizes:
                raise VisitorError(f"{model} has no file {file} any more.", "Make the report again.")
            read = hub_files.ranges(listed, file)
            theirs = _layout(read, model, file)
            for name in wanted:
                begin, end = offsets[name]
                first, last = theirs.get(name, (0, 0))
                if last - first != end - begin:
                    raise VisitorError(
                        f"{name} of {model} is not what its header said.", "Make the report again."
                    )
                target.seek(size + begin)
                for at in range(first, last, PIECE):
                    target.write(read(at, min(PIECE, last - at)))
    return replace(source, folder=folder)


def _places(folder: Path) -> dict[str, tuple[int, dict[str, tuple[int, int]]]]:
    """By weight file: bytes before its data, and first and last byte of each tensor in the data."""
    places = {}
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
        spans = {name: tuple(item["data_offsets"]) for name, item in header.items() if name != "__metadata__"}
        places[path.name] = (8 + length, spans)
    return places


def _layout(read: Callable[[int, int], bytes], model: str, file: str) -> dict[str, tuple[int, int]]:
    """First and last byte in the Hub's file of each of its tensors."""
    try:
        (length,) = struct.unpack("<Q", read(0, 8))
        if length > limits.MAX_HEADER_BYTES:
            raise ValueError
        header: dict[str, Any] = json.loads(read(8, length))
        return {
            name: (8 + length + int(item["data_offsets"][0]), 8 + length + int(item["data_offsets"][1]))
            for name, item in header.items()
            if name != "__metadata__"
        }
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, struct.error):
        raise VisitorError(
            f"{file} of {model} is not a safetensors file.", "Look at the repository."
        ) from None
