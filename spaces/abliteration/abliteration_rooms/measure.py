"""The room in which the edit is measured, and a kernel searched for."""

from __future__ import annotations

import json
from collections.abc import Iterator

import gradio as gr

from abliteration.outcome import measure as outcome
from abliteration.outcome import search
from abliteration.outcome.run import prepare
from abliteration.request import Request
from abliteration_rooms.controls import RENDERER, TITLE, Controls, example, is_done, open_tab
from shared import gpu
from shared.figure import Figure
from shared.room import Data, Room, Values, cancel_button, run_button
from shared.steps import paced

SECONDS = 90


def seconds(name: str, request: Request) -> int:
    """GPU seconds to ask for, of the search by its trials; not measured on ZeroGPU yet, so generous."""
    return min(240, SECONDS + (2 * request.trials if name == "optimise" else 0))


@gpu.on_gpu(duration=lambda request: seconds("measure", request))
def compute(request: Request) -> Iterator[Data]:
    """The part of a measurement that has the GPU."""
    yield from paced(outcome.measure(request), is_done)


@gpu.on_gpu(duration=lambda request: seconds("optimise", request))
def compute_search(request: Request) -> Iterator[Data]:
    """The part of a search that has the GPU."""
    yield from paced(search.search(request), is_done)


def steps(request: Request) -> Iterator[Data]:
    """A measurement: the growing figure, the complete one last."""
    yield from prepare("measure", request)
    yield from compute(request)


def search_steps(request: Request) -> Iterator[Data]:
    """A search: the growing figure, the complete one last."""
    yield from prepare("optimise", request)
    yield from compute_search(request)


def build(demo: gr.Blocks, tabs: gr.Tabs, controls: Controls) -> Room:
    """Buttons, figure, and their events."""
    with gr.Row():
        start = run_button("Measure", elem_id="run-measure")
        look = gr.Button(
            "Search for a kernel", scale=0, min_width=170, elem_classes="run", elem_id="run-search"
        )
        cancel = cancel_button(elem_id="cancel-measure")
    figure = Figure(
        example("optimise"),
        folder=RENDERER,
        events=("chosen",),
        title=f"{TITLE}: measure",
        elem_id="measure",
    )
    room = open_tab(
        demo,
        tabs,
        controls,
        figure,
        controls.run(figure, steps),
        name="measure",
        buttons=(start, cancel),
        more_runs={"optimise": (look, controls.run(figure, search_steps))},
        seconds=seconds,
    )

    def choose(_: Values, event: gr.EventData) -> Values:
        """Method, layer, projection, strength and kernel of the search's best, which is of no vector file."""
        request = Request.parse(**dict(event.chosen))
        boxes = controls.boxes
        return {
            boxes["layer"]: str(request.layer),
            boxes["vector"]: "",
            boxes["method"]: request.method,
            boxes["projection"]: request.projection,
            boxes["strength"]: f"{request.strength:g}",
            boxes["kernel"]: json.dumps(request.kernel),
        }

    room.update(figure.chosen, choose)
    return room
