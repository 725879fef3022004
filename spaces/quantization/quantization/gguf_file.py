"""A whole model as GGUF: quantized by llama.cpp's rules, written to a file that llama.cpp and transformers
load.
"""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from quantization import ggml, ggml_codes, gguf_types, modules
from quantization.record import QuantizedModel, TensorReport
from shared.errors import VisitorError
from shared.files import DISK_REMEDY, is_disk_full, written_whole
from shared.models import Loaded, twin

if TYPE_CHECKING:
    from torch import Tensor

ARCHITECTURES = {"llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3"}
"""transformers' model types that are written, and llama.cpp's architecture for each."""


def matrices(loaded: Loaded) -> list[tuple[str, tuple[int, int]]]:
    """Every matrix parameter with its shape, in the model's order; norms and biases stay in float32."""
    return [(name, (p.shape[0], p.shape[1])) for name, p in loaded.model.named_parameters() if p.dim() == 2]


def check_architecture(loaded: Loaded) -> str:
    """llama.cpp's name of the model's architecture.

    Raises:
        VisitorError: it is not among those that are written here.
    """
    kind = str(loaded.model.config.model_type)
    if kind not in ARCHITECTURES:
        raise VisitorError(
            f"GGUF files of “{kind}” models are not written here.",
            f"Choose a model of the families {', '.join(ARCHITECTURES)}, or another engine.",
        )
    return ARCHITECTURES[kind]


def quantize_model(
    loaded: Loaded,
    file_type: str,
    importance: dict[str, Tensor] | None,
    overrides: dict[str, str] | None = None,
) -> QuantizedModel:
    """Quantize every matrix of a model by the rules of a file type; their values lie in one stretch of
    memory, which is freed as a whole.

    The model computes in the original order of rows; llama.cpp's own order of query and key rows exists only
    in the file, and blocks run along rows, so that it changes no value.

    Args:
        loaded: the base model.
        file_type: a key of `gguf_types.FILE_TYPES`.
        importance: E[x²] of the inputs by parameter name, for types that need it.
        overrides: types that win over the rules, by parameter name.

    Raises:
        VisitorError: an architecture that is not written, or as `ggml.quantize`.
    """
    import torch

    check_architecture(loaded)
    config = loaded.model.config
    heads = config.num_attention_heads
    shape = gguf_types.Shape(
        layers=config.num_hidden_layers,
        sharing=heads // (getattr(config, "num_key_value_heads", None) or heads),
        tied=loaded.model.get_output_embeddings().weight is loaded.model.get_input_embeddings().weight,
        importance=importance is not None,
    )
    model = twin(loaded.model)
    tensors = matrices(loaded)
    values = torch.empty(sum(rows * columns for _, (rows, columns) in tensors))
    # wanted once more when the file is written: till then they need no memory
    blocks = tempfile.TemporaryFile()  # noqa: SIM115
    stored: dict[str, tuple[str, int, tuple[int, ...]]] = {}
    reports, start = [], 0
    for choice in gguf_types.plan(file_type, tensors, shape, overrides):
        weight = loaded.model.get_parameter(choice.name).detach().float().cpu()
        data = ggml.quantize(weight, choice.used, (importance or {}).get(choice.name))
        part = values[start : start + weight.numel()].view_as(weight)
        start += weight.numel()
        reports.append(_read(data, choice, weight, part))
        modules.replace_weight(model, choice.name, part.to(loaded.model.device))
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
        path = folder / f"{loaded.id.split('/')[-1]}-{label}.gguf"
        write_gguf(path, loaded, contents, label)
        return [path]

    return QuantizedModel(
        format=f"gguf:{file_type}",
        version=ggml.version(),
        model=model,
        tensors=tuple(reports),
        other_bytes=modules.other_bytes(loaded.model, set(stored), 4),
        runtime="PyTorch, weights dequantized to float32",
        export=export,
    )


def _read(data: ggml.Bytes, choice: gguf_types.Choice, weight: Tensor, values: Tensor) -> TensorReport:
    """Write the values that blocks stand for into `values`, some rows at a time; the report."""
    import torch

    tally = modules.Tally(weight)
    for start in range(0, len(weight), modules.Tally.ROWS):
        rows = slice(start, start + modules.Tally.ROWS)
        values[rows] = ggml.dequantize(data[rows], choice.used, weight.shape[1])
        codes = (
            None
            if choice.used in ggml.PLAIN
            else torch.from_numpy(ggml_codes.codes_of(data[rows], choice.used, weight.shape[1]))
        )
        tally.add(rows, values[rows], codes)
    return tally.report(choice.name, choice.used, data.nbytes, choice.wanted, choice.reason)


def header_bytes(loaded: Loaded) -> int:
    """An upper bound of what a file holds beside its tensors: the tokenizer's words and merges, names, and
    padding.
    """
    import json

    described = json.loads(loaded.tokenizer.backend_tokenizer.to_str())
    merges = described.get("model", {}).get("merges", [])
    words = sum(12 + len(word.encode()) for word in loaded.tokenizer.get_vocab())
    joined = sum(8 + len((merge if isinstance(merge, str) else " ".join(merge)).encode()) for merge in merges)
    return (
        words
        + joined
        + 200 * sum(1 for _ in loaded.model.parameters())
        + len(str(loaded.tokenizer.chat_template).encode())
        + 10_000
    )


def write_gguf(path: Path, loaded: Loaded, stored: dict[str, tuple[str, ggml.Bytes]], file_type: str) -> None:
    """Write a complete GGUF file, or nothing.

    Args:
        path: where it will appear once complete.
        loaded: model and tokenizer.
        stored: type and blocks of every matrix by parameter name; all other parameters are written in
            float32.
        file_type: for the metadata: of `gguf_types.FILE_TYPES`, "F32" or "mix".

    Raises:
        VisitorError: an architecture or tokenizer that is not written, or the disk is full.
    """
    import gguf

    architecture = check_architecture(loaded)
    with written_whole(path, "the GGUF file") as part:
        writer = gguf.GGUFWriter(part, architecture)
        try:
            _metadata(writer, loaded, file_type)
            _vocabulary(writer, loaded)
            _tensors(writer, loaded, stored)
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

    architecture = gguf.MODEL_ARCH[check_architecture(loaded).upper()]
    names = gguf.get_tensor_name_map(architecture, loaded.model.config.num_hidden_layers)
    for name, parameter in loaded.model.named_parameters():
        stem, _, kind = name.rpartition(".")
        target = names.get_name(stem)
        if target is None:
            raise VisitorError(f"GGUF has no name for the parameter {name}.", "Choose another engine.")
        if name in stored:
            type, data = stored[name]
            data = _reordered(data, loaded, stem)
            writer.add_tensor(f"{target}.{kind}", data, raw_dtype=gguf.GGMLQuantizationType[type])
        else:
            values = _reordered(parameter.detach().float().cpu().numpy(), loaded, stem)
            writer.add_tensor(f"{target}.{kind}", values)


@contextlib.contextmanager
def _full_disk() -> Iterator[None]:
    """Turn the error of a full disk into a VisitorError."""
    try:
        yield
    except OSError as error:
        if not is_disk_full(error):
            raise
        raise VisitorError("The disk is full: the GGUF file could not be written.", DISK_REMEDY) from error


def _reordered(rows: Any, loaded: Loaded, stem: str) -> Any:
    """Rows of queries and keys in llama.cpp's order: it rotates neighbouring pairs where transformers rotates
    halves.
    """
    if ARCHITECTURES[loaded.model.config.model_type] != "llama" or not stem.endswith(("q_proj", "k_proj")):
        return np.ascontiguousarray(rows)
    config = loaded.model.config
    heads = config.num_attention_heads if stem.endswith("q_proj") else config.num_key_value_heads
    shape = rows.shape
    parted = rows.reshape(heads, 2, shape[0] // heads // 2, *shape[1:]).swapaxes(1, 2)
    return np.ascontiguousarray(parted.reshape(shape))


def _metadata(writer: Any, loaded: Loaded, file_type: str) -> None:
    """The model's settings, by llama.cpp's names."""
    import gguf

    config = loaded.model.config
    heads = config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(loaded.id.split("/")[-1])
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(heads)
    writer.add_head_count_kv(getattr(config, "num_key_value_heads", None) or heads)
    writer.add_key_length(size)
    writer.add_value_length(size)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(_rope_base(config))
    writer.add_rope_dimension_count(size)
    writer.add_vocab_size(config.vocab_size)
    writer.add_file_type(gguf.LlamaFileType[_FILE_TYPE_NAMES.get(file_type, f"MOSTLY_{file_type}")])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


_FILE_TYPE_NAMES = {"F32": "ALL_F32", "mix": "GUESSED"}
"""Names that are no file type's; of a mix only its tensors say what they are."""


def _rope_base(config: Any) -> float:
    """The base of the rotary embedding.

    Raises:
        VisitorError: a scaled variant, which is not written here.
    """
    settings = getattr(config, "rope_parameters", None) or {}
    if settings.get("rope_type", "default") != "default":
        raise VisitorError(
            f"Rotary embeddings of type “{settings['rope_type']}” are not written here.",
            "Choose another engine.",
        )
    base: Any = settings.get("rope_theta") or getattr(config, "rope_theta", 10_000.0)
    return float(base)


def _vocabulary(writer: Any, loaded: Loaded) -> None:
    """The tokenizer: byte-level BPE with its merges, token kinds, special tokens and chat template."""
    import json

    import gguf

    tokenizer = loaded.tokenizer
    backend = getattr(tokenizer, "backend_tokenizer", None)
    described = json.loads(backend.to_str()) if backend is not None else {}
    if described.get("model", {}).get("type") != "BPE" or "ByteLevel" not in json.dumps(
        described.get("pre_tokenizer")
    ):
        raise VisitorError(
            "Only byte-level BPE tokenizers are written here.", "Choose another model, or another engine."
        )
    size = loaded.model.config.vocab_size
    words = {number: word for word, number in tokenizer.get_vocab().items()}
    added = {item["id"]: item for item in described.get("added_tokens", [])}
    tokens, kinds = [], []
    for number in range(size):
        tokens.append(words.get(number, f"[PAD{number}]"))
        special = added.get(number)
        kind = gguf.TokenType.NORMAL if number in words else gguf.TokenType.UNUSED
        if special:
            kind = gguf.TokenType.CONTROL if special["special"] else gguf.TokenType.USER_DEFINED
        kinds.append(kind)
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in described["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(_pre_tokenizer(loaded, tokens))
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    for name, number in (
        ("bos", tokenizer.bos_token_id),
        ("eos", tokenizer.eos_token_id),
        ("pad", tokenizer.pad_token_id),
    ):
        if number is not None:
            getattr(writer, f"add_{name}_token_id")(number)
    if tokenizer.unk_token_id is not None:
        writer.add_unk_token_id(tokenizer.unk_token_id)
    writer.add_add_bos_token(False)
    if isinstance(tokenizer.chat_template, str):
        writer.add_chat_template(tokenizer.chat_template)


def _pre_tokenizer(loaded: Loaded, tokens: list[str]) -> str:
    """llama.cpp's name of how text is split before the merges.

    SmolLM splits every digit off, so that no token of it has two; GPT-2 does not. Qwen 2 and 3 have a pattern
    of their own.
    """
    if loaded.model.config.model_type.startswith("qwen"):
        return "qwen2"
    return "gpt-2" if any(token.isdecimal() and len(token) > 1 for token in tokens) else "smollm"
