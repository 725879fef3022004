"""The room that shows what is trained on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr
from gradio.data_classes import FileData

from finetuning import programs
from finetuning.data import Waiting
from finetuning.engine import mask as masked
from finetuning.examples import EXAMPLES
from finetuning.request import TRAINERS, MaskRequest
from finetuning.templates import PRESETS
from finetuning_rooms.common import RENDERER, dataset_fields, example, open_rows_room, rows_file
from shared import hub, page
from shared.figure import Figure
from shared.room import Data, Room, Values, cancel_button, chip, run_button

QUEUE: dict[str, Any] = {"concurrency_limit": 2, "concurrency_id": "mask"}
"""Two visitors' rows at a time; no model is run."""


def mask(request: MaskRequest, file: FileData | None = None) -> dict[str, Any]:
    """Which tokens of training rows are trained on, and why, by the rules of five trainers.

    Args:
        file: rows as JSON or JSON Lines, in the place of rows.

    Returns:
        verdict, findings with their fixes, totals by trainer, and rows with tokens, ids, parts and views: by
        trainer the stretches of tokens with their label and rule.
    """
    return dict(masked(request, file, hub.local_token()))


def programs_of(request: MaskRequest, data: Data) -> dict[str, str]:
    """The programs below a figure."""
    return programs.listings(request, data["provenance"])


def build(demo: gr.Blocks, tabs: gr.Tabs) -> Room[MaskRequest]:
    """Controls, figure, and their events."""
    first = EXAMPLES["never_stops"][1]
    with gr.Row(equal_height=True):
        rows = gr.Textbox(
            first.rows,
            label="Rows: a conversation, JSON or JSON Lines",
            lines=1,
            max_lines=2,
            scale=4,
            min_width=260,
            elem_id="mask-rows",
            elem_classes="rows",
        )
        model = page.model_field(
            label="Tokenizer of", scale=2, min_width=180, elem_id="mask-model", elem_classes="one-line"
        )
        template = gr.Dropdown(
            [("the model's own", ""), *((name, name) for name in PRESETS)],
            value=first.template,
            label="Chat template",
            allow_custom_value=True,
            scale=2,
            min_width=150,
            elem_id="mask-template",
        )
        trainer = gr.Dropdown(
            [(label, name) for name, label in TRAINERS.items()],
            value=first.trainer,
            label="Trainer",
            scale=2,
            min_width=170,
            elem_id="mask-trainer",
        )
        buttons = run_button("Look", elem_id="mask-run"), cancel_button()
    with gr.Accordion(
        "Advanced: a file, a Hub dataset, window, packing, stop and pad tokens, markers", open=False
    ):
        with gr.Row(equal_height=True):
            file = rows_file("mask")
            hub_rows = dataset_fields(first.limit, "rows to read")
        with gr.Row(equal_height=True):
            max_length = gr.Number(first.max_length, label="max_length (0: all)", precision=0, min_width=120)
            packing = gr.Checkbox(first.packing, label="packing (TRL)", min_width=120)
            pad_token = gr.Textbox("", label="pad token", placeholder="its own", max_lines=1, min_width=120)
            eot_tokens = gr.Textbox(
                "", label="eot_tokens (Axolotl)", placeholder="EOS", max_lines=1, min_width=140
            )
            instruction = gr.Textbox(
                "",
                label="instruction_part (Unsloth)",
                placeholder="found",
                lines=1,
                max_lines=3,
                min_width=150,
            )
            response = gr.Textbox(
                "", label="response_part (Unsloth)", placeholder="found", lines=1, max_lines=3, min_width=150
            )
    with gr.Row(elem_classes="chips"):
        chips = {name: chip(label) for name, (label, _) in EXAMPLES.items()}
    figure = Figure(example("never_stops"), folder=RENDERER, title="What is trained on", elem_id="figure")

    def run(request: MaskRequest, values: Values) -> Iterator[Values]:
        waiting: Waiting = {
            "kind": "mask",
            "drawable": False,
            "done": False,
            "progress": {"label": "Reading the rows and the tokenizer", "value": 0, "max": 1},
        }
        yield {figure: waiting}
        yield {figure: masked(request, values[file], hub.local_token())}

    room = open_rows_room(
        demo,
        tabs,
        file,
        name="mask",
        request=MaskRequest,
        controls={
            "rows": rows,
            **hub_rows,
            "model": model,
            "template": template,
            "trainer": trainer,
            "max_length": max_length,
            "packing": packing,
            "eot_tokens": eot_tokens,
            "instruction_part": instruction,
            "response_part": response,
            "pad_token": pad_token,
        },
        buttons=buttons,
        figure=figure,
        run=run,
        programs=programs_of,
        marks=["rows=", "dataset="],
        examples=EXAMPLES,
        queue=QUEUE,
    )
    for name, button in chips.items():
        data, request = example(name), EXAMPLES[name][1]
        shown = {room.figure: data, file: None, **room.form(request)}
        room.update(button.click, lambda _, shown=shown: shown)
    return room
