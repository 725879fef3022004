"""A model's folder, held against what its config.json says: before its weights are read, and after.

transformers fills a layer that the weights lack with random numbers, leaves out one that config.json does not
name, and builds whatever size config.json claims. Here each of these is an error.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared import limits
from shared.errors import VisitorError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

_GENERATES = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
_COUNTS = re.compile(r"(^|_)(layers?|blocks?|experts?|depth|labels)($|_per_|_num$)")
"""Names of the values of a configuration that say how many modules there are: each is built, be it without
memory for its weights, and has tensors of its own.
"""
_PLAIN_NAME = re.compile(r"[\w.\-]+\.safetensors")
_OTHER_COPY = "Choose another copy of the model, or save it again."


def check_kind(folder: Path, model_id: str) -> None:
    """Refuse a folder whose configuration says that no text can be written with plain weights from it.

    Raises:
        VisitorError: an adapter, codes in the place of weights, code of its own, or another kind of model.
    """
    if (folder / "adapter_config.json").exists():
        raise VisitorError(
            f"{model_id} is an adapter, not a whole model.", "Merge it into its base, and name the result."
        )
    for name, most in limits.MAX_MODEL_FILES_BYTES.items():
        path = folder / name
        if path.is_file() and path.stat().st_size > most:
            raise VisitorError(
                f"The {name} of {model_id} has {path.stat().st_size / 1e6:.1f} MB; the limit is "
                f"{most / 1e6:.0f} MB.",
                _OTHER_COPY,
            )
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        architectures = [str(name)[:60] for name in config.get("architectures") or []]
    except (OSError, ValueError, AttributeError, TypeError):
        return  # loading says what is wrong with it
    if architectures and not any(name.endswith(_GENERATES) for name in architectures):
        raise VisitorError(
            f"{model_id} is a {architectures[0]}, which does not write text.",
            "Choose a causal language model: its architecture ends in ForCausalLM or LMHeadModel.",
        )
    quantization = config.get("quantization_config")
    if quantization is not None:
        known = quantization if isinstance(quantization, dict) else {}
        method = str(known.get("quant_method", "unknown"))[:40]
        raise VisitorError(
            f"{model_id} is stored quantized ({method}), and everything here starts from plain weights.",
            "Choose the model that it was made from.",
        )
    _check_known(config, model_id)


def _check_known(config: dict[str, Any], model_id: str) -> None:
    """Raise a VisitorError for what transformers cannot build, or would build without its encoder."""
    import transformers
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    kind = str(config.get("model_type"))[:60]
    remedy = "Choose a causal language model that transformers knows."
    if kind not in CONFIG_MAPPING:
        reason = (
            "it needs code of its own, which is never run here"
            if config.get("auto_map")
            else f"transformers {transformers.__version__} knows no models of the kind “{kind}”"
        )
        raise VisitorError(f"{model_id} could not be loaded: {reason}.", remedy)
    known = CONFIG_MAPPING[kind]
    if config.get("is_encoder_decoder", known.is_encoder_decoder):
        raise VisitorError(
            f"{model_id} has an encoder and a decoder: it rewrites a text, it does not continue one.", remedy
        )
    if known not in AutoModelForCausalLM._model_mapping:
        raise VisitorError(f"{model_id} could not be loaded: “{kind}” models do not write text.", remedy)


def configuration(folder: Path) -> PreTrainedConfig:
    """A model's configuration, without what it says of how attention and experts are computed.

    A name such as `kernels-community/flash-attn` there would be code that transformers takes from the Hub.
    """
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    config._attn_implementation = config._experts_implementation = None  # of its parts too
    return config


def stored_dtype(folder: Path) -> str:
    """The dtype that most of a folder's numbers are stored in: "float32", "bfloat16" or "float16"; "float32"
    for any other.

    Raises:
        OSError, ValueError: as `_tensors`.
    """
    counts: dict[str, int] = {}
    for code, size in _tensors(folder):
        counts[code] = counts.get(code, 0) + size
    return {"BF16": "bfloat16", "F16": "float16"}.get(
        max(counts, key=counts.__getitem__, default=""), "float32"
    )


def sizes(folder: Path) -> list[int]:
    """Numbers of every tensor of a folder's weight files.

    Raises:
        OSError, ValueError: as `_tensors`.
    """
    return [size for _, size in _tensors(folder)]


def described(
    folder: Path, model_id: str, dtype: str = "float32", most: int = limits.MAX_LAYERS
) -> PreTrainedModel:
    """The model that a folder's config.json describes, on torch's meta device, which takes no memory.

    Args:
        folder: with config.json; weights are not read.
        model_id: the name that a visitor knows.
        dtype: of its parameters.
        most: layers, and experts of a layer, that it may have.

    Raises:
        VisitorError: it has more of them.
        OSError, ValueError: as transformers raises for a configuration from which no model can be made.
    """
    import torch
    from transformers import AutoModelForCausalLM

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    _check_counts(config, most, model_id)
    with torch.device("meta"):
        model: PreTrainedModel = AutoModelForCausalLM.from_config(
            configuration(folder), dtype=getattr(torch, dtype)
        )
    return model


def check_size(folder: Path, model_id: str, dtype: str, device: str) -> int:
    """Bytes that a folder's model takes in memory; refused where its config.json describes a larger one than
    it holds, or one above the limit.

    Args:
        folder: with config.json and safetensors.
        model_id: the name that a visitor knows.
        dtype: that it will be loaded in.
        device: whose limit counts, "cpu" or "cuda".

    Raises:
        VisitorError: as above.
    """
    sizes = [size for _, size in _tensors(folder)]
    model = described(folder, model_id, dtype, min(len(sizes), limits.MAX_LAYERS))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    if parameters > 2 * sum(sizes):  # a little more is for the names to tell, see `check_names`
        raise VisitorError(
            f"{model_id}'s config.json describes {parameters:,} parameters, and its weights hold "
            f"{sum(sizes):,}.",
            _OTHER_COPY,
        )
    total = sum(tensor.numel() * tensor.element_size() for tensor in (*model.parameters(), *model.buffers()))
    if not limits.fits(total, device):
        raise VisitorError(
            f"{model_id} has {parameters / 1e9:.1f} billion parameters and takes {total / 1e9:.1f} GB in "
            f"{dtype}; the limit is {limits.MODEL_BYTES[device] / 1e9:.1f} GB.",
            "Choose a smaller model, or run the demo on a larger machine.",
        )
    return total


def _check_counts(described: Any, most: int, model_id: str) -> None:
    """Refuse a configuration that names more layers or experts than it may have, at any depth: even to make
    the configuration of a billion layers takes gigabytes.
    """
    if isinstance(described, list):
        if len(described) > limits.MAX_LAYERS:
            raise VisitorError(f"{model_id}'s config.json holds a list of {len(described):,}.", _OTHER_COPY)
        described = dict(enumerate(described))
    if not isinstance(described, dict):
        return
    for name, value in described.items():
        count = isinstance(value, (int, float)) and _COUNTS.search(str(name))
        if count and value > most:
            what = f"{model_id} has {value:,} {str(name)[:40]} by its config.json"
            raise VisitorError(f"{what}; at most {most:,} are possible.", _OTHER_COPY)
        _check_counts(value, most, model_id)


def _tensors(folder: Path) -> list[tuple[str, int]]:
    """Dtype and numbers of every tensor of the weight files that transformers would read, from their headers.

    Raises:
        OSError, ValueError: there is no such file, or its header is damaged or promises more than it holds.
    """
    index = folder / "model.safetensors.index.json"
    if (folder / "model.safetensors").exists() or not index.exists():
        files = {"model.safetensors"}
    else:
        files = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    tensors: list[tuple[str, int]] = []
    for name in sorted(files):
        if not _PLAIN_NAME.fullmatch(name):
            raise ValueError("its index names a file that is not one of its weight files")
        path = folder / name
        if not path.is_file():
            raise FileNotFoundError(f"it holds no {name}")
        tensors += _header(path)
    return tensors


def _header(path: Path) -> Iterator[tuple[str, int]]:
    """Dtype and numbers of every tensor of a safetensors file."""
    whole = path.stat().st_size
    with path.open("rb") as handle:
        (length,) = struct.unpack("<Q", handle.read(8))
        if length > min(whole - 8, limits.MAX_HEADER_BYTES):
            raise ValueError(f"the header of {path.name} is damaged")
        header = json.loads(handle.read(length))
    end = 0
    for tensor, entry in header.items():
        if tensor == "__metadata__":
            continue
        first, last = entry["data_offsets"]
        if not 0 <= first <= last <= whole - 8 - length:
            raise ValueError(f"the header of {path.name} is damaged")
        end += last - first
        yield str(entry["dtype"]), math.prod(map(int, entry["shape"]))
    if end > whole - 8 - length:
        raise ValueError(f"the tensors of {path.name} overlap")


def check_names(report: dict[str, Any], model_id: str) -> None:
    """Refuse weights that are not exactly what config.json names.

    Args:
        report: the loading info of transformers' `from_pretrained`.
        model_id: the name that a visitor knows.

    Raises:
        VisitorError: tensors are missing, unexpected or of another shape.
    """
    if report["missing_keys"]:
        names = _listed(report["missing_keys"])
        raise VisitorError(
            f"The weights of {model_id} lack {names}, which config.json describes.", _OTHER_COPY
        )
    if report["unexpected_keys"]:
        names = _listed(report["unexpected_keys"])
        raise VisitorError(
            f"The weights of {model_id} hold {names}, which config.json does not name.", _OTHER_COPY
        )
    for name, held, described in sorted(report["mismatched_keys"]):
        raise VisitorError(
            f"{name} of {model_id} has shape {tuple(held)}, and config.json describes {tuple(described)}.",
            _OTHER_COPY,
        )


def _listed(names: Collection[str]) -> str:
    """The first name, and how many more."""
    first, *others = sorted(names)
    return f"{first} and {len(others):,} more" if others else first


def check_vocabulary(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, model_id: str) -> None:
    """Refuse a tokenizer that writes ordinary tokens for which the model has no row.

    Single special tokens may lie past the end, as Gemma 3's image token does: where a text holds one, whoever
    encodes the text refuses it.

    Raises:
        VisitorError: as above.
    """
    rows = int(model.get_input_embeddings().weight.shape[0])  # type: ignore[union-attr, arg-type]
    longest = max(map(len, tokenizer.get_vocab()), default=0)
    if longest > limits.MAX_TOKEN_CHARACTERS:
        raise VisitorError(f"The tokenizer of {model_id} has a token of {longest:,} letters.", _OTHER_COPY)
    special = {token for token, added in tokenizer.added_tokens_decoder.items() if added.special}
    special -= {tokenizer.bos_token_id, tokenizer.eos_token_id}
    largest = max((token for token in tokenizer.get_vocab().values() if token not in special), default=0)
    if largest >= rows:
        raise VisitorError(
            f"The tokenizer of {model_id} has ids up to {largest:,}, and its embedding only {rows:,} rows.",
            "Use the tokenizer that the model was trained with.",
        )
