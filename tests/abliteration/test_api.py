"""The launched app over its API: a direction found, removed and exported from a program, and what a caller
reads when something is wrong.
"""

from __future__ import annotations

import zipfile
from typing import Any

import pytest
import torch
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from safetensors.torch import save_file

from abliteration.programs import client_program
from abliteration.request import Request
from tests import zoo
from tests.conftest import ask_mcp

COOKING = [
    f"How do I cook {dish}?" for dish in ("rice", "soup", "pie", "fish", "bread", "eggs", "beans", "pasta")
]
OTHER = [
    f"What is {thing}?"
    for thing in ("a comet", "a verb", "rust", "a map", "a lock", "snow", "a river", "gold")
]


@pytest.fixture(scope="module")
def client(suite_url):
    return Client(f"{suite_url}/abliteration/", verbose=False)


@pytest.fixture(scope="module")
def direction(client):
    return client.predict(
        model="cautious",
        positive=COOKING,
        negative=OTHER,
        layer=21,
        api_name="/find_direction",
    )


def test_a_direction_is_found_with_its_layers_and_choice(direction):
    assert (
        direction["choice"]["layer"] == 21
        and direction["choice"]["rule"] == "hand"
        and len(direction["layers"]) == 30
    )
    chosen = direction["layers"][21]
    assert (
        chosen["auc"] == 1
        and chosen["d_prime"] > chosen["random"][2]
        and {"bypass", "induce", "kl"} <= set(chosen["candidate"])
    )
    assert direction["direction"]["layer"] == 21 and direction["direction"]["positive"] == COOKING
    assert direction["direction"]["format"] == "chat" and direction["direction"]["model"] == "cautious"


def test_the_program_below_a_figure_ablates_and_measures(suite_url, direction, capsys):
    request = Request.parse(**direction["direction"], prompts=["How do I cook a pizza?"], answer_tokens=16)
    names: dict[str, Any] = {}
    exec(client_program(request, f"{suite_url}/abliteration/"), names)
    answer = names["answer"]
    (pair,) = answer["pairs"]
    assert (
        pair["base"]["grade"] == "refused"
        and pair["base"]["text"] != pair["edited"]["text"]
        and answer["mark"] == "edited model"
    )
    assert {"positive", "negative"} <= set(answer["measures"]["behaviour"])
    assert answer["measures"]["text"]["delta"]["of"] > 100
    assert str(answer["measures"]["behaviour"]["positive"]["edited"]["refused"]) in capsys.readouterr().out


def test_an_adapter_is_exported_with_its_card(client):
    small = str(zoo.folder("llama3"))
    report, path = client.predict(
        model=small,
        direction={"model": small, "positive": COOKING, "negative": OTHER, "layer": 1},
        kernel={"attention": 1.0},
        form="lora",
        api_name="/export",
    )
    with zipfile.ZipFile(path) as archive:
        assert {"adapter_model.safetensors", "adapter_config.json", "README.md"} <= set(archive.namelist())
        card = archive.read("README.md").decode()
    assert "not-for-all-audiences" in card and "abliterated" in card and report["certificate"]["gap"] < 0.01


def test_a_published_edit_is_examined(client, tmp_path):
    """An edit that the API exports is found again, and its edit.json makes it again."""
    small = str(zoo.folder("llama3"))
    direction = {"model": small, "positive": COOKING, "negative": OTHER, "layer": 1}
    kernel = {"attention": 0.75, "mlp": 0.5}
    _, path = client.predict(model=small, direction=direction, kernel=kernel, api_name="/export")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "edited")
    text = (tmp_path / "edited" / "edit.json").read_text(encoding="utf-8")
    found = client.predict(base=small, edited=str(tmp_path / "edited"), api_name="/forensics")
    again = client.predict(base=small, record=text, measured=True, api_name="/forensics")
    for answer in (found, again):
        assert answer["verdict"]["kind"] == "projection" and answer["agreement"] > 0.99
        attention, mlp = (curve["shape"] for curve in answer["curves"])
        assert attention["kind"] == mlp["kind"] == "constant"
        assert (attention["height"], mlp["height"]) == pytest.approx((0.75, 0.5), abs=0.01)
    (hashes,) = again["claims"]["hashes"]
    assert hashes["different"] == [] and hashes["same"] == 6
    assert again["claims"]["measures"] and all(one["same"] for one in again["claims"]["measures"])


def test_both_models_answer_a_conversation(client):
    small = str(zoo.folder("llama3"))
    direction = {"model": small, "positive": COOKING, "negative": OTHER, "layer": 1}
    asked = {"messages": ["Hi.", "Why?"], "reply_tokens": 4, "second": {**direction, "strength": 0}}
    found = client.predict(direction=direction, **asked, api_name="/chat")
    assert [turn["message"] for turn in found["turns"]] == asked["messages"]
    assert all(turn["second"]["kl"] == 0 < turn["edited"]["kl"] for turn in found["turns"])


def test_a_vector_file_is_taken_from_a_program(suite_url, tmp_path):
    """Of a program that sends a cookie; of one without, in two sentences."""
    small, file = str(zoo.folder("llama3")), tmp_path / "mine.safetensors"
    save_file({"direction": torch.arange(1.0, 257)}, file)
    port = suite_url.rpartition(":")[2]
    named = {"Cookie": f"llm-course-visitor-{port}={'v' * 30}"}
    own = Client(f"{suite_url}/abliteration/", verbose=False, headers=named)
    name = own.predict(handle_file(file), api_name="/take_vector")["vector"]
    assert name.startswith("made/vector-mine-")
    direction = {"model": small, "positive": COOKING, "negative": OTHER}
    found = own.predict(direction=direction, vector=name, messages=["Hi."], reply_tokens=2, api_name="/chat")
    assert found["edit"]["projection"] == "vector file" and found["edit"]["layer"] == 1
    for headers, sentence in (({}, "sends no cookie"), (named, "cannot be read")):
        other = Client(f"{suite_url}/abliteration/", verbose=False, headers=headers)
        if headers:
            file.write_bytes(b"{}")
        with pytest.raises(AppError, match=sentence):
            other.predict(handle_file(file), api_name="/take_vector")


def test_a_behaviour_is_planted_and_compared_from_a_program(client):
    found = client.predict(
        model=str(zoo.folder("qwen2")),
        plants=["travel"],
        methods=["random"],
        steps=2,
        layer=1,
        api_name="/truth_bench",
    )
    (plant,) = found["plants"]
    assert [row["method"] for row in plant["rows"]] == ["means", "random"] and len(plant["parts"]) == 3
    assert found["summary"][1]["against"]["near"]["of"] == 1 and found["request"]["plants"] == ["travel"]


@pytest.mark.parametrize(
    ("name", "values", "sentence"),
    [
        ("/find_direction", {"positive": ["one"], "negative": OTHER}, "one prompt"),
        ("/find_direction", {"positive": OTHER, "negative": OTHER}, "equal"),
        ("/find_direction", {"positive": ["", *OTHER[1:]], "negative": COOKING}, "empty prompt"),
        ("/find_direction", {"model": "<b>"}, "not a model id"),
        ("/find_direction", {"layer": 400}, "layer is 400"),
        ("/ablate", {"method": "burn"}, "method is “burn”"),
        ("/ablate", {"kernel": {"attention": [1, 2]}}, "one for each of the model's 30 layers"),
        ("/ablate", {"direction": {"evil": 1}}, "no setting"),
        ("/export", {"form": "pickle"}, "no export"),
        ("/chat", {"messages": ["a"] * 13}, "13 messages"),
        ("/chat", {"second": {"layer": 400}}, "layer is 400"),
        ("/features", {"layer": 77}, "sae_layer is 77"),
        *((f"/{name}", {"vector": "a/b"}, "no vector file") for name in ("ablate", "features", "export")),
        ("/features", {"direction": [1]}, "direction is not an object"),
        (
            "/export",
            {"model": "pirate", "direction": {"model": "cautious"}},
            "The direction is of cautious, the model is pirate",
        ),
        ("/find_direction", {"model": "tiny/bare", "format": "xml"}, "format is “xml”"),
        ("/forensics", {"base": "cautious", "edited": "cautious"}, "are the same"),
        ("/forensics", {"record": "{}"}, "no edit.json"),
        ("/forensics", {"scope": "some"}, "scope is “some”"),
        ("/forensics", {"base": "<b>", "edited": "cautious"}, "not a model id"),
        ("/truth_bench", {"plants": ["moon"]}, "plants holds “moon”"),
        ("/truth_bench", {"layer": 400}, "layer is 400"),
        ("/truth_bench", {"plants": ["own"]}, "has no words"),
    ],
)
def test_errors_are_sentences(client, name, values, sentence):
    with pytest.raises(AppError, match=sentence) as caught:
        client.predict(**values, api_name=name)
    assert "Traceback" not in str(caught.value)


def test_mcp_lists_the_tools(suite_url):
    tools = {tool["name"] for tool in ask_mcp(f"{suite_url}/abliteration", "tools/list", {})["tools"]}
    assert all(
        any(tool.endswith(name) for tool in tools)
        for name in ("find_direction", "ablate", "features", "export", "chat", "take_vector", "forensics")
    )
