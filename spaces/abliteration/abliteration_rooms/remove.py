"""The room in which the direction is removed: the kernel drawn by hand, both models' answers side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import gradio as gr

from abliteration import kernel
from abliteration.outcome import remove as outcome
from abliteration.outcome.run import prepare
from abliteration.request import Request
from abliteration_rooms.controls import RENDERER, TITLE, Controls, example, is_done, open_tab
from shared import gpu
from shared.errors import for_visitor
from shared.figure import Figure
from shared.room import LATEST, LIGHT, Data, Room, cancel_button, run_button
from shared.steps import last, paced

SECONDS, SECONDS_WITH_MEASURES = 60, 120
"""GPU seconds to ask for; not measured on ZeroGPU yet, so generous."""


@gpu.on_gpu(duration=lambda *_, **__: SECONDS)
def compute(request: Request) -> Iterator[Data]:
    """The part of a run that has the GPU."""
    yield from paced(outcome.ablate(request), is_done)


@gpu.on_gpu(duration=lambda *_, **__: SECONDS_WITH_MEASURES)
def compute_with_measures(request: Request) -> Iterator[Data]:
    """The part of an API call that has the GPU."""
    yield from paced(outcome.ablate_and_measure(request), is_done)


def steps(request: Request) -> Iterator[Data]:
    """A run: the growing figure, the complete one last."""
    yield from prepare("ablate", request)
    yield from compute(request)


def ablate(request: Request) -> dict[str, Any]:
    """Answer prompts with the model as it is and with the direction removed, and measure both on the report
    prompts.

    Returns:
        pairs (base and edited answer, KL at each token, X-ray) and measures (refusals with 95 % Wilson
        intervals, KL, loss, facts).
    """
    last(prepare("ablate", request))
    return dict(last(compute_with_measures(request)))


def editor_value(text: str, layers: int) -> Data:
    """What the kernel's editor shows for a text, or why it cannot."""
    try:
        curves = kernel.resolve(Request.parse(kernel=text).kernel, layers)
        return {"kind": "kernel", "layers": layers, **curves.to_json()}
    except Exception as error:  # noqa: BLE001  the page must go on whatever was typed
        return dict(for_visitor(error).to_json())


def drawn(event: gr.EventData) -> str:
    """The kernel that was drawn, as text."""
    return json.dumps(event.kernel, separators=(", ", ": "))


def build(demo: gr.Blocks, tabs: gr.Tabs, controls: Controls) -> Room:
    """Buttons, figure and the kernel's editor, and their events."""
    text: Any = controls.boxes["kernel"]
    layers: Any = controls.layers
    with gr.Row():
        buttons = run_button("Remove it", elem_id="run-ablate"), cancel_button(elem_id="cancel-ablate")
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            figure = Figure(example("ablate"), folder=RENDERER, title=f"{TITLE}: remove", elem_id="ablate")
        with gr.Column(scale=2, min_width=320):
            editor = Figure(
                editor_value(text.value, layers.value),
                folder=RENDERER,
                events=("kernel",),
                title=f"{TITLE}: kernel",
                elem_id="kernel",
            )
    editor.kernel(drawn, None, [text], **LIGHT)
    gr.on([text.change, layers.change], editor_value, [text, layers], [editor], **LATEST)
    run, asks = controls.run(figure, steps), lambda *_: SECONDS
    return open_tab(demo, tabs, controls, figure, run, name="ablate", buttons=buttons, seconds=asks)
