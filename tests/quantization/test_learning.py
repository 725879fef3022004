"""What formats learn from: all of the visitor's text, however little is measured; and what weights were
stored as before.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from quantization import calibration, modules, rowcache
from quantization.compare import compare
from quantization.methods import check_settings, quantize
from quantization.request import Request
from shared import ggml, measure, models
from tests import zoo

SMALL = {"context": 32, "windows": 2, "prompt": ""}
TEXT = "Rivers carry snow down to the sea, and 12 herons wait where the water slows. "


@pytest.fixture(autouse=True)
def _nothing_is_remembered():
    rowcache.rows.forget()


def finished(name: str, **values):
    *_, run = compare(Request.parse(**{**SMALL, **values}), zoo.opened(name))
    return run


@pytest.mark.parametrize("name", ["llama3", "tinyllama", "qwen3"])
@pytest.mark.parametrize("context", [32, 100])
def test_next_to_nothing_of_a_calibration_text_is_left_out(name, context):
    tokenizer = zoo.opened(name).tokenizer
    ids = measure.plain_ids(tokenizer, TEXT * 30)
    windows = calibration.calibration_windows(tokenizer, TEXT * 30, context)
    used, count = windows.ids.numel(), len(windows)
    assert len(ids) - count < used <= len(ids) and windows.ids.shape[1] <= context
    assert windows.ids[:, len(windows.lead) :].flatten().tolist() == [
        token
        for start in range(0, used, windows.ids.shape[1])
        for token in ids[start : start + windows.ids.shape[1]][len(windows.lead) :]
    ]


def test_a_long_text_is_cut_at_the_stated_number():
    tokenizer = zoo.opened("llama3").tokenizer
    windows = calibration.calibration_windows(tokenizer, TEXT * 1_000, 512)
    assert calibration.MOST_TOKENS - 16 < windows.ids.numel() <= calibration.MOST_TOKENS


def test_what_is_learnt_does_not_depend_on_what_is_measured():
    one, other = (
        finished("llama3", formats=["own:awq-int4-g64"], calibration=TEXT * 30, windows=windows)
        for windows in (1, 4)
    )
    assert one.rows[0].facts["tensors"] == other.rows[0].facts["tensors"]


def notes(text: str, form: str) -> list[str]:
    return [note for note in finished("tinyllama", formats=[form], calibration=text).rows[0].facts["notes"]]


def test_a_row_says_from_how_many_tokens_it_learnt_and_whether_they_are_few():
    """Tinyllama's widest inputs are 128 numbers: 512 tokens are enough."""
    assert any(
        "few for inputs of up to 128 numbers, where 512" in note
        for note in notes(TEXT * 5, "own:gptq-int4-g32")
    )
    (learnt,) = (note for note in notes(TEXT * 40, "own:gptq-int4-g32") if "Learnt" in note)
    assert "few" not in learnt and learnt.startswith("Learnt from ")
    (learnt,) = (note for note in notes(TEXT * 5, "own:llm_int8") if "Learnt" in note)
    assert "few" not in learnt, "of the columns alone less is enough"
    assert not any("Learnt" in note for note in notes(TEXT * 5, "own:rtn-int4-g32"))


def on_a_grid(name: str, grid: str) -> models.Loaded:
    """An animal quantized and dequantized, under its old name."""
    loaded = zoo.opened(name)
    copy = models.twin(loaded.model)
    for weight in modules.linear_names(loaded.model):
        values = modules.weight_of(loaded.model, weight).detach().float()
        if grid in ggml.TYPES:
            put = ggml.dequantize(ggml.quantize(values, grid), grid, values.shape[1])
        else:
            method, *rest = grid.split()
            settings = {"bits": int(rest[0][3:]), "group": int(rest[1][1:])} if rest else {}
            put = quantize(values, method, check_settings(method, settings)).values
        modules.replace_weight(copy, weight, put)
    return replace(loaded, model=copy)


@pytest.mark.parametrize("grid", ["Q4_0", "Q4_1", "Q5_0", "Q4_K", "nf4", "rtn int4 g128"])
def test_a_dequantized_model_is_noticed_whatever_its_name(grid):
    loaded = on_a_grid("llama3", grid)
    assert modules.grid_of(loaded) == grid and modules.on_grid(loaded)
    request = Request.parse(formats=["own:rtn-int4-g64"], **SMALL)
    first = next(compare(request, loaded))
    assert any(f"({grid})" in warning and "dequantized" in warning for warning in first.warnings)


def test_it_is_noticed_in_bfloat16_too():
    loaded = on_a_grid("llama3", "Q4_0")
    rounded = models.twin(loaded.model)
    for parameter in list(rounded.parameters()):
        value = torch.nn.Parameter(parameter.detach().bfloat16().float(), requires_grad=False)
        modules._put_everywhere(rounded, parameter, value)
    assert modules.grid_of(replace(loaded, model=rounded)) == "Q4_0"


@pytest.mark.parametrize("name", zoo.names())
def test_fresh_weights_are_not_taken_for_such(name):
    assert modules.grid_of(zoo.opened(name)) == ""


def test_eight_bits_are_not_taken_for_such():
    assert modules.grid_of(on_a_grid("llama3", "Q8_0")) == ""


def inputs(width: int, tokens: int, seed: int) -> torch.Tensor:
    """Inputs of correlated columns whose size differs from token to token."""
    mixing = torch.Generator().manual_seed(0)
    basis, turn = (torch.linalg.qr(torch.randn(width, width, generator=mixing))[0] for _ in range(2))
    sizes = torch.arange(1, width + 1) ** -0.25
    generator = torch.Generator().manual_seed(seed)
    spread = torch.exp(0.6 * torch.randn(tokens, 1, generator=generator))
    return (torch.randn(tokens, width, generator=generator) * spread) @ ((basis * sizes) @ turn)


@pytest.mark.parametrize(("tokens", "most"), [(64, 1.05), (170, 1.05), (1024, 1.03), (8192, 0.97)])
def test_gptq_on_few_tokens_is_not_worse_than_rounding_on_other_text(tokens, most):
    """Out of sample: without shrinkage it was up to 2.1 times as bad."""
    width = 256
    weight = torch.randn(48, width, generator=torch.Generator().manual_seed(1))
    seen, other = inputs(width, tokens, 2), inputs(width, 20_000, 3)
    moment = seen.T @ seen / tokens
    learnt = calibration.Calibration(
        moment, seen.abs().amax(0), moment.diagonal(), seen.abs().mean(0), tokens
    )
    error = {}
    for method in ("rtn", "gptq"):
        made = quantize(weight, method, check_settings(method, {"bits": 4, "group": 64}), learnt)
        error[method] = float((other @ (weight - made.values).T).square().mean())
    assert error["gptq"] < most * error["rtn"]
