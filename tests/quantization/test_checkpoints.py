"""GPTQ's and AWQ's checkpoints: packed as auto-round's own readers unpack them, opened again to the bit,
better than rounding, and with scales that leave the function as it is.
"""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file

from quantization import checkpoints, formats, modules
from quantization.calibration import Calibration, block_by_block, collect
from quantization.libraries import awq_engine, gptq_engine
from quantization.methods import affine
from quantization.methods.awq import output_error, search
from quantization.methods.gptq import gptq
from shared.errors import VisitorError
from shared.models import twin
from tests import zoo
from tests.quantization.conftest import small_llama

IDS = torch.randint(0, 400, (1, 24), generator=torch.Generator().manual_seed(0))
WINDOWS = torch.randint(0, 400, (8, 64), generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def loaded():
    return small_llama(128)


def made(loaded, name):
    return formats.quantize(loaded, formats.parse(name), formats.Calibration(WINDOWS))


def logits(model):
    with torch.inference_mode():
        return model(IDS).logits


def inputs_of(columns: int, tokens: int = 512) -> Calibration:
    """Inputs whose columns differ in size and move together."""
    generator = torch.Generator().manual_seed(2)
    mixed = torch.randn(columns, columns, generator=generator) / columns**0.5 + torch.eye(columns)
    x = torch.randn(tokens, columns, generator=generator) @ mixed
    x *= torch.exp(torch.randn(columns, generator=generator))
    moment = x.T @ x / tokens
    return Calibration(moment, x.abs().amax(0), moment.diagonal().clone(), x.abs().mean(0), tokens)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_packed_codes_come_back(bits):
    codes = torch.randint(0, 2**bits, (64, 24), dtype=torch.int16)
    packed = checkpoints.pack(codes, bits)
    assert packed.dtype == torch.int32 and packed.shape == (64 * bits // 32, 24)
    assert torch.equal(checkpoints.unpack(packed, bits), codes)
    word = int(packed[0, 0]) & 0xFFFFFFFF
    assert word & (2**bits - 1) == codes[0, 0] and word >> (32 - bits) == codes[32 // bits - 1, 0]


def test_awqs_packing_is_autoawqs():
    from auto_round.export.export_to_awq.utils import dequantize_gemm

    weight = torch.randn(48, 128, generator=torch.Generator().manual_seed(3))
    blocks = affine.grouped(weight, 32)
    grid = affine.range_grid(blocks, 4)
    result = affine.finish(weight, grid, affine.encode(blocks, grid), 32, 4, "int4", True)
    tensors = checkpoints.awq_tensors(result)
    theirs = dequantize_gemm(tensors["qweight"], tensors["qzeros"], tensors["scales"], 4, 32)
    assert torch.equal(theirs.float().T, result.values.half().float())
    assert torch.equal(checkpoints.weight_of(tensors, {"bits": 4, "quant_method": "awq"}), result.values)


@pytest.mark.parametrize("name", ["gptq:int4", "gptq:int4-g32", "gptq:int8", "awq:int4", "awq:int4-g32"])
def test_a_folder_holds_the_model_that_was_made(loaded, tmp_path, name):
    model = made(loaded, name)
    files = model.export(tmp_path / "model")
    weights = tmp_path / "model" / "model.safetensors"
    assert weights in files and model.tensors[0].distinct_codes <= (256 if "int8" in name else 16)
    settings = json.loads((tmp_path / "model" / "config.json").read_text())["quantization_config"]
    stated = 32 if name.endswith("g32") else 128
    assert settings["quant_method"] == name.partition(":")[0] and settings["group_size"] == stated
    assert torch.equal(logits(checkpoints.opened(tmp_path / "model")), logits(model.model))
    stored = sum(value.numel() * value.element_size() for value in load_file(weights).values())
    assert stored == model.weight_bytes, "the size that is said is the file's"


def test_auto_round_reads_gptqs_files_as_this_page_does(loaded, tmp_path):
    """Its own layers, in float16 on a processor, from what config.json says."""
    from transformers import AutoModelForCausalLM, AutoRoundConfig

    model = made(loaded, "gptq:int4-g32")
    model.export(tmp_path / "model")
    theirs = AutoModelForCausalLM.from_pretrained(
        tmp_path / "model", quantization_config=AutoRoundConfig(), dtype=torch.float32, device_map="cpu"
    )
    assert any(type(module).__name__ == "QuantLinear" for module in theirs.modules())
    ours = logits(model.model)
    assert float((logits(theirs).float() - ours).abs().max()) <= 0.02 * float(ours.abs().max())


def test_a_wrong_zero_point_is_noticed(loaded, tmp_path, monkeypatch):
    """GPTQ's files hold it less 1: without that every weight is off by a step."""
    real = checkpoints.gptq_tensors

    def wrong(result):
        zeros = checkpoints.pack(result.details["grid"].zero, 4).T.contiguous()
        return {**real(result), "qzeros": zeros}

    monkeypatch.setattr(checkpoints, "gptq_tensors", wrong)
    model = made(loaded, "gptq:int4")
    model.export(tmp_path / "model")
    difference = logits(checkpoints.opened(tmp_path / "model")) - logits(model.model)
    assert float(difference.abs().max()) > 0.1


def test_gptq_beats_rounding_on_its_own_grid():
    weight, inputs = torch.randn(64, 128, generator=torch.Generator().manual_seed(4)), inputs_of(128)
    blocks = affine.grouped(weight, 64)
    grid = affine.middle_grid(blocks, 4)
    rounded = affine.decode(affine.encode(blocks, grid), grid).reshape(weight.shape)
    solved = gptq(weight, inputs, 4, 64, grid_of=affine.middle_grid)
    assert (solved.details["grid"].zero == 8).all() and solved.codes.min() >= 0 and solved.codes.max() <= 15
    plain, better = (
        output_error(weight - values, inputs.second_moment) for values in (rounded, solved.values)
    )
    assert better < 0.9 * plain


def test_blocks_with_different_masks_are_not_run_one_by_one():
    assert not gptq_engine._goes_in_turn(zoo.opened("qwen2")), "its second block has a sliding window"
    assert not gptq_engine._goes_in_turn(zoo.opened("gemma2"))
    assert gptq_engine._goes_in_turn(zoo.opened("llama3"))


@pytest.mark.parametrize("name", ["llama3", "mistral"])
def test_blocks_learn_from_the_quantized_ones_before(name):
    """What a block sees is what it sees in a pass of the whole model with the blocks before changed."""
    loaded = zoo.opened(name)
    windows = torch.randint(5, 60, (3, 24), generator=torch.Generator().manual_seed(8))
    model = twin(loaded.model)
    for number, moments in enumerate(block_by_block(model, windows)):
        whole = collect(model, windows, list(moments))
        assert moments and all(f"layers.{number}." in name for name in moments)
        for layer, seen in moments.items():
            assert seen.tokens == whole[layer].tokens == windows.numel()
            torch.testing.assert_close(seen.second_moment, whole[layer].second_moment, rtol=1e-5, atol=1e-6)
        for layer in moments:  # the block as it will be quantized
            modules.replace_weight(model, layer, modules.weight_of(model, layer) * 0.5)
    assert number == len(loaded.model.model.layers) - 1 > 0


@pytest.mark.parametrize("name", ["llama3", "qwen2", "qwen3", "mistral"])
def test_awqs_scales_leave_the_function_as_it_is(name, monkeypatch):
    """With rounding left out the folded model is the base; norms, biases and grouped heads included."""
    loaded = zoo.opened(name)

    def exact(one, weight, inputs, bits, group):
        scaled = one.outputs[:, None] * weight * one.inputs
        blocks = affine.grouped(scaled, group)
        grid = affine.range_grid(blocks, bits)
        found = affine.finish(scaled, grid, affine.encode(blocks, grid), group, bits, "int4", True)
        factors.append(one.inputs)
        return type(found)(found.type, found.codes, scaled, found.stored_bytes, found.details)

    factors: list[torch.Tensor] = []
    monkeypatch.setattr(awq_engine, "_rounded", exact)
    windows = torch.randint(5, 200, (4, 32), generator=torch.Generator().manual_seed(5))
    monkeypatch.setattr(checkpoints, "GROUPS", (16, 8, 4))
    found = awq_engine.quantize_model(loaded, "int4", formats.Calibration(windows)).model
    assert any(not torch.equal(one, torch.ones_like(one)) for one in factors)
    with torch.inference_mode():
        ids = windows[:1].to(loaded.model.device)
        torch.testing.assert_close(found(ids).logits, loaded.model(ids).logits, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("clips", [True, False])
def test_awq_beats_rounding_where_inputs_differ(clips):
    weight, inputs = torch.randn(64, 128, generator=torch.Generator().manual_seed(7)), inputs_of(128)
    scales = search(weight, inputs, 4, 64)[1] if not clips else torch.ones(128)
    found = awq_engine._rounded(awq_engine.Folded("it", scales, torch.ones(64), clips), weight, inputs, 4, 64)
    plain = affine.rtn(weight, 4, 64).values
    ours, theirs = (
        output_error(weight - values, inputs.second_moment) for values in (found.values / scales, plain)
    )
    assert ours < (0.98 if clips else 0.9) * theirs


@pytest.mark.parametrize(
    ("name", "format", "sentence"),
    [
        ("gpt2", "gptq:int4", "built of Conv1D"),
        ("mixtral", "gptq:int4", "every expert's weights apart"),
        ("gemma2", "awq:int4", "are not known here"),
        ("mamba", "gptq:int4", "without its layer"),
    ],
)
def test_what_has_no_such_file_is_said(name, format, sentence):
    windows = torch.randint(5, 60, (2, 32), generator=torch.Generator().manual_seed(6))
    with pytest.raises(VisitorError, match=sentence) as caught:
        formats.quantize(zoo.opened(name), formats.parse(format), formats.Calibration(windows))
    assert caught.value.remedy


def test_the_group_divides_every_width():
    assert checkpoints.group_of({"a": 576, "b": 1536}) == 64
    assert checkpoints.group_of({"a": 4096, "b": 11008}) == 128
    assert checkpoints.group_of({"a": 4096}, 32) == 32
    with pytest.raises(VisitorError, match="Groups of 32 do not divide the rows of b, which have 48 weights"):
        checkpoints.group_of({"a": 64, "b": 48})
    with pytest.raises(VisitorError, match="do not fill numbers of 32 bits"):
        checkpoints.check_rows([("a", 64), ("b", 12)], 4)
    assert gptq_engine.FORMATS.keys() >= awq_engine.FORMATS.keys()
