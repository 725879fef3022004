"""What is said of a file's size is the size of the file that is written, and what is not quantized keeps the
dtype of the published weights.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from quantization import formats
from quantization.compare import compare
from quantization.request import Request
from shared.models import Loaded
from tests import zoo
from tests.quantization import herd
from tests.quantization.conftest import small_llama

IDS = torch.arange(24)[None] + 20


def made(loaded: Loaded, name: str, folder: Path):
    model = formats.quantize(loaded, formats.parse(name), formats.Calibration(IDS.repeat(2, 2)))
    return model, model.export(folder)


def weight_file(files: list[Path]) -> Path:
    (path,) = (path for path in files if path.suffix in (".gguf", ".safetensors"))
    return path


@pytest.mark.parametrize("name", herd.WRITTEN)
@pytest.mark.parametrize("type", ["Q4_0", "Q6_K", "F16"])
def test_a_gguf_files_size_is_known_to_the_byte(name, type, tmp_path):
    model, files = made(herd.opened(name), f"gguf:{type}", tmp_path)
    assert weight_file(files).stat().st_size == model.file_bytes > model.weight_bytes


@pytest.mark.parametrize("stored", ["bfloat16", "float32", "float16"])
@pytest.mark.parametrize("name", ["bitsandbytes:nf4", "bitsandbytes:int8", "autoround:int4-g64"])
def test_a_folders_weights_take_what_is_said_in_the_published_dtype(name, stored, tmp_path):
    """bitsandbytes once wrote float32 embeddings: 392 MB said, 728 MB true."""
    loaded = replace(small_llama(tied=False), stored=stored)
    model, files = made(loaded, name, tmp_path / "model")
    path = weight_file(files)
    with safe_open(path, "pt") as file:
        values = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  no dict
    weights = sum(value.numel() * value.element_size() for value in values.values())
    assert weights == pytest.approx(model.file_bytes, rel=0.02)
    assert str(values["model.embed_tokens.weight"].dtype) == f"torch.{stored}"
    assert json.loads((path.parent / "config.json").read_text())["dtype"] == stored
    kept = model.model.get_input_embeddings().weight
    assert torch.equal(values["model.embed_tokens.weight"].float(), kept), "the file holds what was measured"


def test_the_size_of_a_file_that_was_written_is_its_own(tmp_path):
    request = Request.parse(formats=["bitsandbytes:nf4"], context=32, windows=1, prompt="")
    *_, run = compare(request, zoo.opened("llama3"), tmp_path)
    assert run.rows[0].facts["file_bytes"] == weight_file(run.rows[0].files).stat().st_size


def test_how_a_model_answers_goes_along(tmp_path):
    """generation_config.json was once left behind: Llama 3's three ends of an answer are there."""
    loaded = zoo.opened("llama3")
    _, files = made(loaded, "bitsandbytes:nf4", tmp_path / "model")
    (path,) = (path for path in files if path.name == "generation_config.json")
    stated = json.loads(path.read_text())
    assert stated["eos_token_id"] == loaded.model.generation_config.eos_token_id and stated["top_p"] == 0.9


@pytest.mark.parametrize(("name", "bits"), [("llama3", 16), ("olmo2", 32), ("neox", 16)])
def test_the_bases_file_is_as_wide_as_it_was_published(name, bits):
    request = Request.parse(formats=["own:absmax-int8"], context=32, windows=1, prompt="")
    *_, run = compare(request, zoo.opened(name))
    assert run.base_facts["bits"] == bits
    assert run.base_facts["file_bytes"] == bits // 8 * run.model()["parameters"]
