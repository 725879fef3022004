"""`/decode` of the running suite, as a program calls it: results, errors as sentences, MCP."""

from __future__ import annotations

import concurrent.futures
import json
import urllib.request

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from tests.conftest import ask_mcp

MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"


@pytest.fixture(scope="module")
def client(suite_url) -> Client:
    return Client(f"{suite_url}/decoding/", verbose=False)


def call(client: Client, **values):
    return client.predict(**{"prompt": "The cat sat on", "max_new_tokens": 5} | values, api_name="/decode")


def test_the_trace_has_what_the_contract_names(client, embedded):
    trace = call(client, strategies=[{"name": "g"}, {"num_beams": 3, "num_return_sequences": 2}])
    assert [run["name"] for run in trace["runs"]] == ["g", "beam 3"]
    inputs = embedded.tokenizer("The cat sat on", return_tensors="pt")
    length = inputs["input_ids"].shape[1]
    greedy, beams = trace["runs"]
    for run, config in ((greedy, {}), (beams, {"num_beams": 3, "num_return_sequences": 2})):
        expected = embedded.model.generate(**inputs, do_sample=False, max_new_tokens=5, **config)[
            :, length:
        ].tolist()
        assert [sequence["token_ids"] for sequence in run["sequences"]] == expected
        assert all(set(sequence) >= {"token_ids", "text", "score"} for sequence in run["sequences"])
        names = {
            "id",
            "parent",
            "step",
            "token_id",
            "text",
            "logprob_raw",
            "logprob_processed",
            "cumulative_logprob",
            "status",
            "reason",
        }
        assert all(names <= set(node) for node in run["nodes"])
    assert trace["provenance"]["source"].startswith("embedded copy")
    json.dumps(trace, allow_nan=False)


def test_strategies_may_be_json_text_and_default_to_greedy(client):
    assert call(client, strategies='[{"num_beams": 2}]')["runs"][0]["kind"] == "beam"
    assert call(client)["runs"][0]["kind"] == "greedy"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"prompt": ""}, "The prompt is empty"),
        ({"prompt": "word " * 1500}, "tokens"),
        ({"prompt": "x" * 9000}, "9,000 characters"),
        ({"model": "someone/unknown"}, "Hub cannot be reached"),
        ({"model": "<img src=x onerror=alert(1)>"}, "is not a model id"),
        ({"model": "owner/../../etc"}, "is not a model id"),
        ({"strategies": {"num_beams": 2}}, "not a list"),
        ({"strategies": "nonsense"}, "not valid JSON"),
        ({"strategies": [{"temperature": 0.5}]}, "do_sample is false"),
        ({"strategies": [{"do_sample": True, "temperature": -1}]}, "temperature is -1"),
        ({"strategies": '[{"do_sample": true, "temperature": NaN}]'}, "not a finite number"),
        ({"strategies": [{"prefix": [10_000_000]}]}, "vocabulary"),
        ({"strategies": [{"bad_words_ids": [[10_000_000]]}]}, "vocabulary"),
        ({"max_new_tokens": 0}, "max_new_tokens is 0"),
        ({"seed": -3}, "seed is -3"),
    ],
)
def test_bad_input_is_one_sentence_and_the_app_goes_on(client, values, sentence):
    with pytest.raises(AppError, match=sentence) as caught:
        call(client, **values)
    assert "Traceback" not in str(caught.value)
    assert call(client, max_new_tokens=1)["done"]


def test_a_lone_surrogate_is_refused(suite_url):
    """The Python client cannot even send one; a browser can. It may send the settings of an older page."""
    body = b'{"data": ["half \\ud83d", "HuggingFaceTB/SmolLM2-135M-Instruct", [{}], 2, 0, false, "", ""]}'
    url = f"{suite_url}/decoding/gradio_api/call/decode"
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})
    event = json.loads(urllib.request.urlopen(request, timeout=60).read())["event_id"]
    answer = urllib.request.urlopen(f"{url}/{event}", timeout=60).read().decode()
    assert "event: error" in answer
    assert "lone surrogate" in answer


@pytest.mark.parametrize(
    "prompt", ["<script>alert(1)</script>", "שלום עולם, מה", "emoji 🌳 and \x00 nul", "tabs\tand\nlines", " "]
)
def test_odd_prompts_decode(client, prompt):
    trace = call(client, prompt=prompt + " x", max_new_tokens=3)
    assert trace["prompt"]["text"] == prompt + " x"
    assert len(trace["runs"][0]["sequences"][0]["token_ids"]) == 3


def test_visitors_do_not_get_each_others_results(suite_url):
    prompts = [f"Number {n} is" for n in range(6)]

    def one(prompt: str) -> str:
        return call(Client(f"{suite_url}/decoding/", verbose=False), prompt=prompt, max_new_tokens=2)[
            "prompt"
        ]["text"]

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        assert list(pool.map(one, prompts)) == prompts


def test_the_endpoints_are_described(client):
    named = client.view_api(return_format="dict")["named_endpoints"]
    assert {"/decode", "/compare_models"} <= set(named)
    assert [p["parameter_name"] for p in named["/decode"]["parameters"]] == [
        "prompt",
        "model",
        "strategies",
        "max_new_tokens",
        "seed",
        "chat",
        "system",
        "thinking",
        "constraint",
        "constraint_text",
    ]


def test_a_constraint_over_the_api(client):
    """A schema may come as an object; what is wrong with one is said."""
    schema = {"type": "object", "properties": {"name": {"enum": ["Ada", "Bob"]}}, "required": ["name"]}
    schema["additionalProperties"] = False
    values = {"constraint": "json_schema", "constraint_text": schema, "max_new_tokens": 24, "chat": True}
    trace = call(client, strategies=[{}, {"unconstrained": True}], **values)
    text = trace["runs"][0]["sequences"][0]["text"].removesuffix("<|im_end|>")
    assert json.loads(text)["name"] in ("Ada", "Bob")
    assert trace["runs"][0]["sequences"][0]["obeyed"]["status"] == "complete"
    assert all(one["feasible"] <= 0 < one["allowed"] for one in trace["runs"][0]["decisions"].values())
    assert "obeyed" not in trace["runs"][1]["sequences"][0]
    with pytest.raises(AppError, match="unclosed group"):
        call(client, constraint="regex", constraint_text="(a")


def test_why_a_token_over_the_api(client):
    """The last layer's log-probability is the trace's own."""
    trace = call(client, max_new_tokens=2)
    prompt, run = trace["prompt"]["token_ids"], trace["runs"][0]
    first, second = run["sequences"][0]["token_ids"]
    why = client.predict(token_ids=[*prompt, first], token=second, api_name="/why")
    node = next(node for node in run["nodes"] if node["token_id"] == second and node["status"] == "chosen")
    assert why["logprob"] == pytest.approx(node["logprob_raw"], abs=1e-3)
    assert why["layers"][-1]["rank"] == 1 and len(why["without"]) == len(prompt) + 1
    for bad, sentence in (
        ({"token_ids": []}, "not a list of 1 to 1,152 token ids"),
        ({"token_ids": [1], "token": 49_152}, "not in the vocabulary"),
        ({"token_ids": [1], "token": 1, "dola_layers": "middle"}, "dola_layers is middle"),
    ):
        with pytest.raises(AppError, match=sentence):
            client.predict(**{"token": 1} | bad, api_name="/why")


def test_mcp_lists_and_calls_the_tool(suite_url):
    tools = ask_mcp(f"{suite_url}/decoding", "tools/list", {})["tools"]
    tool = next(tool for tool in tools if tool["name"].endswith("decode"))
    assert "strategies" in tool["inputSchema"]["properties"]
    assert "record every candidate" in tool["description"]
    result = ask_mcp(
        f"{suite_url}/decoding",
        "tools/call",
        {"name": tool["name"], "arguments": {"prompt": "The cat", "max_new_tokens": 2}},
    )
    assert not result.get("isError")
    assert "token_ids" in result["content"][0]["text"]


def test_two_models_are_compared(client, embedded):
    """Over the API as over MCP: a rounded model beside the one that it was, without the tree."""
    values = {"prompt": "The cat sat on", "rounding": "Q8_0", "max_new_tokens": 4}
    pair = client.predict(**values, api_name="/compare_models")
    inputs = embedded.tokenizer("The cat sat on", return_tensors="pt")
    expected = embedded.model.generate(**inputs, do_sample=False, max_new_tokens=4)
    own = expected[0, inputs["input_ids"].shape[1] :].tolist()
    assert pair["texts"][0]["token_ids"] == own and pair["prompt"]["text"] == "The cat sat on"
    assert 0 < pair["texts"][0]["forward"]["mean"] < 0.1 and pair["finding"]
    assert [model["source"] for model in pair["models"]] == [
        "embedded copy, dequantized from Q4_1",
        "embedded copy, dequantized from Q4_1, 210 matrices rounded to Q8_0",
    ]
    for bad, sentence in (
        ({"other": "someone/unknown"}, "Hub cannot be reached"),
        ({"rounding": "Q1"}, "Q1"),
    ):
        with pytest.raises(AppError, match=sentence):
            client.predict(**{**values, **bad}, api_name="/compare_models")


def test_a_speculative_run_over_the_api_and_mcp(client, suite_url, embedded):
    """Greedy, by prompt lookup, on a text that repeats."""
    values = {"prompt": "one, two, three, one, two, three, one,", "draft": "lookup", "max_new_tokens": 8}
    result = client.predict(**values, api_name="/speculate")
    inputs = embedded.tokenizer(values["prompt"], return_tensors="pt")
    length = inputs["input_ids"].shape[1]
    expected = embedded.model.generate(**inputs, do_sample=False, max_new_tokens=8)[0, length:].tolist()
    assert [token["id"] for token in result["tokens"]] == expected
    assert result["accepted"] > 2 and len(result["rounds"]) < 8
    assert result["exactness"]["same"] is True
    with pytest.raises(AppError, match="No draft model"):
        client.predict(prompt="a", draft="model", api_name="/speculate")
    tools = ask_mcp(f"{suite_url}/decoding", "tools/list", {})["tools"]
    tool = next(tool for tool in tools if tool["name"].endswith("speculate"))
    assert {"draft_tokens", "temperature"} <= set(tool["inputSchema"]["properties"])


def test_landing_page_links_every_space(suite_url):
    from shared.suite import names

    page = urllib.request.urlopen(suite_url + "/").read().decode()
    for name in names():
        assert f'href="{name}/"' in page
        assert urllib.request.urlopen(f"{suite_url}/{name}/").status == 200
    assert 'href="merging/?tree="' in page, "the family tree has an entrance of its own"
