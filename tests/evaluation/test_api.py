"""The Space's endpoints over HTTP and MCP, as programs call them."""

from __future__ import annotations

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from shared.embedded_model import EMBEDDED_MODEL
from tests import zoo
from tests.conftest import ask_mcp
from tests.evaluation.main_job import MAIN_JOB


@pytest.fixture(scope="module")
def client(suite_url) -> Client:
    return Client(f"{suite_url}/evaluation/", verbose=False)


def test_own_items_are_answered(client):
    answer = client.predict(**MAIN_JOB.values, api_name="/evaluate")
    assert MAIN_JOB.is_right(answer)
    assert answer["results"][0]["task"] == "all" and answer["summary"]["csv"].startswith("model,task,n")


def test_a_comparison_streams(client):
    asked = {"models": [EMBEDDED_MODEL, f"{EMBEDDED_MODEL}@Q4_0"], "tasks": ["past"], "limit": 9}
    job = client.submit(**asked, api_name="/compare")
    data = job.result(timeout=240)
    assert data["done"] and len(data["items"]) == 9 and len(data["answers"]) == 2
    assert not job.outputs()[0]["done"] and "cannot decide" in data["verdicts"][0]


def test_forms_and_pairs_stream(client):
    models = [str(zoo.folder(name)) for name in ("llama3", "gpt2")]
    asked = {"models": models, "variants": ["plain", "lettered", "chat"], "tasks": ["past"], "limit": 3}
    job = client.submit(**asked, draws=1, api_name="/fragile")
    data = job.result(timeout=240)
    assert data["done"] and [one["name"] for one in data["forms"]] == ["plain", "lettered", "chat"]
    assert "cannot decide" in data["verdicts"][0] and "left out" in data["notes"][0]
    assert data["answers"][1][2] is None and not job.outputs()[0]["done"]
    told = {"models": models, "prompts": ["One? => at most 9 words", "Two? => JSON; upper case"], "tokens": 4}
    data = client.predict(**told, api_name="/follow")
    assert data["done"] and [len(one["answers"][1]["strict"]) for one in data["prompts"]] == [1, 2]
    rows = [{"q": "One", "a": ["1", "one"]}, {"q": "Two", "a": ["2"]}]
    yaml = 'task: own\ntest_split: test\ndoc_to_text: "{{q}}:"\ndoc_to_target: a'
    data = client.predict(models=models, yaml=yaml, rows=rows, tokens=4, api_name="/run_task")
    assert data["done"] and data["task"] == "own" and data["documents"][0]["targets"] == ["1", "one"]
    assert "cannot decide" in data["verdicts"][0] and data["measures"][0]["name"] == "exact_match"
    with pytest.raises(AppError, match=r"calls a function of Python .* Write the column or a template"):
        client.predict(yaml=f"{yaml}\nprocess_results: !function os.getcwd", api_name="/run_task")
    asked = {"models": models, "prompts": ["One? => 1", "Two?"], "judge": models[0], "tokens": 4}
    data = client.predict(**asked, api_name="/judge")
    assert len(data["pairs"]) == 2 and data["known"][0]["of"] == 1 and data["ranks"][1]["of"] == 2
    assert client.predict(**{**asked, "judge": ""}, api_name="/judge")["flips"] is None


def test_a_plan_needs_no_model(client):
    plan = client.predict(items=100, discordant=0.1, difference=0.05, api_name="/power")
    assert "differences from 8.8" in plan["sentence"] and plan["needed"] > 312


def test_functions_become_items(client):
    rows = [{"task_id": "Own/1", "prompt": "def f(a, b):\n", "canonical_solution": "    return a - b\n"}]
    found = client.predict(rows=rows, api_name="/function_items")
    (item,) = found["items"]
    assert item["task"] == "Own" and item["choices"][item["gold"]] == "    return a - b"
    with pytest.raises(AppError, match=r"No document is a function .* Each needs prompt"):
        client.predict(rows=[{"prompt": 1}], api_name="/function_items")


def test_an_error_has_two_sentences(client):
    with pytest.raises(AppError, match=r"There is no set “mmlu”. Known are capitals"):
        client.predict(tasks=["mmlu"], api_name="/evaluate")


def test_they_are_tools(suite_url):
    tools = ask_mcp(f"{suite_url}/evaluation", "tools/list", {})["tools"]
    name = next(one["name"] for one in tools if one["name"].endswith("power"))
    known = ("evaluate", "compare", "power", "fragile", "follow", "judge", "run_task")
    assert sum(one["name"].endswith(known) for one in tools) == len(known)
    asked = {"name": name, "arguments": {"items": 200, "discordant": 0.2}}
    assert "will be seen" in str(ask_mcp(f"{suite_url}/evaluation", "tools/call", asked))
