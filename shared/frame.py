"""The page around a figure: theme, header, error handling, share and embed panel, launch."""

from __future__ import annotations

import errno
import functools
import html
import inspect
import json
import logging
import os
import secrets
import shutil
import socket
import tempfile
import time
import zipfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr

from shared import hub, limits, models
from shared.errors import VisitorError
from shared.figure import COMMON, Figure, stylesheet

log = logging.getLogger(__name__)

Item = TypeVar("Item")

REPOSITORY_NAME = "the LLM course that you can touch"

_SANS = ("ui-sans-serif", "system-ui", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace")

CSS = """
.gradio-container { width: 100%; max-width: 1160px !important; margin: 0 auto !important; }
.gradio-container .main { padding: 20px 16px 32px; }
.page-header h1 { font-size: 22px; line-height: 1.25; margin: 0 0 4px; letter-spacing: -.01em; font-weight: 650; }
.page-header p { margin: 0; color: var(--body-text-color-subdued); max-width: 62ch; font-size: 15px; line-height: 1.5; }
.page-header a { color: var(--link-text-color); }
.page-header .back { font-size: 13px; margin-bottom: 6px; padding: 0; display: inline-block; }
.gradio-container .block.hide-container > .html-container { padding: 0; }
.about { max-width: 68ch; font-size: 15px; line-height: 1.55; }
.about h1 { font-size: 20px; margin: 0 0 8px; }
.about h2 { font-size: 16px; margin: 20px 0 4px; }
.about p { margin: 8px 0; }
.about table { border-collapse: collapse; display: block; overflow-x: auto; }
.about td, .about th { border-bottom: 1px solid var(--border-color-primary); padding: 4px 10px 4px 0; text-align: left; vertical-align: top; }
.about pre { overflow-x: auto; padding: 10px 12px; border: 1px solid var(--border-color-primary); border-radius: 8px; }
.mono textarea { font-family: var(--font-mono); font-size: 13px; }
.dark .tab-wrapper button[role="tab"].selected { color: #6cb6f5; }
.dark .tab-wrapper button[role="tab"].selected::after { background-color: #6cb6f5; }
.quiet { color: var(--body-text-color-subdued); font-size: 13px; }
.findings { font-size: 13.5px; line-height: 1.5; }
.findings p { margin: 0 0 4px; }
.findings ul { list-style: none; margin: 0; padding: 0; display: grid; gap: 4px; }
.findings li { border-left: 3px solid #98a2b3; padding-left: 8px; margin: 0; overflow-wrap: anywhere; }
.findings li.error { border-color: #c2500c; }
.findings li.warning { border-color: #c2500c; border-left-style: dashed; }
footer { opacity: .8; }
footer .divider { display: none; }
@media (max-width: 640px) { .gradio-container .main { padding: 14px 8px 24px; } }
"""


def style(css: str) -> str:
    """A page's whole style sheet, from that of its figure."""
    return CSS + stylesheet(COMMON) + stylesheet(PANEL) + css


def theme() -> gr.themes.Base:
    """The suite's Gradio theme: calm paper, hairlines, one accent; the figures use the same values."""
    blue = gr.themes.Color(
        c50="#eef6fc",
        c100="#d9ebf8",
        c200="#b5d8f1",
        c300="#84bfe6",
        c400="#4a9fd6",
        c500="#0b6bb8",
        c600="#0b6bb8",
        c700="#095796",
        c800="#08487c",
        c900="#063a65",
        c950="#042744",
    )
    grey = gr.themes.Color(
        c50="#f8f9fb",
        c100="#f1f3f6",
        c200="#e4e7ec",
        c300="#d0d5dd",
        c400="#98a2b3",
        c500="#667085",
        c600="#4b5565",
        c700="#353c48",
        c800="#262b33",
        c900="#161a20",
        c950="#0f1115",
    )
    return gr.themes.Base(
        primary_hue=blue, secondary_hue=blue, neutral_hue=grey, font=_SANS, font_mono=_MONO
    ).set(
        body_background_fill="#ffffff",
        body_background_fill_dark="#0f1115",
        body_text_color="#16181d",
        body_text_color_dark="#eceef2",
        body_text_color_subdued="#5d6675",
        body_text_color_subdued_dark="#98a2b3",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="#0f1115",
        background_fill_secondary="#f8f9fb",
        background_fill_secondary_dark="#161a20",
        block_background_fill="#ffffff",
        block_background_fill_dark="#0f1115",
        block_border_color="#e4e7ec",
        block_border_color_dark="#262b33",
        border_color_primary="#e4e7ec",
        border_color_primary_dark="#262b33",
        block_radius="12px",
        block_shadow="none",
        block_shadow_dark="none",
        block_label_shadow="none",
        input_background_fill="#ffffff",
        input_background_fill_dark="#0f1115",
        input_border_color="#d0d5dd",
        input_border_color_dark="#353c48",
        input_shadow="none",
        input_shadow_focus="none",
        button_primary_background_fill="#0b6bb8",
        button_primary_background_fill_hover="#095796",
        button_primary_background_fill_dark="#1f7cc4",
        button_primary_background_fill_hover_dark="#0b6bb8",
        button_secondary_background_fill="transparent",
        button_secondary_background_fill_dark="transparent",
        button_secondary_background_fill_hover="#f1f3f6",
        button_secondary_background_fill_hover_dark="#161a20",
        button_secondary_border_color="#d0d5dd",
        button_secondary_border_color_dark="#353c48",
        button_secondary_text_color="#353c48",
        button_secondary_text_color_dark="#d0d5dd",
        button_border_width="1px",
        button_border_width_dark="1px",
        button_primary_border_color="#0b6bb8",
        button_primary_text_color="#ffffff",
        button_primary_shadow="none",
        button_primary_shadow_hover="none",
        button_secondary_shadow="none",
        button_secondary_shadow_hover="none",
        button_transition="none",
        link_text_color="#0b6bb8",
        link_text_color_dark="#6cb6f5",
        slider_color="#0b6bb8",
        slider_color_dark="#6cb6f5",
        block_label_text_color="#4b5565",
        block_label_text_color_dark="#98a2b3",
        block_title_text_color="#353c48",
        block_title_text_color_dark="#d0d5dd",
        block_info_text_color="#5d6675",
        block_info_text_color_dark="#98a2b3",
    )


QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
"""Settings of a page's events: they are no endpoints, and the figure shows the progress."""

LIGHT: dict[str, Any] = {"queue": False, **QUIET}
"""Of events that answer at once."""

HEAVY: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "model", **QUIET}
"""Of events that run a model: one at a time, those of the API included."""


@contextmanager
def page(title: str, sentences: str) -> Iterator[gr.Blocks]:
    """A Space's app, open for its controls, with the page's header."""
    with gr.Blocks(
        title=f"{title} · {REPOSITORY_NAME}", analytics_enabled=False, delete_cache=(3600, 7200)
    ) as demo:
        header(title, sentences)
        yield demo


def header(title: str, sentences: str) -> None:
    """The page's title and its two sentences; in the suite, a link back to the landing page."""
    back = '<a class="back" href="/">← all demos</a>' if os.environ.get("LLM_COURSE_SUITE") else ""
    gr.HTML(
        f'<header class="page-header">{back}<h1>{html.escape(title)}</h1><p>{html.escape(sentences)}</p></header>',
        padding=False,
    )


def unexpected(error: BaseException) -> VisitorError:
    """The sentence for a failure that nobody foresaw; its traceback goes to the log."""
    log.error("unexpected failure", exc_info=error)
    if type(error).__name__ == "OutOfMemoryError" or isinstance(error, MemoryError):
        return VisitorError("The machine ran out of memory.", "Choose a smaller model or a shorter run.")
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return VisitorError("The disk is full.", "Try again later, or with less data.")
    return VisitorError(
        f"The demo failed in a way it should not ({type(error).__name__}).",
        "Try again, and report it if it stays.",
    )


def last(steps: Iterator[Item]) -> Item:
    """The last item of a run; unlike `*_, last = steps` it does not keep all the others."""
    return deque(steps, maxlen=1).pop()


def for_page(
    function: Callable[..., Iterator[Any]], figure_index: int = 0, outputs: int = 1
) -> Callable[..., Iterator[Any]]:
    """Wrap a page's generator so that an error stands where the figure would; the other outputs keep their
    values.

    Args:
        function: generator that yields `outputs` values, or one value where `outputs` is 1.
        figure_index: which output is the figure.
        outputs: how many outputs there are.
    """

    @functools.wraps(function)
    def safe(*args: Any) -> Iterator[Any]:
        try:
            yield from function(*args)
        except Exception as error:  # noqa: BLE001  the page must go on whatever happened
            shown = error if isinstance(error, VisitorError) else unexpected(error)
            values = [gr.skip()] * outputs
            values[figure_index] = shown.to_json()
            yield values[0] if outputs == 1 else values

    return safe


def quiet(sentence: str) -> str:
    """A sentence as safe HTML."""
    return f"<p>{html.escape(sentence)}</p>"


def alert(error: VisitorError) -> str:
    """An error as safe HTML, for where no figure stands."""
    return f'<p role="alert"><b>{html.escape(error.what)}</b> {html.escape(error.remedy)}</p>'


def on_link(
    demo: gr.Blocks, mark: str, function: Callable[[str], Iterator[Any]], outputs: list[Any], **settings: Any
) -> Any:
    """Run `function` for a visitor whose URL has `mark` in its query; every other visitor's page is left as
    it is.

    A load event that answers "nothing to do" would wait in the queue behind the runs of others and then
    touch the controls that the visitor has already begun to fill in.

    Args:
        demo: the app.
        mark: what every link of this page has in its query, such as `prompt=`.
        function: generator that gets the query string and yields `outputs`.
        outputs: the components.
        settings: of the event that runs `function`.

    Returns:
        The event, for `cancels`.
    """

    def query_of(page: gr.Request) -> Any:
        query = str(page.query_params)
        return query if mark in query else gr.skip()

    link = gr.Textbox("", visible="hidden", label="Link")  # a State would call its own skip a change
    demo.load(query_of, None, [link], queue=False, show_progress="hidden", api_visibility="private")
    return link.change(function, [link], outputs, **settings)


def cancel_button(**settings: Any) -> gr.Button:
    """The button beside a primary one."""
    return gr.Button("Cancel", scale=0, min_width=110, **settings)


_CANCEL = """(...values) => {
  let running = false;
  const shown = values.slice(0, -1).map((value) => {
    const data = value ? JSON.parse(value) : null;
    if (data?.done !== false || data.cancelled) return value;
    running = true;
    return JSON.stringify(STOPPED ?? { ...data, cancelled: true });
  });
  return [...shown, running ? "Stopping …" : values.at(-1)];
}"""


def on_cancel(
    button: gr.Button, runs: list[Any], figures: list[Figure], stopped: VisitorError | None = None
) -> None:
    """Make a button cancel runs, and leave the page as it is where nothing runs.

    Gradio starts nothing more until the step that was running has ended; until then the button says so.

    Args:
        button: of the page.
        runs: the events to cancel.
        figures: where they show what they do; their data has `done: false` while a run goes on.
        stopped: what stands in a figure whose run was cancelled; without it the figure keeps what it has,
            marked `cancelled`.
    """
    script = _CANCEL.replace("STOPPED", json.dumps(stopped.to_json() if stopped else None))
    button.click(
        None,
        [*figures, button],
        [*figures, button],
        js=script,
        cancels=runs,
        queue=False,
        api_visibility="private",
        show_progress="hidden",
    )
    for run in runs:
        run.then(None, None, [button], js=f"() => {json.dumps(button.value)}")


def for_api(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap an API function so that a caller gets the two sentences of an error and never a traceback."""

    @functools.wraps(function)
    def safe(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except VisitorError as error:
            raise gr.Error(str(error), print_exception=False) from error
        except gr.Error:
            raise
        except Exception as error:
            raise gr.Error(str(unexpected(error)), print_exception=False) from error

    safe.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return safe


@cache
def stored(folder: Path, name: str) -> dict[str, Any]:
    """A Space's stored result, marked as one."""
    return {**json.loads((folder / f"{name}.json").read_text(encoding="utf-8")), "example": True}


def model_field(value: str = models.EMBEDDED_MODEL, **settings: Any) -> gr.Dropdown:
    """The choice of a model: one of the catalogue, or any other by its name."""
    label = "Model (any causal LM of the Hub)"
    return gr.Dropdown(list(models.CATALOGUE), value=value, allow_custom_value=True, label=label, **settings)


def push_row(
    label: str, push: Callable[..., str], inputs: list[gr.components.Component], verb: str = "Push"
) -> None:
    """A field for a repository's name and the button that writes it: on the Hub with the visitor's own token,
    elsewhere with the machine's.

    Args:
        label: of the field.
        push: writes the repository; it gets the inputs' values, the name and the token, and answers with the
            URL.
        inputs: components.
        verb: on the button.
    """
    with gr.Row():
        target = gr.Textbox(label=label, max_lines=1, scale=2)
        button = gr.Button(verb, scale=0, min_width=170)
        if hub.is_space():
            gr.LoginButton(scale=0, min_width=200)
    said = gr.HTML("", elem_classes="quiet")

    def signed_in(token: gr.OAuthToken | None, repository: str, *values: Any) -> str:
        return pushed(push, values, repository, token.token if token else None)

    def here(repository: str, *values: Any) -> str:
        return pushed(push, values, repository, hub.local_token())

    button.click(signed_in if hub.is_space() else here, [target, *inputs], [said], **QUIET)


def pushed(push: Callable[..., str], values: Sequence[Any], repository: str, token: str | None) -> str:
    """Push, and say so as safe HTML; the arguments are those of `push_row`'s `push`."""
    name = repository.strip()
    try:
        url = push(*values, name, token)
    except VisitorError as error:
        return alert(error)
    except Exception as error:  # noqa: BLE001  the page must go on whatever happened
        return alert(unexpected(error))
    return f'<p>Pushed to <a href="{html.escape(url, quote=True)}">{html.escape(name)}</a>.</p>'


PANEL = Path(__file__).parent / "panel"

ADDRESS = "{this demo}"
"""In a panel's code it stands for the address of the page that shows it."""


def panel_value(title: str, code: dict[str, str], query: str, *, live: bool = True) -> dict[str, Any]:
    """What the panel below a figure shows.

    Args:
        title: of the Space.
        code: programs that reproduce the figure, by what each is; `ADDRESS` in them becomes the page's own.
        query: of the permalink, without the question mark; "" where the figure has none.
        live: whether the visitor made this figure; then the page's own address takes the query.
    """
    listings = [{"label": label, "text": text} for label, text in code.items()]
    return {"title": title, "code": listings, "query": query, "live": live, "gradio": gr.__version__}


def panel(value: dict[str, Any]) -> Figure:
    """Code, permalink and embed snippets of the figure above."""
    return Figure(value, folder=PANEL, elem_id="panel")


def about(card: Path) -> None:
    """The text of a Space's card (without its YAML head), folded away."""
    from markdown_it import MarkdownIt

    text = card.read_text(encoding="utf-8").split("\n---\n", 1)[1]
    with gr.Accordion("About", open=False):
        gr.HTML(
            MarkdownIt("commonmark", {"html": False}).enable("table").render(text),
            elem_classes="about",
            padding=True,
        )


def zipped(folder: Path, target: Path) -> Path:
    """A folder's files in one archive, stored and not compressed: weights hardly shrink."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    return target


RESULT_SECONDS = 7200
"""How long a result's files can be downloaded."""


def expire(folder: Path, pattern: str, seconds: float) -> None:
    """Remove what matches in a folder and is older than that; another run may be removing the same at this
    moment.
    """
    for path in folder.glob(pattern):
        try:
            old = time.time() - path.stat().st_mtime > seconds
        except FileNotFoundError:
            continue
        if old and path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif old:
            path.unlink(missing_ok=True)


def upload_folder() -> Path:
    """Where Gradio puts uploads, and the only folder that it serves to whoever knows a file's path."""
    return Path(os.environ.get("GRADIO_TEMP_DIR") or Path(tempfile.gettempdir()) / "gradio").resolve()


def result_folder() -> Path:
    """A new folder with an unguessable name for one result's files; folders of earlier results go after two
    hours.
    """
    root = upload_folder()
    root.mkdir(parents=True, exist_ok=True)
    expire(root, "result-*", RESULT_SECONDS)
    folder = root / f"result-{secrets.token_urlsafe(24)}"
    folder.mkdir()
    return folder


def queue(demo: gr.Blocks) -> gr.Blocks:
    """Give the app its queue; ZeroGPU's default would hold one run only."""
    return demo.queue(max_size=limits.MAX_QUEUE, default_concurrency_limit=1)


def address() -> tuple[str, int]:
    """Host and port to listen on, from `HOST` and `PORT` (or Gradio's own variables).

    Raises:
        SystemExit: with a sentence, where nothing can listen there.
    """
    host = os.environ.get("HOST") or os.environ.get("GRADIO_SERVER_NAME") or "127.0.0.1"
    text = os.environ.get("PORT") or os.environ.get("GRADIO_SERVER_PORT") or "7860"
    if not text.isdecimal() or not 0 < int(text) < 65_536:
        raise SystemExit(f"PORT is {text!r}. Use a number from 1 to 65535.")
    try:
        family, kind, _, _, place = socket.getaddrinfo(host, int(text), type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(
                socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
            )  # a port that was closed a moment ago is free
            probe.bind(place)
    except OSError as error:
        raise SystemExit(
            f"Nothing can listen on {host}:{text} ({error.strerror}). Choose another address, such as PORT={int(text) % 65_535 + 1}."
        ) from None
    return host, int(text)


COMPRESSION: dict[str, Any] = {"minimum_size": 1_000, "compresslevel": 5}
"""A page carries its figures' data and scripts: a fifth of their bytes is left. Gradio compresses its own
scripts alone.
"""


def launch(demo: gr.Blocks, css: str) -> None:
    """Start one Space by itself, at `address()`."""
    from starlette.middleware import Middleware
    from starlette.middleware.gzip import GZipMiddleware

    host, port = address()
    queue(demo).launch(
        server_name=host,
        server_port=port,
        theme=theme(),
        css=style(css),
        mcp_server=True,
        max_file_size=limits.MAX_FILE_BYTES,
        run_history=False,
        app_kwargs={"middleware": [Middleware(GZipMiddleware, **COMPRESSION)]},
        show_error=True,
        ssr_mode=False,
        footer_links=["api"],
    )
