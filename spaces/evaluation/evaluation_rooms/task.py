"""Items made elsewhere: of a task of lm-eval, of problems such as HumanEval's. Endpoints, and fields of the
page that do the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import gradio as gr

from evaluation import function_file
from evaluation.function_file import HUMANEVAL, FunctionsRequest
from evaluation.task_file import TaskRequest, read
from evaluation.task_yaml import EXAMPLE
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


def function_items(request: FunctionsRequest) -> dict[str, Any]:
    """Turn problems of the HumanEval kind into items, for `items` of `/evaluate` and `/compare`: which body
    follows a function's head, the published one or a mutant of it. No code is run.

    Returns:
        items, as lists of objects; notes on what was left out, and the licence where it is known.
    """
    return function_file.read(request, hub.local_token())


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

    def of_task(text: str, documents: str, most: float) -> dict[str, Any]:
        return task_items(TaskRequest.parse(yaml=text, rows=documents, limit=most))

    button.click(filling(of_task), [task, rows, limit], [items, said], **QUIET, **QUEUE)
    _functions(items)


def _functions(items: gr.Textbox) -> None:
    """The fields for problems of the HumanEval kind."""
    with gr.Accordion("Functions of Python as items, such as HumanEval's; no code is run", open=False):
        with gr.Row(equal_height=True):
            dataset = page.dataset_field(
                HUMANEVAL, "dataset of the Hub", [HUMANEVAL], elem_id="functions-dataset"
            )
            rows = gr.Textbox(
                "",
                label="or problems, a line of JSON each",
                placeholder='{"prompt": "def f(a): …", "canonical_solution": "    return a + 1"}',
                lines=2,
                max_lines=8,
                elem_id="functions-rows",
            )
        with gr.Row(equal_height=True):
            limit = gr.Slider(1, 500, 164, step=1, label="problems at most", min_width=160)
            wrong = gr.Slider(1, 9, 3, step=1, label="mutants of a solution", min_width=160)
            button = gr.Button("Make items", scale=0, min_width=140, elem_id="functions-read")
        said = gr.HTML("", elem_classes="quiet", elem_id="functions-said")

    def of_functions(name: str, problems: str, most: float, mutants: float) -> dict[str, Any]:
        asked = FunctionsRequest.parse(dataset=name, rows=problems, limit=most, wrong=mutants)
        return function_items(asked)

    button.click(filling(of_functions), [dataset, rows, limit, wrong], [items, said], **QUIET, **QUEUE)


def filling(make: Callable[..., dict[str, Any]]) -> Callable[..., tuple[Any, str]]:
    """A handler that fills in the items and says how many they are, or what is wrong."""

    def fill(*values: Any) -> tuple[Any, str]:
        try:
            found = make(*values)
        except Exception as error:  # noqa: BLE001  the page must go on whatever happened
            return gr.skip(), page.alert(for_visitor(error))
        lines = [json.dumps(one, ensure_ascii=False) for one in found["items"]]
        words = " ".join([f"The field above holds {counted(len(lines), 'item')}.", *found["notes"]])
        return "\n".join(lines), page.quiet(words)

    return fill
