"""A folder held against its config.json: what people save in odd ways opens, what does not belong is refused.

The animals that must be refused are in tests/test_zoo.py; here are the ways in which weights are stored.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from shared import limits, models
from shared.errors import VisitorError
from tests import zoo
from tests.conftest import ROOT


@pytest.fixture
def changed(tmp_path):
    """`changed(animal, edit, **config)`: a copy whose tensors went through a function."""

    def make(name: str, edit=lambda tensors: tensors, **config) -> Path:
        folder = tmp_path / "a model"
        shutil.copytree(zoo.folder(name), folder)
        tensors = load_file(folder / "model.safetensors")
        save_file(
            {key: value.contiguous() for key, value in edit(tensors).items()},
            folder / "model.safetensors",
            {"format": "pt"},
        )
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | config))
        return folder

    return make


def opened(folder: Path) -> models.Loaded:
    return models.open_folder(folder, "me/model", "main", "test")


def same(folder: Path, name: str) -> bool:
    ids = torch.tensor([[5, 9, 7, 30]])
    with torch.inference_mode():
        return torch.equal(opened(folder).model(ids).logits, zoo.opened(name).model(ids).logits)


def test_gpt2_as_the_hub_has_it(changed):
    """Without the prefix, and with the masks that its first code kept beside the weights."""

    def old(tensors):
        bare = {key.removeprefix("transformer."): value for key, value in tensors.items()}
        masks = {f"h.{layer}.attn.bias": torch.ones(1, 1, 512, 512).tril() for layer in range(3)}
        return bare | masks

    assert same(changed("gpt2", old), "gpt2")


def test_pythia_as_the_hub_has_it(changed):
    def old(tensors):
        layers = [f"gpt_neox.layers.{layer}.attention" for layer in range(3)]
        masks = {f"{layer}.bias": torch.ones(1, 1, 64, 64).tril() for layer in layers}
        values = {f"{layer}.masked_bias": torch.tensor(-1e9) for layer in layers}
        return tensors | masks | values | {f"{layer}.rotary_emb.inv_freq": torch.ones(2) for layer in layers}

    assert same(changed("neox", old), "neox")


def test_a_tied_head_may_be_stored_or_not(changed):
    def stored(tensors):
        return tensors | {"lm_head.weight": tensors["model.embed_tokens.weight"].clone()}

    assert same(changed("tools", stored), "tools")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_limit_counts_what_is_in_memory_and_not_what_is_stored(changed, monkeypatch, dtype):
    folder = changed("tools", lambda tensors: {key: value.to(dtype) for key, value in tensors.items()})
    parameters = sum(parameter.numel() for parameter in zoo.opened("tools").model.parameters())
    monkeypatch.setitem(limits.MODEL_BYTES, "cpu", 4 * parameters + 400)  # buffers count too
    opened(folder)
    monkeypatch.setitem(limits.MODEL_BYTES, "cpu", 4 * parameters - 1)
    with pytest.raises(VisitorError, match="the limit is"):
        opened(folder)


def test_other_weight_files_in_the_folder_do_not_count(changed):
    folder = changed("tools", hidden_size=256, intermediate_size=512, head_dim=64)
    save_file({"extra": torch.zeros(2_000_000)}, folder / "consolidated.safetensors")
    with pytest.raises(VisitorError, match=r"describes .* parameters, and its weights hold 123,264"):
        opened(folder)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"num_hidden_layers": 4}, r"lack model\.layers\.3\.\S+ and 8 more"),
        ({"attention_bias": True}, r"lack model\.layers\.0\.self_attn\.k_proj\.bias and 11 more"),
        ({"intermediate_size": 128}, r"has shape \(64, 96\), and config\.json describes \(64, 128\)"),
        ({"tie_word_embeddings": False}, r"lack lm_head\.weight"),
        ({"model_type": "qwen3"}, r"lack model\.layers\.0\.self_attn\.k_norm\.weight"),
        ({"vocab_size": 500}, "has shape"),
        ({"num_hidden_layers": 1000}, "1,000 num_hidden_layers"),
        ({"hidden_act": "no such function"}, "could not be loaded"),
        ({"num_attention_heads": "many"}, "could not be loaded"),
        ({"architectures": "LlamaForCausalLM"}, "does not write text"),
        ({"architectures": 7}, None),
        ({"quantization_config": {}}, r"quantized \(unknown\)"),
        ({"quantization_config": None}, None),
        ({"quantization_config": ["gptq"]}, r"quantized \(unknown\)"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, r"quantized \(gptq\)"),
        ({"is_encoder_decoder": True}, "an encoder and a decoder"),
        ({"model_type": "clip", "architectures": ["CLIPForCausalLM"]}, "“clip” models do not write text"),
        ({"model_type": None}, "knows no models of the kind “None”"),
    ],
)
def test_a_config_that_says_something_else(changed, config, reason):
    folder = changed("tools", **config)
    if reason is None:
        assert same(folder, "tools")
        return
    with pytest.raises(VisitorError, match=reason) as caught:
        opened(folder)
    assert str(folder) not in str(caught.value) and caught.value.what.endswith(".")


@pytest.mark.parametrize("content", [None, "", "[]", "{", '"llama"', "{}"])
def test_a_config_that_is_none(changed, content):
    folder = changed("tools")
    (folder / "config.json").unlink()
    if content is not None:
        (folder / "config.json").write_text(content)
    with pytest.raises(VisitorError, match="could not be loaded") as caught:
        opened(folder)
    assert str(folder) not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"x", (10**15).to_bytes(8, "little"), (20).to_bytes(8, "little") + b"{"]
)
def test_weights_that_are_none(changed, content):
    folder = changed("tools")
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(VisitorError, match="could not be loaded"):
        opened(folder)


def test_an_adapter_left_beside_a_model_is_not_followed(changed):
    """transformers would load the base that it names in the place of this folder."""
    folder = changed("tools")
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "someone/else"}))
    with pytest.raises(VisitorError, match="is an adapter"):
        opened(folder)


def test_a_missing_part_of_sharded_weights(tmp_path):
    folder = tmp_path / "sharded"
    shutil.copytree(zoo.folder("mistral"), folder)
    next(folder.glob("model-00002*")).unlink()
    with pytest.raises(VisitorError, match="could not be loaded") as caught:
        opened(folder)
    assert "model-00002" in caught.value.what and str(folder) not in caught.value.what


KERNELS = ["kernels-community/flash-attn", "someone/code@main:run", "paged|someone/code", "flash_attention_2"]


@pytest.mark.parametrize("animal", ["llama3", "gemma3_vision"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_no_configuration_brings_code_from_the_hub(changed, monkeypatch, animal, kernel):
    """transformers takes a kernel that config.json names, where the package `kernels` is installed."""
    from transformers import modeling_utils
    from transformers.integrations import hub_kernels

    taken = []
    for module in (hub_kernels, modeling_utils):
        monkeypatch.setattr(module, "is_kernels_available", lambda: True)
    monkeypatch.setattr(hub_kernels, "get_kernel", lambda name, **_: taken.append(name))
    folder = changed(animal)
    config = json.loads((folder / "config.json").read_text())
    for part in (config, config.get("text_config", {}), config.get("vision_config", {})):
        part |= {"attn_implementation": kernel, "_attn_implementation": kernel}
    (folder / "config.json").write_text(json.dumps(config))
    assert same(folder, animal) and not taken


def repacked(path: Path, change) -> None:
    """A weight file whose header went through a function."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])


NORM = "model.norm.weight"


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header[NORM].update(shape=[10**9, 10**9]),
        lambda header: header[NORM].update(shape=[-64]),
        lambda header: header[NORM].update(data_offsets=[0, 10**12]),
        lambda header: header[NORM].update(data_offsets=[10, 0]),
        lambda header: header.update({f"extra.{n}": header[NORM] for n in range(5_000)}),
        lambda header: header.update(extra=7),
    ],
    ids=["shape", "negative", "past the end", "backwards", "overlap", "no tensor"],
)
def test_a_header_that_lies(changed, change):
    folder = changed("tools")
    repacked(folder / "model.safetensors", change)
    with pytest.raises(VisitorError, match="could not be loaded"):
        opened(folder)


@pytest.mark.parametrize("name", ["../other/model.safetensors", "/etc/passwd", "gone.safetensors", "x.bin"])
def test_an_index_that_names_other_files(changed, name):
    folder = changed("tools")
    (folder / "model.safetensors").rename(folder / "other.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {NORM: name}}))
    with pytest.raises(VisitorError, match="could not be loaded") as caught:
        opened(folder)
    assert "passwd" not in str(caught.value)


GREEDY = {
    "tools": [
        {"vocab_size": 10**9},
        {"hidden_size": 2**20},
        {"intermediate_size": 10**8},
        {"num_hidden_layers": 10**9},
        {"num_hidden_layers": 27},
        {"head_dim": 10**7},
        {"num_key_value_heads": 10**6},
        {"num_labels": 10**8},
        {"id2label": {str(label): "x" for label in range(100_000)}},
        {"max_position_embeddings": 10**9},
    ],
    "gpt2": [{"n_positions": 10**9}, {"n_layer": 10**8}, {"n_inner": 10**9}],
    "qwen3_moe": [{"num_experts": 10**9}, {"moe_intermediate_size": 10**8}],
    "gemma3": [{"num_hidden_layers": 10**9}, {"layer_types": ["full_attention"] * 50_000}],
    "neox": [{"max_position_embeddings": 10**9}],
    "mamba": [{"state_size": 10**8}, {"time_step_rank": 10**9}],
}
"""By animal, what a config.json of a few bytes may ask for."""


def test_a_config_takes_no_memory_that_the_weights_do_not(changed, tmp_path):
    """All in one process, whose peak is measured."""
    for name, configs in GREEDY.items():
        for number, config in enumerate(configs):
            changed(name, **config).rename(tmp_path / f"{name} {number}")
    script = """
import resource, sys
from pathlib import Path
from shared import models
from shared.errors import VisitorError
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
def opened(folder):
    try: return models.open_folder(folder, "me/model", "", "") and None
    except VisitorError as error: return error.what
folders = sorted(Path(sys.argv[1]).iterdir())
for name in {folder.name.split()[0] for folder in folders}: opened(Path(sys.argv[2]) / name)
before, told = peak(), {folder.name: opened(folder) for folder in folders}
print(peak() - before, [name for name, what in told.items() if what is None])
"""
    home = zoo.folder("tools").parent
    for name in GREEDY:
        assert zoo.folder(name).parent == home
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), str(home)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    megabytes, opens = done.stdout.split(" ", 1)
    assert float(megabytes) < 60
    assert opens.strip() == "['neox 0', 'tools 9']", "a model that may read more has no more weights"
