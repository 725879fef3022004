"""GPU seconds: no measurement is above what the constants say, and what is asked for grows with the work."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from shared import gpu, models
from shared.embedded_model import EMBEDDED_PARAMETERS
from shared.errors import VisitorError

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


def refusal(monkeypatch, answer: Any, token: str | None = None, **meta: Any) -> str:
    """What a visitor reads when the scheduler answers so: the words are those of the installed `spaces`."""
    from spaces.zero import api, client

    told = (answer, api.ScheduleMetadata(**meta))
    monkeypatch.setattr(client, "api_client", lambda: SimpleNamespace(schedule=lambda **_: told))
    monkeypatch.setattr(client.utils, "self_cgroup_device_path", lambda: "/test")
    headers = httpx.Headers({"x-gradio-user": "app", **({"x-ip-token": token} if token else {})})

    @gpu.on_gpu(duration=lambda: 60)
    def run() -> Any:
        client.schedule(1, SimpleNamespace(headers=headers), timedelta(seconds=60))
        yield None

    with pytest.raises(VisitorError) as refused:
        next(run())
    return str(refused.value)


def quota(left: int, wait: timedelta) -> Any:
    from spaces.zero import api

    return api.QuotaInfos(left=left, wait=wait)


WAIT = timedelta(hours=13, minutes=22, seconds=46)
ASKED = "The run asks for 60 s of GPU, and 12 s of your quota are left."


@pytest.mark.filterwarnings("ignore:Error while decoding")
@pytest.mark.parametrize(
    ("answer", "meta", "said"),
    [
        (
            quota(12, WAIT),
            {"auth": "regular"},
            f"{ASKED} Ask for less, or try again in 13:22:46 (hours, minutes, seconds).",
        ),
        (
            quota(12, WAIT),
            {"auth": "pro"},
            f"{ASKED} Ask for less, or try again in 13:22:46 (hours, minutes, seconds).",
        ),
        (
            quota(12, WAIT),
            {},
            f"{ASKED} Ask for less, or sign in to huggingface.co, which gives more, and open the Space "
            "there, or try again in 13:22:46 (hours, minutes, seconds).",
        ),
        (
            quota(3, timedelta(days=1)),
            {"auth": "regular"},
            "The run asks for 60 s of GPU, and 3 s of your quota are left. Try again in 1 day, 0:00:00 "
            "(hours, minutes, seconds).",
        ),
        (quota(0, timedelta(0)), {"auth": "regular"}, "You have used up your GPU runs for this period."),
        (
            quota(0, timedelta(seconds=-1)),
            {},
            "The run asks for 60 s of GPU, more than one call may have. Ask for less in one run.",
        ),
        (quota(0, WAIT), {"approve_result": "pending-overquota-exceeded"}, "tied up in runs"),
        (httpx.codes.UNAUTHORIZED, {}, "Reload the page and try again."),
        (httpx.codes.SERVICE_UNAVAILABLE, {}, "ZeroGPU has no free GPU at the moment."),
    ],
)
def test_what_zero_gpu_refuses_is_said_with_advice_that_fits(monkeypatch, answer, meta, said):
    assert said in refusal(monkeypatch, answer, "header.e30.sign", **meta)


def test_a_queue_that_gave_up_is_no_used_up_quota(monkeypatch):
    from spaces.zero import api

    for token in (None, "header.e30.sign"):
        queue = iter([api.QueueEvent(event="failed")])
        assert "no free GPU for a minute" in refusal(monkeypatch, queue, token)
    assert "calls from outside" in refusal(monkeypatch, quota(12, WAIT))


def test_the_button_says_what_zero_gpu_counts(monkeypatch):
    from spaces.zero import config

    faster = {**config.get_config(), "duration_factor": 1.5}
    monkeypatch.setattr(config, "get_config", lambda: faster)
    assert gpu.charged(20) == 20
    monkeypatch.setattr(gpu, "on_zero_gpu", lambda: True)
    assert gpu.charged(20) == 30
