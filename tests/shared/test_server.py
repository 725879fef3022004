"""The server: its address, its end, what pages weigh, signing in."""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from shared import limits, suite
from tests.conftest import ROOT, Server

SPACES = suite.names()


def test_an_address_that_cannot_be_used_is_said():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = str(taken.getsockname()[1])
        for port, sentence in (
            (busy, f"Nothing can listen on 127.0.0.1:{busy}"),
            ("seven", "PORT is 'seven'"),
        ):
            environment = {**os.environ, "HOST": "127.0.0.1", "PORT": port}
            done = subprocess.run(
                [sys.executable, "-m", "shared.suite"],
                cwd=ROOT,
                capture_output=True,
                text=True,
                env=environment,
            )
            assert done.returncode != 0
            assert sentence in done.stderr
            assert "Traceback" not in done.stderr


def refuses_a_crowd(port: int) -> None:
    """Connections beyond the limit are ended at once, those before them are not."""
    crowd = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(limits.MAX_CONNECTIONS)]
    assert crowd[-1].recv(1) == b""  # the page's connection came first
    crowd[0].setblocking(False)
    with pytest.raises(BlockingIOError):
        crowd[0].recv(1)
    for client in crowd:
        client.close()


def test_control_c_ends_the_suite_while_a_page_is_open():
    server = Server(["-m", "shared.suite"], {}, "/dedup/")
    try:
        # what a client may hold
        with urllib.request.urlopen(f"{server.url}/dedup/gradio_api/heartbeat/anyone", timeout=60):
            refuses_a_crowd(server.port)
            server.process.send_signal(signal.SIGINT)
            server.process.wait(60)
    finally:
        server.stop()


SIGN_IN = """
from starlette.testclient import TestClient
from shared import gpu
from shared.suite import build
visitor = TestClient(build(), base_url="https://me-course.hf.space", follow_redirects=False)
assert "Sign in with Hugging Face" in visitor.get("/quantization/config").text
print(visitor.get("/login/huggingface?_target_url=/quantization/").headers["location"])
for path in ("/login/callback?code=x&state=stale", "/logout?_target_url=/quantization/"):
    print(visitor.get(path).headers["location"])
"""


def test_visitors_of_the_suite_can_sign_in():
    """The Hub sends who has signed in to /login/callback of the Space, whatever room the button was in."""

    class Provider(BaseHTTPRequestHandler):
        def log_message(self, *_):
            return None

        def do_GET(self):
            home = f"http://127.0.0.1:{self.server.server_address[1]}"
            answer = {
                "issuer": home,
                "authorization_endpoint": home + "/authorize",
                "token_endpoint": home + "/token",
            }
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

    provider = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=provider.serve_forever, daemon=True).start()
    home = f"http://127.0.0.1:{provider.server_address[1]}"
    environment = {
        **os.environ,
        "SYSTEM": "spaces",
        "SPACE_ID": "me/course",
        "SPACE_HOST": "me-course.hf.space",
        "NO_PROXY": "127.0.0.1",
    }
    environment |= {
        "OAUTH_CLIENT_ID": "id",
        "OAUTH_CLIENT_SECRET": "secret",
        "OAUTH_SCOPES": "openid contribute-repos",
    }
    environment |= {"OPENID_PROVIDER_URL": home}
    done = subprocess.run(
        [sys.executable, "-c", SIGN_IN],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    provider.shutdown()
    assert done.returncode == 0, done.stderr[-2000:]
    asked, again, after = [line for line in done.stdout.splitlines() if line.startswith((home, "/"))]
    sent = urllib.parse.parse_qs(urllib.parse.urlsplit(asked).query)
    assert asked.startswith(home + "/authorize?") and sent["scope"] == ["openid contribute-repos"]
    assert sent["redirect_uri"][0].startswith("https://me-course.hf.space/login/callback?")
    assert again.startswith("/login/huggingface?") and after == "/quantization/"


def test_a_page_comes_compressed(suite_url):
    for name in SPACES:
        request = urllib.request.Request(f"{suite_url}/{name}/", headers={"Accept-Encoding": "gzip"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            content = answer.read()
        # large values in it are compressed already
        assert answer.headers["Content-Encoding"] == "gzip"
        assert len(content) < len(gzip.decompress(content)) / 2


def test_uploads_have_a_limit(suite_url):
    for name in SPACES:
        config = json.loads(urllib.request.urlopen(f"{suite_url}/{name}/config", timeout=60).read())
        assert config["max_file_size"] == limits.MAX_FILE_BYTES
