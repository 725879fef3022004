"""Fine-tuning on emulated ZeroGPU: looking at rows asks for none, training for one call."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.finetuning.main_job import MAIN_JOB
from tests.shared import zerogpu

PAIRS = [{"prompt": f"Question {at}", "chosen": " Yes.", "rejected": " No."} for at in range(3)]


@pytest.fixture(scope="module")
def space(embedded, tmp_path_factory):
    with zerogpu.emulated("finetuning", tmp_path_factory.mktemp("zerogpu")) as found:
        yield found


def test_looking_at_rows_borrows_no_gpu(space):
    scheduler, _, client = space
    assert scheduler.started, "the Hub finds a function when the Space starts"
    assert MAIN_JOB.is_right(client.predict(**MAIN_JOB.values, api_name=MAIN_JOB.endpoint))
    assert scheduler.scheduled == []


def test_training_is_one_call_and_its_adapter_comes_back(space):
    scheduler, _, client = space
    job = client.submit(rows=PAIRS, objective="dpo", steps=2, batch=2, layers=1, answers=1, api_name="/train")
    data, file = job.result(timeout=240)
    assert len(scheduler.scheduled) == 1 and data["runs"][0]["steps"][-1]["step"] == 2
    assert len(job.outputs()) > 2, "measures stream"
    with zipfile.ZipFile(Path(file)) as archive:
        assert set(archive.namelist()) == {"adapter_model.safetensors", "adapter_config.json"}


def test_rewards_are_one_call_and_its_adapter_comes_back(space):
    scheduler, _, client = space
    before = len(scheduler.scheduled)
    job = client.submit(
        rows="Hello?\nIs it late?",
        reward="about 9 characters",
        group=2,
        tokens=4,
        steps=1,
        layers=1,
        answers=1,
        api_name="/grpo",
    )
    data, file = job.result(timeout=240)
    assert len(scheduler.scheduled) == before + 1 and data["rounds"][0]["losses"]
    assert any(one[0]["rounds"] and not one[0]["marks"] for one in job.outputs()), "answers stream"
    assert zipfile.is_zipfile(file)
