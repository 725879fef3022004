"""A small Hub on loopback that the real huggingface_hub client talks to: metadata and files of models and
datasets, uploads.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.conftest import ROOT


@dataclass
class Repo:
    """One repository, of a model or (under the key `datasets/owner/name`) of a dataset: its files and how it
    answers.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    gated: Any = False
    refuse: tuple[int, str] | None = None
    """HTTP status and `X-Error-Code` to answer every request with."""
    parameters: int | None = None
    hardware: str = ""
    private: bool = False
    reader: str = ""
    """The token that reads a private one; any where none is named."""
    sha: str = "0123456789abcdef0123456789abcdef01234567"
    proposed: list[bytes] = field(default_factory=list)
    """Commits that were pull requests."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """What a model's metadata say beside what follows from its files."""


@contextmanager
def the_hub(repos: dict[str, Repo], cache: Path) -> Iterator[HubServer]:
    """A Hub with repositories that the real client of this process talks to, with a cache of its own."""
    from huggingface_hub import constants

    from shared import hub

    server = HubServer(repos)
    with pytest.MonkeyPatch.context() as patched:
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, server.url)
        patched.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        patched.setattr(constants, "ENDPOINT", server.url)
        patched.setattr(constants, "HF_HUB_OFFLINE", False)
        patched.setattr(constants, "HF_HUB_CACHE", str(cache))
        patched.setattr(hub, "reachable", lambda: True)
        try:
            yield server
        finally:
            server.stop()


class Cut(bytes):
    """The beginning of a file, which the Hub lists with the size of the whole."""

    size: int


def _size(content: bytes) -> int:
    return content.size if isinstance(content, Cut) else len(content)


class HubServer:
    """Serves `repos` on loopback until `stop` is called; `requests` lists what was asked."""

    def __init__(self, repos: dict[str, Repo]) -> None:  # noqa: C901  the handler lives in it
        self.repos = repos
        self.requests: list[str] = []
        self.pieces: list[tuple[str, str | None]] = []
        """Files that were sent, with the range of bytes that was asked for."""
        self.tokens: set[str | None] = set()
        """What the requests had as their Authorization."""
        self.created: list[dict[str, Any]] = []
        """What repositories were created with."""
        self.delay = 0.0
        """Seconds before an answer."""
        self.ignores_ranges = False
        """Whether whole files are sent whatever is asked for."""
        self.no_new: tuple[int, str] | None = None
        """Status and words to refuse new repositories with."""
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                return None

            def do_HEAD(self) -> None:
                self.answer(body=False)

            def do_GET(self) -> None:
                self.answer(body=True)

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                self.post(self.path.split("?")[0], self.rfile.read(length))

            def post(self, path: str, content: bytes) -> None:
                """Uploads: create a repository, say how to send each file, take a commit; and metadata of
                named paths.
                """
                hub.requests.append(path)
                if self.headers.get("Authorization") == "Bearer refused":
                    return self.send(403, b"{}", {}, True)
                if path == "/api/validate-yaml":
                    return self.send_json({"errors": [], "warnings": []})
                if path == "/api/repos/create":
                    asked = json.loads(content)
                    key = {"dataset": "datasets/", "space": "spaces/"}.get(
                        asked.get("type"), ""
                    ) + hub.full_name(asked)
                    if key in repos:
                        told = {"error": "You already created this repo", "url": f"{hub.url}/{key}"}
                        return self.send_json(told, status=409)
                    if hub.no_new:
                        status, words = hub.no_new
                        return self.send_json({"error": words}, status=status)
                    hub.created.append(asked)
                    repos.setdefault(key, Repo(private=asked.get("visibility") == "private"))
                    repos[key].hardware = asked.get("hardware", "")
                    return self.send_json({"url": f"{hub.url}/{key}", "id": hub.full_name(asked)})
                kind, name, rest = split_path(path.removeprefix("/api/"))
                repo = repos[kind + name]
                if rest == "hardware":
                    repo.hardware = json.loads(content)["flavor"]
                    return self.send_json(
                        {
                            "stage": "BUILDING",
                            "hardware": {"current": None, "requested": repo.hardware},
                            "storage": None,
                        }
                    )
                if rest.startswith("preupload"):
                    files = [
                        {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                        for file in json.loads(content)["files"]
                    ]
                    return self.send_json({"files": files})
                if rest.startswith("paths-info"):
                    wanted = (
                        json.loads(content)["paths"]
                        if content.startswith(b"{")
                        else parse_qs(content.decode())["paths"]
                    )
                    return self.send_json(
                        [entry(path, repo.files[path]) for path in wanted if path in repo.files]
                    )
                if "create_pr=1" in self.path:
                    repo.proposed.append(content)
                    told = {
                        "commitUrl": f"{hub.url}/{kind}{name}/commit/{repo.sha}",
                        "commitOid": repo.sha,
                        "pullRequestUrl": f"{hub.url}/{kind}{name}/discussions/1",
                        "success": True,
                    }
                    return self.send_json(told)
                for line in content.splitlines():
                    item = json.loads(line)
                    if item["key"] == "file":
                        repo.files[item["value"]["path"]] = b64decode(item["value"]["content"])
                    if item["key"] == "deletedFile":
                        repo.files.pop(item["value"]["path"], None)
                return self.send_json(
                    {
                        "commitUrl": f"{hub.url}/{kind}{name}/commit/{repo.sha}",
                        "commitOid": repo.sha,
                        "success": True,
                    }
                )

            def send_json(self, value: Any, body: bool = True, status: int = 200) -> None:
                self.send(status, json.dumps(value).encode(), {"Content-Type": "application/json"}, body)

            def send(self, status: int, content: bytes, headers: dict[str, str], body: bool) -> None:
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if body:
                    self.wfile.write(content)

            def answer(self, body: bool) -> None:
                path = self.path.split("?")[0]
                time.sleep(hub.delay)
                hub.requests.append(path)
                hub.tokens.add(self.headers.get("Authorization"))
                if path == "/":
                    return self.send(200, b"hub", {}, body)
                if path == "/api/whoami-v2":
                    return self.send_json({"type": "user", "name": "tester", "orgs": []}, body)
                api = path.startswith("/api/")
                kind, name, rest = split_path(path.removeprefix("/api/" if api else "/"))
                repo = repos.get(kind + name)
                asks = self.headers.get("Authorization") or ""
                allowed = asks == f"Bearer {repo.reader}" if repo and repo.reader else bool(asks)
                if repo is None or (repo.private and not allowed):
                    return self.send(401, b"{}", {"X-Error-Code": "RepoNotFound"}, body)
                if repo.refuse:
                    status, code = repo.refuse
                    return self.send(status, b"{}", {"X-Error-Code": code} if code else {}, body)
                if api and rest == "runtime":
                    hardware = {"current": None, "requested": repo.hardware or None}
                    return self.send_json({"stage": "RUNNING", "hardware": hardware, "storage": None}, body)
                if api and rest.startswith("tree/"):
                    return self.send_json(
                        tree(repo, "/".join(rest.split("/")[2:]), "recursive=true" in self.path.lower()), body
                    )
                if api:
                    return self.send_json(info(name, repo), body)
                file = "/".join(rest.split("/")[2:])
                if file not in repo.files:
                    return self.send(
                        404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": repo.sha}, body
                    )
                content = repo.files[file]
                if body:
                    hub.pieces.append((file, self.headers.get("Range")))
                headers = {
                    "ETag": f'"{hashlib.sha1(content).hexdigest()}"',
                    "X-Repo-Commit": repo.sha,
                    "Accept-Ranges": "bytes",
                }
                asked = "" if hub.ignores_ranges else self.headers.get("Range") or ""
                if wanted := re.fullmatch(r"bytes=(\d+)-(\d*)", asked):
                    first, last = int(wanted[1]), int(wanted[2] or len(content) - 1)
                    headers["Content-Range"] = f"bytes {first}-{min(last, len(content) - 1)}/{len(content)}"
                    return self.send(206, content[first : last + 1], headers, body)
                return self.send(200, content, headers, body)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @staticmethod
    def full_name(asked: dict[str, Any]) -> str:
        """owner/name of a repository to create."""
        return f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]

    def stop(self) -> None:
        """Close the server."""
        self.server.shutdown()
        self.server.server_close()


def split_path(path: str) -> tuple[str, str, str]:
    """The repository's kind ("", "datasets/" or "spaces/"), its owner/name and the rest of a path."""
    parts = path.split("/")
    kind = ""
    if parts[0] in ("models", "datasets", "spaces"):
        kind = "" if parts[0] == "models" else parts[0] + "/"
        parts = parts[1:]
    return kind, "/".join(parts[:2]), "/".join(parts[2:])


def entry(path: str, content: bytes) -> dict[str, Any]:
    """A file in a tree."""
    return {"type": "file", "path": path, "size": _size(content), "oid": hashlib.sha1(content).hexdigest()}


def tree(repo: Repo, folder: str, recursive: bool) -> list[dict[str, Any]]:
    """The files below a folder, or its own files and folders."""
    inside = {
        path: content for path, content in repo.files.items() if not folder or path.startswith(folder + "/")
    }
    if recursive:
        return [entry(path, content) for path, content in inside.items()]
    depth = folder.count("/") + 1 if folder else 0
    folders = {"/".join(path.split("/")[: depth + 1]) for path in inside if path.count("/") > depth}
    own = [entry(path, content) for path, content in inside.items() if path.count("/") == depth]
    return own + [{"type": "directory", "path": path, "size": 0, "oid": "0" * 40} for path in sorted(folders)]


def info(name: str, repo: Repo) -> dict[str, Any]:
    """What `/api/models/<name>` answers."""
    answer: dict[str, Any] = {
        "_id": "1",
        "id": name,
        "modelId": name,
        "sha": repo.sha,
        "private": repo.private,
        "gated": repo.gated,
        "downloads": 1,
        "likes": 0,
        "tags": [],
        "createdAt": "2026-01-01T00:00:00.000Z",
        "siblings": [
            {"rfilename": file, "size": _size(content), "blobId": "x"} for file, content in repo.files.items()
        ],
    }
    if repo.parameters is not None:
        answer["safetensors"] = {"parameters": {"F32": repo.parameters}, "total": repo.parameters}
    return answer | repo.metadata


def run_against(hub: HubServer, home: Path, script: str, cwd: Path | None = None) -> str:
    """Run a script with the real client pointed at the loopback Hub, in a process of its own, whose output
    must not name the token that it sends.
    """
    environment = {k: v for k, v in os.environ.items() if k != "HF_HUB_OFFLINE"}
    environment |= {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "HF_HUB_DISABLE_XET": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    tokens = [token.removeprefix("Bearer ") for token in hub.tokens if token and "hf_" in token]
    assert not any(token in done.stdout + done.stderr for token in tokens)
    return done.stdout
