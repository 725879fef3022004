"""Whether a published GGUF file is the base model in another form: told from its header, before any weight is
downloaded. What it is not is refused; what llama.cpp would compute otherwise becomes a note.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from quantization import gguf_families
from quantization.gguf_families import Part
from quantization.gguf_header import Header
from quantization.gguf_vocabulary import UNUSED, Vocabulary, vocabulary
from shared import ggml
from shared.errors import VisitorError
from shared.models import EMBEDDED_SOURCE, Loaded

if TYPE_CHECKING:
    from transformers import PreTrainedModel

READ = (
    *ggml.PLAIN,
    *ggml.TYPES,
    "NVFP4",
)
"""Types whose values are read: those that the gguf package dequantizes."""

HEAD, EMBEDDING, FACTORS = "output.weight", "token_embd.weight", "rope_freqs.weight"
_FREE = ("rope_factors_long.weight", "rope_factors_short.weight", FACTORS)
"""Tensors that belong to no parameter."""

_KINDS = {
    "mmproj": ("a vision projector, without a language model", "Choose the file with the language model."),
    "imatrix": ("an importance matrix, no model", "Choose a model's file."),
    "adapter": ("an adapter, no whole model", "Choose a whole model's file."),
    "vocab": ("a vocabulary without weights", "Choose a model's file."),
}
"""What `general.type` may say beside "model"."""

_SIZES = (
    "block_count",
    "embedding_length",
    "feed_forward_length",
    "attention.head_count",
    "attention.head_count_kv",
    "expert_count",
    "expert_used_count",
)
"""Settings in which the file of another model differs."""

_SILENT = ("context_length", "vocab_size", "attention.key_length", "attention.value_length")
"""Settings that change no number here, or that follow from tensors' shapes."""

NEAR = 1e-5
"""Settings that differ by less, relatively, were rounded."""


@dataclass(frozen=True)
class Expected:
    """What a file of the base model holds, worked out once for all files.

    Args:
        loaded: the base model.
        architecture: llama.cpp's name.
        settings: by llama.cpp's keys.
        words: the tokenizer as GGUF stores it.
        parts: by llama.cpp's name, in the model's order.
        tied: whether the output head is the embedding.
        squares: Σw² of what files hold, by llama.cpp's name, once it was summed.
    """

    loaded: Loaded
    architecture: str
    settings: gguf_families.Settings
    words: Vocabulary
    parts: dict[str, Part]
    tied: bool
    squares: dict[str, float] = field(default_factory=dict)


def expected(loaded: Loaded) -> Expected:
    """What files of a model hold.

    Raises:
        VisitorError: GGUF files of such models are not handled here.
    """
    model = loaded.model
    family = gguf_families.family_of(model.config)
    head, embedding = model.get_output_embeddings().weight, model.get_input_embeddings().weight
    return Expected(
        loaded,
        family.architecture,
        gguf_families.settings(model.config),
        vocabulary(loaded.tokenizer, len(embedding)),
        {part.name: part for part in gguf_families.parts(model)},
        head is embedding,
    )


def check(header: Header, name: str, base: Expected) -> list[str]:
    """Hold a header against the model.

    Args:
        header: of the file.
        name: of the file, for sentences.
        base: what is expected.

    Returns:
        What a reader of its numbers should know.

    Raises:
        VisitorError: it is no language model, or another one than the base.
    """
    check_kind(header, name)
    _check_family(header, name, base)
    _check_tensors(header, name, base)
    _check_tokens(header, name, base)
    return [*_settings_notes(header, base), *_token_notes(header, base.words), *_origin_notes(header, base)]


def check_kind(header: Header, name: str) -> None:
    """Raise a VisitorError for a file that is no whole language model, whatever the base."""
    kind = str(header.value("general.type", "model"))
    if header.architecture == "clip":
        kind = "mmproj"
    if "imatrix.datasets" in header.values or "imatrix.chunk_count" in header.values:
        kind = "imatrix"
    if kind in _KINDS:
        what, remedy = _KINDS[kind]
        raise VisitorError(f"{name} is {what}.", remedy)
    parts = header.value("split.count", 0)
    if isinstance(parts, int) and parts > 1:
        raise VisitorError(
            f"{name} is one of {parts} parts of a file that is split.",
            "Choose a file in one piece, or join the parts with llama-gguf-split --merge.",
        )
    if not header.tensors:
        raise VisitorError(f"{name} holds no weights.", "Choose a model's file.")


def _check_family(header: Header, name: str, base: Expected) -> None:
    remedy = f"Name the model that it was made from in the field of the model{_stated_base(header)}."
    known = {family.architecture for family in gguf_families.FAMILIES.values()}
    architecture = header.architecture
    if architecture not in known:
        raise VisitorError(
            f"{name} is of the architecture “{architecture[:40] or 'unknown'}”, which is not read here.",
            f"Choose a model of {', '.join(sorted(known))}.",
        )
    if architecture != base.architecture:
        raise VisitorError(
            f"{name} is a {architecture} model, and {base.loaded.id} is a {base.architecture}.", remedy
        )
    for key in _SIZES:
        found, wanted = header.value(f"{{arch}}.{key}"), base.settings.get(key)
        if found is not None and wanted is not None and not _equal(found, wanted):
            raise VisitorError(
                f"{name} was made from another model: its {key} is {_short(found)}, and that of "
                f"{base.loaded.id} is {_short(wanted)}.",
                remedy,
            )


def _stated_base(header: Header) -> str:
    stated = header.value("general.base_model.0.repo_url") or header.value("general.base_model.0.name")
    text = str(stated or "").removeprefix("https://huggingface.co/")[:80]
    return f"; the file says that it was made from {text}" if text else ""


def _check_tensors(header: Header, name: str, base: Expected) -> None:
    missing = [part for part in base.parts if part not in header.tensors]
    more = [
        tensor
        for tensor in header.tensors
        if tensor not in base.parts and tensor not in _FREE and not (tensor == HEAD and base.tied)
    ]
    if missing or more:
        first, what = (missing[0], "lacks") if missing else (more[0], "holds")
        count = len(missing) or len(more)
        others = f" and {count - 1} more" if count > 1 else ""
        raise VisitorError(
            f"{name} {what} the tensor {first[:60]}{others}, which {base.loaded.id} "
            f"{'has' if missing else 'does not have'}.",
            "Name the model that it was made from in the field of the model.",
        )
    for tensor in header.tensors.values():
        if tensor.name not in _FREE and tensor.type not in READ:
            raise VisitorError(
                f"{name} stores {tensor.name} as {tensor.type}, which is not read here.",
                "Choose another file.",
            )
        wanted = shape_of(tensor.name, base)
        if wanted is not None and len(wanted) == 1 and tensor.type not in ggml.PLAIN:
            raise VisitorError(
                f"{name} stores {tensor.name}, which is no matrix, as {tensor.type}: llama.cpp does not run "
                "it.",
                "Choose another file.",
            )
        if wanted is not None and _sides(tensor.shape) != _sides(wanted):
            raise VisitorError(
                f"{name} was made from another model: its {tensor.name} is {_times(tensor.shape)}, and that "
                f"of {base.loaded.id} {_times(wanted)}.",
                "Name the model that it was made from in the field of the model.",
            )


def shape_of(name: str, base: Expected) -> tuple[int, ...] | None:
    """The shape of a file's tensor; None for one that belongs to no parameter."""
    model: PreTrainedModel = base.loaded.model
    if name == HEAD and base.tied:
        return tuple(model.get_output_embeddings().weight.shape)
    part = base.parts.get(name)
    if part is None:
        return None
    parameter = model.get_parameter(part.parameter)
    shape = tuple((parameter.T if part.transposed else parameter).shape)
    if len(shape) == 3:
        rows = len(range(*slice(part.start, part.stop).indices(shape[1])))
        return shape[0], rows, shape[2]
    return shape


def _check_tokens(header: Header, name: str, base: Expected) -> None:
    remedy = "Name the model whose tokenizer the file has, or choose another file."
    tokens = header.value("tokenizer.ggml.tokens")
    kind = header.value("tokenizer.ggml.model")
    if not isinstance(tokens, list):
        raise VisitorError(f"{name} has no tokenizer.", "Choose another file.")
    words = base.words
    if kind != words.model:
        raise VisitorError(
            f"{name} has a tokenizer of llama.cpp's kind “{str(kind)[:30]}”, and {base.loaded.id} one of the "
            f"kind “{words.model}”.",
            remedy,
        )
    unused = {number for number, one in enumerate(words.kinds) if one == UNUSED}
    differ = tokens != words.tokens
    for number in range(max(len(tokens), len(words.tokens)) if differ else 0):
        ours = words.tokens[number] if number < len(words.tokens) else None
        theirs = tokens[number] if number < len(tokens) else None
        if ours == theirs or number in unused or (ours is None and _is_padding(theirs)):
            continue
        if ours is None or theirs is None or _plain(ours) != _plain(theirs):
            raise VisitorError(
                f"{name} has another tokenizer than {base.loaded.id}: its token {number:,} is "
                f"{_quoted(theirs)}, and the model's {_quoted(ours)}.",
                remedy,
            )
    merges = header.value("tokenizer.ggml.merges")
    if words.merges is not None and isinstance(merges, list) and merges != words.merges:
        raise VisitorError(f"{name} has another tokenizer than {base.loaded.id}: its merges differ.", remedy)


def _is_padding(word: str | None) -> bool:
    return word is not None and word.startswith(("[PAD", "<pad", "<unused", "<dummy"))


def _plain(word: str) -> str:
    return word.replace("▁", " ")


def _quoted(word: str | None) -> str:
    return "none" if word is None else f"“{word[:30]}”"


def _settings_notes(header: Header, base: Expected) -> list[str]:
    """What llama.cpp would compute otherwise by the file's settings."""
    differ = []
    for key, wanted in base.settings.items():
        if key in _SIZES or key in _SILENT:
            continue
        found = header.value(f"{{arch}}.{key}")
        if found is not None and not _equal(found, wanted):
            differ.append(f"{key} is {_short(found)} where the model has {_short(wanted)}")
    factors = gguf_families.frequency_factors(base.loaded.model.config)
    notes = []
    if missing := [name for name in factors if name not in header.tensors]:
        notes.append(
            f"The file lacks {', '.join(missing)}: llama.cpp would turn the rotary embedding of long texts "
            "otherwise than the model does."
        )
    if extra := [name for name in _FREE if name in header.tensors and name not in factors]:
        differ.append(f"it holds {', '.join(extra)}, which the model does not have")
    if differ:
        notes.append(
            f"The file's settings are not the model's: {'; '.join(differ)}. llama.cpp goes by the file; "
            "measured here are its weights with the model's settings."
        )
    return notes


def _token_notes(header: Header, words: Vocabulary) -> list[str]:
    """What llama.cpp would do otherwise before a text is read, by the file's metadata."""
    notes = []
    split = header.value("tokenizer.ggml.pre")
    if split is not None and split != words.pre and words.model == "gpt2":
        notes.append(
            f"The file says that texts are split as “{str(split)[:30]}” splits them, where this tokenizer's "
            f"split is “{words.pre}”: llama.cpp may cut texts into other tokens."
        )
    elif split is None and words.model == "gpt2":
        notes.append("The file does not say how texts are split: llama.cpp may cut them into other tokens.")
    adds = header.value("tokenizer.ggml.add_bos_token")
    if adds is not None and bool(adds) != words.adds.get("bos", False):
        notes.append(
            f"The file says that texts begin with{'' if adds else 'out'} BOS, the tokenizer that they begin "
            f"with{'out' if adds else ''} it: llama.cpp reads every text otherwise than is measured here."
        )
    return notes


def _origin_notes(header: Header, base: Expected) -> list[str]:
    notes = []
    if matrix := header.value("quantize.imatrix.file"):
        data, chunks = (header.value(f"quantize.imatrix.{key}") for key in ("dataset", "chunks_count"))
        learnt = f" of {str(data)[:80]}" if data else ""
        count = f", {chunks:,} chunks" if isinstance(chunks, int) else ""
        notes.append(f"Made with the importance matrix {str(matrix)[:80]}{learnt}{count}.")
    if base.loaded.source.startswith(EMBEDDED_SOURCE):
        notes.append(
            "The base here is the embedded copy, stored as Q4_1 and dequantized: a file that was made from "
            "the original weights differs from it by that copy's own loss too."
        )
    return notes


def _equal(found: Any, wanted: Any) -> bool:
    """Whether two values of a setting mean the same; a list of equal numbers means one."""
    ones, others = (np.atleast_1d(np.asarray(value)) for value in (found, wanted))
    if ones.dtype.kind in "US" or others.dtype.kind in "US":
        return bool(np.array_equal(ones, others))
    if 1 in (len(ones), len(others)):
        ones, others = np.broadcast_arrays(ones, others)
    return ones.shape == others.shape and bool(
        np.allclose(ones.astype(float), others.astype(float), rtol=NEAR, atol=1e-12)
    )


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    text = str(value.tolist() if isinstance(value, np.ndarray) else value)
    return text if len(text) <= 40 else f"{text[:37]}…"


def _sides(shape: Sequence[int]) -> list[int]:
    """A shape without the ones, which files add and leave out."""
    return [side for side in shape if side != 1]


def _times(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))
