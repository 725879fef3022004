"""The own methods against their reference libraries, plain loops, brute force and hand-computed sizes."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from quantization import calibration, formats, modules
from quantization.calibration import Calibration
from quantization.methods import METHODS, check_settings, quantize
from quantization.methods.awq import output_error
from quantization.methods.smoothquant import activation_linear, round_per_token, smooth_scales
from shared import measure
from shared.errors import VisitorError
from tests.quantization.conftest import at_once


def matrix(rows: int = 8, columns: int = 128, seed: int = 0, outliers: bool = True) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(rows, columns, generator=generator) * 0.05
    if outliers:
        weight[
            torch.randint(0, rows, (5,), generator=generator),
            torch.randint(0, columns, (5,), generator=generator),
        ] *= 12
    return weight


def from_inputs(x: torch.Tensor) -> Calibration:
    return Calibration((x.T @ x / len(x)).float(), x.abs().amax(0), (x**2).mean(0), x.abs().mean(0), len(x))


def made(weight: torch.Tensor, method: str, inputs: Calibration | None = None, **settings):
    return quantize(weight, method, check_settings(method, settings), inputs)


def half(value: float) -> float:
    return float(np.float16(value))


def plain_grid(block: list[float], method: str, bits: int) -> list[float]:
    """Absmax and the zero-point grid in plain Python."""
    if method == "absmax":
        high = 2 ** (bits - 1) - 1
        scale = half(max(abs(w) for w in block) / high)
        return [scale * min(high, max(-high, round(w / scale))) if scale else 0.0 for w in block]
    high = 2**bits - 1
    low, top = min(0.0, *block), max(0.0, *block)
    scale = half((top - low) / high)
    zero = min(high, max(0, round(-low / scale))) if scale else 0
    return [scale * (min(high, max(0, round(w / scale) + zero)) - zero) if scale else 0.0 for w in block]


@pytest.mark.parametrize("group", ["tensor", "row", 32])
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("method", ["absmax", "zero_point", "rtn"])
def test_affine_grids_equal_plain_loops(method, bits, group):
    weight = matrix(4, 64, seed=bits)
    found = made(weight, method, bits=bits, group=group)
    flat = weight.double().tolist()
    if group == "tensor":
        blocks = [[w for row in flat for w in row]]
    else:
        size = 64 if group == "row" else group
        blocks = [row[start : start + size] for row in flat for start in range(0, 64, size)]
    expected = torch.tensor([value for block in blocks for value in plain_grid(block, method, bits)]).reshape(
        4, 64
    )
    torch.testing.assert_close(found.values, expected.float(), rtol=0, atol=1e-6)
    assert found.codes.dtype == torch.int16 and found.codes.unique().numel() <= 2**bits
    groups = len(blocks)
    zeros = 0 if method == "absmax" else math.ceil(groups * bits / 8)
    assert found.stored_bytes == 256 * bits // 8 + 2 * groups + zeros


def test_no_weight_is_further_from_its_value_than_half_a_step():
    weight = matrix(16, 128)
    for method in ("absmax", "zero_point", "rtn"):
        found = made(weight, method, bits=4, group=32)
        scale = found.details["grid"].scale.repeat_interleave(32, 1)
        # The zero point is rounded too, so that the ends of a range may lie half a step beyond the grid;
        # float16 scales add a little.
        slack = 1.0 if method != "absmax" else 0.5
        assert ((weight - found.values).abs() <= (slack + 0.01) * scale).all()


def test_clip_and_scale_factor_move_the_grid():
    weight = matrix()
    plain, clipped = made(weight, "rtn"), made(weight, "rtn", clip=0.5)
    assert clipped.values.abs().max() < plain.values.abs().max()
    wide = made(weight, "absmax", bits=4, scale_factor=2.0)
    torch.testing.assert_close(
        wide.details["grid"].scale,
        2 * made(weight, "absmax", bits=4).details["grid"].scale,
        rtol=1e-3,
        atol=0,
    )


@pytest.mark.parametrize("kind", ["nf4", "fp4"])
def test_codebooks_equal_bitsandbytes(kind, embedded):
    functional = pytest.importorskip("bitsandbytes.functional")
    real = embedded.model.model.layers[3].self_attn.q_proj.weight.detach()
    for weight in (matrix(16, 128), real, torch.zeros(2, 64), torch.full((2, 64), 0.3), matrix(4, 64) * 1e-6):
        packed, state = functional.quantize_4bit(weight.contiguous(), blocksize=64, quant_type=kind)
        expected = functional.dequantize_4bit(packed, state)
        codes = torch.stack([packed.flatten() >> 4, packed.flatten() & 15], 1).reshape(weight.shape)
        found = made(weight, kind)
        torch.testing.assert_close(found.values, expected, rtol=1e-6, atol=0)
        book = state.code
        torch.testing.assert_close(book[codes.long()], book[found.codes.long()], rtol=0, atol=0)
        assert found.stored_bytes == packed.numel() + 4 * state.absmax.numel()


def test_hqq_is_as_good_as_the_library(embedded):
    quantizer = pytest.importorskip("hqq.core.quantize").Quantizer
    weight = embedded.model.model.layers[5].mlp.gate_proj.weight.detach()
    for bits in (4, 3, 2):
        packed, meta = quantizer.quantize(
            weight,
            nbits=bits,
            group_size=64,
            axis=1,
            optimize=True,
            device="cpu",
            compute_dtype=torch.float32,
        )
        expected = quantizer.dequantize(packed, meta).float()
        found = made(weight, "hqq", bits=bits)

        def norm(values: torch.Tensor) -> float:
            return float((weight - values).abs().pow(0.7).mean())

        assert norm(found.values) <= 1.03 * norm(expected)
        assert norm(found.values) < norm(made(weight, "rtn", bits=bits).values)


@pytest.fixture(scope="module")
def real(embedded):
    """Three weights of the embedded model and what they see of a text."""
    names = [
        f"model.layers.{layer}.{part}.weight"
        for layer, part in ((2, "self_attn.q_proj"), (12, "mlp.down_proj"), (25, "mlp.up_proj"))
    ]
    from shared import texts

    windows = measure.text_windows(embedded.tokenizer, texts.sample("calibration"), 256, 4).ids
    seen = calibration.collect(embedded.model, windows, names)
    return [(modules.weight_of(embedded.model, name).detach(), seen[name]) for name in names]


@pytest.mark.parametrize("bits", [4, 3])
def test_gptq_and_awq_beat_rounding_where_it_counts(real, bits):
    """On E‖x·ΔWᵀ‖² of real activations, at equal bits."""
    for weight, inputs in real:
        errors = {
            method: output_error(
                weight - made(weight, method, inputs if method != "rtn" else None, bits=bits).values,
                inputs.second_moment,
            )
            for method in ("rtn", "gptq", "awq")
        }
        assert errors["gptq"] < 0.9 * errors["rtn"] and errors["awq"] < errors["rtn"], errors


def test_gptq_without_correlations_is_rounding():
    weight = matrix(8, 128)
    inputs = from_inputs(torch.eye(128).repeat(4, 1) * 128**0.5)
    torch.testing.assert_close(
        made(weight, "gptq", inputs, group=32).values, made(weight, "rtn", group=32).values, rtol=0, atol=1e-6
    )


def test_gptq_over_the_lazy_blocks_equals_the_plain_algorithm():
    """Column by column with every update at once, in float64, also where a group spans two lazy blocks."""
    from quantization.methods import gptq as module

    generator = torch.Generator().manual_seed(3)
    weight = matrix(4, 288, seed=4)
    x = torch.randn(600, 288, generator=generator) @ torch.randn(288, 288, generator=generator) * 0.1
    inputs = from_inputs(x)
    found = made(weight, "gptq", inputs, group=96)
    factor = module.cholesky_of_inverse(module.shrunk(inputs))
    work, values = weight.clone(), torch.zeros_like(weight)
    for column in range(288):
        if column % 96 == 0:
            block = work[:, column : column + 96]
            top, low = block.amax(1).clamp(min=0), block.amin(1).clamp(max=0)
            scale = ((top - low) / 15).half().float()
            zero = (-low / scale).round().clamp(0, 15)
        code = ((work[:, column] / scale).round() + zero).clamp(0, 15)
        values[:, column] = (code - zero) * scale
        error = (work[:, column] - values[:, column]) / factor[column, column]
        work[:, column + 1 :] -= error[:, None] * factor[column, column + 1 :]
    agree = (values - found.values).abs() < 1e-5
    assert agree.float().mean() > 0.97, "ties of float32 rounding aside"
    mine, plain = (output_error(weight - v, inputs.second_moment) for v in (found.values, values))
    assert mine == pytest.approx(plain, rel=0.02)


def test_gptq_lies_between_rounding_and_the_optimum():
    """Brute force over all codes of a 2 × 4 weight at 2 bits."""
    better = 0
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        weight = torch.randn(2, 8, generator=generator)
        inputs = from_inputs(torch.randn(64, 8, generator=generator) @ torch.randn(8, 8, generator=generator))
        weight[:, 4:] = 0  # eight columns, of which four count: 4^4 codes a row
        moment = inputs.second_moment.clone()
        moment[4:, :4] = moment[:4, 4:] = 0
        inputs = Calibration(
            moment, inputs.column_maximum, inputs.column_mean_square, inputs.column_mean_absolute, 64
        )
        nearest, solved = (
            made(weight, "rtn", bits=2, group="row"),
            made(weight, "gptq", inputs, bits=2, group="row"),
        )
        grid = nearest.details["grid"]
        best = 0.0
        for row in range(2):
            levels = [float(grid.scale[row, 0] * (code - grid.zero[row, 0])) for code in range(4)]
            candidates = (torch.tensor([*pick, 0, 0, 0, 0]) for pick in itertools.product(levels, repeat=4))
            best += min(output_error((weight[row] - value)[None], moment) for value in candidates)
        errors = [output_error(weight - one.values, moment) for one in (nearest, solved)]
        assert best <= errors[1] + 1e-5
        better += errors[1] <= errors[0] + 1e-6
    assert better >= 15


def test_awq_at_exponent_zero_is_rounding():
    weight = matrix(8, 128)
    inputs = from_inputs(torch.ones(32, 128))
    found = made(weight, "awq", inputs, group=32)
    torch.testing.assert_close(found.values, made(weight, "rtn", group=32).values, rtol=1e-5, atol=1e-7)
    assert found.stored_bytes == made(weight, "rtn", group=32).stored_bytes + 2 * 128


def test_smoothing_alone_changes_nothing():
    weight, x = matrix(8, 32), torch.randn(20, 32) * torch.linspace(0.1, 30, 32)
    scales = smooth_scales(weight, from_inputs(x), 0.5)
    torch.testing.assert_close((x / scales) @ (weight * scales).T, x @ weight.T, rtol=1e-4, atol=1e-4)


def test_smoothquant_helps_where_activations_have_outliers():
    torch.manual_seed(0)
    weight, x = torch.randn(64, 64) * 0.05, torch.randn(256, 64)
    x[:, 7] *= 80
    inputs, exact = from_inputs(x), x @ weight.T

    def error(alpha: float) -> float:
        layer = activation_linear(made(weight, "smoothquant", inputs, alpha=alpha), None, 8)
        return float((layer(x) - exact).pow(2).mean())

    assert error(0.5) < 0.2 * error(0.0)
    rounded = round_per_token(x, 8)
    assert ((rounded - x).abs() <= x.abs().amax(1, keepdim=True) / 254 + 1e-6).all()


def test_outlier_columns_stay_exact():
    weight, x = matrix(8, 64), torch.randn(50, 64)
    x[:, [3, 40]] = 9.0
    inputs = from_inputs(x)
    found = made(weight, "llm_int8", inputs)
    assert (
        found.details["kept"].tolist() == (x.abs().amax(0) >= 6).nonzero()[:, 0].tolist()
        and 3 in found.details["kept"]
    )
    torch.testing.assert_close(found.values[:, 3], weight[:, 3].half().float(), rtol=0, atol=0)
    everything = made(weight, "llm_int8", inputs, threshold=0.0)
    torch.testing.assert_close(everything.values, weight.half().float(), rtol=0, atol=0)
    nothing = made(weight, "llm_int8", inputs, threshold=1e9)
    torch.testing.assert_close(nothing.values, made(weight, "absmax").values, rtol=0, atol=0)
    layer = activation_linear(everything, None, 8)
    torch.testing.assert_close(layer(x), x @ weight.half().float().T, rtol=1e-5, atol=1e-5)


def test_calibration_sees_what_the_layers_see(embedded):
    text = "One two three four five six seven eight nine ten. " * 20
    windows = measure.text_windows(embedded.tokenizer, text, 16, 3).ids
    names = [
        "model.layers.1.self_attn.q_proj.weight",
        "model.layers.1.self_attn.v_proj.weight",
        "model.layers.1.mlp.down_proj.weight",
    ]
    seen = calibration.collect(embedded.model, windows, names)
    caught = []
    hook = embedded.model.model.layers[1].mlp.down_proj.register_forward_pre_hook(
        lambda module, inputs: caught.append(inputs[0][0])
    )
    with torch.no_grad():
        for window in windows:
            embedded.model(window[None])
    hook.remove()
    x = torch.cat(caught).double()
    found = seen[names[2]]
    assert found.tokens == 48 == len(x)
    torch.testing.assert_close(found.second_moment, (x.T @ x / 48).float(), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found.column_mean_absolute, x.abs().mean(0).float(), rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(found.column_maximum, x.abs().amax(0).float(), rtol=1e-4, atol=1e-7)
    assert seen[names[0]].second_moment is seen[names[1]].second_moment, "queries and values see the same"


def test_calibrations_at_the_same_time_do_not_hear_each_other(tiny_gguf):
    sizes = (8, 12)
    texts = [
        torch.randint(0, 400, (count, 16), generator=torch.Generator().manual_seed(count)) for count in sizes
    ]
    alone = [calibration.collect(tiny_gguf.model, windows) for windows in texts]
    together = at_once(
        *(lambda windows=windows: calibration.collect(tiny_gguf.model, windows) for windows in texts)
    )
    for count, one, other in zip(sizes, alone, together, strict=True):
        for name, found in other.items():
            assert found.tokens == 16 * count and torch.equal(found.second_moment, one[name].second_moment)


def test_products_are_kept_only_where_they_are_asked_for(tiny_gguf):
    """The rest is the same to the last bit, so that a row does not depend on the others of its comparison."""
    windows = torch.randint(0, 400, (2, 16), generator=torch.Generator().manual_seed(0))
    full = calibration.collect(tiny_gguf.model, windows)
    lean = formats.Calibration(windows)
    for name, found in lean.moments(tiny_gguf, False).items():
        assert found.second_moment is None
        for field in ("column_mean_square", "column_maximum", "column_mean_absolute"):
            assert torch.equal(getattr(found, field), getattr(full[name], field))
    assert lean.moments(tiny_gguf, False) is lean.moments(tiny_gguf, False)
    assert all(
        torch.equal(found.second_moment, full[name].second_moment)
        for name, found in lean.moments(tiny_gguf, True).items()
    )
    assert {name for name in METHODS if METHODS[name].needs_products} == {"gptq", "awq"}


@pytest.mark.parametrize("method", [name for name, method in METHODS.items()])
def test_awkward_weights(method):
    """Zeros, constants and one huge outlier give finite values; what is not finite is refused."""
    inputs = from_inputs(torch.randn(80, 64))
    for weight in (torch.zeros(4, 64), torch.full((4, 64), -0.7), torch.full((4, 64), 1e-9)):
        found = made(weight, method, inputs)
        assert (
            torch.isfinite(found.values).all()
            and (found.values - weight).abs().max() <= 0.05 * weight.abs().max() + 1e-7
        )
    outlier = torch.ones(4, 64) * 0.01
    outlier[2, 5] = 1e4
    assert torch.isfinite(made(outlier, method, inputs).values).all()
    outlier[0, 0] = float("nan")
    with pytest.raises(VisitorError, match="not finite"):
        made(outlier, method, inputs)


@pytest.mark.parametrize(
    ("method", "settings", "sentence"),
    [
        ("magic", {}, "no method"),
        ("rtn", {"bits": 1}, "bits is 1"),
        ("rtn", {"bits": 4.5}, "bits is 4.5"),
        ("rtn", {"bits": True}, "bits is True"),
        ("rtn", {"group": "column"}, "group is column"),
        ("rtn", {"depth": 2}, "no setting"),
        ("gptq", {"act_order": "yes"}, "act_order"),
        ("rtn", {"clip": 0}, "clip is 0"),
        ("rtn", {"bits": 10**400}, "bits is 1000"),
        ("rtn", {"clip": float("nan")}, "clip is nan"),
    ],
)
def test_settings_are_checked(method, settings, sentence):
    with pytest.raises(VisitorError, match=sentence):
        check_settings(method, settings)


def test_what_a_shape_cannot_hold_is_said():
    with pytest.raises(VisitorError, match="Groups of 128 do not divide rows of 576"):
        made(torch.ones(2, 576), "rtn", group=128)
    with pytest.raises(VisitorError, match="no linear layer"):
        made(torch.ones(2, 64), "gptq")


def test_own_model_replaces_every_linear_layer(tiny_gguf):
    from quantization.methods.model import own_model

    before = {name: parameter.clone() for name, parameter in tiny_gguf.model.named_parameters()}
    found = own_model(tiny_gguf, "rtn", check_settings("rtn", {"bits": 3, "group": 32}), None)
    assert [tensor.name for tensor in found.tensors] == modules.linear_names(tiny_gguf.model)
    for name, parameter in tiny_gguf.model.named_parameters():
        assert torch.equal(parameter, before[name])
    weight = before["model.layers.0.mlp.up_proj.weight"]
    expected = made(weight, "rtn", bits=3, group=32).values
    assert torch.equal(found.model.get_parameter("model.layers.0.mlp.up_proj.weight"), expected)
