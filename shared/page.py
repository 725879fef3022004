"""The page around a figure: header, the panel with code and link, the card's text, pushing to the Hub."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import gradio as gr

from shared import entrances, files, hub, models, owner, private, quota, shelf
from shared.app import App
from shared.errors import VisitorError, for_visitor
from shared.figure import COMMON, Figure, lighten, stylesheet
from shared.glossary import glossary
from shared.tour import Step

REPOSITORY_NAME = "the LLM course that you can touch"

CSS = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")


def style(css: str) -> str:
    """A page's whole style sheet, from that of its figure."""
    return CSS + stylesheet(COMMON) + stylesheet(PANEL) + css


@contextmanager
def page(
    title: str,
    sentence: str,
    folder: Path | None = None,
    tours: Mapping[str, Sequence[Step]] | None = None,
) -> Iterator[App]:
    """A Space's app, open for its controls, with the page's header.

    Args:
        title: of the Space.
        sentence: what a visitor does there.
        folder: of the Space; its `preview` holds the pictures that links show.
        tours: steps through its rooms, by the rooms' names.
    """
    files.claim()
    with App(title=f"{title} · {REPOSITORY_NAME}", analytics_enabled=False) as demo:
        demo.sentence, demo.folder, demo.tours = sentence, folder, tours or {}
        header(title, sentence, tours=bool(tours))
        words = Figure(folder=PANEL, elem_classes="tour")
        quota.show(demo)
        yield demo
        labels = {block.id: str(block.label) for block in demo.blocks.values() if isinstance(block, gr.Tab)}
        rooms = {labels[tab]: runs for tab, runs in demo.tabs.items() if tab in labels}
        words.value = words.postprocess(glossary(rooms, demo.rooms))
        _private(demo)
        entrances.connect(demo)
        lighten(demo)


def header(title: str, sentence: str, *, tours: bool = False) -> None:
    """The page's title and its sentence; in the suite, a link back to the landing page, and where its rooms
    have steps to show, the button for them.
    """
    back = '<a class="back" href="/">← all demos</a>' if os.environ.get("LLM_COURSE_SUITE") else ""
    show = '<button type="button" class="show-me">Show me</button>' if tours else ""
    words = f"<h1>{html.escape(title)}</h1>{back}{show}<p>{html.escape(sentence)}</p>"
    gr.HTML(f'<header class="page-header">{words}</header>', padding=False)


def quiet(sentence: str) -> str:
    """A sentence as safe HTML."""
    return f"<p>{html.escape(sentence)}</p>"


def alert(error: VisitorError) -> str:
    """An error as safe HTML, for where no figure stands."""
    return f'<p role="alert"><b>{html.escape(error.what)}</b> {html.escape(error.remedy)}</p>'


@cache
def stored(folder: Path, name: str) -> dict[str, Any]:
    """A Space's stored result, marked as one."""
    return {**json.loads((folder / f"{name}.json").read_text(encoding="utf-8")), "example": True}


def model_field(
    value: str = models.EMBEDDED_MODEL,
    label: str = "Model (any causal LM of the Hub)",
    none: str = "",
    **settings: Any,
) -> gr.Dropdown:
    """The choice of a model: one of the catalogue, of the visitor's shelf, or any other by its name; with
    words for it, no model too.
    """
    choices: list[Any] = [*([(none, "")] if none else []), *models.CATALOGUE]
    return entrances.offered(
        gr.Dropdown(choices, value=value, allow_custom_value=True, label=label, **settings)
    )


def dataset_field(
    value: str = "", label: str = "or a Hub dataset", known: Sequence[str] = (), **settings: Any
) -> gr.Dropdown:
    """The choice of a dataset: one of those that lie beside the app, of the visitor's shelf, or any other by
    its name.
    """
    box = gr.Dropdown([*known], value=value, allow_custom_value=True, label=label, **settings)
    return entrances.offered(box, ("rows",))


def _private(demo: App) -> None:
    """The field for a visitor's private repositories, where their sign-in lets the page read them."""
    if not hub.signs_in_to_read():
        return
    with gr.Accordion("A private repository of yours", open=False, elem_id="private") as fold:
        with gr.Row(equal_height=True):
            name = gr.Textbox(label="Repository of the Hub, owner/name", max_lines=1, scale=2)
            button = gr.Button("Open", scale=0, min_width=120)
            gr.LoginButton(scale=0, min_width=200)
        gr.HTML(quiet(private.NEEDS), elem_classes="quiet", padding=False)
        said = entrances.result()

    def bring(token: gr.OAuthToken | None, text: str) -> str:
        try:
            return entrances.links(private.brought(text, token.token if token else None), demo)
        except Exception as error:  # noqa: BLE001  the page must go on whatever happened
            return alert(for_visitor(error))

    def linked(request: gr.Request) -> tuple[Any, Any]:
        asked = request.query_params.get(entrances.PRIVATE, "")
        return (gr.Accordion(open=True), asked) if asked else (gr.skip(), gr.skip())

    events: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    button.click(bring, [name], [said], concurrency_limit=2, **events)
    demo.load(linked, None, [fold, name], queue=False, **events)


def push_row(
    label: str,
    push: Callable[..., str],
    inputs: list[gr.components.Component],
    verb: str = "Push",
    done: str = "Pushed to",
) -> None:
    """A field for a repository's name and the button that writes it: on the Hub with the visitor's own token,
    elsewhere with the machine's.

    Args:
        label: of the field.
        push: writes the repository; it gets the inputs' values, the name and the token, and answers with the
            URL.
        inputs: components.
        verb: on the button.
        done: what is said before the repository's name.
    """
    with gr.Row():
        target = gr.Textbox(label=label, max_lines=1, scale=2)
        button = gr.Button(verb, scale=0, min_width=170)
        if owner.is_space():
            gr.LoginButton(scale=0, min_width=200)
    said = gr.HTML("", elem_classes="quiet")

    def signed_in(token: gr.OAuthToken | None, repository: str, *values: Any) -> str:
        return pushed(push, values, repository, token.token if token else None, done)

    def here(repository: str, *values: Any) -> str:
        return pushed(push, values, repository, hub.local_token(), done)

    button.click(
        signed_in if owner.is_space() else here,
        [target, *inputs],
        [said],
        api_visibility="private",
        show_progress="hidden",
    )


def pushed(
    push: Callable[..., str],
    values: Sequence[Any],
    repository: str,
    token: str | None,
    done: str = "Pushed to",
) -> str:
    """Push, and say so as safe HTML; the arguments are those of `push_row`'s `push`."""
    name = repository.strip()
    try:
        url = push(*values, name, token)
    except Exception as error:  # noqa: BLE001  the page must go on whatever happened
        return alert(for_visitor(error))
    there = f'<p>{done} <a href="{html.escape(url, quote=True)}">{html.escape(name)}</a>.</p>'
    return there + entrances.after_push(name, url)


PANEL = Path(__file__).parent / "panel"

ADDRESS = "{this demo}"
"""In a panel's code it stands for the address of the page that shows it."""


def code_and_link_value(
    title: str, code: dict[str, str], query: str, *, live: bool = True, asked: dict[str, Any] | None = None
) -> dict[str, Any]:
    """What the panel below a figure shows.

    Args:
        title: of the Space.
        code: programs that reproduce the figure, by what each is; `ADDRESS` in them becomes the page's own.
        query: of the permalink, without the question mark; "" where the figure has none.
        live: whether the visitor made this figure; then the page's own address takes the query.
        asked: the request of the figure, as its data has it.
    """
    listings = [{"label": label, "text": text} for label, text in code.items()]
    return {
        "title": title,
        "code": listings,
        "query": query,
        "live": live,
        "made": shelf.names_in(unquote_plus(query), *code.values()),
        "hub": owner.hub_page(),
        "gradio": gr.__version__,
        "asked": asked,
    }


def code_and_link(value: Mapping[str, Any] | None) -> Figure:
    """Code, permalink and embed snippets of the figure above."""
    return Figure(value, folder=PANEL, elem_id="panel")


def about(card: Path) -> None:
    """The text of a Space's card, folded away: without its YAML head, and without pictures of the page that
    shows it.
    """
    from markdown_it import MarkdownIt

    text = card.read_text(encoding="utf-8").split("\n---\n", 1)[1].partition("\n## Pictures\n")[0]
    with gr.Accordion("About", open=False):
        gr.HTML(
            MarkdownIt("commonmark", {"html": False}).enable("table").render(text),
            elem_classes="about",
            padding=True,
        )
