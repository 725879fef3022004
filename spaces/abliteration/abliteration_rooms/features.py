"""The room in which a direction is taken apart into features of a sparse autoencoder, and one is changed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from abliteration.outcome import features as outcome
from abliteration.outcome.run import prepare
from abliteration.request import Request, with_direction
from abliteration_rooms.controls import HERE, RENDERER, TITLE, Controls, example, is_done, open_tab, show
from shared import gpu
from shared.checks import between, whole
from shared.figure import Figure
from shared.files import result_folder
from shared.room import Data, Room, Values, cancel_button, run_button
from shared.steps import last, paced

SECONDS, SECONDS_TO_STEER = 120, 60
"""GPU seconds to ask for; not measured on ZeroGPU yet, so generous."""
STORED = HERE / "examples" / "sae"
"""The autoencoder of the stored example."""
FEATURE = whole(0, 10_000_000)
"""A feature's number: a loaded autoencoder may be wider than those that are trained here."""
AMOUNT = between(0, 1_000_000)
"""What a feature is held at."""


@dataclass(frozen=True)
class Trained:
    """What a changed feature needs: the request of the figure above, and where its autoencoder lies."""

    request: Request
    folder: Path


@gpu.on_gpu(duration=lambda *_, **__: SECONDS)
def compute(request: Request, folder: Path) -> Iterator[Data]:
    """The part of a run that has the GPU."""
    yield from paced(outcome.explain(request, folder), is_done)


@gpu.on_gpu(duration=lambda *_, **__: SECONDS_TO_STEER)
def compute_steered(trained: Trained, feature: int, amount: float | None) -> Iterator[Data]:
    """The part of a changed feature that has the GPU."""
    yield from paced(outcome.steer(trained.request, trained.folder, feature, amount), is_done)


def steps(request: Request, folder: Path) -> Iterator[Data]:
    """A run: the growing figure, the complete one last."""
    yield from prepare("features", request, folder)
    yield from compute(request, folder)


def features(request: Request) -> dict[str, Any]:
    """Train a TopK sparse autoencoder at a layer, or load one, and say which of its features the direction is
    made of.

    Returns:
        sae (explained variance, dead features), pursuit (features, explained share, null of random
        dictionaries), tops, prompts.
    """
    with tempfile.TemporaryDirectory(prefix="autoencoder-") as folder:
        return dict(last(steps(request, Path(folder))))


def request_of(layer: int | None = None, **values: Any) -> Request:
    """The request of an API call, whose layer is the autoencoder's; as `with_direction`."""
    return with_direction(sae_layer=layer, **values)


def steer(trained: Trained, prompts: str, feature: Any, amount: Any) -> Iterator[Data]:
    """Answers with one feature of the autoencoder removed, or held at an amount.

    Args:
        trained: the autoencoder.
        prompts: to answer, as the field holds them.
        feature: its number.
        amount: None to remove it.
    """
    number = FEATURE("The feature", feature)
    held = None if amount is None else AMOUNT("The amount", amount)
    trained = replace(
        trained, request=replace(trained.request, prompts=Request.parse(prompts=prompts).prompts)
    )
    yield from prepare("feature", trained.request, trained.folder)
    yield from compute_steered(trained, number, held)


def build(demo: gr.Blocks, tabs: gr.Tabs, controls: Controls) -> Room:
    """Buttons, the autoencoder's controls, both figures, and their events."""
    with gr.Row():
        buttons = (
            run_button("Take it apart", elem_id="run-features"),
            cancel_button(elem_id="cancel-features"),
        )
    figure = Figure(
        example("features"),
        folder=RENDERER,
        events=("steer",),
        title=f"{TITLE}: features",
        elem_id="features",
    )
    own = _autoencoder_controls()
    steered = Figure({"kind": "feature"}, folder=RENDERER, title=f"{TITLE}: feature", elem_id="steered")
    trained = gr.State(Trained(Request.parse(**example("features")["request"]), STORED))

    def run(request: Request, before: Values) -> Iterator[Values]:
        folder = result_folder()
        for values in controls.follow(figure, steps(request, folder), before):
            done = {trained: Trained(request, folder)} if is_done(values[figure]) else {}
            yield {**values, **done}

    room = open_tab(
        demo,
        tabs,
        controls,
        figure,
        run,
        name="features",
        own=own,
        buttons=buttons,
        outputs=[trained],
        seconds=lambda *_: SECONDS,
    )

    def steer_one(values: Values, event: gr.EventData) -> Iterator[Values]:
        for data in steer(values[trained], values[controls.boxes["prompts"]], event.feature, event.amount):
            yield {steered: data}

    room.connect(figure.steer, steer_one, figure=steered, inputs=[trained])
    return room


def _autoencoder_controls() -> dict[str, gr.Textbox]:
    labels = {
        "sae": "load from sae-lens' registry, release/id",
        "sae_layer": "layer (empty: the direction's)",
        "features": "features",
        "k": "k, active at a token",
        "steps": "steps of 256 activations",
    }
    boxes = {}
    with gr.Accordion("Autoencoder: train one of this size, or load one", open=False), gr.Row():
        for name, label in labels.items():
            boxes[name] = gr.Textbox(label=label, max_lines=1, min_width=220 if name == "sae" else 100)
    show(Request(), boxes)
    return boxes
