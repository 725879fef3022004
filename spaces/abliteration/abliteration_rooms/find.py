"""The room in which a direction is found: how well each layer's separates the two sets, and which to take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from abliteration.outcome import find as outcome
from abliteration.outcome.run import prepare
from abliteration.request import Request
from abliteration.scale import BY_FIRST_TOKEN
from abliteration_rooms.controls import RENDERER, TITLE, Controls, example, is_done, open_tab
from shared import gpu
from shared.figure import Figure
from shared.room import Data, Room, Values, cancel_button, run_button
from shared.rules import LIKELIER
from shared.steps import last, paced

SECONDS, SECONDS_TO_READ = 60, 150
"""GPU seconds to ask for, and where the answers of every candidate must be read; not measured on ZeroGPU yet,
so generous.
"""


def seconds(request: Request) -> int:
    """GPU seconds to ask for."""
    return SECONDS if request.judged.kind in (*BY_FIRST_TOKEN, LIKELIER) else SECONDS_TO_READ


@gpu.on_gpu(duration=seconds)
def compute(request: Request) -> Iterator[Data]:
    """The part of a run that has the GPU."""
    yield from paced(outcome.find(request), is_done)


def steps(request: Request) -> Iterator[Data]:
    """A run: the growing figure, the complete one last."""
    yield from prepare("find", request)
    yield from compute(request)


def find_direction(request: Request) -> dict[str, Any]:
    """Find the direction along which a model separates two sets of prompts, and choose the layer to read it
    at.

    Returns:
        layers (separation d_prime and auc, norm, candidate with bypass, induce and kl), choice, and
        direction: what ablate takes.
    """
    data = last(steps(request))
    return {**data, "direction": {**request.direction(), "layer": data["choice"]["layer"]}}


def build(demo: gr.Blocks, tabs: gr.Tabs, controls: Controls) -> Room:
    """Button, figure, and their events."""
    with gr.Row():
        buttons = (
            run_button("Find the direction", elem_id="run-find"),
            cancel_button(elem_id="cancel-find"),
        )
    figure = Figure(
        example("find"), folder=RENDERER, events=("place",), title=f"{TITLE}: find", elem_id="find"
    )
    run, asks = controls.run(figure, steps), lambda _, request: seconds(request)
    room = open_tab(demo, tabs, controls, figure, run, name="find", buttons=buttons, seconds=asks)

    def place(_: Values, event: gr.EventData) -> Values:
        """Layer and position that were picked on the map: the direction there, and no vector file's."""
        request = Request.parse(layer=event.layer, position=event.position)
        return {
            controls.boxes["layer"]: str(request.layer),
            controls.boxes["position"]: str(request.position),
            controls.boxes["vector"]: "",
        }

    room.update(figure.place, place)
    return room
