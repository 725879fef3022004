"""The room of instructions that a program checks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from evaluation import engine, written_programs
from evaluation import follow as instructed
from evaluation.data import Follow, Waiting
from evaluation.examples import FOLLOW
from evaluation.follow import TOGETHER, Plan
from evaluation.follow_request import BETWEEN, READINGS, FollowRequest
from evaluation.request import EXPECTS
from evaluation_rooms.common import RENDERER, TITLE, example, models_field, moved, waiting
from shared import gpu, models
from shared.figure import Figure
from shared.instructions import EXAMPLES
from shared.models import Loaded
from shared.room import Data, Room, cancel_button, drawing, open_room, run_button
from shared.steps import paced


def seconds(_: str, request: FollowRequest) -> int:
    """GPU seconds to ask for: every model writes its answers."""
    batches = len(request.prompts) // TOGETHER + 1
    return sum(
        gpu.seconds_for(models.most_parameters(side.parts[0], exact=True), steps=request.tokens * batches)
        for side in request.sides
    )


@gpu.on_gpu(duration=lambda request, *_, **__: seconds("follow", request))
def compute(request: FollowRequest, loaded: list[Loaded], planned: Plan) -> Iterator[Follow]:
    """The part of a run that has the GPU."""
    yield from paced(instructed.follow(request, moved(request, loaded), planned), lambda data: data["done"])


def steps(request: FollowRequest) -> Iterator[Follow | Waiting]:
    """A run: what comes before, the growing figure, the complete one last."""
    for said in engine.loading(request):
        yield waiting("follow", said)
    loaded = engine.sides(request)
    yield from compute(request, loaded, instructed.plan(request, loaded))


def follow(request: FollowRequest) -> Iterator[dict[str, Any]]:
    """Let models answer prompts whose instructions a program checks (length, words, case, form), strictly and
    loosely; streams some prompts at a time.

    Returns:
        verdicts, the first sentence first; prompts with their instructions, and of every model its answer and
            whether it does each; scores by model and group of instructions, task "" for all that a prompt
            asks, other by the other reading; differences to the first model with p of an exact paired test.
    """
    for data in steps(request):
        if data["drawable"]:
            yield dict(data)


def programs_of(request: FollowRequest, data: Data) -> dict[str, str]:
    """The programs below a figure."""
    return written_programs.follow_listings(request, data)


def build(demo: gr.Blocks, tabs: gr.Tabs) -> Room[FollowRequest]:
    """Controls, figure, and their events."""
    first = FOLLOW
    boxes: dict[str, Any] = {}
    with gr.Row(equal_height=True):
        boxes["models"] = models_field(first.models, elem_id="follow-models")
        boxes["reading"] = gr.Dropdown(
            [(f"{name}: {says}", name) for name, says in READINGS.items()],
            value=first.reading,
            label="An answer is checked",
            scale=3,
            min_width=220,
            elem_id="follow-reading",
        )
        buttons = (
            run_button("Give instructions", elem_id="follow-run"),
            cancel_button(elem_id="follow-cancel"),
        )
    with gr.Accordion("Advanced: prompts and their instructions, length of answers", open=False):
        gr.Markdown("Instructions that can be checked: " + "; ".join(f"*{one}*" for one in EXAMPLES) + ".")
        boxes["prompts"] = gr.Textbox(
            "\n".join(first.prompts),
            label=f"Prompts, one a line; after {EXPECTS} its instructions, with {BETWEEN} between",
            lines=4,
            max_lines=12,
            elem_id="follow-prompts",
        )
        boxes["tokens"] = gr.Slider(4, 128, first.tokens, step=1, label="longest answer, tokens")
    figure = Figure(
        example("instructions"), folder=RENDERER, title=f"{TITLE}: instructions", elem_id="follow-figure"
    )
    return open_room(
        demo,
        tabs=tabs,
        name="follow",
        title=TITLE,
        request=FollowRequest,
        controls=boxes,
        buttons=buttons,
        figure=figure,
        run=drawing(figure, steps),
        programs=programs_of,
        stored=[example("instructions")],
        seconds=seconds,
    )
