"""A Hub on loopback with families of models: the endpoints that a tree reads, slow, broken or impatient where
a test wants it.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass
class Model:
    """One model as the Hub has it.

    Args:
        parents: ids for `cardData.base_model`.
        relation: for tags, the Hub's own list and its index of children.
        files: small text files.
        card: further card data.
        raw: fields of the metadata's JSON to replace.
        answer: what every request gets: "ok", "gated", "missing", "disabled", "broken" (no JSON) or "slow".
    """

    parents: list[str] = field(default_factory=list)
    relation: str = "finetune"
    files: dict[str, str] = field(default_factory=dict)
    card: dict[str, Any] = field(default_factory=dict)
    raw: dict[str, Any] = field(default_factory=dict)
    answer: str = "ok"


Reply = tuple[int, Any, dict[str, str]]
"""Status, body and headers of an answer."""

REFUSALS: dict[str, Reply] = {
    "missing": (401, {"error": "no"}, {"X-Error-Code": "RepoNotFound"}),
    "gated": (403, {}, {"X-Error-Code": "GatedRepo"}),
    "disabled": (403, {}, {"X-Error-Message": "Access to this resource is disabled."}),
    "broken": (200, b"<html>not json", {}),
}


class FamilyHub:
    """Serves `models` until `stop`; `asked` lists the requests."""

    def __init__(
        self, models: dict[str, Model], delay: float = 0.0, renamed: dict[str, str] | None = None
    ) -> None:
        self.models, self.renamed, self.delay = models, renamed or {}, delay
        self.asked: list[str] = []
        self.storm = 0
        self.retry_after: str | None = "1"
        self.lock = threading.Lock()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                return None

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                status, value, headers = hub.reply(self.path)
                body = value if isinstance(value, bytes) else json.dumps(value).encode()
                self.send_response(status)
                for name, text in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, text)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def reply(self, address: str) -> Reply:
        """The answer to a request."""
        url = urlsplit(address)
        path = unquote(url.path)
        time.sleep(self.delay)
        if path == "/":
            return 200, b"hub", {}
        with self.lock:
            self.asked.append(path)
            storming = self.storm > 0
            self.storm -= storming
        if storming:
            return 429, {"error": "Too many"}, {"Retry-After": self.retry_after} if self.retry_after else {}
        if path == "/api/models":
            return 200, self.children(parse_qs(url.query)), {}
        if path.startswith("/api/datasets/"):
            return 200 if path.endswith("/data") else 404, {"id": "owner/data"}, {}
        name = (
            path.removeprefix("/api/models/") if path.startswith("/api/") else "/".join(path.split("/")[1:3])
        )
        name, _, revision = name.partition("/revision/")
        if name in self.renamed:
            return 307, {}, {"Location": address.replace(name, self.renamed[name])}
        return self.of_model(name, revision, path)

    def children(self, query: dict[str, list[str]]) -> list[dict[str, Any]]:
        """The list of a model's children."""
        relation, _, parent = query["filter"][0].removeprefix("base_model:").partition(":")
        names = [
            name
            for name, model in self.models.items()
            if parent in model.parents and model.relation == relation
        ]
        return [self.metadata(name) for name in names[: int(query.get("limit", ["1000"])[0])]]

    def of_model(self, name: str, revision: str, path: str) -> Reply:
        """A model's metadata, or one of its files."""
        model = self.models.get(name)
        if model is None:
            return REFUSALS["missing"]
        if model.answer == "slow":
            time.sleep(1.5)
        if model.answer in REFUSALS:
            return REFUSALS[model.answer]
        if revision and revision != self.sha(name):
            return 404, {}, {"X-Error-Code": "RevisionNotFound"}
        if path.startswith("/api/"):
            return 200, self.metadata(name), {}
        file = path.split("/", 5)[-1]
        if path.split("/")[3] != "resolve" or file not in model.files:
            return 404, {}, {"X-Error-Code": "EntryNotFound"}
        return 200, model.files[file].encode(), {}

    @staticmethod
    def sha(name: str) -> str:
        """A model's commit."""
        import hashlib

        return hashlib.sha1(name.encode()).hexdigest()

    def metadata(self, name: str) -> dict[str, Any]:
        """What the API says of a model."""
        model = self.models[name]
        children: dict[str, int] = {}
        for other in self.models.values():
            if name in other.parents:
                children[other.relation] = children.get(other.relation, 0) + 1
        base = model.parents[0] if len(model.parents) == 1 else model.parents
        return {
            "id": name,
            "sha": self.sha(name),
            "author": name.split("/")[0],
            "downloads": len(name),
            "gated": False,
            "private": False,
            "createdAt": "2026-01-02T00:00:00.000Z",
            "lastModified": "2026-01-03T00:00:00.000Z",
            "tags": [f"base_model:{parent}" for parent in model.parents]
            + [f"base_model:{model.relation}:{parent}" for parent in model.parents],
            "cardData": {
                "license": "apache-2.0",
                **({"base_model": base} if model.parents else {}),
                **model.card,
            },
            "baseModels": {"relation": model.relation, "models": [{"id": parent} for parent in model.parents]}
            if model.parents
            else None,
            "childrenModelCount": children,
            "siblings": [{"rfilename": file} for file in model.files],
            "safetensors": {"parameters": {"BF16": 1_000_000}, "total": 1_000_000},
            **model.raw,
        }

    def stop(self) -> None:
        """Close the server."""
        self.server.shutdown()
        self.server.server_close()
