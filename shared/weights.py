"""A model's folder, held against what its config.json says: before its weights are read, and after.

transformers fills a layer that the weights lack with random numbers, leaves out one that config.json does not
name, and builds whatever size config.json claims. Here each of these is an error.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.errors import VisitorError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

_GENERATES = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
_COUNTS = ("num_hidden_layers", "num_experts", "num_local_experts", "n_routed_experts")
"""Values of a configuration that say how many modules there are: each needs tensors of its own."""
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


def check_size(folder: Path, model_id: str, most: int) -> None:
    """Refuse a folder whose config.json describes a larger model than it holds, or one above the limit.

    The model is built on torch's meta device, which takes no memory, and its numbers are counted.

    Args:
        folder: with config.json and safetensors.
        model_id: the name that a visitor knows.
        most: parameters and buffers that a model may have.

    Raises:
        VisitorError: as above.
    """
    import torch
    from transformers import AutoModelForCausalLM

    shapes = _shapes(folder)
    config = configuration(folder)
    text = config.get_text_config()
    for name in _COUNTS:
        count = getattr(text, name, None)
        if isinstance(count, int) and count > len(shapes):
            what = f"{model_id} has {count:,} {name} by its config.json"
            raise VisitorError(f"{what}, and its weights are {len(shapes):,} tensors.", _OTHER_COPY)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    total = parameters + sum(buffer.numel() for buffer in model.buffers())
    held = sum(shapes)
    if parameters > 2 * held:  # a little more is for the names to tell, see `check_names`
        raise VisitorError(
            f"{model_id}'s config.json describes {parameters:,} parameters, and its weights hold {held:,}.",
            _OTHER_COPY,
        )
    if total > most:
        raise VisitorError(
            f"{model_id} has {total / 1e9:.1f} billion parameters; the limit is {most / 1e9:.1f} billion.",
            "Choose a smaller model, or run the demo on a larger machine.",
        )


def _shapes(folder: Path) -> list[int]:
    """Numbers in every tensor of the weight files that transformers would read, from their headers.

    Raises:
        OSError, ValueError: there is no such file, or its header is damaged.
    """
    index = folder / "model.safetensors.index.json"
    if (folder / "model.safetensors").exists() or not index.exists():
        files = {"model.safetensors"}
    else:
        files = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    sizes = []
    for name in files:
        path = folder / Path(name).name
        if not path.is_file():
            raise FileNotFoundError(f"it holds no {path.name}")
        with path.open("rb") as handle:
            (length,) = struct.unpack("<Q", handle.read(8))
            if length > min(path.stat().st_size, 100_000_000):
                raise ValueError(f"the header of {path.name} is damaged")
            header = json.loads(handle.read(length))
        for tensor, entry in header.items():
            if tensor != "__metadata__":
                size = 1
                for side in entry["shape"]:
                    size *= int(side)
                sizes.append(size)
    return sizes


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
    special = {token for token, added in tokenizer.added_tokens_decoder.items() if added.special}
    special -= {tokenizer.bos_token_id, tokenizer.eos_token_id}
    largest = max((token for token in tokenizer.get_vocab().values() if token not in special), default=0)
    if largest >= rows:
        raise VisitorError(
            f"The tokenizer of {model_id} has ids up to {largest:,}, and its embedding only {rows:,} rows.",
            "Use the tokenizer that the model was trained with.",
        )
