"""What is sent here: uploads, a few at once, and none while the disk holds as much of them as it may; and
everything else, which has a size too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from gradio import route_utils, routes

from shared import files, limits, owner, shelf
from shared.errors import VisitorError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATHS = ("/gradio_api/upload", "/gradio_api/upload/")

UNUSED = re.compile(r".*/gradio_api/(process_recording|deep_link|dev/|vibe|undo-vibe|stream/|proxy=)")
"""Routes of Gradio's that no page here uses: one cuts videos and leaves each upload for ever, another keeps
what a session shows for ever, the others are for its own tools or for other servers.
"""

_FILE = re.compile(r".*?/file[=/](.*)", re.DOTALL)
"""Gradio's routes to a file, by its path."""

BODY = "llm_course_body"
"""In the scope of a request: how many bytes it was sent with."""

MAX_FILES = 20
"""Files of one upload."""

MAX_NAMES, MAX_NAME = 1_000, 200
"""Uploads whose progress may be asked for, and the longest name of one, in characters."""

_NOWHERE = VisitorError("There is nothing at this address.", "Look at “Use via API” below the page.")
_CROWD = VisitorError("Other visitors are uploading files at the moment.", "Try again in a minute.")
_FULL = VisitorError("The server has no more room for files.", "Try again later, or run the demo locally.")
_MUCH = VisitorError("That is more than one request may hold.", "Send less at once.")
_CLOSE = {"Connection": "close"}  # what is still to come is not read
_STALLED = VisitorError("The request did not go on.", "Send it again.")


class Parser(route_utils.GradioMultiPartParser):
    """Gradio's reader of uploads, which takes a few files, each an open one, and no fields: it would hold
    those in memory.
    """

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **{**settings, "max_files": MAX_FILES, "max_fields": 0})


class Progress(route_utils.FileUploadProgress):
    """What Gradio knows of uploads, which remembers every name that anybody asked for; here of the last."""

    def track(self, upload_id: str) -> None:
        self._bound(upload_id)
        super().track(upload_id)

    async def is_tracked(self, upload_id: str) -> bool:
        self._bound(upload_id)
        return await super().is_tracked(upload_id)

    def _bound(self, upload_id: str) -> None:
        if len(upload_id) > MAX_NAME:
            raise VisitorError("That is no name of an upload.", "Reload the page.")
        known: dict[str, Any]
        for known in (self._statuses, self._signals):
            while len(known) >= MAX_NAMES:
                del known[next(iter(known))]


def bound() -> None:
    """Have Gradio use both."""
    route_utils.GradioMultiPartParser = Parser  # type: ignore[misc]
    routes.file_upload_statuses = Progress()


class UploadLimit:
    """ASGI middleware that refuses an upload before its first byte: Gradio bounds each file, but neither
    their number nor what all of them take. One that grows too large or does not go on is given up, and what
    came of it goes.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.present = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].endswith(PATHS):
            return await self.app(scope, receive, send)
        import anyio
        from starlette.responses import PlainTextResponse

        if self.present >= limits.MAX_UPLOADS_AT_ONCE:
            return await PlainTextResponse(str(_CROWD), 503)(scope, receive, send)
        self.present += 1
        try:
            if await anyio.to_thread.run_sync(files.is_full):
                return await PlainTextResponse(str(_FULL), 507)(scope, receive, send)
            return await self.app(scope, _bounded(receive), send)
        finally:
            self.present -= 1


def _bounded(receive: Receive) -> Receive:
    """The parts of an upload; Gradio removes its files at this error, and at no other."""
    from starlette.formparsers import MultiPartException

    size, ended = 0, False

    async def part() -> Message:
        nonlocal size, ended
        if ended:
            return await receive()
        try:
            message = await _next(receive)
        except TimeoutError:
            raise MultiPartException(str(_STALLED)) from None
        size += len(message.get("body", b""))
        ended = not message.get("more_body", False)
        if message["type"] != "http.request" or size > limits.MAX_UPLOAD_BYTES:
            raise MultiPartException(str(_MUCH))
        return message

    return part


async def _next(receive: Receive) -> Message:
    """The next part of a request.

    Raises:
        TimeoutError: it did not come.
    """
    import anyio

    with anyio.fail_after(limits.STALL_SECONDS):
        return await receive()


class BodyLimit:
    """ASGI middleware that reads what a request was sent with, uploads aside, before anybody else does:
    Gradio would hold a body of any size in memory. Routes that no page uses are not answered, nor those to
    what somebody else made.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].endswith(PATHS):
            return await self.app(scope, receive, send)
        from starlette.responses import PlainTextResponse

        if UNUSED.match(scope["path"]):
            return await PlainTextResponse(str(_NOWHERE), 404)(scope, receive, send)
        if file := _FILE.match(scope["path"]):
            try:
                shelf.check_path(file[1], owner.visitor(scope))
            except VisitorError as error:
                return await PlainTextResponse(str(error), 403)(scope, receive, send)
        body, more = bytearray(), True
        while more:
            try:
                message = await _next(receive)
            except TimeoutError:
                return await PlainTextResponse(str(_STALLED), 408, _CLOSE)(scope, receive, send)
            if message["type"] != "http.request":
                return None  # nobody is there any more
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > limits.MAX_BODY_BYTES:
                return await PlainTextResponse(str(_MUCH), 413, _CLOSE)(scope, receive, send)
        if body.count(b"[") + body.count(b"{") > limits.MAX_BODY_BRACKETS:
            return await PlainTextResponse(str(_MUCH), 413)(scope, receive, send)
        whole: list[dict[str, Any]] = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def read() -> Message:
            return whole.pop() if whole else await receive()

        return await self.app({**scope, BODY: len(body)}, read, send)
