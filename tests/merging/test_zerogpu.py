"""The merging Space on emulated ZeroGPU: a forked worker measures, mergekit runs beside it, and refusals are
friendly.
"""

from __future__ import annotations

import pytest
from gradio_client.exceptions import AppError

from shared import gpu
from shared.embedded_model import EMBEDDED_PARAMETERS
from tests.shared import zerogpu

SMALL = """
from merging import blend, carriers, comparison, explore
explore.LEVELS = explore.LINE_LEVELS = (1,)
comparison.EACH = blend.EACH = 3
windows = comparison.text_windows
comparison.text_windows = lambda tokenizer, text, context, count: windows(tokenizer, text, 64, 1)
carriers.bands_of = lambda layers: ((0, layers - 1),)
"""
"""One window of 64 tokens and one band of layers: what a forked worker measures is not asked here. The
seconds that are asked for are those of the whole.
"""
LINE = {
    "origin": "HuggingFaceTB/SmolLM2-135M-Instruct",
    "others": ["pirate"],
    "behaviours": ["pirate"],
}
RECIPE = """merge_method: task_arithmetic
base_model: HuggingFaceTB/SmolLM2-135M-Instruct
models:
- model: pirate
  parameters: {weight: 0.8}
dtype: float32
"""

MIXTURE = """base_model: HuggingFaceTB/SmolLM2-135M-Instruct
gate_mode: random
experts:
- source_model: pirate
- source_model: cautious
dtype: bfloat16
"""


@pytest.fixture(scope="module")
def emulated(embedded, tmp_path_factory):
    with zerogpu.emulated(
        "merging",
        tmp_path_factory.mktemp("zerogpu"),
        f"import sys; sys.path.insert(0, 'spaces/merging')\n{SMALL}",
    ) as found:
        yield found


def test_measures_a_merge_in_a_forked_worker(emulated, monkeypatch):
    from merging import comparison
    from merging.request import Request
    from merging_rooms.merge import seconds_to_compare

    monkeypatch.setattr(comparison, "EACH", 3)
    scheduler, server, client = emulated
    scheduler.answer = "ok"
    own = {"name": "yes", "prompts": ["Is it?"], "rule": "is likelier", "value": "Yes.", "against": "No."}
    asked_for = {"prompts": ["Who are you?"], "behaviours": ["pirate", own], "answer_tokens": 6}
    answer = client.predict(recipe=RECIPE, **asked_for, api_name="/compare")
    assert list(answer["models"][-1]["shares"]) == ["pirate", "yes"]
    assert [model["role"] for model in answer["models"]] == ["base", "parent", "child"] and answer["done"]
    assert scheduler.allowed and all(pid != server.process.pid for pid in scheduler.allowed)
    asked = int(scheduler.scheduled[-1]["durationSeconds"])
    assert (
        asked
        == seconds_to_compare(EMBEDDED_PARAMETERS, 2, Request.parse(recipe=RECIPE, **asked_for))
        > gpu.LEAST
    )


def test_measures_a_line_and_asks_for_its_points(emulated):
    scheduler, _, client = emulated
    scheduler.answer = "ok"
    answer = client.predict(**LINE, api_name="/explore")
    assert [point["weights"] for point in answer["points"]] == [[0.0], [1.0]]
    assert int(scheduler.scheduled[-1]["durationSeconds"]) == gpu.LEAST


def test_routes_a_mixture_in_a_forked_worker(emulated):
    from merging.mixture_request import MixtureRequest
    from merging_rooms.mixture import seconds_to_route

    scheduler, server, client = emulated
    scheduler.answer = "ok"
    before = len(scheduler.allowed)
    answer = client.predict(recipe=MIXTURE, texts=["Ahoy there"], api_name="/mixture")
    assert answer["done"] and [mode["mode"] for mode in answer["routed"]] == ["random"]
    assert len(answer["tokens"]) == len(answer["routed"][0]["weights"]) and answer["report"]["sha256"]
    assert len(scheduler.allowed) > before and all(pid != server.process.pid for pid in scheduler.allowed)
    asked = int(scheduler.scheduled[-1]["durationSeconds"])
    weights = answer["report"]["files"]["model.safetensors"] // 2
    request = MixtureRequest.parse(recipe=MIXTURE, texts=["Ahoy there"])
    assert asked == seconds_to_route(weights, 2, request) >= gpu.LEAST


def test_a_report_takes_no_gpu_seconds(emulated):
    scheduler, _, client = emulated
    before = len(scheduler.scheduled)
    answer = client.predict("cautious", None, "all", api_name="/report")
    assert answer["done"] and answer["badge"] and len(scheduler.scheduled) == before


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
    with pytest.raises(AppError, match="has no experts"):
        client.predict(recipe="merge_method: linear", api_name="/mixture")
    assert len(scheduler.scheduled) == before


def test_seconds_grow_with_the_work():
    from merging.explore_request import ExploreRequest
    from merging.request import Request
    from merging_rooms import explore, merge

    short, long = (Request.parse(recipe=RECIPE, answer_tokens=tokens) for tokens in (4, 64))
    less = merge.seconds_to_compare(1_000_000_000, 2, short)
    assert merge.seconds_to_compare(1_000_000_000, 3, short) > less
    assert merge.seconds_to_compare(4_000_000_000, 2, short) > less
    assert merge.seconds_to_compare(1_000_000_000, 2, long) > less
    line, plane = ExploreRequest(others=("pirate",)), ExploreRequest()
    assert explore.seconds_to_explore(line) < explore.seconds_to_explore(plane)
    assert explore.seconds_to_explore(plane) < explore.seconds_to_evolve(plane)
    long = ExploreRequest(others=("concise", "pirate"))
    assert explore.seconds_to_explore(plane) < explore.seconds_to_explore(long)


def test_seconds_to_route_grow_with_weights_experts_and_texts():
    from merging.mixture_request import MixtureRequest
    from merging_rooms.mixture import seconds_to_route

    one, four = (MixtureRequest.parse(recipe=MIXTURE, texts=["a"] * count) for count in (1, 4))
    assert seconds_to_route(2_000_000_000, 2, one) < seconds_to_route(4_000_000_000, 2, one)
    assert seconds_to_route(2_000_000_000, 2, one) < seconds_to_route(2_000_000_000, 8, one)
    assert seconds_to_route(2_000_000_000, 2, one) < seconds_to_route(2_000_000_000, 2, four)
