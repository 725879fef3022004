"""The suite: a landing page and every Space's app in one process, each at its own path.

`python -m shared.suite` starts it on `HOST` and `PORT` (127.0.0.1:7860); with a Space's name it starts that
one alone.
"""

from __future__ import annotations

import html
import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI

ROOT = Path(__file__).parents[1]
ORDER = ("decoding", "quantization", "merging", "abliteration", "dedup")


@dataclass(frozen=True)
class Card:
    """What the landing page says of a Space, read from its card, or of a room that is worth an entrance of
    its own.
    """

    path: str
    title: str
    sentence: str
    picture: str


def names() -> list[str]:
    """The Spaces that are here, in the order of the course."""
    return [name for name in ORDER if (ROOT / "spaces" / name / "app.py").is_file()]


def read_card(name: str) -> Card:
    """A Space's title, short description and picture (a static SVG)."""
    import yaml

    folder = ROOT / "spaces" / name
    head = yaml.safe_load((folder / "README.md").read_text(encoding="utf-8").split("---\n")[1])
    return Card(
        f"{name}/",
        head["title"],
        head["short_description"],
        (folder / "card.svg").read_text(encoding="utf-8"),
    )


def cards() -> list[Card]:
    """The landing page's cards: one for each Space, and the family tree after its Space."""
    found = [read_card(name) for name in names()]
    picture = (ROOT / "spaces" / "merging" / "tree.svg").read_text(encoding="utf-8")
    tree = Card(
        "merging/?tree=", "Family tree", "Where a model comes from, and what its licences ask", picture
    )
    found.insert(names().index("merging") + 1, tree)
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


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>The LLM course that you can touch</title>
<style>
:root {{ color-scheme: light dark; --paper: #fff; --ink: #16181d; --muted: #5d6675; --line: #e4e7ec; --panel: #f8f9fb; --fill: #dfe6ee;
  --a: #0b6bb8; --b: #c2500c; --c: #0a7f5c; }}
@media (prefers-color-scheme: dark) {{ :root {{ --paper: #0f1115; --ink: #eceef2; --muted: #98a2b3; --line: #262b33; --panel: #161a20;
  --fill: #2a3340; --a: #6cb6f5; --b: #f5a06a; --c: #5fd3a9; }} }}
* {{ box-sizing: border-box; }}
body {{ margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 ui-sans-serif, system-ui, "Segoe UI", Roboto, sans-serif; }}
main {{ max-width: 1080px; margin: 0 auto; padding: 48px 20px; }}
h1 {{ font-size: 28px; line-height: 1.2; letter-spacing: -.015em; margin: 0 0 6px; }}
p {{ margin: 0; color: var(--muted); max-width: 62ch; }}
ul {{ list-style: none; margin: 28px 0; padding: 0; display: grid; grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); gap: 16px; }}
@media (max-width: 360px) {{ ul {{ grid-template-columns: 1fr; }} }}
a.card {{ display: block; height: 100%; border: 1px solid var(--line); border-radius: 12px; overflow: hidden; color: inherit; text-decoration: none; }}
a.card:hover {{ border-color: var(--a); }}
a.card:focus-visible {{ outline: 2px solid var(--a); outline-offset: 2px; }}
.card .picture {{ background: var(--panel); border-bottom: 1px solid var(--line); }}
.card svg {{ display: block; width: 100%; height: auto; }}
.card div:last-child {{ padding: 14px 16px 16px; }}
footer {{ color: var(--muted); font-size: 13px; max-width: 75ch; }}
h2 {{ font-size: 17px; margin: 0 0 2px; }}
</style></head><body><main>
<h1>The LLM course that you can touch</h1>
<p>Every picture here is computed on a real model or dataset, equals what the library it explains would do, and leaves with you as a link,
a figure for your own page, and the lines of code that reproduce it.</p>
<ul>{cards}</ul>
<footer>Each demo is also a typed API and an MCP server, linked at its foot. Nothing you type leaves the server that shows this page, unless you
name something of the Hub or push to it. Apache-2.0.</footer>
</main></body></html>"""

_CARD = '<li><a class="card" href="{path}"><div class="picture" aria-hidden="true">{picture}</div><div><h2>{title}</h2><p>{sentence}</p></div></a></li>'


def landing() -> str:
    """The landing page's HTML."""
    return _PAGE.format(
        cards="".join(
            _CARD.format(
                path=card.path,
                title=html.escape(card.title),
                sentence=html.escape(card.sentence),
                picture=card.picture,
            )
            for card in cards()
        )
    )


def build() -> FastAPI:
    """The landing page at `/` and every Space's app at `/<name>`."""
    os.environ["LLM_COURSE_SUITE"] = "1"
    import gradio as gr
    from fastapi import FastAPI
    from fastapi.middleware.gzip import GZipMiddleware
    from fastapi.responses import HTMLResponse

    from shared import frame, hub, limits

    app = FastAPI(title="The LLM course that you can touch", docs_url=None, redoc_url=None)
    app.add_middleware(GZipMiddleware, **frame.COMPRESSION)
    # Gradio's sign-in button, and the Hub after it, go to /login of the whole server, not of a mounted app
    if hub.is_space():
        from gradio.oauth import attach_oauth

        attach_oauth(app)
    page = landing()

    @app.get("/", response_class=HTMLResponse)
    def home() -> str:
        return page

    for name in names():
        module = load_app(name)
        # Gradio checks the paths that a request names only in an app that "has launched"; a mounted one never
        # says so, and would read any file of the server for whoever asks.
        module.demo.has_launched = True
        app = gr.mount_gradio_app(
            app,
            frame.queue(module.demo),
            f"/{name}",
            theme=frame.theme(),
            css=frame.style(module.css),
            mcp_server=True,
            max_file_size=limits.MAX_FILE_BYTES,
            run_history=False,
            ssr_mode=False,
            footer_links=["api"],
        )
    return app


def start_zero_gpu() -> None:
    """Tell ZeroGPU that the app is up; the `spaces` package does so at the first `launch`, which a mounted
    app never has.
    """
    import gradio as gr

    with gr.Blocks(analytics_enabled=False) as first:
        gr.HTML("")
    first.launch(
        server_name="127.0.0.1", server_port=free_port(), prevent_thread_lock=True, quiet=True, ssr_mode=False
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
    from shared import frame

    host, port = frame.address()
    if space:
        module = load_app(space)
        frame.launch(module.demo, module.css)
        return
    import uvicorn

    app = build()
    if gpu.on_zero_gpu():
        start_zero_gpu()
    print(f"Open http://{host}:{port}/", flush=True)
    uvicorn.run(
        app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=2
    )  # open pages hold a connection for ever


if __name__ == "__main__":
    main(*sys.argv[1:2])
