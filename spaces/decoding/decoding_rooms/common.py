"""What the rooms of the decoding Space share: names, stored examples, and the controls of every prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import gradio as gr

from shared import limits, page
from shared.room import Room, chip, open_room

TITLE = "Decoding"
HERE = Path(__file__).parents[1]
RENDERER = HERE / "decoding" / "js"

example = partial(page.stored, HERE / "examples")


class Asked(Protocol):
    """A request with a prompt, as every room's is."""

    @property
    def prompt(self) -> str: ...
    @property
    def max_new_tokens(self) -> int: ...
    @property
    def chat(self) -> bool: ...
    @property
    def system(self) -> str: ...
    @property
    def thinking(self) -> str: ...


def prompt_field(request: Asked, **settings: Any) -> gr.Textbox:
    """The prompt, in the row of the main controls."""
    return gr.Textbox(
        request.prompt,
        label="Prompt",
        lines=1,
        max_length=limits.MAX_PROMPT_CHARACTERS,
        **{"max_lines": 3, "scale": 4, "min_width": 260, **settings},
    )


def length_field(request: Asked) -> gr.Slider:
    """How many tokens to add."""
    return gr.Slider(
        1, limits.MAX_NEW_TOKENS, request.max_new_tokens, step=1, label="max_new_tokens", min_width=180
    )


def chat_fields(request: Asked, label: str = "Use the model's chat template") -> dict[str, Any]:
    """Chat template, system prompt and thinking, by the request's names; for a row of their own."""
    with gr.Column(min_width=190, scale=0):
        chat = gr.Checkbox(request.chat, label=label)
    system = gr.Textbox(
        request.system,
        label="System prompt, for chats",
        lines=1,
        max_lines=4,
        max_length=limits.MAX_PROMPT_CHARACTERS,
        placeholder="what the template says by itself",
        min_width=260,
        scale=3,
    )
    thinking = gr.Dropdown(
        [("as the template says", ""), ("on", "on"), ("off", "off")],
        value=request.thinking,
        label="Thinking, for chats",
        min_width=180,
    )
    return {"chat": chat, "system": system, "thinking": thinking}


def chips_of(examples: Mapping[str, Mapping[str, Any]]) -> dict[str, gr.Button]:
    """A row with a small button for each stored example, by name."""
    with gr.Row(elem_classes="chips"):
        return {name: chip(facts["label"]) for name, facts in examples.items()}


def open_prompt_room(
    demo: gr.Blocks,
    chips: Mapping[str, gr.Button],
    controls: Mapping[str, Any],
    seconds: Callable[[Any], int],
    **parts: Any,
) -> Room[Any]:
    """A room whose run a prompt starts, and whose buttons show stored examples with the controls that made
    them.

    Args:
        demo: the page.
        chips: by example, of `chips_of`.
        controls: by the request's names, a prompt among them.
        seconds: a run on ZeroGPU, from its request.
        parts: further ones of `open_room`.
    """
    room = open_room(
        demo,
        title=TITLE,
        controls=controls,
        triggers=[controls["prompt"].submit],
        stored=[example(name) for name in chips],
        seconds=lambda _, request: seconds(request),
        **parts,
    )
    for name, button in chips.items():
        data = example(name)
        shown = {room.figure: data, **room.form(room.request.parse(**data["request"]))}
        room.update(button.click, lambda _, shown=shown: shown)
    return room
