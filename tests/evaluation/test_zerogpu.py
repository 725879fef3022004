"""Evaluation on emulated ZeroGPU: one call for all models, none for a plan."""

from __future__ import annotations

import pytest

from tests import zoo
from tests.evaluation.main_job import MAIN_JOB
from tests.shared import zerogpu


@pytest.fixture(scope="module")
def space(embedded, tmp_path_factory):
    with zerogpu.emulated("evaluation", tmp_path_factory.mktemp("zerogpu")) as found:
        yield found


def test_a_plan_borrows_no_gpu_and_models_are_asked_in_one_call(space):
    scheduler, _, client = space
    assert scheduler.started, "the Hub finds a function when the Space starts"
    client.predict(items=50, api_name="/power")
    assert scheduler.scheduled == []
    assert MAIN_JOB.is_right(client.predict(**MAIN_JOB.values, api_name="/evaluate"))
    assert len(scheduler.scheduled) == 1
    models = [str(zoo.folder("llama3")), f"{zoo.folder('llama3')}@Q4_0"]
    job = client.submit(**{**MAIN_JOB.values, "models": models}, api_name="/compare")
    data = job.result(timeout=240)
    assert len(scheduler.scheduled) == 2 and data["done"] and len(data["differences"]) == 2
    assert len(job.outputs()) > 1, "numbers stream"
    forms = {"models": models[:1], "items": MAIN_JOB.values["items"], "variants": ["plain", "lettered"]}
    data = client.predict(**forms, draws=1, api_name="/fragile")
    assert len(scheduler.scheduled) == 3 and data["done"] and len(data["forms"]) == 2
    pairs = {"models": models, "prompts": ["What is the sea?"], "judge": models[0], "tokens": 4}
    data = client.predict(**pairs, api_name="/judge")
    assert len(scheduler.scheduled) == 4 and data["done"] and data["judge"] == "llama3"
    data = client.predict(models=models, limit=2, tokens=4, api_name="/run_task")
    assert len(scheduler.scheduled) == 5 and data["done"] and len(data["documents"]) == 2
