"""Fixtures that every test tier shares: no network, the embedded model, launched apps, a browser."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Coroutine, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
if "PYTEST_XDIST_WORKER" in os.environ:  # its neighbour has the other core
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), *(str(app.parent) for app in sorted(ROOT.glob("spaces/*/app.py")))]

SLOW_FIXTURES = {"browser", "suite_url", "embedded"}
SLOW_FILES = {
    "test_bundle",
    "test_contributing",
    "test_deploy",
    "test_load",
    "test_owner",
    "test_powers",
    "test_server",
    "test_zerogpu",
}


def pytest_configure(config: pytest.Config) -> None:
    """The mark that `make check` leaves out."""
    config.addinivalue_line("markers", "slow: needs a browser, a server or a model of full size")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs more than a moment: by what it is given, or by its file."""
    for item in items:
        if SLOW_FIXTURES & set(getattr(item, "fixturenames", ())) or item.path.stem in SLOW_FILES:
            item.add_marker("slow")


@pytest.fixture(scope="session")
def embedded():
    """The embedded model, loaded once for the session."""
    from shared import models

    return models.load(models.EMBEDDED_MODEL)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(function: Callable[..., Any], argument: Any) -> Any:
    """What a figure gets that asks one of its page's functions."""
    from shared.errors import VisitorError
    from shared.turns import in_turn

    return in_a_loop(in_turn(function, VisitorError.to_json)(argument))


def in_a_loop(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine returns; it runs in a thread of its own, since this one may have a browser's loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


RUNNING: list[Server] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """A failed test shows what the servers printed last: that is where a page's failure is told."""
    report = yield
    if report.failed:
        for server in RUNNING:
            report.sections.append((f"printed by {server.url}", "".join(server.log[-60:])))
    return report


class Server:
    """A suite or a Space in a process of its own, with what it printed."""

    def __init__(
        self, arguments: list[str], environment: dict[str, str], path: str = "/", cwd: Path = ROOT
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=cwd,
            env={
                **os.environ,
                "HOST": "127.0.0.1",
                "PORT": str(self.port),
                "PYTHONUNBUFFERED": "1",
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._read, daemon=True).start()
        RUNNING.append(self)
        self._wait(path)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.log.append(line)

    def _wait(self, path: str) -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                urllib.request.urlopen(self.url + path, timeout=2).close()
                return
            except OSError:
                time.sleep(0.2)
        self.stop()
        raise RuntimeError("the server did not start:\n" + "".join(self.log[-40:]))

    def stop(self) -> None:
        """End the process and everything that it forked."""
        import signal

        RUNNING.remove(self)
        try:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(10)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(self.process.pid, signal.SIGKILL) if self.process.poll() is None else None


@pytest.fixture(scope="session")
def suite_url(embedded) -> Iterator[str]:
    """The running suite (the embedded model is converted before it starts)."""
    server = Server(["-m", "shared.suite"], {}, "/decoding/")
    yield server.url
    server.stop()


def ask_mcp(url: str, method: str, parameters: dict) -> dict:
    """The result of one MCP request to an app."""
    request = urllib.request.Request(
        f"{url}/gradio_api/mcp/",
        data=json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}).encode(),
        headers={"Content-Type": "application/json", "Accept": "application/json, text/event-stream"},
    )
    text = urllib.request.urlopen(request, timeout=120).read().decode()
    line = next((line[5:] for line in text.splitlines() if line.startswith("data:")), text)
    return json.loads(line)["result"]


def chromium_path() -> str | None:
    """The system's Chromium, or None for Playwright's own."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    return None


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium."""
    from playwright.sync_api import sync_playwright

    arguments = [
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        arguments.append("--no-sandbox")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=chromium_path(), args=arguments)
        yield chromium
        chromium.close()
