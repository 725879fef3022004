"""Tiny random models with one architecture, as folders: what recipes of every shape can be merged from in
seconds.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from merging import run, worker
from tests.shared.hub_server import Cut

LAYERS = 4
SIZES = {"hidden_size": 16, "intermediate_size": 24, "num_attention_heads": 2, "num_key_value_heads": 1}


def make_llama(
    folder: Path, seed: int, vocab: int = 40, layers: int = LAYERS, near: Path | None = None
) -> str:
    """A random Llama in float32; with `near`, that model plus a little noise, as a fine-tune is."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(vocab_size=vocab, num_hidden_layers=layers, tie_word_embeddings=True, **SIZES)
    model = LlamaForCausalLM(config)
    if near is not None:
        start = LlamaForCausalLM.from_pretrained(near).state_dict()
        model.load_state_dict(
            {name: weight + 0.02 * torch.randn_like(weight) for name, weight in start.items()}
        )
    model.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def family(tmp_path_factory) -> dict[str, str]:
    """base, and a, b, c tuned from it; longer, wider: other shapes; gpt2: another architecture."""
    from transformers import GPT2Config, GPT2LMHeadModel

    root = tmp_path_factory.mktemp("family")
    found = {"base": make_llama(root / "base", 0)}
    for number, name in enumerate("abc"):
        found[name] = make_llama(root / name, number + 1, near=root / "base")
    found["deeper"] = make_llama(root / "deeper", 7, layers=6)
    found["words"] = make_llama(root / "words", 8, vocab=48)
    GPT2LMHeadModel(GPT2Config(vocab_size=40, n_embd=16, n_layer=2, n_head=2)).save_pretrained(root / "gpt2")
    found["gpt2"] = str(root / "gpt2")
    return found


def in_this_process(job: dict[str, Any], work: Path) -> Iterator[dict[str, Any]]:
    """Stands for `jobs.messages`: the worker's own job without a process, which takes seconds to start; that
    both write the same bytes is `tests.merging.test_run`'s.
    """
    from mergekit.io.tasks import LoaderCache

    del work
    with contextlib.chdir(job["folder"]):
        LoaderCache().loaders.clear()
        worker.JOBS[job["kind"]](job, io.StringIO())
        LoaderCache().loaders.clear()
    yield {"finished": True, "peak": 0}


@pytest.fixture
def quick(monkeypatch):
    """Merges run in this process."""
    monkeypatch.setattr(run, "messages", in_this_process)


def relative(name: str, folder: Path, seed: int = 0) -> Path:
    """An animal of the zoo with a little noise on its weights, as a fine-tune has it."""
    import torch
    from safetensors.torch import load_file, save_file

    from tests import zoo

    chance = torch.Generator().manual_seed(seed)
    shutil.copytree(zoo.folder(name), folder)
    for path in folder.glob("*.safetensors"):
        weights = load_file(path)
        noisy = {
            key: value + (0.02 * torch.randn(value.shape, generator=chance)).to(value.dtype)
            for key, value in weights.items()
        }
        save_file(noisy, path, metadata={"format": "pt"})
    return folder


def headers_alone(**sizes: int) -> dict[str, bytes]:
    """The files of a Llama whose weight files, one a layer, are headers."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(**sizes, dtype="bfloat16")
    with torch.device("meta"):
        weights = LlamaForCausalLM(config).state_dict()
    headers: dict[str, dict] = {}
    for name, tensor in weights.items():
        number = int(name.split(".")[2]) if ".layers." in name else config.num_hidden_layers
        file = f"model-{number:05}-of-{config.num_hidden_layers:05}.safetensors"
        entries = headers.setdefault(file, {})
        end = max((entry["data_offsets"][1] for entry in entries.values()), default=0)
        span = [end, end + 2 * tensor.numel()]
        entries[name] = {"dtype": "BF16", "shape": list(tensor.shape), "data_offsets": span}
    files: dict[str, Cut] = {}
    for file, entries in headers.items():
        text = json.dumps(entries).encode()
        files[file] = Cut(len(text).to_bytes(8, "little") + text)
        files[file].size = len(files[file]) + max(entry["data_offsets"][1] for entry in entries.values())
    places = {name: file for file, entries in headers.items() for name in entries}
    index = {"metadata": {}, "weight_map": places}
    described = {**config.to_dict(), "architectures": ["LlamaForCausalLM"]}
    return {
        "config.json": json.dumps(described).encode(),
        "model.safetensors.index.json": json.dumps(index).encode(),
        **files,
    }


def tensors(folder: Path) -> dict:
    """Every weight of a folder in float32."""
    from safetensors.torch import load_file

    return {
        name: value.float()
        for path in sorted(Path(folder).glob("*.safetensors"))
        for name, value in load_file(path).items()
    }
