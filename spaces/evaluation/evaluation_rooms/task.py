"""A task of lm-eval turned into items: an endpoint, and the fields of the page that do the same."""

from __future__ import annotations

import json
from typing import Any

import gradio as gr

from evaluation.task_file import EXAMPLE, TaskRequest, read
from shared import hub, page
from shared.errors import for_visitor
from shared.numbers import counted
from shared.room import QUIET

QUEUE: dict[str, Any] = {"concurrency_limit": 2, "concurrency_id": "task"}
"""Two visitors' tasks at a time; no model is run."""


def task_items(request: TaskRequest) -> dict[str, Any]:
    """Read a multiple-choice task of lm-eval as data and turn its documents into items, for `items` of
    `/evaluate` and `/compare`. No code of it is run.

    Returns:
        items, as lists of objects; notes on what was left out.
    """
    return read(request, hub.local_token())


def build(items: gr.Textbox) -> None:
    """The fields, which fill in the text field of the items."""
    with gr.Accordion("A task of lm-eval as items", open=False):
        with gr.Row(equal_height=True):
            task = gr.Textbox(
                "", label="YAML", placeholder=EXAMPLE, lines=7, max_lines=14, elem_id="task-yaml"
            )
            rows = gr.Textbox(
                "",
                label="documents, in the place of its dataset of the Hub",
                placeholder='{"question": "…", "choices": ["…", "…"], "answer": 0}',
                lines=7,
                max_lines=14,
                elem_id="task-rows",
            )
        with gr.Row(equal_height=True):
            limit = gr.Slider(1, 500, 100, step=1, label="documents at most", min_width=160)
            button = gr.Button("Make items", scale=0, min_width=140, elem_id="task-read")
        said = gr.HTML("", elem_classes="quiet", elem_id="task-said")

    def fill(text: str, documents: str, most: float) -> tuple[Any, str]:
        try:
            found = task_items(TaskRequest.parse(yaml=text, rows=documents, limit=most))
        except Exception as error:  # noqa: BLE001  the page must go on whatever happened
            return gr.skip(), page.alert(for_visitor(error))
        lines = [json.dumps(one, ensure_ascii=False) for one in found["items"]]
        words = " ".join([f"The field above holds {counted(len(lines), 'item')}.", *found["notes"]])
        return "\n".join(lines), page.quiet(words)

    button.click(fill, [task, rows, limit], [items, said], **QUIET, **QUEUE)
