"""What a page offers of the visitor's shelf: names in its fields, and below a result the ways into the other
Spaces.
"""

from __future__ import annotations

import html
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import gradio as gr
from gradio.context import Context

from shared import hub, made_rows, models, owner, shelf, whole
from shared.app import App
from shared.catalogue import names

shelf.openers["adapter"] = shelf.openers["gguf"] = whole.opened

FILL = "fill"
"""In a link: the settings go into the room's fields, and the visitor starts the run."""

PRIVATE = "private"
"""In a link: a repository that a visitor opens with their own sign-in. It is the link's only setting, since
Gradio comes back from a sign-in with no more than the first.
"""

QUIET: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}

MODEL_ROOMS: dict[str, dict[str, Any]] = {
    "decoding": {"room": "pair", "model": "{parent}", "other": "{name}", "chat": "{chat}"},
    "evaluation": {"room": "compare", "models": ["{parent}", "{name}"]},
    "quantization": {"room": "take", "model": "{name}"},
    "merging": {"room": "merge", "recipe": "{recipe}"},
    "abliteration": {"room": "find", "model": "{name}"},
    "finetuning": {"room": "train", "model": "{name}"},
}
"""By Space, the query of the room where a made model is of use."""
ROWS_ROOMS: dict[str, dict[str, Any]] = {
    "finetuning": {"room": "mask", "dataset": "{name}"},
    "dedup": {"room": "duplicates", "dataset": "{name}"},
    "evaluation": {"room": "compare", "corpus_dataset": "{name}"},
}
"""The same of a dataset's rows."""
NAMES = {"finetuning": "fine-tuning"}
"""Spaces whose name is no word."""
TREE = {"room": "tree", "tree": "{name}"}
"""Of the family tree, in merging."""


@dataclass
class Offers:
    """What of a page follows the shelf.

    Args:
        fields: with the choices that they have without it, and the kinds of things that they take.
        results: where a page says what it has just put there.
    """

    fields: list[tuple[gr.Dropdown, list[Any], tuple[shelf.Kind, ...]]] = field(default_factory=list)
    results: list[gr.HTML] = field(default_factory=list)


def offered(box: gr.Dropdown, kinds: tuple[shelf.Kind, ...] = shelf.MODELS) -> gr.Dropdown:
    """A field of the page that is being built, which from now on lists the visitor's own things too."""
    _offers().fields.append((box, list(box.choices or []), kinds))
    return box


def result(**settings: Any) -> gr.HTML:
    """The place below a result where its entrances stand; `links` writes what it shows."""
    box = gr.HTML("", elem_classes="quiet entrances", padding=False, **settings)
    _offers().results.append(box)
    return box


def connect(demo: gr.Blocks) -> None:
    """Let a page's fields follow the shelf: when it is opened, and when it has put something there."""
    offers = _offers(demo)
    boxes = [box for box, _, _ in offers.fields]
    if not boxes:
        return

    def listed() -> dict[Any, Any]:
        return {box: _choices(plain, kinds) for box, plain, kinds in offers.fields}

    gr.on([demo.load, *(box.change for box in offers.results)], listed, None, boxes, **QUIET)


def _choices(plain: list[Any], kinds: Sequence[shelf.Kind]) -> Any:
    made = [(one.name, one.name) for one in shelf.listed(kinds)]
    return gr.Dropdown(choices=[*plain, *made]) if made else gr.skip()


def _offers(demo: Any = None) -> Offers:
    page: Any = demo or Context.root_block
    if not hasattr(page, "offers"):
        page.offers = Offers()
    found: Offers = page.offers
    return found


def links(made: shelf.Made | None, page: App | None = None) -> str:
    """The name of what was just made and the ways to open it, as safe HTML; "" where it is on no shelf.

    In the suite they lead into every Space; elsewhere into a room of this one, where its page is given.
    """
    if made is None:
        return ""
    rooms = ROWS_ROOMS if made.kind == "rows" else MODEL_ROOMS
    if made.kind == "rows" and not made_rows.reads(made.file):
        rooms = {"dedup": ROWS_ROOMS["dedup"]}
    suite = "LLM_COURSE_SUITE" in os.environ
    here = [space for space in names() if space in rooms] if suite else []
    ways = [_link(f"../{space}/", space, rooms[space], made) for space in here]
    if suite and made.kind != "rows":
        ways.append(_link("../merging/", "its family tree", TREE, made, fill=False))
    name = f"<code>{html.escape(made.name)}</code>"
    if page and not suite and (query := _room_in(page, rooms)):
        return f"<p>For two hours it is {name}, for you alone. {_link('', 'Open it here', query, made)}.</p>"
    if not ways:
        return (
            f"<p>For two hours it is {name} in this Space's fields. For another Space, push it, and name the "
            "repository there.</p>"
        )
    return f"<p>For two hours it is {name}, for you alone. Open it in {' · '.join(ways)}.</p>"


def _room_in(page: App, rooms: Mapping[str, dict[str, Any]]) -> dict[str, Any] | None:
    """Of rooms by Space, the query of the one that is on a page."""
    for query in rooms.values():
        entrance = page.rooms.get(query["room"])
        if entrance and entrance.request and query.keys() - {"room"} <= entrance.request.declared().keys():
            return query
    return None


def after_push(repository: str, url: str) -> str:
    """The ways from a model or dataset that was pushed into the other Spaces of the same owner, as safe HTML;
    "" where this is no Space that stands among them.
    """
    owners, _, space = os.environ.get("SPACE_ID", "").partition("/")
    rooms = ROWS_ROOMS if "/datasets/" in url else MODEL_ROOMS
    if owner.hub_page() is None or space not in {*MODEL_ROOMS, *ROWS_ROOMS} or "/spaces/" in url:
        return ""
    others = [one for one in rooms if one != space]
    pushed = shelf.Made(repository, "model", "", (), "", Path())
    ways = [_link(f"https://huggingface.co/spaces/{owners}/{one}", one, rooms[one], pushed) for one in others]
    if hub.signs_in_to_read():
        kind = "datasets/" if "/datasets/" in url else ""
        query = {PRIVATE: kind + repository}
        signed = [
            _link(f"https://huggingface.co/spaces/{owners}/{one}", one, query, pushed, fill=False)
            for one in others
        ]
        private = f"Where it is private, open it with your sign-in in {' · '.join(signed)}."
    else:
        private = (
            f"Where it is private, no other Space can read it: that takes <code>{hub.READ}</code> among the "
            "<code>hf_oauth_scopes</code> of its card, which the Space's owner may grant, and your sign-in."
        )
    return f"<p>Where it is public, open it in {' · '.join(ways)}. {private}</p>"


def _link(address: str, words: str, query: dict[str, Any], made: shelf.Made, *, fill: bool = True) -> str:
    parent = made.parents[0] if made.parents else made.name
    recipe = json.dumps(
        {
            "merge_method": "linear",
            "models": [{"model": name, "parameters": {"weight": 0.5}} for name in (parent, made.name)],
            "dtype": "float32",
        }
    )
    chat = str(int(models.has_template(parent)))
    values = {"parent": parent, "name": made.name, "recipe": recipe, "chat": chat}

    def filled(text: Any) -> Any:
        if isinstance(text, list):
            return [filled(one) for one in text]
        return values[text[1:-1]] if text.startswith("{") else text

    pairs = {key: filled(text) for key, text in query.items()} | ({FILL: 1} if fill else {})
    target = html.escape(f"{address}?{urlencode(pairs, doseq=True)}", quote=True)
    return f'<a href="{target}">{html.escape(NAMES.get(words, words))}</a>'
