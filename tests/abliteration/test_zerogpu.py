"""The abliteration Space on emulated ZeroGPU: a forked worker, the seconds that a room asks for, and friendly
refusals.
"""

from __future__ import annotations

import pytest
import torch
from gradio_client.exceptions import AppError

from tests import zoo
from tests.abliteration.test_api import COOKING, OTHER
from tests.shared import zerogpu
from tests.zoo import folders

ASKED = {"positive": COOKING[:6], "negative": OTHER[:6], "layer": 1}
"""Of a model that takes no time: whose process does what, and for how long it asks, is the same for all."""


SAYS_WHO_LOADS = """
import os
from shared import models
load = models._load
models._load = lambda *given: print("loaded by", os.getpid(), flush=True) or load(*given)
"""


@pytest.fixture(scope="module")
def emulated(embedded, tmp_path_factory):
    with zerogpu.emulated("abliteration", tmp_path_factory.mktemp("zerogpu"), SAYS_WHO_LOADS) as found:
        yield found


def test_finds_in_a_forked_worker_for_its_seconds(emulated):
    scheduler, server, client = emulated
    scheduler.answer = "ok"
    answer = client.predict(model=str(zoo.folder("llama3")), **ASKED, api_name="/find_direction")
    assert answer["choice"]["layer"] == 1 and len(answer["layers"]) == 3
    assert scheduler.allowed and all(pid != server.process.pid for pid in scheduler.allowed)
    assert int(scheduler.scheduled[-1]["durationSeconds"]) == 60
    loads = [line for line in server.log if line.startswith("loaded by")]
    assert loads == [f"loaded by {server.process.pid}\n"], (
        "a worker loaded the model: it costs seconds of the GPU, and is lost with it"
    )


def test_chats_in_a_forked_worker(emulated):
    scheduler, server, client = emulated
    scheduler.answer = "ok"
    scheduler.allowed.clear()
    direction = {"model": str(zoo.folder("llama3")), **ASKED}
    asked = {"messages": ["Hi."], "reply_tokens": 3, "second": {**direction, "strength": 0.5}}
    answer = client.predict(direction=direction, **asked, api_name="/chat")
    assert answer["turns"][0]["done"] and answer["turns"][0]["second"]["tokens"] > 0
    assert scheduler.allowed and all(pid != server.process.pid for pid in scheduler.allowed)
    assert int(scheduler.scheduled[-1]["durationSeconds"]) == 91, "40, 25 an edit, .05 a token"


@pytest.mark.parametrize(("answer", "sentence"), zerogpu.REFUSALS)
def test_says_why_there_is_no_gpu(emulated, answer, sentence):
    scheduler, _, client = emulated
    scheduler.answer = answer
    with pytest.raises(AppError, match=sentence):
        client.predict(model=str(zoo.folder("llama3")), **ASKED, api_name="/find_direction")
    scheduler.answer = "ok"


def test_two_models_are_compared_without_a_gpu_and_answer_with_one(emulated, tmp_path):
    scheduler, server, client = emulated
    scheduler.answer = "ok"
    before = len(scheduler.scheduled)
    chance, weights = torch.Generator().manual_seed(0), folders.copy("llama3", tmp_path)
    trained = {
        name: weight + 0.1 * torch.randn(weight.shape, generator=chance) for name, weight in weights.items()
    }
    folders.save_tensors(trained, tmp_path)
    asked = {"base": str(zoo.folder("llama3")), "edited": str(tmp_path), "scope": "writes"}
    answer = client.predict(**asked, api_name="/forensics")
    assert answer["verdict"]["kind"] == "other" and len(scheduler.scheduled) == before
    scheduler.allowed.clear()
    answer = client.predict(**asked, measured=True, contrast="alarming", api_name="/forensics")
    assert answer["measures"]["behaviour"]["positive"]["edited"]["refused"]["of"] > 0
    assert int(scheduler.scheduled[-1]["durationSeconds"]) == 90 and len(scheduler.scheduled) == before + 1
    assert scheduler.allowed and all(pid != server.process.pid for pid in scheduler.allowed)


def test_a_bad_request_takes_no_gpu_seconds(emulated):
    scheduler, _, client = emulated
    before = len(scheduler.scheduled)
    for values, sentence in (
        ({"positive": ["x"], "negative": OTHER}, "one prompt"),
        ({**ASKED, "layer": 30}, "layer is 30"),
    ):
        with pytest.raises(AppError, match=sentence):
            client.predict(**values, api_name="/find_direction")
    with pytest.raises(AppError, match="layer is 30"):
        client.predict(layer=30, api_name="/truth_bench")
    assert len(scheduler.scheduled) == before
