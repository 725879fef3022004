"""The server's connections, over real sockets: idle, half a request, too many, and those that must stay."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from shared import connections, limits
from tests.conftest import free_port, in_a_loop

PATIENCE = 0.4
"""Seconds that a request may take to come."""

REQUEST = b"GET /now HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def port(monkeypatch) -> Iterator[int]:
    """Where a small server listens that is as patient as ours would be in 30 s."""
    monkeypatch.setattr(limits, "STALL_SECONDS", PATIENCE)
    monkeypatch.setattr(limits, "MAX_CONNECTIONS", 4)
    monkeypatch.setattr(uvicorn.config, "HTTP_PROTOCOLS", dict(uvicorn.config.HTTP_PROTOCOLS))
    connections.bound()

    async def now(_):
        return PlainTextResponse("now")

    async def slowly(_):
        async def parts():
            for part in range(4):
                await asyncio.sleep(PATIENCE / 2)
                yield f"{part}"

        return StreamingResponse(parts())

    place = free_port()
    routes = [Route("/now", now), Route("/slowly", slowly)]
    server = uvicorn.Server(
        uvicorn.Config(Starlette(routes=routes), port=place, log_level="warning", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield place
    server.should_exit = True
    thread.join()


def opened(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10 * PATIENCE)


def answer(client: socket.socket, until: bytes = b"\0") -> bytes:
    """What comes until those bytes, or until the server ends the connection."""
    parts = b""
    try:
        while not parts.endswith(until) and (part := client.recv(4096)):
            parts += part
    except ConnectionResetError:
        pass
    return parts


@pytest.mark.parametrize("parts", [(b"",), (b"GET /now HTTP/1.1\r\nHo",), (REQUEST, b"GET /no")])
def test_a_request_that_does_not_come_ends_the_connection(port, parts):
    with opened(port) as client:
        for part in parts:
            start = time.monotonic()
            client.sendall(part)
            time.sleep(PATIENCE / 8)
        assert answer(client).endswith(b"now") == (REQUEST in parts)
        assert time.monotonic() - start >= 0.9 * PATIENCE


def test_a_request_in_drops_has_the_same_time(port):
    with opened(port) as client, pytest.raises((ConnectionResetError, BrokenPipeError)):
        for letter in REQUEST * 9:
            client.sendall(bytes([letter]))
            time.sleep(PATIENCE / 20)


def test_a_long_answer_is_not_cut(port):
    with opened(port) as client:
        client.sendall(b"GET /slowly HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert answer(client).endswith(b"1\r\n3\r\n0\r\n\r\n")


def test_beyond_a_number_newcomers_are_refused_until_others_left(port):
    first = [opened(port) for _ in range(4)]
    with opened(port) as late:
        assert answer(late) == b""
    for client in first:
        client.sendall(REQUEST)
        assert answer(client, until=b"now").endswith(b"now")
        client.close()
    time.sleep(0.05)
    with opened(port) as later:
        later.sendall(REQUEST)
        assert answer(later, until=b"now").endswith(b"now")


def test_one_address_has_a_share_and_loopback_has_none(monkeypatch):
    monkeypatch.setattr(limits, "MAX_NEIGHBOURS", 2)

    class Transport:
        cut = False

        def __init__(self, host: str) -> None:
            self.host = host

        def get_extra_info(self, name: str) -> object:
            return {"peername": (self.host, 1), "sockname": ("0.0.0.0", 2)}.get(name)

        def abort(self) -> None:
            self.cut = True

    async def cut(hosts: list[str]) -> list[bool]:
        config, state = uvicorn.Config(lambda: None), uvicorn.server.ServerState()
        config.load()
        transports = [Transport(host) for host in hosts]
        for transport in transports:
            connections.Connection(config, state, {}).connection_made(transport)  # type: ignore[arg-type]
        return [transport.cut for transport in transports]

    assert in_a_loop(cut(["10.0.0.1"] * 3 + ["10.0.0.2"])) == [False, False, True, False]
    assert in_a_loop(cut(["127.0.0.1"] * 5 + ["::1"] * 5)) == [False] * 10
