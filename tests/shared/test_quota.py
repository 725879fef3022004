"""What is left of a visitor's ZeroGPU quota, from a Hub on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import gradio as gr
import pytest
from huggingface_hub import constants

from shared import gpu, page, quota

FULL = {"base": 300, "current": 180.4, "resetsAt": "2026-09-30T09:12:03.000Z", "overquotaUsed": 0}


@pytest.fixture
def hub(monkeypatch) -> Iterator[dict[str, Any]]:
    """How the Hub answers: status and JSON; `asked` are the tokens that came."""
    answer: dict[str, Any] = {"status": 200, "json": FULL, "asked": []}

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            return None

        def do_GET(self) -> None:
            assert self.path == "/api/spaces/zero-gpu/quota"
            answer["asked"].append(self.headers["Authorization"])
            answer.get("wait", threading.Event()).wait(0 if "wait" not in answer else 5)
            self.send_response(answer["status"])
            self.end_headers()
            self.wfile.write(json.dumps(answer["json"]).encode())

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
    yield answer
    server.shutdown()
    server.server_close()


def test_the_quota_in_a_sentence(hub):
    assert quota.words("hf_visitor") == (
        "When you opened this page, 180 s of your 300 s of ZeroGPU were left, until 09:12 UTC."
    )
    assert hub["asked"] == ["Bearer hf_visitor"], "the visitor's own token and no other"
    hub["json"] = {"base": 300, "current": 300, "resetsAt": None}
    assert quota.words("hf_visitor") == "When you opened this page, 300 s of your 300 s of ZeroGPU were left."


def test_silence_where_it_cannot_be_learnt(hub, monkeypatch):
    assert quota.words(None) == "" and hub["asked"] == []
    for status, told in ((401, {}), (403, FULL), (500, {}), (200, {}), (200, [1]), (200, {"base": "x"})):
        hub.update(status=status, json=told)
        assert quota.words("hf_visitor") == ""
    assert len(hub["asked"]) == 6
    monkeypatch.setattr(quota, "TIMEOUT", 0.05)
    hub.update(status=200, json=FULL, wait=threading.Event())
    assert quota.words("hf_visitor") == "", "the page does not wait"
    hub["wait"].set()


def test_only_a_space_that_may_ask_asks(monkeypatch):
    def lines() -> list[Any]:
        with page.page("Title", "Sentence.") as demo:
            gr.HTML("")
        return [block for block in demo.blocks.values() if block.elem_id == "quota"]

    assert not lines()
    monkeypatch.setattr(gpu, "on_zero_gpu", lambda: True)
    monkeypatch.setenv("OAUTH_SCOPES", "openid profile contribute-repos")
    assert not lines()
    monkeypatch.setenv("OAUTH_SCOPES", "openid profile contribute-repos read-billing")
    assert len(lines()) == 1
