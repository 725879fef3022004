"""The part of a take-home room that makes a chat Space of the model that was made there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from shared import chat_space, hub, page
from shared.errors import VisitorError, for_visitor
from shared.files import result_folder

Found = Callable[..., tuple[Path, str]]
"""Called with a room's values: the folder with the model's files, and how it was made."""


def build(name: str, found: Found, inputs: Sequence[Component]) -> None:
    """Fields, the app's code, its files, and what pushes them.

    Args:
        name: of the room, for the ids.
        found: see `Found`; it raises a VisitorError where there is nothing.
        inputs: whose values it gets.
    """
    with gr.Accordion("A chat Space for it, on ZeroGPU", open=False, elem_id=f"{name}-chat"):
        with gr.Row(equal_height=True):
            model = gr.Textbox(
                label="Where the model is, or will be, on the Hub: owner/name",
                max_lines=1,
                scale=2,
                elem_id=f"{name}-chat-model",
            )
            system = gr.Textbox(label="System prompt that it begins with", max_lines=4, scale=2)
            show = gr.Button(
                "Show the app", scale=0, min_width=140, elem_classes="run", elem_id=f"{name}-chat-show"
            )
        said = gr.HTML("", elem_classes="quiet", elem_id=f"{name}-chat-said")
        code = gr.Code(
            language="python",
            label="app.py",
            interactive=False,
            max_lines=24,
            visible=False,
            elem_id=f"{name}-chat-code",
        )
        files = gr.Files(label="The Space's files", visible=False, interactive=False)
        page.push_row(
            "Private Space to create, owner/name",
            lambda *values: push(found, *values),
            [model, system, *inputs],
            "Push the Space",
        )

    def shown(repository: str, prompt: str, *values: Any) -> tuple[Any, Any, str]:
        try:
            facts, paths = written(found, repository, prompt, *values)
        except Exception as error:  # noqa: BLE001  the page must go on whatever happened
            return gr.Code(visible=False), gr.Files(visible=False), page.alert(for_visitor(error))
        low, high = (min(chat_space.MOST_SECONDS, chat_space.seconds(facts, count)) for count in (256, 1_024))
        return (
            gr.Code((paths["app.py"]).read_text(encoding="utf-8"), visible=True),
            gr.Files([str(path) for path in paths.values()], visible=True),
            page.quiet(
                f"{facts.parameters / 1e6:,.1f} million parameters in {facts.dtype}: an answer of 256 tokens "
                f"asks for {low} s of GPU, one of 1,024 for {high} s. Push the model first, then this Space."
            ),
        )

    show.click(
        shown,
        [model, system, *inputs],
        [code, files, said],
        api_visibility="private",
        show_progress="hidden",
    )


def written(
    found: Found, repository: str, prompt: str, *values: Any
) -> tuple[chat_space.Facts, dict[str, Path]]:
    """The chat Space's files, in a folder of this visitor, and what they were written for.

    Raises:
        VisitorError: there is no model, or as `chat_space.files`.
    """
    folder, says = found(*values)
    facts = chat_space.facts_of(folder, says)
    texts = chat_space.files(repository.strip(), facts, prompt)
    home = result_folder()
    for name, text in texts.items():
        (home / name).write_text(text, encoding="utf-8")
    return facts, {name: home / name for name in texts}


def push(found: Found, repository: str, prompt: str, *rest: Any) -> str:
    """Upload a chat Space; its URL. The last two values are the Space's name and the token.

    Raises:
        VisitorError: as `written` and `hub.push`.
    """
    *values, name, token = rest
    if not name:
        raise VisitorError("The Space has no name.", "Write owner/name.")
    _, paths = written(found, repository, prompt, *values)
    card = paths.pop("README.md").read_text(encoding="utf-8")
    return hub.push(name, "space", paths, card, token, private=True)
