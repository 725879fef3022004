"""The weight lab: blocks in a turned basis, and what it remembers of a model."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import pytest

from quantization import effect, lab, modules
from quantization.methods.awq import output_error
from quantization.request import LabRequest
from shared import limits
from shared.cache import Cache, size_of
from shared.errors import VisitorError
from tests.quantization.conftest import small_llama

TENSOR = "model.layers.0.mlp.down_proj.weight"


def request_of(**values):
    return LabRequest.parse(**{"tensor": TENSOR, "settings": {"group": 32}, **values})


@pytest.mark.parametrize("method", ["rtn", "gptq", "Q4_0"])
def test_a_block_of_a_rotated_weight_is_the_one_that_the_figure_shows(tiny_gguf, method):
    request = request_of(method=method, rotation=True)
    shown = effect.look(tiny_gguf, replace(request, compare=False))
    first = shown["blocks"][0]
    again = effect.look_at_block(tiny_gguf, request, first["row"], first["block"])
    assert again["weights"] == first["weights"] and again["codes"] == first["codes"]
    plain = effect.look_at_block(tiny_gguf, replace(request, rotation=False), first["row"], first["block"])
    assert plain["weights"] != first["weights"]
    found = effect.adjusted(tiny_gguf, request)
    assert found["kld"] == shown["summary"]["kld"] and found["mse"] == shown["summary"]["mse"]


def test_what_scales_single_columns_is_refused_in_a_turned_basis(tiny_gguf):
    for ask in (effect.look, effect.adjusted):
        with pytest.raises(VisitorError, match="a rotation mixes"):
            ask(tiny_gguf, request_of(method="awq", rotation=True))


def test_nothing_keeps_a_model_that_is_no_longer_loaded():
    loaded = small_llama()
    effect.adjusted(loaded, request_of())
    assert loaded.model in effect._bases and loaded.model in effect._inputs
    model = weakref.ref(loaded.model)
    del loaded
    gc.collect()
    assert model() is None


def test_the_inputs_of_a_few_layers_are_remembered(tiny_gguf, monkeypatch):
    one = size_of(effect.inputs_of(tiny_gguf, modules.linear_names(tiny_gguf.model)[0]))
    monkeypatch.setitem(effect._inputs, tiny_gguf.model, Cache(2 * one))
    names = modules.linear_names(tiny_gguf.model)[:4]
    found = [effect.inputs_of(tiny_gguf, name) for name in names]
    assert effect.inputs_of(tiny_gguf, names[-1]) is found[-1] and len(effect._inputs[tiny_gguf.model]) == 2


def test_a_large_model_is_refused_on_a_cpu(tiny_gguf, monkeypatch):
    monkeypatch.setattr(limits, "MAX_QUANTIZED_PARAMETERS_CPU", 1_000)
    for ask in (effect.look, effect.adjusted, lambda *rest: effect.look_at_block(*rest, 0, 0)):
        with pytest.raises(VisitorError, match="million parameters"):
            ask(tiny_gguf, request_of())


def test_a_weight_turned_and_turned_back_is_itself(tiny_gguf):
    weight, inputs = effect.weigh(tiny_gguf, request_of())
    turned, moved, turn = lab.rotate(weight, "gptq", inputs, 0)
    assert (lab.turned_back(turned, turn) - weight).abs().max() < 1e-6
    # The layer's outputs have the same energy in both bases.
    assert output_error(weight, inputs.second_moment) == pytest.approx(
        output_error(turned, moved.second_moment), rel=1e-4
    )
