"""The suite: a landing page and every Space's app in one process, each at its own path.

`python -m shared.suite` starts it on `HOST` and `PORT` (127.0.0.1:7860); with a Space's name it starts that
one alone.
"""

from __future__ import annotations

import html
import importlib.util
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from shared.catalogue import ROOT, TITLE, head, names

if TYPE_CHECKING:
    from fastapi import FastAPI

SENTENCE = (
    "Decoding, quantization, merging, abliteration, fine-tuning, evaluation, deduplication: pictures of real "
    "models and datasets, to change and to take away."
)


@dataclass(frozen=True)
class Card:
    """An entrance on the landing page: a Space, or a room of one that is worth an entrance of its own."""

    path: str
    title: str
    sentence: str
    picture: str


def read_card(name: str) -> Card:
    """A Space's title, short description and picture (a static SVG)."""
    picture = (ROOT / "spaces" / name / "card.svg").read_text(encoding="utf-8")
    return Card(f"{name}/", head(name)["title"], head(name)["short_description"], picture)


def cards() -> list[Card]:
    """The landing page's cards: one for each Space, and after it those of its rooms that have one."""
    found = []
    for name in names():
        found.append(read_card(name))
        for room in head(name)["course"].get("entrances", []):
            picture = (ROOT / "spaces" / name / room["picture"]).read_text(encoding="utf-8")
            found.append(Card(f"{name}/?{room['query']}", room["title"], room["sentence"], picture))
    return found


def load_app(name: str) -> ModuleType:
    """Import a Space's `app.py` under a name of its own, so that several fit in one process."""
    folder = ROOT / "spaces" / name
    for path in (str(ROOT), str(folder)):
        if path not in sys.path:
            sys.path.insert(0, path)
    spec = importlib.util.spec_from_file_location(f"{name}_app", folder / "app.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


_CARD = (
    '<li><a class="card" href="{path}"><div class="picture" aria-hidden="true">{picture}</div>'
    "<div><h2>{title}</h2><p>{sentence}</p></div></a></li>"
)


def landing() -> str:
    """The landing page's HTML."""
    entrances = "".join(
        _CARD.format(
            path=html.escape(one.path, quote=True),
            title=html.escape(one.title),
            sentence=html.escape(one.sentence),
            picture=one.picture,
        )
        for one in cards()
    )
    page = (Path(__file__).parent / "landing.html").read_text(encoding="utf-8")
    return page.replace("<!-- cards -->", entrances)


def build(url: str = "") -> FastAPI:
    """The landing page at `/`, the article at `/article`, and every Space's app at `/<name>`.

    Args:
        url: where the server finds itself; a call over MCP is passed on to it.
    """
    os.environ["LLM_COURSE_SUITE"] = "1"
    import gradio as gr
    from fastapi import FastAPI
    from fastapi.middleware.gzip import GZipMiddleware
    from fastapi.responses import FileResponse, HTMLResponse
    from fastapi.staticfiles import StaticFiles
    from gradio.route_utils import get_root_url

    from shared import article, owner, preview, server
    from shared.server import ICON
    from shared.uploads import BodyLimit, UploadLimit

    app = FastAPI(title=TITLE, docs_url=None, redoc_url=None)
    app.add_middleware(GZipMiddleware, **server.COMPRESSION)
    app.add_middleware(BodyLimit)
    app.add_middleware(UploadLimit)
    app.add_middleware(owner.Gate)
    # Gradio's sign-in button, and the Hub after it, go to /login of the whole server, not of a mounted app
    if owner.is_space():
        from gradio.oauth import attach_oauth

        attach_oauth(app)
    page = landing()

    def home(request: Any) -> HTMLResponse:
        root = get_root_url(request, "/", None)
        tags = preview.tags(TITLE, SENTENCE, f"{root}/", f"{root}/preview.png")
        return HTMLResponse(page.replace("<!-- preview -->", tags))

    app.add_route("/", home)
    app.add_route("/favicon.ico", lambda _: FileResponse(ICON, media_type="image/svg+xml"))
    app.add_route("/preview.png", lambda _: FileResponse(ROOT / article.PICTURE))
    app.state.article = tempfile.TemporaryDirectory(prefix="article")  # is gone with the process
    file = article.write(Path(app.state.article.name), "../{space}/", marked=True)

    def findings(request: Any) -> HTMLResponse:
        root = get_root_url(request, "/article/", None)
        tags = article.tags(f"{root}/article/", f"{root}/preview.png")
        return HTMLResponse(file.read_text(encoding="utf-8").replace(article.MARK, tags, 1))

    app.add_route("/article/", findings)
    app.mount("/article", StaticFiles(directory=app.state.article.name, html=True))

    for name in names():
        module = load_app(name)
        # Gradio checks the paths that a request names only in an app that "has launched"; a mounted one never
        # says so, and would read any file of the server for whoever asks.
        module.demo.has_launched = True
        app = gr.mount_gradio_app(
            app, server.queue(module.demo), f"/{name}", **server.app_settings(module.css)
        )
        if url:  # Gradio would take the address that the first caller claims, for all who follow
            module.demo.mcp_server_obj._local_url = f"{url}/{name}/"
    return app


def start_zero_gpu() -> None:
    """Tell ZeroGPU that the app is up; the `spaces` package does so at the first `launch`, which a mounted
    app never has.
    """
    import gradio as gr

    with gr.Blocks(analytics_enabled=False) as first:
        gr.HTML("")
    first.launch(
        server_name="127.0.0.1",
        server_port=free_port(),
        prevent_thread_lock=True,
        quiet=True,
        ssr_mode=False,
        enable_monitoring=False,
    )
    first.close(verbose=False)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main(space: str | None = None) -> None:
    """Start the suite, or one Space alone."""
    if space and space not in names():
        sys.exit(f"There is no Space {space!r}. Choose one of: {', '.join(names())}.")
    print("Starting …", flush=True)
    from shared import gpu  # isort: skip  imports spaces, which must come before torch
    from shared import owner, server

    host, port = server.address()
    if space:
        module = load_app(space)
        server.launch(module.demo, module.css)
        return
    import uvicorn

    server.keep_order()
    app = build(owner.own_url(port))
    if gpu.on_zero_gpu():
        start_zero_gpu()
    print(owner.notice(port) or f"Open http://{host}:{port}/", flush=True)
    # a page holds a connection while its run goes on
    uvicorn.run(app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=2)


if __name__ == "__main__":
    main(*sys.argv[1:2])
