"""The fields of a constraint: what every text has to obey."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from decoding.request import Request
from decoding.structured.constraint import KINDS, warnings_of
from decoding.structured.presets import EXAMPLES, first_of
from shared import limits
from shared.errors import VisitorError
from shared.room import QUIET, chip


@dataclass(frozen=True)
class Fields:
    """The components.

    Args:
        kind: nothing, or one of `KINDS`.
        text: the schema, expression or grammar.
        chips: a button for each example, by what it says.
    """

    kind: gr.Dropdown
    text: gr.Textbox
    chips: dict[str, gr.Button]

    @property
    def controls(self) -> dict[str, Any]:
        """The request's settings."""
        return {"constraint": self.kind, "constraint_text": self.text}


def constraint_fields(request: Request) -> Fields:
    """Kind, text and examples, a row each."""
    with gr.Row():
        kind = gr.Dropdown(
            [("none", ""), *((name, kind) for kind, name in KINDS.items())],
            value=request.constraint,
            label="Constraint: every text has to obey a",
            min_width=220,
            scale=1,
            elem_id="constraint",
        )
        text = gr.Textbox(
            request.constraint_text,
            label="Schema, expression or grammar: of the whole continuation, a space at its start included",
            lines=2,
            max_lines=12,
            max_length=limits.MAX_CONSTRAINT_CHARACTERS,
            placeholder='{"type": "object", …}',
            min_width=320,
            scale=3,
            elem_classes="mono",
            elem_id="constraint-text",
        )
    with gr.Row(elem_classes="chips"):
        chips = {label: chip(label) for label in EXAMPLES}
    return Fields(kind, text, chips)


def connect_constraint(fields: Fields) -> None:
    """Let the buttons fill the fields, a kind bring a text to begin with, and say at once what is wrong."""
    for label, button in fields.chips.items():
        button.click(
            lambda label=label: EXAMPLES[label], outputs=[fields.kind, fields.text], queue=False, **QUIET
        )
    fields.kind.input(begun, [fields.kind, fields.text], [fields.text], queue=False, **QUIET)
    fields.text.blur(told, [fields.kind, fields.text], **QUIET)  # queued: a warning needs the queue


def begun(kind: str, text: str) -> str:
    """What is written, or an example of the kind where nothing is."""
    return text if text.strip() or not kind else first_of(kind)


def told(kind: str, text: str) -> None:
    """Say what is wrong with a constraint, or what of it is not followed."""
    if not kind or not text.strip():
        return
    try:
        for warning in warnings_of(kind, text):
            gr.Info(warning)
    except VisitorError as error:
        gr.Warning(str(error))
