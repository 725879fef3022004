"""`/decode` on emulated ZeroGPU: a forked worker, the duration asked for, and what a visitor reads when there
is no GPU.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from decoding import presets
from decoding.pair.request import PairRequest
from decoding.request import Request
from decoding.speculative.request import Request as SpeculativeRequest
from decoding_rooms import pair as pair_room
from decoding_rooms import speculative
from decoding_rooms.decode import seconds
from shared import gpu, models
from tests.shared import zerogpu

MEASURED = Path(__file__).parents[1] / "gpu_check" / "measured.json"
MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"


@pytest.fixture(scope="module")
def emulated(embedded, tmp_path_factory):
    with zerogpu.emulated("decoding", tmp_path_factory.mktemp("zerogpu")) as found:
        yield found


def call(client: Client, **values):
    return client.predict(
        **{"prompt": "Once upon a", "strategies": [{}, {"num_beams": 2}], "max_new_tokens": 4} | values,
        api_name="/decode",
    )


def test_decodes_in_a_forked_worker(emulated, embedded):
    scheduler, server, client = emulated
    scheduler.answer = "ok"
    trace = call(client)
    assert scheduler.started
    assert scheduler.allowed
    assert all(pid != server.process.pid for pid in scheduler.allowed)
    inputs = embedded.tokenizer("Once upon a", return_tensors="pt")
    expected = embedded.model.generate(**inputs, do_sample=False, max_new_tokens=4)[
        0, inputs["input_ids"].shape[1] :
    ].tolist()
    assert trace["runs"][0]["sequences"][0]["token_ids"] == expected
    assert trace["provenance"]["device"] == "cpu"
    assert scheduler.released >= 1


def test_a_constraint_is_obeyed_in_a_forked_worker(emulated):
    """Its check takes no GPU seconds; the worker has llguidance's vocabulary from its parent."""
    scheduler, server, client = emulated
    scheduler.answer = "ok"
    values = {"strategies": [{}], "max_new_tokens": 12, "constraint": "regex"}
    trace = call(client, **values, constraint_text=" (time|day), [a-z]{2,4}[.]")
    assert scheduler.allowed[-1] != server.process.pid
    assert trace["runs"][0]["sequences"][0]["obeyed"]["status"] == "complete"
    asked = Request.parse(prompt="Once upon a", constraint_text="a", **values)
    assert int(scheduler.scheduled[-1]["durationSeconds"]) == seconds(asked)
    before = len(scheduler.scheduled)
    with pytest.raises(AppError, match="unclosed group"):
        call(client, **values, constraint_text="(a")
    assert len(scheduler.scheduled) == before


def test_asks_for_the_declared_duration(emulated):
    """The scheduler refuses here, so that nothing is computed."""
    scheduler, _, client = emulated
    scheduler.answer = "busy"
    for tokens, beams in ((4, 2), (128, 8)):
        strategies = [{"num_beams": beams}] * 4
        with pytest.raises(AppError):
            call(client, strategies=strategies, max_new_tokens=tokens)
        request = Request.parse(prompt="Once upon a", strategies=strategies, max_new_tokens=tokens)
        assert int(scheduler.scheduled[-1]["durationSeconds"]) == seconds(request)
    assert seconds(request) > gpu.LEAST


def test_two_models_are_compared_in_a_forked_worker(emulated):
    """Both are in the server's memory, rounded there; one worker reads and writes with both."""
    scheduler, server, client = emulated
    scheduler.answer = "ok"
    values = {"prompt": "Once upon a", "rounding": "Q8_0", "max_new_tokens": 3}
    pair = client.predict(**values, api_name="/compare_models")
    assert all(pid != server.process.pid for pid in scheduler.allowed)
    assert len(pair["texts"][0]["steps"]) == 3 and pair["models"][1]["source"].endswith("rounded to Q8_0")
    asked = pair_room.seconds(PairRequest.parse(**values))
    assert int(scheduler.scheduled[-1]["durationSeconds"]) == asked
    before = len(scheduler.scheduled)
    with pytest.raises(AppError, match="beam 2 is not how two models are compared"):
        client.predict(**values, strategy={"num_beams": 2}, api_name="/compare_models")
    assert len(scheduler.scheduled) == before


def test_asks_for_more_than_its_example_took(monkeypatch):
    """The example with three strategies, as `make gpu-check` timed it on every size; without the floor."""
    request = presets.example_request("lighthouse")
    assert request.max_new_tokens <= 24  # as it was timed
    monkeypatch.setattr(gpu, "LEAST", 0)
    timed = [record for record in json.loads(MEASURED.read_text())["speed"] if "decoding" in record["jobs"]]
    assert len(timed) >= 8
    for record in timed:
        monkeypatch.setattr(models, "most_parameters", lambda _, record=record: record["parameters"])
        assert seconds(request) >= gpu.MARGIN * record["jobs"]["decoding"]


@pytest.mark.parametrize(
    ("answer", "sentence"),
    zerogpu.REFUSALS,
)
def test_says_why_there_is_no_gpu(emulated, answer, sentence):
    scheduler, _, client = emulated
    scheduler.answer = answer
    with pytest.raises(AppError, match=sentence):
        call(client)
    scheduler.answer = "ok"
    assert call(client)["done"]  # and the app goes on


def test_a_speculative_run_in_a_forked_worker(emulated):
    scheduler, server, client = emulated
    scheduler.answer = "ok"
    values = {"prompt": "one, two, one, two, one,", "draft": "layers", "layers": 20, "max_new_tokens": 4}
    result = client.predict(**values, api_name="/speculate")
    assert result["done"] and len(result["tokens"]) == 4
    assert scheduler.allowed[-1] != server.process.pid
    asked = speculative.seconds(SpeculativeRequest.parse(**values))
    assert int(scheduler.scheduled[-1]["durationSeconds"]) == asked


def test_what_a_draft_cannot_do_takes_no_gpu_seconds(emulated):
    scheduler, _, client = emulated
    before = len(scheduler.scheduled)
    for values, sentence in (({"draft": "layers", "layers": 30}, "30 layers"), ({"draft": "model"}, "draft")):
        with pytest.raises(AppError, match=sentence):
            client.predict(prompt="a", **values, api_name="/speculate")
    assert len(scheduler.scheduled) == before


def test_a_bad_request_takes_no_gpu_seconds(emulated):
    scheduler, _, client = emulated
    before = len(scheduler.scheduled)
    with pytest.raises(AppError, match="prompt is empty"):
        call(client, prompt="")
    assert len(scheduler.scheduled) == before


def test_an_error_inside_the_worker_keeps_its_sentence(emulated):
    """The prompt's length is known only once it is tokenized; the sentence must cross the fork."""
    _, _, client = emulated
    with pytest.raises(AppError, match="tokens"):
        call(client, prompt="word " * 1500)


def test_the_button_states_the_cost(emulated):
    import urllib.request

    page = urllib.request.urlopen(emulated[1].url + "/config").read().decode()
    assert "s of GPU" in page
