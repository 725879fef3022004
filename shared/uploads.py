"""Uploads: a few at once, and none while the disk holds as much of them as it may."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import files, limits
from shared.errors import VisitorError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

PATHS = ("/gradio_api/upload", "/gradio_api/upload/")

_CROWD = VisitorError("Other visitors are uploading files at the moment.", "Try again in a minute.")
_FULL = VisitorError("The server has no more room for files.", "Try again later, or run the demo locally.")


class UploadLimit:
    """ASGI middleware that refuses an upload before its first byte: Gradio bounds each file, but neither
    their number nor what all of them take.
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
            return await self.app(scope, receive, send)
        finally:
            self.present -= 1
