"""The room that runs a task of lm-eval with all its metrics: answers that are written, likelihoods of targets
and of whole texts, choices.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from evaluation import engine, task_programs, task_run
from evaluation.data import Waiting, WholeTaskRun
from evaluation.examples import TASK
from evaluation.own_tasks import OWN
from evaluation.task_run import TOGETHER, Plan
from evaluation.whole_task import MOST_TOKENS, WholeTaskRequest, whole_task
from evaluation_rooms.common import RENDERER, TITLE, example, models_field, moved, waiting
from shared import gpu, hub, models
from shared.figure import Figure
from shared.models import Loaded
from shared.room import Data, Room, cancel_button, drawing, open_room, run_button
from shared.steps import paced

READ = 400
"""Tokens of a document, about."""


def seconds(_: str, request: WholeTaskRequest) -> int:
    """GPU seconds to ask for: every model reads the documents, and writes where the task says so."""
    batches = request.limit // TOGETHER + 1
    steps = request.tokens * batches if request.task["output_type"] == "generate_until" else 0
    return sum(
        gpu.seconds_for(
            models.most_parameters(side.parts[0], exact=True),
            steps=steps,
            passes=2 * batches,
            read=request.limit * READ,
        )
        for side in request.sides
    )


@gpu.on_gpu(duration=lambda request, *_, **__: seconds("task", request))
def compute(request: WholeTaskRequest, loaded: list[Loaded], planned: Plan) -> Iterator[WholeTaskRun]:
    """The part of a run that has the GPU."""
    yield from paced(task_run.run(request, moved(request, loaded), planned), lambda data: data["done"])


def steps(request: WholeTaskRequest) -> Iterator[WholeTaskRun | Waiting]:
    """A run: what comes before, the growing figure, the complete one last."""
    yield waiting("task", "Reading the task")
    task = whole_task(request, hub.local_token())
    for said in engine.loading(request):
        yield waiting("task", said)
    loaded = engine.sides(request)
    yield from compute(request, loaded, task_run.plan(request, loaded, task))


def run_task(request: WholeTaskRequest) -> Iterator[dict[str, Any]]:
    """Run a task of lm-eval on models with all its metrics: answers that they write (generate_until, with its
    filters), likelihoods of targets (loglikelihood) and of whole texts (loglikelihood_rolling), choices
    (multiple_choice); streams some documents at a time. No code of the task is run.

    Returns:
        verdicts, the first sentence first; measures, the task's metrics by filter; scores by model and
            measure with 95 % intervals; differences to the first model with p of a paired test; documents
            with every model's answer and what each filter took of it.
    """
    for data in steps(request):
        if data["drawable"]:
            yield dict(data)


def programs_of(request: WholeTaskRequest, data: Data) -> dict[str, str]:
    """The programs below a figure."""
    return task_programs.listings(request, data)


def build(demo: gr.Blocks, tabs: gr.Tabs) -> Room[WholeTaskRequest]:
    """Controls, figure, and their events."""
    first = TASK
    boxes: dict[str, Any] = {}
    with gr.Row(equal_height=True):
        boxes["models"] = models_field(first.models, elem_id="task-models")
        boxes["own"] = gr.Dropdown(
            [(f"{name}: {one.says}", name) for name, one in OWN.items()],
            value=first.own,
            label="Task",
            scale=3,
            min_width=220,
            elem_id="task-own",
        )
        buttons = run_button("Run the task", elem_id="task-run"), cancel_button(elem_id="task-cancel")
    with gr.Accordion("Advanced: a task of lm-eval in its place, length of answers, seed", open=False):
        gr.Markdown(
            "A task is a YAML file of lm-eval. Its models *write* (`generate_until`: filters take the answer "
            "out of the text), or how likely they find a *target* (`loglikelihood`) or a *whole text* "
            "(`loglikelihood_rolling`) is read, or they *choose*. All of its metrics are computed. Where it "
            "includes another file, paste that one above it, with a line of `---` between."
        )
        with gr.Row(equal_height=True):
            boxes["yaml"] = gr.Textbox(
                first.yaml,
                label="YAML of a task, instead",
                placeholder=OWN[first.own].yaml,
                lines=7,
                max_lines=14,
                elem_id="task-whole-yaml",
            )
            boxes["rows"] = gr.Textbox(
                first.rows,
                label="its documents, in the place of its dataset of the Hub",
                placeholder='{"question": "What is 2 + 2?", "answer": "2 + 2 = 4.\\n#### 4"}',
                lines=7,
                max_lines=14,
                elem_id="task-whole-rows",
            )
        with gr.Row(equal_height=True):
            boxes["limit"] = gr.Slider(1, 200, first.limit, step=1, label="documents at most", min_width=150)
            boxes["tokens"] = gr.Slider(
                1, MOST_TOKENS, first.tokens, step=1, label="longest answer, tokens", min_width=150
            )
            boxes["seed"] = gr.Number(first.seed, label="seed", precision=0, min_width=90)
            boxes["chat"] = gr.Checkbox(first.chat, label="chat template", min_width=130)
    figure = Figure(example("task"), folder=RENDERER, title=f"{TITLE}: a task", elem_id="task-figure")
    return open_room(
        demo,
        tabs=tabs,
        name="task",
        title=TITLE,
        request=WholeTaskRequest,
        controls=boxes,
        buttons=buttons,
        figure=figure,
        run=drawing(figure, steps),
        programs=programs_of,
        stored=[example("task")],
        seconds=seconds,
    )
