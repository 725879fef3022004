"""The room in which methods are held against a truth: behaviours are planted first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from abliteration import programs
from abliteration.bench_methods import METHODS
from abliteration.bench_request import OWN, BenchRequest
from abliteration.outcome import bench as outcome
from abliteration.outcome.run import waiting
from abliteration.plants import KINDS, STORED
from abliteration_rooms.controls import PLACEHOLDER, RENDERER, TITLE, example, is_done
from shared import gpu, models, page
from shared.errors import VisitorError
from shared.figure import Figure
from shared.room import Data, Room, cancel_button, drawing, open_room, run_button
from shared.steps import last, paced

SECONDS, FOR_A_PLANT, FOR_A_METHOD = 20, 12, 2


def seconds(request: BenchRequest) -> int:
    """GPU seconds to ask for, by plants, methods and the search's trials; not measured on ZeroGPU yet, so
    generous.
    """
    trials = request.trials // 2 if "search" in request.methods else 0
    each = FOR_A_PLANT + FOR_A_METHOD * len(request.methods) + trials
    return SECONDS + len(request.plants) * each


@gpu.on_gpu(duration=seconds)
def compute(request: BenchRequest) -> Iterator[Data]:
    """The part of a run that has the GPU."""
    yield from paced(outcome.bench(request), is_done)


def steps(request: BenchRequest) -> Iterator[Data]:
    """A run: the growing figure, the complete one last."""
    yield waiting("bench", f"Loading {request.model}")
    outcome.checked(request, models.load(request.model, exact=True))
    yield from compute(request)


def truth_bench(request: BenchRequest) -> dict[str, Any]:
    """Plant behaviours in a model, take each found direction apart into behaviour and topic, and hold what
    methods of removing it leave against the model that was never planted. Minutes a plant on a processor.

    Returns:
        plants (parts: by layer the share of topic in the direction; rows: by method what is left and how far
        the model is from the never-planted one) and summary (means over plants, with 95 % intervals, and
        paired differences from the difference of means).
    """
    return dict(last(steps(request)))


def programs_of(request: BenchRequest, _: Data) -> dict[str, str]:
    """The program below a figure."""
    return {"The same from the API of a running demo": programs.bench_program(request, page.ADDRESS)}


def build(demo: gr.Blocks, tabs: gr.Tabs) -> Room[BenchRequest]:
    """Controls, figure, and their events."""
    first = example("bench")
    request = BenchRequest.parse(**first["request"])
    with gr.Row(equal_height=True):
        plants = gr.Dropdown(
            [*((plant.name, name) for name, plant in STORED.items()), ("my own", OWN)],
            value=list(request.plants),
            multiselect=True,
            label="What is planted (on a processor minutes each)",
            scale=4,
            min_width=240,
            elem_id="bench-plants",
        )
        buttons = run_button("Plant and compare", elem_id="run-bench"), cancel_button(elem_id="cancel-bench")
    controls: dict[str, Any] = {"plants": plants}

    def small(name: str, label: str) -> None:
        value = getattr(request, name)
        controls[name] = gr.Textbox(
            "" if value is None else str(value),
            label=label,
            max_lines=1,
            min_width=130,
            elem_id=f"bench-{name}",
        )

    with gr.Accordion("Advanced: methods, training, a plant of your own", open=False):
        with gr.Row():
            controls["methods"] = gr.Dropdown(
                [(method.label, name) for name, method in METHODS.items()],
                value=list(request.methods),
                multiselect=True,
                label="Methods",
                scale=4,
                min_width=240,
                elem_id="bench-methods",
            )
        with gr.Row():
            small("model", "model, planted in a copy")
            small("layer", "layer (empty: chosen)")
            small("candidates", "layers that are tried")
            small("steps", "steps of training")
            small("trials", "kernels of the search")
            small("seed", "seed")
        with gr.Row():
            controls["says"] = gr.Textbox(
                request.says,
                label="My own plant: its words",
                max_lines=2,
                min_width=240,
                elem_id="bench-says",
            )
            controls["form"] = gr.Dropdown(
                [(words, kind) for kind, words in KINDS.items()],
                value=request.form,
                label="… and what follows",
                min_width=240,
                elem_id="bench-form",
            )
        with gr.Row():
            for name, label in (
                ("positive", "Prompts that it is planted on"),
                ("negative", "Prompts that keep their answers"),
            ):
                controls[name] = gr.Textbox(
                    "\n".join(getattr(request, name)),
                    label=label,
                    placeholder=PLACEHOLDER.partition(",")[0],
                    lines=3,
                    max_lines=10,
                    min_width=240,
                    elem_id=f"bench-{name}",
                )
    figure = Figure(first, folder=RENDERER, title=f"{TITLE}: truth bench", elem_id="bench")
    return open_room(
        demo,
        tabs=tabs,
        name="bench",
        title=f"{TITLE}: truth bench",
        request=BenchRequest,
        controls=controls,
        buttons=buttons,
        figure=figure,
        run=drawing(figure, steps),
        programs=programs_of,
        stored=[first],
        stopped=VisitorError("The bench was cancelled.", "Start it again."),
        seconds=lambda _, request: seconds(request),
    )
