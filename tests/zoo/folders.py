"""How the zoo's folders are made and kept: the list of animals, and what writes their weights."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
import shutil
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from shared.texts import sample

ROOT = Path(__file__).parents[2]
SPREAD = 2.5
"""Standard deviation of an animal's logits over its vocabulary, on the evaluation text."""


@dataclass(frozen=True)
class Animal:
    """A model of one shape.

    Args:
        name: its folder's name.
        make: writes its files into an empty folder.
        traits: what is unusual about it, one word each.
        reason: a pattern of the sentence by which `models.open_folder` refuses it; None where it opens.
    """

    name: str
    make: Callable[[Path], None]
    traits: frozenset[str]
    reason: str | None


ANIMALS: dict[str, Animal] = {}


def animal(traits: str, reason: str | None = None) -> Callable[[Callable[[Path], None]], None]:
    """Put a function that writes a folder into the zoo, under the function's name.

    Args:
        traits: words with blanks between.
        reason: as for `Animal`.
    """

    def add(make: Callable[[Path], None]) -> None:
        ANIMALS[make.__name__] = Animal(make.__name__, make, frozenset(traits.split()), reason)

    return add


@functools.cache
def home() -> Path:
    """This zoo's folder under build/; those of other versions are removed."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    for text in ("calibration", "evaluation"):
        digest.update(sample(text).encode())
    for library in ("torch", "transformers", "tokenizers", "safetensors"):
        digest.update(importlib.metadata.version(library).encode())
    place = ROOT / "build" / f"zoo-{digest.hexdigest()[:12]}"
    for old in place.parent.glob("zoo-*"):
        if old != place:
            shutil.rmtree(old, ignore_errors=True)
    place.mkdir(parents=True, exist_ok=True)
    return place


def folder(name: str) -> Path:
    """An animal's folder, made if this is its first visit; two processes may ask at once."""
    target = home() / name
    if not target.is_dir():
        partial = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=home()))
        make(name, partial)
        try:
            partial.rename(target)
        except OSError:  # another process was first
            shutil.rmtree(partial)
    return target


def make(name: str, target: Path) -> None:
    """Write an animal's files into an empty folder, always the same."""
    with torch.random.fork_rng():
        torch.manual_seed(zlib.crc32(name.encode()))
        ANIMALS[name].make(target)


def settings(kind: str, tokenizer: Tokenizer, **more: Any) -> Any:
    """A configuration of three small layers.

    Args:
        kind: the beginning of the configuration's class, such as "Llama".
        tokenizer: of the model, which gives the size of the vocabulary.
        more: values of the configuration; bos, eos and pad are special tokens as text.
    """
    import transformers

    width = more.get("hidden_size", 64)
    usual = {
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": width,
        "intermediate_size": 128,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 1024,
        "initializer_range": 1.3 / width**0.5,
    }
    for name in ("bos", "eos", "pad"):
        token = more.pop(name, None)
        usual[f"{name}_token_id"] = None if token is None else tokenizer.token_to_id(token)
    return getattr(transformers, f"{kind}Config")(**(usual | more))


def write(
    target: Path,
    config: Any,
    dtype: torch.dtype = torch.float32,
    generation: dict[str, Any] | None = None,
    shard: str = "1GB",
) -> None:
    """Random weights for a configuration; the tokenizer is in the folder already.

    Args:
        target: the folder.
        config: of the model.
        dtype: the weights are stored in.
        generation: what stands in generation_config.json; there is none without.
        shard: largest weight file.
    """
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1:
                parameter.add_((0.05 if name.endswith("bias") else 0.2) * torch.randn_like(parameter))
        head, embedding = model.get_output_embeddings(), model.get_input_embeddings()
        if head.weight is embedding.weight:  # else the likeliest token is always the last one once more
            learnt = [part for name, part in model.named_parameters() if name.endswith("wpe.weight")]
            for part in (embedding.weight, *learnt):
                part.mul_(0.5 if learnt else 0.2)
        _spread(model, target)
    save_weights(model.to(dtype), target, generation, shard)


def _spread(model: Any, target: Path) -> None:
    """Scale the last norm until the logits on the evaluation text spread by `SPREAD`."""
    ids = Tokenizer.from_file(str(target / "tokenizer.json")).encode(sample("evaluation")[:200]).ids[:50]
    row = torch.tensor([ids]).clamp(max=model.get_input_embeddings().weight.shape[0] - 1)
    places = {name: part for name, part in model.named_modules() if "norm" in name or name.endswith("ln_f")}
    last = [part for name, part in places.items() if "layers." not in name and ".h." not in name][-1]
    one = float(type(last).__name__.startswith("Gemma"))  # their gain is 1 + weight
    for _ in range(4):  # more than once, because a capped logit does not grow in proportion
        gain = SPREAD / float(model(row).logits.std(-1).mean())
        last.weight.copy_((last.weight + one) * gain - one)
        if getattr(last, "bias", None) is not None:
            last.bias.mul_(gain)


def save_weights(
    model: Any, target: Path, generation: dict[str, Any] | None = None, shard: str = "1GB"
) -> None:
    """Write a model's config.json and weights, and `generation` in the place of its generation settings."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    model.save_pretrained(target, max_shard_size=shard)
    logging.enable_progress_bar()
    (target / "generation_config.json").unlink(missing_ok=True)
    if generation is not None:
        (target / "generation_config.json").write_text(json.dumps(generation, indent=1))


def copy(source: str, target: Path, **values: Any) -> dict[str, torch.Tensor]:
    """Copy an animal's files but its weights, which are returned; `values` replace those in config.json."""
    from safetensors.torch import load_file

    for path in folder(source).iterdir():
        if path.suffix != ".safetensors":
            shutil.copy(path, target)
    config = json.loads((target / "config.json").read_text()) | values
    (target / "config.json").write_text(json.dumps(config, indent=1))
    return load_file(folder(source) / "model.safetensors")


def save_tensors(tensors: dict[str, torch.Tensor], target: Path, name: str = "model.safetensors") -> None:
    """Write tensors as a weight file."""
    from safetensors.torch import save_file

    save_file(tensors, target / name, metadata={"format": "pt"})
