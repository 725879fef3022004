"""The server: where it listens, its queue, and what the suite and a single Space have in common."""

from __future__ import annotations

import os
import socket
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from shared import app, connections, files, limits, owner, uploads
from shared.page import style
from shared.sessions import forget
from shared.theme import theme

ICON = Path(__file__).with_name("icon.svg")
"""What a browser shows of a page in its tab."""

QUEUE_SECONDS = 0.01
"""Between two looks at an empty queue."""


def queue(demo: gr.Blocks) -> gr.Blocks:
    """Give the app its queue; ZeroGPU's default would hold one run only. Nobody passes it by, on a laptop no
    more than on a Space.
    """
    files.chores.append(partial(forget, demo))
    demo.queue(max_size=limits.MAX_QUEUE, default_concurrency_limit=1, api_open=False)
    # Gradio looks a thousand times a second, with which an idle server took 7 % of a core
    demo._queue.sleep_when_free = QUEUE_SECONDS
    return demo


def address() -> tuple[str, int]:
    """Host and port to listen on, from `HOST` and `PORT` (or Gradio's own variables).

    Raises:
        SystemExit: with a sentence, where nothing can listen there.
    """
    host = owner.host()
    text = os.environ.get("PORT") or os.environ.get("GRADIO_SERVER_PORT") or "7860"
    if not text.isdecimal() or not 0 < int(text) < 65_536:
        raise SystemExit(f"PORT is {text!r}. Use a number from 1 to 65535.")
    try:
        family, kind, _, _, place = socket.getaddrinfo(host, int(text), type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            # a port that was closed a moment ago is free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as error:
        why = f"Nothing can listen on {host}:{text} ({error.strerror})."
        raise SystemExit(f"{why} Choose another address, such as PORT={int(text) % 65_535 + 1}.") from None
    return host, int(text)


def keep_order() -> None:
    """As `files.keep_order`; every part of Gradio uses this process's folder, uploads and connections are
    bounded.
    """
    from gradio import mcp, routes

    files.keep_order()
    late: tuple[Any, ...] = (routes, mcp)  # they read the variable at their import
    for module in late:
        module.DEFAULT_TEMP_DIR = str(files.upload_folder())
    uploads.bound()
    connections.bound()


COMPRESSION: dict[str, Any] = {"minimum_size": 1_000, "compresslevel": 5}
"""A page carries its figures' data and scripts: a fifth of their bytes is left. Gradio compresses its own
scripts alone.
"""


def app_settings(css: str) -> dict[str, Any]:
    """What a Space's app is started with, alone or in the suite.

    Args:
        css: of its figure.
    """
    return {
        "theme": theme(),
        "css": style(css),
        "mcp_server": True,
        "max_file_size": limits.MAX_FILE_BYTES,
        "run_history": False,
        "ssr_mode": False,
        "footer_links": ["api"],
        "enable_monitoring": False,
        "app_kwargs": {"exception_handlers": dict(app.HANDLERS), "lifespan": app.lifespan},
    }


def launch(demo: gr.Blocks, css: str) -> None:
    """Start one Space by itself, at `address()`."""
    from starlette.middleware import Middleware
    from starlette.middleware.gzip import GZipMiddleware

    host, port = address()
    keep_order()
    if said := owner.notice(port):
        print(said, flush=True)
    settings = app_settings(css)
    settings["app_kwargs"]["middleware"] = [
        Middleware(owner.Gate),
        Middleware(GZipMiddleware, **COMPRESSION),
        Middleware(uploads.UploadLimit),
        Middleware(uploads.BodyLimit),
    ]
    queue(demo).launch(
        favicon_path=ICON,
        server_name=host,
        server_port=port,
        show_error=True,
        # else Gradio asks for its own page, and ends where a busy machine takes three seconds for it
        _frontend=False,
        **settings,
    )
