"""ZeroGPU without a GPU: a stub of its scheduler on loopback, and a launcher for an app that believes it runs
there.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from gradio_client import Client

from tests.conftest import Server

# CPU torch breaks the package's emulation of CUDA: it must be imported as if torch were absent.
PRELUDE = """
import sys
sys.modules["torch"] = None
import spaces
del sys.modules["torch"]
"""


class Scheduler:
    """Answers /startup-report, /schedule, /allow and /release; `answer` chooses how: ok, quota, busy or
    kill.
    """

    def __init__(self) -> None:
        self.answer = "ok"
        self.scheduled: list[dict[str, str]] = []
        self.allowed: list[int] = []
        self.released = 0
        self.started = False
        scheduler = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                return None

            def send(self, status: int, content: Any = None) -> None:
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                url = urlsplit(self.path)
                values = {name: texts[0] for name, texts in parse_qs(url.query).items()}
                if url.path == "/startup-report":
                    scheduler.started = True
                    return self.send(200)
                if url.path == "/schedule":
                    scheduler.scheduled.append(values)
                    if scheduler.answer == "quota":
                        return self.send(429, {"left": 3, "wait": 3600})
                    if scheduler.answer == "busy":
                        return self.send(503)
                    return self.send(
                        200,
                        {"idle": False, "nvidiaIndex": 0, "nvidiaUUID": "GPU-test", "allowToken": "token"},
                    )
                if url.path == "/allow":
                    pid = int(values["pid"])
                    scheduler.allowed.append(pid)
                    self.send(200)
                    if scheduler.answer == "kill":
                        os.kill(pid, signal.SIGKILL)
                    return None
                scheduler.released += 1
                return self.send(200)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def environment(self, folder: Path) -> dict[str, str]:
        """The variables that make a process believe it runs on ZeroGPU."""
        cgroup = folder / "cgroup"
        cgroup.write_text("0::/test\n")
        return {
            "SPACES_ZERO_GPU": "true",
            "SPACES_ZERO_DEVICE_API_URL": self.url,
            "ZEROGPU_PROC_SELF_CGROUP_PATH": str(cgroup),
            "ZEROGPU_OFFLOAD_DIR": str(folder / "offload"),
        }

    def stop(self) -> None:
        """Close the server and end the workers that were allowed."""
        self.server.shutdown()
        self.server.server_close()
        for pid in self.allowed:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


@contextmanager
def emulated(space: str, folder: Path, before: str = "") -> Iterator[tuple[Scheduler, Server, Client]]:
    """One Space that believes it runs on ZeroGPU, its scheduler, and a client.

    Args:
        space: its folder's name.
        folder: for the emulation's files.
        before: Python to run before the Space starts.
    """
    scheduler = Scheduler()
    server = Server(
        ["-c", f"{PRELUDE}\n{before}\nfrom shared.suite import main; main({space!r})"],
        scheduler.environment(folder),
    )
    yield scheduler, server, Client(server.url, verbose=False)
    scheduler.stop()
    server.stop()


REFUSALS = (
    ("quota", "calls from outside the Space's page is used up"),
    ("busy", "no free GPU"),
    ("kill", "GPU process stopped"),
)
"""What the scheduler answers, and a part of the sentence that a visitor then reads."""
