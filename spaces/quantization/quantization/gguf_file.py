"""A whole model as GGUF: quantized by llama.cpp's rules, written to a file that llama.cpp and transformers
load.
"""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from quantization import ggml_codes, gguf_families, gguf_types, modules
from quantization.gguf_vocabulary import Vocabulary, vocabulary
from quantization.importance import DATASET, FILE, Importance
from quantization.record import QuantizedModel, TensorReport
from shared import ggml, hub
from shared.card import public_name
from shared.embedded_model import HUB_SOURCE
from shared.errors import VisitorError
from shared.files import DISK_REMEDY, is_disk_full, written_whole
from shared.models import Loaded, twin

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel


def matrices(loaded: Loaded) -> list[tuple[str, tuple[int, int]]]:
    """Every matrix that may be quantized, with its shape, in the model's order; norms, biases and what
    chooses among experts stay in float32. Experts of a layer are stacked: all their rows are counted.
    """
    names = [
        name
        for name, parameter in loaded.model.named_parameters()
        if parameter.dim() in (2, 3) and not gguf_families.is_kept_whole(name)
    ]
    shapes = [matrix(loaded.model, name).shape for name in names]
    return [(name, (rows, columns)) for name, (rows, columns) in zip(names, shapes, strict=True)]


def matrix(model: PreTrainedModel, name: str) -> Tensor:
    """A parameter as (outputs, inputs), the outputs of stacked matrices one after another."""
    weight = model.get_parameter(name)
    if weight.dim() == 2:
        weight = modules.weight_of(model, name)
    return weight.detach().reshape(-1, weight.shape[-1])


def check(loaded: Loaded) -> None:
    """Raise a VisitorError for a model or a tokenizer that cannot be written as GGUF."""
    gguf_families.family_of(loaded.model.config)
    vocabulary(loaded.tokenizer, _rows(loaded))
    for _ in gguf_families.parts(loaded.model):
        pass


def _rows(loaded: Loaded) -> int:
    """Rows of the embedding: tokens that a file names."""
    return len(loaded.model.get_input_embeddings().weight)


def shape_of(loaded: Loaded, importance: bool) -> gguf_types.Shape:
    """What llama.cpp's rules ask of a model, and whether an importance matrix is given."""
    stated = gguf_families.settings(loaded.model.config)
    heads = int(stated["attention.head_count"])  # type: ignore[arg-type]
    return gguf_types.Shape(
        layers=int(stated["block_count"]),  # type: ignore[arg-type]
        sharing=heads // int(stated.get("attention.head_count_kv", heads)),  # type: ignore[arg-type]
        tied=loaded.model.get_output_embeddings().weight is loaded.model.get_input_embeddings().weight,
        importance=importance,
        experts=int(stated.get("expert_count", 0)),  # type: ignore[arg-type]
    )


def quantize_model(
    loaded: Loaded,
    file_type: str,
    importance: Importance | None,
    overrides: dict[str, str] | None = None,
) -> QuantizedModel:
    """Quantize every matrix of a model by the rules of a file type; their values lie in one stretch of
    memory, which is freed as a whole.

    The model computes in the original order of rows; llama.cpp's own order of query and key rows exists only
    in the file, and blocks run along rows, so that it changes no value.

    Args:
        loaded: the base model.
        file_type: a key of `gguf_types.FILE_TYPES`.
        importance: of the columns, for types that need it or gain by it.
        overrides: types that win over the rules, by parameter name.

    Raises:
        VisitorError: an architecture that is not written, or as `ggml.quantize`.
    """
    import torch

    check(loaded)
    shape = shape_of(loaded, importance is not None)
    model = twin(loaded.model)
    tensors = matrices(loaded)
    values = torch.empty(sum(rows * columns for _, (rows, columns) in tensors))
    # wanted once more when the file is written: till then they need no memory
    blocks = tempfile.TemporaryFile()  # noqa: SIM115
    stored: dict[str, tuple[str, int, tuple[int, ...]]] = {}
    reports, start = [], 0
    for choice in gguf_types.plan(file_type, tensors, shape, overrides):
        parameter = loaded.model.get_parameter(choice.name)
        weight = matrix(loaded.model, choice.name).float().cpu()
        matters = importance.columns.get(choice.name) if importance else None
        data = ggml.quantize(weight, choice.used, matters)
        part = values[start : start + weight.numel()].view_as(weight)
        start += weight.numel()
        reports.append(_read(data, choice, weight, part))
        shaped = part.view_as(parameter) if parameter.dim() == 3 else part
        modules.replace_weight(model, choice.name, shaped.to(loaded.model.device))
        stored[choice.name] = (choice.used, blocks.tell(), data.shape)
        with _full_disk():
            blocks.write(data)  # type: ignore[arg-type]

    def export(folder: Path) -> list[Path]:
        folder.mkdir(parents=True, exist_ok=True)
        with _full_disk():
            blocks.flush()
        written = np.memmap(blocks, np.uint8, "r")
        contents = {
            name: (type, written[start : start + math.prod(form)].reshape(form))
            for name, (type, start, form) in stored.items()
        }
        label = "mix" if overrides else file_type
        made = f"-{importance.stem}" if importance and gguf_types.may_learn(file_type) else ""
        path = folder / f"{loaded.id.split('/')[-1]}-{label}{made}.gguf"
        write_gguf(path, loaded, contents, label, importance)
        return [path]

    plain, header = beside_blocks(
        loaded, {tensor.name: tensor.stored_bytes for tensor in reports}, importance
    )
    return QuantizedModel(
        format=f"gguf:{file_type}",
        version=ggml.version(),
        model=model,
        tensors=tuple(reports),
        other_bytes=plain,
        header_bytes=header,
        runtime="PyTorch, weights dequantized to float32",
        notes=_notes(loaded),
        export=export,
    )


def _notes(loaded: Loaded) -> tuple[str, ...]:
    """What llama.cpp does otherwise, as far as it does not matter for most texts."""
    notes = []
    if window := gguf_families.ignored_window(loaded.model.config):
        notes.append(
            f"llama.cpp has no sliding window for this family: beyond {window:,} tokens it attends to all "
            "that came before."
        )
    if has_eyes(loaded):
        notes.append("The language model alone: its eyes would be a file of their own.")
    return tuple(notes)


def has_eyes(loaded: Loaded) -> bool:
    """Whether the model sees pictures too."""
    return gguf_families.text_part(loaded.model.config) is not loaded.model.config


def _read(data: ggml.Bytes, choice: gguf_types.Choice, weight: Tensor, values: Tensor) -> TensorReport:
    """Write the values that blocks stand for into `values`, some rows at a time; the report."""
    tally, columns = modules.Tally(weight), weight.shape[1]
    for rows in tally.steps():
        ggml.dequantize(data[rows], choice.used, columns, values[rows])
        tally.add(rows, values[rows])
        if choice.used not in ggml.PLAIN and len(tally.codes) < ggml_codes.enough(choice.used):
            tally.codes |= ggml_codes.distinct(data[rows], choice.used, values[rows])
    return tally.report(choice.name, choice.used, data.nbytes, choice.wanted, choice.reason)


def beside_blocks(
    loaded: Loaded, sizes: Mapping[str, int], importance: Importance | None = None
) -> tuple[int, int]:
    """Bytes that a file holds beside quantized blocks: of the weights that stay in float32; and of its header
    with the tokenizer, and of padding.

    Args:
        loaded: the model.
        sizes: bytes of each quantized parameter.
        importance: that the file is made with.
    """
    import gguf

    plain = padding = 0
    words = vocabulary(loaded.tokenizer, _rows(loaded))
    with tempfile.TemporaryDirectory(prefix="gguf-") as folder:
        path = Path(folder) / "header.gguf"
        writer = gguf.GGUFWriter(path, gguf_families.family_of(loaded.model.config).architecture)
        for name, factors in gguf_families.frequency_factors(loaded.model.config).items():
            writer.add_tensor_info(name, factors.shape, factors.dtype, factors.nbytes)
            plain += factors.nbytes
        for part in gguf_families.parts(loaded.model):
            parameter = loaded.model.get_parameter(part.parameter)
            rows = parameter.shape[-2] if parameter.dim() == 3 else len(parameter)
            count = (part.stop or rows) - part.start
            size = (sizes.get(part.parameter) or 4 * parameter.numel()) * count // rows
            shape = (*parameter.shape[:-2], count, parameter.shape[-1]) if parameter.dim() > 1 else (rows,)
            writer.add_tensor_info(part.name, shape, np.dtype(np.float32), size)
            plain += 0 if part.parameter in sizes else size
            padding += -size % gguf.GGUF_DEFAULT_ALIGNMENT
        try:
            _describe(writer, loaded, "F32", importance, words.short())
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_ti_data_to_file()
            writer.flush()
        finally:
            writer.close()
        header = path.stat().st_size + words.bytes - words.short().bytes
    return plain, header + -header % gguf.GGUF_DEFAULT_ALIGNMENT + padding


def planned_bytes(loaded: Loaded, file_type: str, learns: bool = False) -> int:
    """The size of a model's file, before anything is quantized.

    Args:
        loaded: the model.
        file_type: a key of `gguf_types.FILE_TYPES`.
        learns: whether an importance matrix of the calibration text is used that it can do without.

    Raises:
        VisitorError: as `check`.
    """
    check(loaded)
    tensors, sizes = matrices(loaded), {}
    learns = learns or gguf_types.needs_importance(file_type)
    shape = shape_of(loaded, learns)
    for choice, (_, (rows, columns)) in zip(gguf_types.plan(file_type, tensors, shape), tensors, strict=True):
        block, size = ggml.layout(choice.used)
        sizes[choice.name] = rows * columns // block * size
    stated = Importance({}, FILE, (DATASET,), 0, 0) if learns else None
    return sum(sizes.values()) + sum(beside_blocks(loaded, sizes, stated))


def _describe(
    writer: Any, loaded: Loaded, file_type: str, importance: Importance | None, words: Vocabulary
) -> None:
    """All that a file says beside its tensors."""
    _metadata(writer, loaded, file_type)
    if importance is not None:
        importance.describe(writer)
    words.write(writer)


def write_gguf(
    path: Path,
    loaded: Loaded,
    stored: dict[str, tuple[str, ggml.Bytes]],
    file_type: str,
    importance: Importance | None = None,
) -> None:
    """Write a complete GGUF file, or nothing.

    Args:
        path: where it will appear once complete.
        loaded: model and tokenizer.
        stored: type and blocks of every matrix by parameter name; all other parameters are written in
            float32.
        file_type: for the metadata: of `gguf_types.FILE_TYPES`, "F32" or "mix".
        importance: that the blocks were made with.

    Raises:
        VisitorError: an architecture or tokenizer that is not written, or the disk is full.
    """
    import gguf

    check(loaded)
    family = gguf_families.family_of(loaded.model.config)
    with written_whole(path, "the GGUF file") as part:
        writer = gguf.GGUFWriter(part, family.architecture)
        try:
            _tensors(writer, loaded, stored)
            words = vocabulary(loaded.tokenizer, _rows(loaded))
            _describe(writer, loaded, file_type, importance, words)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            for handle in writer.fout or []:
                handle.flush()
                os.fsync(handle.fileno())
        finally:
            writer.close()


def _tensors(writer: Any, loaded: Loaded, stored: dict[str, tuple[str, ggml.Bytes]]) -> None:
    """Every parameter, under llama.cpp's name and in its order of rows."""
    import gguf

    for name, factors in gguf_families.frequency_factors(loaded.model.config).items():
        writer.add_tensor(name, factors)
    for part in gguf_families.parts(loaded.model):
        parameter = loaded.model.get_parameter(part.parameter)
        count = parameter.shape[0] if parameter.dim() == 3 else 1
        if part.parameter in stored:
            type, data = stored[part.parameter]
            writer.add_tensor(part.name, part.rows(data, count), raw_dtype=gguf.GGMLQuantizationType[type])
        else:
            whole = parameter.detach().T if part.transposed else parameter.detach()
            values = whole.float().cpu().numpy()
            values = part.rows(values.reshape(-1, values.shape[-1]) if count > 1 else values, count)
            writer.add_tensor(part.name, values + 1 if part.shifted else values)


@contextlib.contextmanager
def _full_disk() -> Iterator[None]:
    """Turn the error of a full disk into a VisitorError."""
    try:
        yield
    except OSError as error:
        if not is_disk_full(error):
            raise
        raise VisitorError("The disk is full: the GGUF file could not be written.", DISK_REMEDY) from error


def _metadata(writer: Any, loaded: Loaded, file_type: str) -> None:
    """What the file says of the model: its origin, and its settings by llama.cpp's names."""
    import gguf

    writer.add_type(gguf.GGUFType.MODEL)
    _origin(loaded, writer.get_total_parameter_count()).set_gguf_meta_model(writer)
    architecture = gguf_families.family_of(loaded.model.config).architecture
    for key, value in gguf_families.settings(loaded.model.config).items():
        _add(writer, f"{architecture}.{key}", value)
    writer.add_file_type(gguf.LlamaFileType[_FILE_TYPE_NAMES.get(file_type, f"MOSTLY_{file_type}")])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


_FILE_TYPE_NAMES = {"F32": "ALL_F32", "mix": "GUESSED"}
"""Names that are no file type's; of a mix only its tensors say what they are."""


def _add(writer: Any, key: str, value: gguf_families.Setting) -> None:
    """One setting, in the type that llama.cpp reads."""
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    elif isinstance(value, str):
        writer.add_string(key, value)
    else:
        writer.add_array(key, value)


def _origin(loaded: Loaded, counts: tuple[int, int, int, int]) -> Any:
    """Name, size, licence, languages and base models as llama.cpp's converter finds them in the model's name
    and card, and how its makers sample.

    Args:
        loaded: the model.
        counts: parameters of all tensors, of those that are no experts', of one expert, and experts.
    """
    import gguf

    card = hub.card(loaded.id) if loaded.source.startswith(HUB_SOURCE) else {}
    name = public_name(loaded.id)
    found = gguf.Metadata.apply_metadata_heuristic(
        gguf.Metadata(), card, {"_name_or_path": name}, Path(name), counts[0]
    )
    found.name = found.name or name.split("/")[-1]
    found.size_label = found.size_label or gguf.size_label(*counts)
    sampling = loaded.model.generation_config
    if sampling is not None:
        stated = sampling.to_diff_dict()
        found.sampling_top_k, found.sampling_top_p = stated.get("top_k"), stated.get("top_p")
        found.sampling_min_p, found.sampling_temp = stated.get("min_p"), stated.get("temperature")
    return found
