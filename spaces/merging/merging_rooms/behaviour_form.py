"""What a run measures models by: behaviours as rows to fill in and as text, which follow each other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import gradio as gr

from merging_rooms.common import RENDERER, TITLE
from shared import languages
from shared.behaviour import MOST, PRESETS, SETS, Behaviour, behaviours_of, text_of
from shared.errors import VisitorError
from shared.figure import Figure
from shared.room import LATEST, LIGHT
from shared.rules import KINDS


def build(behaviours: Sequence[Behaviour], name: str) -> gr.Textbox:
    """The folded form, and its text, which is the room's control.

    Args:
        behaviours: that the controls show first; none for those of the experts.
        name: of the form in the page.
    """
    text = text_of(behaviours)
    with gr.Accordion("Behaviours of your own: prompts and a rule", open=False):
        form = Figure(
            form_value(text),
            folder=RENDERER,
            events=("behaviours",),
            title=f"{TITLE}: behaviours",
            elem_id=name,
        )
        field = gr.Textbox(
            text,
            label="The same as text, to copy and paste (empty: those of the experts)",
            lines=2,
            max_lines=16,
            elem_id=f"{name}-text",
            elem_classes="mono",
        )
    form.behaviours(from_form, None, [field], **LIGHT)
    field.change(form_value, [field], [form], **LATEST)
    return field


def form_value(text: str) -> dict[str, Any]:
    """What the form shows for a text, or why it cannot."""
    base: dict[str, Any] = {
        "kind": "behaviours",
        "drawable": True,
        "rules": [{"kind": kind, "value": says} for kind, says in KINDS.items()],
        "sets": list(SETS),
        "languages": list(languages.LANGUAGES),
        "presets": [{**one.to_json(), "prompts": one.prompts} for one in PRESETS.values()],
        "most": MOST,
    }
    try:
        found = behaviours_of(text)
    except VisitorError as error:
        return {**base, **error.to_json()}
    return {**base, "behaviours": [one.to_json() for one in found]}


def from_form(event: gr.EventData) -> str:
    """The behaviours that the form now holds, as text; rows that are not filled in yet stay as they are."""
    try:
        return text_of(behaviours_of(list(event.behaviours)))
    except VisitorError:
        return json.dumps(list(event.behaviours), ensure_ascii=False, indent=1)
