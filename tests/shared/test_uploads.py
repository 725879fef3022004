"""What is sent to a server: uploads and other bodies of a bounded size, number and time."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from gradio import route_utils
from starlette.applications import Starlette
from starlette.formparsers import MultiPartException
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from shared import limits, uploads
from tests.conftest import in_a_loop

PATH = "/dedup/gradio_api/upload"
FILE = b'--x\r\nContent-Disposition: form-data; name="files"; filename="rows.txt"\r\n\r\n'
OTHER = FILE.replace(b'"files"', b'"others"')
FIELD = b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\n'
END = b"\r\n--x--\r\n"
GONE = object()


@pytest.fixture
def server(tmp_path, monkeypatch) -> Any:
    """What Gradio does with an upload and with any other body, behind the limits."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(route_utils, "GradioMultiPartParser", uploads.Parser)

    async def upload(request):
        try:
            answer = await route_utils.upload_fn(request, tmp_path, 10**9, None, force_move=False)
        except MultiPartException as error:
            return PlainTextResponse(error.message, 400)
        return JSONResponse([Path(path).name for path in answer[0]])

    async def echo(request):
        return JSONResponse({"length": len(await request.body()), "counted": request.scope[uploads.BODY]})

    routes = [Route(PATH, upload, methods=["POST"]), Route("/run", echo, methods=["GET", "POST"])]
    return uploads.UploadLimit(uploads.BodyLimit(Starlette(routes=routes)))


def send(server: Any, path: str, parts: list[Any], method: str = "POST") -> tuple[int, str]:
    """Status and text of the answer to a body that comes in parts, each bytes or a wait in seconds; None
    where there is no answer.
    """
    return in_a_loop(_sent(server, path, parts, method))


async def _sent(server: Any, path: str, parts: list[Any], method: str) -> tuple[int, str]:
    left, said = list(parts), []

    async def receive() -> dict[str, Any]:
        while left and isinstance(left[0], float):
            await asyncio.sleep(left.pop(0))
        part = left.pop(0) if left else GONE
        if part is GONE:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": part, "more_body": bool(left)}

    async def answer(message: dict[str, Any]) -> None:
        said.append(message)

    kind = (b"content-type", b"multipart/form-data; boundary=x")
    scope = {"type": "http", "method": method, "path": path, "headers": [kind], "query_string": b""}
    await server(scope, receive, answer)
    if not said:
        return 0, ""
    return said[0]["status"], b"".join(message.get("body", b"") for message in said[1:]).decode()


def test_an_upload_that_grows_too_large_or_stops_leaves_nothing(server, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_UPLOAD_BYTES", 4_000)
    monkeypatch.setattr(limits, "STALL_SECONDS", 0.1)
    assert send(server, PATH, [FILE, b"a row", END]) == (200, '["rows.txt"]')
    before = sorted(tmp_path.rglob("*"))
    for parts, part in (
        ([FILE, *[b"x" * 400] * 12, END], "more than one request may hold"),
        ([OTHER, *[b"x" * 400] * 12, END], "more than one request may hold"),
        ([FILE, b"x", 0.5, b"x", END], "did not go on"),
        ([0.5, FILE, END], "did not go on"),
        ([FILE, b"x", GONE], ""),
        ([FIELD, b"x" * 400, END], "Too many fields"),
        ([(FILE + b"\r\n") * 3] * 7 + [END], "Too many files"),
    ):
        status, text = send(server, PATH, parts)
        assert status == 400 and part in text, parts
        assert sorted(tmp_path.rglob("*")) == before, parts
    assert server.present == 0


def test_no_body_is_held_that_is_larger_than_what_a_page_sends(server, monkeypatch):
    monkeypatch.setattr(limits, "MAX_BODY_BYTES", 1_000)
    monkeypatch.setattr(limits, "STALL_SECONDS", 0.1)
    status, text = send(server, "/run", [b"x" * 400, b"y" * 400])
    assert status == 200 and json.loads(text) == {"length": 800, "counted": 800}
    assert json.loads(send(server, "/run", [b""], "GET")[1]) == {"length": 0, "counted": 0}
    for method in ("POST", "GET"):
        status, text = send(server, "/run", [b"x" * 400] * 3 + [b"never read"], method)
        assert status == 413 and "Send less at once" in text
    assert send(server, "/run", [b"x", 0.5, b"x"])[0] == 408
    monkeypatch.setattr(limits, "MAX_BODY_BRACKETS", 20)
    assert [send(server, "/run", [b"[{}" * count])[0] for count in (10, 11)] == [200, 413]
    assert send(server, "/run", [b"x", GONE])[0] == 0


def test_the_limits_leave_room_for_what_pages_send():
    assert 2 * len(json.dumps("é" * limits.MAX_TEXT_CHARACTERS)) <= limits.MAX_BODY_BYTES
    assert limits.MAX_UPLOAD_BYTES >= limits.MAX_UPLOADS * limits.MAX_FILE_BYTES
    assert uploads.MAX_FILES > limits.MAX_UPLOADS


def test_the_progress_of_the_last_uploads_is_known_alone(monkeypatch):
    monkeypatch.setattr(uploads, "MAX_NAMES", 3)
    known = uploads.Progress()

    async def ask() -> None:
        for number in range(9):
            known.track(f"upload {number}")
            known.append(f"upload {number}", "rows.txt", b"xx")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(known.is_tracked(f"nobody's {number}"), 0.01)
        assert await known.is_tracked("upload 8") and known.pop("upload 8").chunk_size == 2
        with pytest.raises(Exception, match="no name of an upload"):
            await known.is_tracked("x" * 50_000)

    in_a_loop(ask())
    assert len(known._statuses) <= 3 and len(known._signals) <= 3
