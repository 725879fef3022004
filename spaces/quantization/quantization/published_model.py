"""The model that a published GGUF file stands for: its weights, dequantized, in transformers' order."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from quantization import ggml_codes, gguf_families, gguf_file, gguf_types, modules
from quantization.gguf_families import Part
from quantization.gguf_header import Header, Tensor
from quantization.published import ENGINE, Place
from quantization.published_check import HEAD, Expected, check
from quantization.record import QuantizedModel, TensorReport
from shared import ggml
from shared.errors import VisitorError
from shared.models import twin

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

T = TypeVar("T")


@dataclass(frozen=True)
class Published:
    """A published file that is the base model in another form.

    Args:
        place: where it lies.
        tensors: by llama.cpp's names.
        start: bytes of the header.
        file_type: as it calls itself, "" where it does not.
        learnt: whether an importance matrix is stated.
        notes: what a reader should know.
    """

    place: Place
    tensors: dict[str, Tensor]
    start: int
    file_type: str
    learnt: bool
    notes: tuple[str, ...]


def opened(place: Place, base: Expected) -> Published:
    """A file whose header fits the base model; no weight is read.

    Raises:
        VisitorError: as `Place.header` and `published_check.check`.
    """
    header = place.header()
    notes = check(header, place.name, base)
    return Published(
        place,
        dict(header.tensors),
        header.start,
        _file_type(header),
        bool(header.value("quantize.imatrix.file")),
        tuple(notes),
    )


def _file_type(header: Header) -> str:
    """The name of the mix, as the file states it; "" where it is not one of those that are known."""
    import gguf

    number = header.value("general.file_type")
    try:
        name = gguf.LlamaFileType(int(number)).name
    except (TypeError, ValueError):
        return ""
    name = name.removeprefix("MOSTLY_").removeprefix("ALL_")
    return name if name in gguf_types.FILE_TYPES or name == "F32" else ""


def read(published: Published, path: Path, base: Expected) -> QuantizedModel:
    """The model whose weights a file holds, with the error of every matrix against the base's.

    Values are those that the gguf package reads, bit for bit; rows that llama.cpp has in another order go
    back to transformers', and where it stores gains with 1 added, 1 is taken away.

    Args:
        published: the file.
        path: of it on this machine.
        base: the model that it was made from.

    Raises:
        VisitorError: it is no longer the file whose header was read, or holds values that are not finite.
    """
    ours = _ours(published, base)

    def take(content: ggml.Bytes, tensor: Tensor, part: Part, target: torch.Tensor) -> TensorReport:
        return _read(content, tensor, part, target, base, ours.get(part.parameter, ""))

    model, read = _filled(published, path, base, take)
    reports, whole = [], []
    for tensor, part, report in read:
        if len(tensor.shape) > 1 and not gguf_families.is_kept_whole(part.parameter):
            reports.append(report)
        elif tensor.type in ggml.PLAIN:
            whole.append((tensor.name, report))
    stored = sum(published.tensors[name].bytes for name in published.tensors)
    quantized = sum(report.stored_bytes for report in reports)
    return QuantizedModel(
        format=f"{ENGINE}:{published.place.spec}",
        version=_version(published),
        model=model,
        tensors=tuple(reports),
        other_bytes=stored - quantized,
        header_bytes=published.place.size - stored,
        runtime="PyTorch, the file's weights dequantized to float32",
        notes=(*published.notes, *_weights_notes(whole, base.loaded.id), *_window_notes(base)),
    )


def model_of(published: Published, path: Path, base: Expected) -> PreTrainedModel:
    """The model of `read` alone, of a file whose weights are known already: nothing is held against the base.

    Raises:
        VisitorError: it is no longer the file whose header was read.
    """
    return _filled(published, path, base, _put)[0]


def _filled(
    published: Published,
    path: Path,
    base: Expected,
    take: Callable[[ggml.Bytes, Tensor, Part, torch.Tensor], T],
) -> tuple[PreTrainedModel, list[tuple[Tensor, Part, T]]]:
    """A copy of the base model with a file's values, and what putting each tensor's gave.

    Args:
        published: the file.
        path: of it on this machine.
        base: the model that it was made from.
        take: puts the values of a tensor where they belong: called with the file's bytes, the tensor, what
            it is of the model, and the place.
    """
    import torch

    model = twin(base.loaded.model)
    content = np.asarray(np.memmap(path, np.uint8, "r"))
    if len(content) != published.place.size:
        raise VisitorError(f"{published.place.name} has changed.", "Compare again.")
    room = _Room(published, base)
    wanted: list[tuple[Tensor, Part, torch.Tensor]] = []
    for name, tensor in published.tensors.items():
        part = base.parts.get(name) or (Part(HEAD, "lm_head.weight") if name == HEAD else None)
        if part is not None:
            wanted.append((tensor, part, room.of(part)))
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        given = list(threads.map(lambda one: take(content, *one), wanted))
    head = room.made.pop("lm_head.weight", None) if base.tied else None
    modules.replace_weights(model, room.made)
    if head is not None:
        _untie(model, head)
    return model, [(tensor, part, one) for (tensor, part, _), one in zip(wanted, given, strict=True)]


def _version(published: Published) -> str:
    place = published.place
    if place.listed:
        return f"{place.listed.repository} at {place.listed.revision[:7]}"
    return "a file of yours"


def _weights_notes(whole: list[tuple[str, TensorReport]], model: str) -> list[str]:
    """Whether what is stored as it was (norms, biases) is the base's."""
    other = [name for name, report in whole if report.squared_error > 1e-6 * report.squared_weight]
    if not other:
        return []
    return [
        f"{len(other)} of {len(whole)} tensors that files keep as they are differ from those of {model}, "
        f"such as {other[0]}: it was made from other weights, a fine-tune or another revision, and the "
        "divergence is not of its format alone."
    ]


def _window_notes(base: Expected) -> list[str]:
    window = gguf_families.ignored_window(base.loaded.model.config)
    return (
        [
            f"llama.cpp has no sliding window for this family: beyond {window:,} tokens it attends to all "
            "that came before."
        ]
        if window
        else []
    )


def _ours(published: Published, base: Expected) -> dict[str, str]:
    """The type that llama.cpp's rules of today give each matrix of the file's mix, by parameter."""
    if published.file_type not in gguf_types.FILE_TYPES:
        return {}
    shape = gguf_file.shape_of(base.loaded, published.learnt)
    plan = gguf_types.plan(published.file_type, gguf_file.matrices(base.loaded), shape)
    return {choice.name: choice.used for choice in plan}


class _Room:
    """Room for every parameter's values in one piece of memory, which is freed as a whole."""

    def __init__(self, published: Published, base: Expected) -> None:
        import torch

        model = base.loaded.model
        names = dict.fromkeys(part.parameter for part in base.parts.values())
        self._shapes = {name: tuple(model.get_parameter(name).shape) for name in names}
        if HEAD in published.tensors and base.tied:
            self._shapes["lm_head.weight"] = tuple(model.get_output_embeddings().weight.shape)
        # numpy asks for large pages, of which writing the first time costs a fraction
        room = np.empty(sum(map(math.prod, self._shapes.values())), np.float32)
        self._room = torch.from_numpy(room)
        self._place = 0
        self.made: dict[str, torch.Tensor] = {}

    def of(self, part: Part) -> torch.Tensor:
        """Where a part's values go, as (matrices, rows, columns) or in the parameter's shape."""
        name = part.parameter
        if name not in self.made:
            shape = self._shapes[name]
            count = math.prod(shape)
            self.made[name] = self._room[self._place : self._place + count].view(shape)
            self._place += count
        whole = self.made[name]
        if part.transposed:
            return whole.T
        return whole[:, part.start : part.stop] if whole.dim() == 3 else whole


def _blocks(content: ggml.Bytes, tensor: Tensor) -> ggml.Bytes:
    """A tensor's bytes, a row each; one value a row of those without rows, which are in no blocks."""
    rows = math.prod(tensor.shape) if len(tensor.shape) == 1 else math.prod(tensor.shape[:-1])
    return content[tensor.start : tensor.start + tensor.bytes].reshape(rows, -1)


def _put(content: ggml.Bytes, tensor: Tensor, part: Part, target: torch.Tensor) -> None:
    """Write a tensor's values where they belong."""
    import torch

    data, columns = _blocks(content, tensor), 1 if len(tensor.shape) == 1 else tensor.shape[-1]
    stacked = target.dim() == 3  # experts: a part of each matrix's rows
    in_place = target.is_contiguous() and not part.order and not stacked
    values = target.view(-1, columns) if in_place else torch.empty(len(data), columns)
    ggml.dequantize(data, tensor.type, columns, values)
    if part.shifted:
        values -= 1
    if part.order:
        target[_places(part, len(values), 0, len(values))] = values.view(target.shape)
    elif not in_place:
        target.copy_(values.view(target.shape))


def _read(
    content: ggml.Bytes,
    tensor: Tensor,
    part: Part,
    target: torch.Tensor,
    base: Expected,
    ours: str,
) -> TensorReport:
    """Write a tensor's values where they belong; its report against the base's weight. A step of rows is read
    and held against the base's while it is in the processor's cache.
    """
    import torch

    data = _blocks(content, tensor)
    weight = _of_base(part, base).reshape(-1, 1 if len(tensor.shape) == 1 else tensor.shape[-1])
    stacked = target.dim() == 3  # experts: a part of each matrix's rows
    rows = torch.empty(weight.shape) if stacked else target.view(weight.shape)
    tally = modules.Tally(weight, base.squares.get(tensor.name))
    room = None if rows.is_contiguous() and not part.order else torch.empty(tally.shape)
    for step in tally.steps():
        values = rows[step] if room is None else room[: step.stop - step.start]
        ggml.dequantize(data[step], tensor.type, weight.shape[1], values)
        if part.shifted:
            values -= 1
        places = step
        if room is not None:
            places = _places(part, len(rows), step.start, step.stop)
            rows[places] = values
        tally.add(places, values)
        if tensor.type not in ggml.PLAIN:
            _count_codes(tally, data[step], tensor.type, values)
    base.squares[tensor.name] = tally.square
    if stacked:
        target.copy_(rows.view(target.shape))
    if not math.isfinite(tally.error):
        raise VisitorError(
            f"The file's {tensor.name} holds values that are not finite.", "Choose another file."
        )
    reason = f"llama.cpp's own rules give {ours}" if ours and ours != tensor.type else ""
    return tally.report(part.parameter, tensor.type, tensor.bytes, ours or tensor.type, reason)


FEW = 4
"""Rows that have all codes of most types: they are looked at before the others."""


def _count_codes(tally: modules.Tally, data: ggml.Bytes, type: str, values: torch.Tensor) -> None:
    """Look for codes that were not seen yet, as long as there may be any."""
    for rows in (slice(FEW), slice(FEW, None)):
        if len(tally.codes) < ggml_codes.enough(type) and len(data[rows]):
            tally.codes |= ggml_codes.distinct(data[rows], type, values[rows])


def _of_base(part: Part, base: Expected) -> torch.Tensor:
    """The base's weight beside a tensor, float32 on the CPU."""
    model = base.loaded.model
    if part.parameter == "lm_head.weight" and base.tied:
        weight = model.get_output_embeddings().weight
    else:
        weight = model.get_parameter(part.parameter)
    weight = weight.detach().float().cpu()
    if part.transposed:
        return weight.T
    return weight[:, part.start : part.stop] if weight.dim() == 3 else weight


def _places(part: Part, rows: int, begin: int, end: int) -> Any:
    """Where rows of the file stand in the parameter: the reverse of `Part.rows`."""
    import torch

    if not part.order:
        return slice(begin, end)
    size = rows // part.order
    at = torch.arange(begin, end)
    head, place = at // size, at % size
    return head * size + place % 2 * (size // 2) + place // 2


def _untie(model: Any, values: torch.Tensor) -> None:
    """Give the output head a weight of its own."""
    from torch import nn

    model.get_output_embeddings().weight = nn.Parameter(values.to(model.device), requires_grad=False)
