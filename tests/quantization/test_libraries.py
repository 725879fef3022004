"""The library engines: what they make is quantized, the base is untouched, and their files load back."""

from __future__ import annotations

import ast

import pytest
import torch
from transformers import AutoModelForCausalLM

from quantization import formats, modules
from quantization.scripts import SCRIPTS, script
from shared.errors import VisitorError
from tests.decoding.tiny import tiny
from tests.quantization.conftest import small_llama

ENGINES = [
    name for name in formats.all_formats() if name.partition(":")[0] not in ("own", "gguf", "autoround")
]
IDS = torch.randint(0, 400, (1, 24), generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def loaded():
    return small_llama(128)


@pytest.mark.parametrize("name", ENGINES)
def test_every_format_quantizes_and_leaves_the_base_alone(loaded, name):
    before = {key: value.clone() for key, value in loaded.model.state_dict().items()}
    made = formats.quantize(loaded, formats.parse(name), formats.Calibration(IDS))
    assert all(torch.equal(value, before[key]) for key, value in loaded.model.state_dict().items())
    assert [tensor.name for tensor in made.tensors] == modules.linear_names(loaded.model)
    bits = (
        8
        if "int8" in name or "float8" in name
        else int(next((c for c in name.partition("int")[2] if c.isdigit()), 4))
    )
    bits = 4 if "int4" in name else bits
    for tensor in made.tensors:
        assert 1 < tensor.distinct_codes <= 2**bits and tensor.squared_error > 0 and tensor.sqnr > 3
        assert tensor.type == tensor.wanted and not tensor.reason, (
            "a library takes no other type than it is asked for"
        )
    with torch.no_grad():
        assert torch.isfinite(made.model(IDS).logits).all() and not torch.equal(
            made.model(IDS).logits, loaded.model(IDS).logits
        )
    assert made.version.split()[1][0].isdigit() and made.runtime


def test_nf4_is_what_transformers_makes(tmp_path):
    """The same logits as `from_pretrained(quantization_config=…)` on the same weights."""
    from transformers import BitsAndBytesConfig

    loaded = small_llama(128)
    loaded.model.save_pretrained(tmp_path)
    settings = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32
    )
    reference = AutoModelForCausalLM.from_pretrained(
        tmp_path, quantization_config=settings, dtype=torch.float32, device_map="cpu"
    )
    made = formats.quantize(loaded, formats.parse("bitsandbytes:nf4"), formats.Calibration(IDS))
    with torch.no_grad():
        torch.testing.assert_close(made.model(IDS).logits, reference(IDS).logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "name", ["bitsandbytes:nf4", "bitsandbytes:nf4-double", "bitsandbytes:fp4", "bitsandbytes:int8"]
)
def test_a_folder_loads_back_in_transformers(loaded, tmp_path, name):
    made = formats.quantize(loaded, formats.parse(name), formats.Calibration(IDS))
    files = made.export(tmp_path / "model")
    assert {path.name for path in files} >= {"config.json", "model.safetensors", "tokenizer.json"}
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    back = AutoModelForCausalLM.from_pretrained(tmp_path / "model", dtype=torch.float32, device_map="cpu")
    with torch.no_grad():
        torch.testing.assert_close(back(IDS).logits, made.model(IDS).logits, rtol=1e-3, atol=1e-3)


def test_autoround_rounds_on_its_grid_and_loads_back(loaded, tmp_path):
    windows = torch.randint(0, 400, (2, 32), generator=torch.Generator().manual_seed(1))
    made = formats.quantize(loaded, formats.parse("autoround:int4-g64"), formats.Calibration(windows))
    for tensor in made.tensors:
        assert 1 < tensor.distinct_codes <= 16 and tensor.squared_error > 0
    assert "8 steps a block on 2 windows" in made.notes[0]
    with torch.no_grad():
        logits = made.model(IDS).logits.clone()
    files = made.export(tmp_path / "model")
    assert any(path.suffix == ".safetensors" for path in files)
    back = AutoModelForCausalLM.from_pretrained(tmp_path / "model", dtype=torch.float32, device_map="cpu")
    with torch.no_grad():
        found = back(IDS).logits.float()
    assert float((found - logits).abs().max()) <= 0.05 * float(logits.abs().max()), (
        "its CPU layers compute in float16"
    )


def test_formats_without_a_file_say_so(loaded):
    for name in ("hqq:int4-g64", "torchao:int8-weight-only"):
        made = formats.quantize(loaded, formats.parse(name), formats.Calibration(IDS))
        assert made.export is None and any("No file" in note for note in made.notes)


def test_models_of_other_layers_are_refused():
    for name in ("bitsandbytes:nf4", "hqq:int4-g64", "torchao:int8-weight-only", "autoround:int4-g64"):
        with pytest.raises(VisitorError, match="Conv1D"):
            formats.quantize(tiny("gpt2"), formats.parse(name), formats.Calibration(IDS))


HOSTILE = 'a """ quote, a backslash \\, {braces}, EOF\nimport os; os.system("x")\n\u2028 end'


@pytest.mark.parametrize("name", list(SCRIPTS))
def test_scripts_compile_and_hold_the_text_as_data(name):
    text = script(name, 'owner/"""model', HOSTILE)
    tree = ast.parse(text)
    values = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id.isupper()
    }
    assert values == {"MODEL": 'owner/"""model', "CALIBRATION": HOSTILE}
    assert "could not run it" in ast.get_docstring(tree)
    assert not any(isinstance(node, ast.Attribute) and node.attr == "system" for node in ast.walk(tree))
