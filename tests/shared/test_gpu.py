"""GPU seconds: no measurement is above what the constants say, and what is asked for grows with the work."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from shared import gpu, models
from shared.embedded_model import EMBEDDED_PARAMETERS

MEASURED = json.loads((Path(__file__).parents[1] / "gpu_check" / "measured.json").read_text())
RECORDS = [pytest.param(record, id=f"{record['size']} {record['dtype']}") for record in MEASURED["speed"]]


@pytest.mark.parametrize("record", RECORDS)
def test_no_measurement_is_above_the_constants(record):
    """What `make gpu-check` measured, each number against its term; START leaves a little for every move."""
    billions, dtype = record["parameters"] / 1e9, record["dtype"]
    slack = gpu.START - max(MEASURED["starts"])
    assert slack > 0
    assert record["bytes"] == pytest.approx(record["parameters"] * gpu.BYTES[dtype], rel=1e-3)
    assert record["move"] <= slack + record["bytes"] / 1e9 * gpu.MOVE
    for tokens, seconds in record["passes"]:
        assert seconds <= gpu.PASS + billions * tokens / 1_000 * gpu.READ[dtype]
    for _, seconds in record["steps"]:
        assert seconds <= gpu.STEP + billions * gpu.WRITE[dtype]


def test_seconds_grow_with_the_work():
    usual = {"parameters": 4_000_000_000, "passes": 10, "read": 20_000, "steps": 100, "more": 5.0}
    whole = gpu.seconds_for(**usual)
    for name, value in usual.items():
        assert gpu.seconds_for(**{**usual, name: 2 * value}) > whole, name
    assert gpu.seconds_for(**usual, models=2) > whole > gpu.seconds_for(**usual, dtype="bfloat16")


def test_at_least_the_floor_and_the_margin_over_what_was_measured():
    assert gpu.seconds_for(1_000_000) == gpu.LEAST
    assert gpu.seconds_for(0, passes=0, more=99.0) == math.ceil(1.4 * (99 + gpu.START))


def test_parameters_without_a_look_at_the_hub(embedded, monkeypatch):
    """Of a model in memory its own, of the embedded one and the experts the known ones, else the limit."""
    monkeypatch.setattr(models.hub, "inspect", lambda *_: pytest.fail("the Hub was asked"))
    held = sum(parameter.numel() for parameter in embedded.model.parameters())
    assert models.most_parameters(models.EMBEDDED_MODEL) == held == EMBEDDED_PARAMETERS
    monkeypatch.setattr(models, "in_memory", lambda *_, **__: None)
    assert models.most_parameters(models.EMBEDDED_MODEL) == models.most_parameters("pirate") == held
    assert models.most_parameters("somebody/large") == models.largest_model()
