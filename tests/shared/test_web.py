"""Files from addresses of the web: public ones only, of bounded size and time."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from dedup_rooms.source import upload_of
from shared import files, limits, web
from shared.errors import VisitorError


@pytest.fixture
def host(monkeypatch, tmp_path) -> Iterator[str]:
    """The address of a server that this machine's loopback plays, taken for public."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            return None

        def do_GET(self) -> None:
            asked.append(self.headers["Host"])
            places = {"/on": "/rows.csv", "/round": "/round", "/in": "http://inside.example/rows.csv"}
            status = 302 if self.path in places else 404 if self.path == "/gone" else 200
            self.send_response(status)
            if status == 302:
                self.send_header("Location", places[self.path])
            self.end_headers()
            if status == 200:
                self.wfile.write(b"text\n" + b"row\n" * 100)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    public = web._public
    monkeypatch.setattr(
        web, "_public", lambda name, at: "127.0.0.1" if name == "outside.example" else public(name, at)
    )
    inside = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 80))]
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda name, *more: inside if name == "inside.example" else resolve(name, *more),
    )
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    yield f"http://outside.example:{port}"
    server.shutdown()
    server.server_close()
    assert set(asked) <= {f"outside.example:{port}"}, "the host hears its own name"


def test_a_file_comes_by_its_address(host):
    for path, name in (("/rows.csv", "rows.csv"), ("/on", "rows.csv"), ("/a%20b.csv?x=1", "a b.csv")):
        path, called = upload_of(host + path)
        assert called == name and path.read_bytes().startswith(b"text\nrow\n")
        assert files.upload_folder() in path.parents


def test_what_is_not_public_small_and_there_is_refused(host, monkeypatch, tmp_path):
    for address, part in (
        (f"{host}/in", "not on the public web"),
        (f"{host}/round", "redirects too many times"),
        (f"{host}/gone", "status 404"),
        ("http://", "not a web address"),
        ("http://[", "did not answer"),
        ("https://10.0.0.1/rows.csv", "not on the public web"),
    ):
        with pytest.raises(VisitorError, match=part):
            web.fetch(address)
    monkeypatch.setattr(limits, "MAX_FILE_BYTES", 100)
    with pytest.raises(VisitorError, match="larger than 0 MB"):
        web.fetch(f"{host}/rows.csv")
    monkeypatch.undo()
    assert not list(tmp_path.glob("result-*")), "nothing is left of what was refused"


def test_numbers_of_this_machines_own_network_are_not_public():
    for number in ("127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "0.0.0.0", "100.64.0.1"):
        with pytest.raises(VisitorError, match="not on the public web"):
            web._public(number, 80)


def test_an_address_that_answers_letter_by_letter_is_left(monkeypatch):
    """Each letter comes within the client's own limit of time; the whole answer would take days."""
    heard = threading.Event()

    def drip(listener: socket.socket) -> None:
        line, _ = listener.accept()
        heard.set()
        with line, suppress(OSError):
            line.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while True:
                line.sendall(b"x")
                time.sleep(0.05)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=drip, args=[listener], daemon=True).start()
        monkeypatch.setattr(web, "_public", lambda *_: "127.0.0.1")
        monkeypatch.setattr(limits, "FETCH_SECONDS", 0.5)
        start = time.monotonic()
        with pytest.raises(VisitorError, match="did not answer"):
            web.fetch(f"http://outside.example:{listener.getsockname()[1]}/rows.csv")
    assert heard.is_set() and time.monotonic() - start < 5
