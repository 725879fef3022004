"""`/mask` over HTTP and MCP, as programs call it."""

from __future__ import annotations

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from tests.conftest import ask_mcp
from tests.finetuning.talks import TALKS

ROWS = [{"messages": TALKS["two turns"]}, {"messages": TALKS["spaces"]}]


@pytest.fixture(scope="module")
def client(suite_url) -> Client:
    return Client(f"{suite_url}/finetuning/", verbose=False)


def test_rows_are_taken_as_a_list(client):
    data = client.predict(rows=ROWS, trainer="axolotl", api_name="/mask")
    assert data["verdict"].startswith("Every answer and its stop token")
    assert [row["number"] for row in data["rows"]] == [1, 2]
    trained = [row["views"]["axolotl"]["trained"] for row in data["rows"]]
    assert data["totals"]["axolotl"]["trained"] == sum(trained)


def test_a_file_is_taken(client, tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"text": "The sea."}\n', encoding="utf-8")
    data = client.predict(file=handle_file(str(tmp_path / "rows.jsonl")), api_name="/mask")
    assert data["provenance"]["rows"] == "rows.jsonl" and data["rows"][0]["parts"][-1] == "stop"


def test_an_error_has_two_sentences(client):
    with pytest.raises(AppError, match=r"Row 1 has no form that is known .* Give “messages”"):
        client.predict(rows=[{"question": "a"}], api_name="/mask")


def test_it_is_a_tool(suite_url):
    tools = ask_mcp(f"{suite_url}/finetuning", "tools/list", {})["tools"]
    tool = next(one for one in tools if one["name"].endswith("mask"))
    asked = {"name": tool["name"], "arguments": {"rows": '{"text": "The sea."}', "trainer": "trl"}}
    assert "Every text is trained on" in str(ask_mcp(f"{suite_url}/finetuning", "tools/call", asked))


def test_a_plan_says_its_formula(client):
    data = client.predict(api_name="/plan")
    full, lora, qlora = data["methods"]
    assert full["trained"] == data["parameters"] and lora["weights"] > qlora["weights"]
    assert "12·V" in data["formula"] and "not measured on a GPU" in data["assumed"]


def test_training_streams_its_measures_and_gives_the_adapter(client):
    rows = [{"prompt": f"Question {at}", "completion": " Yes."} for at in range(3)]
    job = client.submit(rows=rows, steps=2, batch=1, layers=1, answers=1, api_name="/train")
    data, adapter = job.result(timeout=240)
    assert [step["step"] for step in data["runs"][0]["steps"]] == [1, 2] and adapter.endswith(".zip")
    growing = [len(one[0]["runs"][0]["steps"]) for one in job.outputs()]
    assert growing[0] == 0 and growing == sorted(growing)
    with pytest.raises(AppError, match=r"Row 1 is no pair .* Give “prompt” with “chosen”"):
        client.predict(rows=rows, objective="dpo", api_name="/train")
    with pytest.raises(AppError, match=r"Row 1 has no “label”.* Give “prompt”, “completion”"):
        client.predict(rows=rows, objective="kto", api_name="/train")


def test_rewards_are_a_list_or_a_text(client):
    small = {"group": 2, "tokens": 4, "steps": 1, "layers": 1, "answers": 1}
    rows = [{"prompt": "One and one is", "answer": 2}, {"prompt": "Two and one is", "answer": 3}]
    job = client.submit(rows=rows, reward="answer\n0.5 * likelihood", **small, api_name="/grpo")
    data, adapter = job.result(timeout=240)
    assert [part["weight"] for part in data["parts"]] == [1, 0.5] and adapter.endswith(".zip")
    assert len(data["rounds"][0]["groups"][0]["answers"]) == 2 and data["verdict"]
    with pytest.raises(AppError, match=r"“be nice” is no part of a reward.* Write lines such as"):
        client.predict(reward="be nice", api_name="/grpo")
