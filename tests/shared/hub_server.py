"""A small Hub on loopback that the real huggingface_hub client talks to: model info, file metadata and files."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Repo:
    """One model repository: its files and how it answers."""

    files: dict[str, bytes] = field(default_factory=dict)
    gated: Any = False
    refuse: tuple[int, str] | None = None
    """HTTP status and `X-Error-Code` to answer every request with."""
    parameters: int | None = None
    sha: str = "0123456789abcdef0123456789abcdef01234567"


class HubServer:
    """Serves `repos` on loopback until `stop` is called; `requests` lists what was asked."""

    def __init__(self, repos: dict[str, Repo]) -> None:
        self.requests: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                return None

            def do_HEAD(self) -> None:
                self.answer(body=False)

            def do_GET(self) -> None:
                self.answer(body=True)

            def send(self, status: int, content: bytes, headers: dict[str, str], body: bool) -> None:
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if body:
                    self.wfile.write(content)

            def answer(self, body: bool) -> None:
                path = self.path.split("?")[0]
                hub.requests.append(path)
                if path == "/":
                    return self.send(200, b"hub", {}, body)
                api = path.startswith("/api/models/")
                parts = path.removeprefix("/api/models/" if api else "/").split("/")
                repo = repos.get("/".join(parts[:2]))
                if repo is None:
                    return self.send(401, b"{}", {"X-Error-Code": "RepoNotFound"}, body)
                if repo.refuse:
                    status, code = repo.refuse
                    return self.send(status, b"{}", {"X-Error-Code": code} if code else {}, body)
                if api and "tree" in parts:
                    tree = [{"type": "file", "path": f, "size": len(c), "oid": hashlib.sha1(c).hexdigest()} for f, c in repo.files.items()]
                    return self.send(200, json.dumps(tree).encode(), {"Content-Type": "application/json"}, body)
                if api:
                    return self.send(200, json.dumps(info("/".join(parts[:2]), repo)).encode(), {"Content-Type": "application/json"}, body)
                name = "/".join(parts[4:])
                if name not in repo.files:
                    return self.send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": repo.sha}, body)
                content = repo.files[name]
                etag = hashlib.sha1(content).hexdigest()
                return self.send(200, content, {"ETag": f'"{etag}"', "X-Repo-Commit": repo.sha}, body)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Close the server."""
        self.server.shutdown()
        self.server.server_close()


def info(name: str, repo: Repo) -> dict[str, Any]:
    """What `/api/models/<name>` answers."""
    answer: dict[str, Any] = {
        "_id": "1",
        "id": name,
        "modelId": name,
        "sha": repo.sha,
        "private": False,
        "gated": repo.gated,
        "downloads": 1,
        "likes": 0,
        "tags": [],
        "createdAt": "2026-01-01T00:00:00.000Z",
        "siblings": [{"rfilename": file, "size": len(content), "blobId": "x"} for file, content in repo.files.items()],
    }
    if repo.parameters is not None:
        answer["safetensors"] = {"parameters": {"F32": repo.parameters}, "total": repo.parameters}
    return answer
