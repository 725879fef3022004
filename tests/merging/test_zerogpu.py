"""The merging Space on emulated ZeroGPU: a forked worker measures, mergekit runs beside it, and refusals are
friendly.
"""

from __future__ import annotations

import pytest
from gradio_client.exceptions import AppError

from tests.shared import zerogpu

SMALL = """
from merging import comparison, explore
explore.LEVELS = explore.LINE_LEVELS = (1,)
comparison.COOKING, comparison.OTHER = comparison.COOKING[:3], comparison.OTHER[:3]
comparison.ANSWER_TOKENS = 6
"""
LINE = {"origin": "HuggingFaceTB/SmolLM2-135M-Instruct", "others": ["pirate"]}
RECIPE = """merge_method: task_arithmetic
base_model: HuggingFaceTB/SmolLM2-135M-Instruct
models:
- model: pirate
  parameters: {weight: 0.8}
dtype: float32
"""


@pytest.fixture(scope="module")
def emulated(embedded, tmp_path_factory):
    with zerogpu.emulated(
        "merging",
        tmp_path_factory.mktemp("zerogpu"),
        f"import sys; sys.path.insert(0, 'spaces/merging')\n{SMALL}",
    ) as found:
        yield found


def test_measures_a_merge_in_a_forked_worker(emulated):
    scheduler, server, client = emulated
    scheduler.answer = "ok"
    answer = client.predict(recipe=RECIPE, prompts=["Who are you?"], api_name="/compare")
    assert [model["role"] for model in answer["models"]] == ["base", "parent", "child"] and answer["done"]
    assert scheduler.allowed and all(pid != server.process.pid for pid in scheduler.allowed)
    assert int(scheduler.scheduled[-1]["durationSeconds"]) == 40 + 20 * 3 + 2


def test_measures_a_line_and_asks_for_its_points(emulated):
    scheduler, _, client = emulated
    scheduler.answer = "ok"
    answer = client.predict(**LINE, api_name="/explore")
    assert [point["weights"] for point in answer["points"]] == [[0.0], [1.0]]
    assert int(scheduler.scheduled[-1]["durationSeconds"]) == 40 + 2 * 2


@pytest.mark.parametrize(("answer", "sentence"), zerogpu.REFUSALS)
def test_says_why_there_is_no_gpu(emulated, answer, sentence):
    scheduler, _, client = emulated
    scheduler.answer = answer
    with pytest.raises(AppError, match=sentence):
        client.predict(**LINE, api_name="/explore")
    scheduler.answer = "ok"


def test_a_bad_request_takes_no_gpu_seconds(emulated):
    scheduler, _, client = emulated
    before = len(scheduler.scheduled)
    with pytest.raises(AppError, match="twice"):
        client.predict(origin="pirate", others=["pirate"], api_name="/explore")
    with pytest.raises(AppError, match="goal is"):
        client.predict(**LINE, goal="fame", api_name="/evolve")
    with pytest.raises(AppError, match="no method"):
        client.predict(recipe="merge_method: x\nmodels:\n- model: pirate", api_name="/compare")
    assert len(scheduler.scheduled) == before
