"""What the owner of a machine may do and a visitor of the same server may not: private datasets and models,
local folders, pushing; whatever the other asked before.
"""

from __future__ import annotations

import json

import pytest
from gradio_client import Client

from tests.conftest import Server
from tests.shared.hub_server import HubServer, Repo
from tests.shared.test_owner import ask, secret

TWO = """
from shared import suite
suite.names = lambda: ["dedup", "merging"]
suite.main()
"""
CONFIG = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}


@pytest.fixture(scope="module")
def hub():
    """A Hub with a private dataset and a private model."""
    hub = HubServer(
        {
            "datasets/me/rows": Repo({"train.jsonl": b'{"text": "a secret line"}\n' * 3}, private=True),
            "me/model": Repo({"config.json": json.dumps(CONFIG).encode()}, private=True, parameters=1),
        }
    )
    yield hub
    hub.stop()


@pytest.fixture(scope="module")
def server(hub, tmp_path_factory):
    """Two Spaces on a network, on a machine that has a token."""
    home = {"HF_HOME": str(tmp_path_factory.mktemp("home")), "HF_TOKEN": "hf_owner", "HF_HUB_OFFLINE": "0"}
    there = {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", "HOST": "0.0.0.0"}
    server = Server(["-c", TWO], {**home, **there}, "/merging/")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder that may be a model's."""
    import torch
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("models") / "mine"
    folder.mkdir()
    save_file({"model.embed_tokens.weight": torch.zeros(2, 2)}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    return folder


class Caller:
    """A visitor of the server, or with its secret the owner."""

    def __init__(self, server: Server, word: str = "") -> None:
        self.url = server.url
        self.headers = {"Authorization": f"Bearer {word}"} if word else {}
        self.clients = {
            name: Client(f"{server.url}/{name}/", headers=self.headers, verbose=False)
            for name in ("dedup", "merging")
        }

    def call(self, space: str, name: str, **values: object) -> str:
        """An endpoint's answer or error, as text."""
        try:
            return json.dumps(self.clients[space].predict(**values, api_name=f"/{name}"), ensure_ascii=False)
        except Exception as error:
            return str(error)

    def push(self, repository: str) -> str:
        """What the page says when it is told to push the stored example."""
        url = f"{self.url}/dedup"
        config = json.loads(ask(url, "/config")[1])
        button = next(one["id"] for one in config["components"] if one["props"].get("value") == "Push")
        event = next(one for one in config["dependencies"] if [button, "click"] in one["targets"])
        data = [repository, *[None] * (len(event["inputs"]) - 1)]
        body = {"data": data, "fn_index": event["id"], "session_hash": repository.replace("/", "")}
        assert ask(url, "/gradio_api/queue/join", body, **self.headers)[0] == 200
        return ask(url, f"/gradio_api/queue/data?session_hash={body['session_hash']}")[1]


def recipe(model: object) -> str:
    """A merge of a model with an expert."""
    return f"merge_method: linear\nmodels:\n- model: {model}\n- model: pirate\nparameters: {{weight: 1}}\n"


def refused(caller: Caller, hub: HubServer, folder) -> None:
    """A visitor gets nothing of the owner's."""
    hub.tokens.clear()
    said = caller.call("dedup", "deduplicate", dataset="me/rows")
    assert "rows" not in said.replace("me/rows", "") and "no dataset me/rows, or it is private" in said
    assert '"missing"' in caller.call("merging", "family_tree", model="me/model")
    for name in ("check", "merge"):
        here, away = (
            caller.call("merging", name, recipe=recipe(path)).replace(str(path), "PATH")
            for path in (folder, folder.parent / "gone")
        )
        assert here == away and "is a path" in here
    assert "Only the owner" in caller.push("me/taken")
    assert "datasets/me/taken" not in hub.repos and hub.tokens == {None}


def test_a_visitor_gets_nothing_of_the_owners_before_and_after_it_was_used(server, hub, folder):
    visitor, mine = Caller(server), Caller(server, secret(server))
    refused(visitor, hub, folder)
    assert '"rows": 3, "kept": 1' in mine.call("dedup", "deduplicate", dataset="me/rows")
    tree = json.loads(mine.call("merging", "family_tree", model="me/model"))
    assert [node["status"] for node in tree["nodes"] if node["id"] == "me/model"] == ["private"]
    assert "is a path" not in mine.call("merging", "check", recipe=recipe(folder))
    assert "There is no folder" in mine.call("merging", "check", recipe=recipe(folder.parent / "gone"))
    assert "Pushed to" in mine.push("me/given") and "datasets/me/given" in hub.repos
    assert "Bearer hf_owner" in hub.tokens
    refused(visitor, hub, folder)
