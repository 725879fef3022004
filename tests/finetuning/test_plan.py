"""The memory planner: counts against peft and torch, peaks against measured ones."""

from __future__ import annotations

import json

import pytest

from shared.errors import VisitorError
from shared.suite import load_app
from tests import zoo

load_app("finetuning")
from finetuning import plan as planning
from finetuning.lora import adapted
from finetuning.plan import METHODS, PlanRequest, fits, peak, plan, shape_of
from finetuning.train_request import TrainRequest

EMBEDDED = planning.Shape(134_515_008, 106_168_320, 2_442_240, 30, 30, 576, 1536, 49_152)
"""SmolLM2-135M with adapters of rank 8 in all linear layers."""

MEASURED = [
    ("lora", 4, False, 993),
    ("lora", 8, False, 1909),
    ("lora", 8, True, 759),
    ("full", 4, False, 2098),
]
"""Peak of the process over the loaded model's weights, MB of 10⁶ bytes: method, rows of 128 tokens,
checkpointing; float32 on two x86-64 cores, torch 2.13.0, 2026-11-26.
"""


@pytest.mark.parametrize("name", ["llama3", "qwen3", "gpt2", "phi3", "gemma2"])
def test_parameters_are_those_that_peft_trains(name):
    asked = PlanRequest.parse(model=str(zoo.folder(name)), rank=3, layers=2)
    shape = shape_of(planning.empty(asked.model), asked)
    loaded = zoo.opened(name)
    request = TrainRequest.parse(model=asked.model, rank=3, layers=2)
    trained = sum(value.numel() for value in adapted(loaded, request).parameters.values())
    assert shape.adapter == trained
    assert shape.parameters == sum(value.numel() for value in loaded.model.parameters())


@pytest.mark.parametrize(("method", "rows", "checkpointing", "measured"), MEASURED)
def test_peaks_are_those_that_were_measured(method, rows, checkpointing, measured):
    whole = peak(EMBEDDED, method, "float32", 128 * rows, checkpointing=checkpointing)
    over = whole - 4 * EMBEDDED.parameters
    assert over / 1e6 == pytest.approx(measured, rel=0.06)


def test_the_largest_batch_is_the_largest():
    asked = PlanRequest(dtype="float32")
    for method in METHODS:
        for card in planning.CARDS:
            rows = fits(EMBEDDED, asked, method, card, 1024)
            room = planning.FREE * card * 1e9
            assert peak(EMBEDDED, method, "float32", 1024 * rows, checkpointing=False) <= room
            assert peak(EMBEDDED, method, "float32", 1024 * (rows + 1), checkpointing=False) > room


def test_qlora_saves_weights_and_not_activations():
    answer = plan(PlanRequest.parse(model=str(zoo.folder("llama3"))))
    full, lora, qlora = answer["methods"]
    assert qlora["weights"] < lora["weights"] == full["weights"] and qlora["a_token"] == lora["a_token"]
    assert [one["card"] for one in lora["fits"]] == [8, 16, 24, 80]


def test_layers_that_are_not_there_are_refused():
    with pytest.raises(VisitorError, match="no layer called mlp"):
        plan(PlanRequest.parse(model=str(zoo.folder("gpt2")), targets="mlp"))


@pytest.mark.parametrize("change", [{"num_hidden_layers": 1_001}, {"num_hidden_layers": 10**9}])
def test_a_configuration_of_too_many_layers_is_not_built(change, tmp_path):
    """Only config.json is read, so weights that it does not have bound nothing."""
    config = json.loads((zoo.folder("llama3") / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "config.json").write_text(json.dumps({**config, **change}), encoding="utf-8")
    with pytest.raises(VisitorError, match="num_hidden_layers by its config"):
        plan(PlanRequest.parse(model=str(tmp_path)))


@pytest.mark.parametrize("name", zoo.names())
def test_every_model_has_a_plan_or_a_reason(name):
    """With numbers of its own; what has no blocks or widths of that kind is refused in two sentences."""
    try:
        answer = plan(PlanRequest.parse(model=str(zoo.folder(name))))
    except VisitorError as error:
        assert error.what and error.remedy
        return
    assert answer["parameters"] == sum(value.numel() for value in zoo.opened(name).model.parameters())
