"""The room that puts the same items in other forms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from evaluation import engine, programs
from evaluation import fragile as forms
from evaluation.data import Fragile, Waiting
from evaluation.examples import FRAGILE
from evaluation.forms import KINDS
from evaluation.fragile import Plan
from evaluation.request import MOST_OF_A_SET, FragileRequest
from evaluation_rooms.common import (
    RENDERER,
    TITLE,
    example,
    item_fields,
    models_field,
    moved,
    reading_seconds,
    waiting,
)
from shared import gpu
from shared.choices import METRICS, MUTUAL
from shared.figure import Figure
from shared.models import Loaded
from shared.room import Data, Room, cancel_button, drawing, open_room, run_button
from shared.steps import paced

TOKENS = 130
"""Tokens of an item with its choices in an average form, about."""


def seconds(_: str, request: FragileRequest) -> int:
    """GPU seconds to ask for: every model reads every item in every form."""
    return reading_seconds(request, len(request.planned()) * len(request.forms), TOKENS)


@gpu.on_gpu(duration=lambda request, *_, **__: seconds("fragile", request))
def compute(request: FragileRequest, loaded: list[Loaded], planned: Plan) -> Iterator[Fragile]:
    """The part of a run that has the GPU."""
    yield from paced(forms.fragile(request, moved(request, loaded), planned), lambda data: data["done"])


def steps(request: FragileRequest) -> Iterator[Fragile | Waiting]:
    """A run: what comes before, the growing figure, the complete one last."""
    for said in engine.loading(request):
        yield waiting("fragile", said)
    loaded = engine.sides(request)
    yield from compute(request, loaded, forms.plan(request, loaded))


def fragile(request: FragileRequest) -> Iterator[dict[str, Any]]:
    """Put the same items in several forms and say whether a difference between models outlives them; streams
    form by form.

    Returns:
        verdicts, the first sentence first; forms with every item as it is asked; scores by model and form;
            differences to the first model by form, with p of an exact paired test, form -1 for all together;
            spreads, each model's lowest and highest form with p of a test by signs; answers by model,
            form and item.
    """
    for data in steps(request):
        if data["drawable"]:
            yield dict(data)


def programs_of(request: FragileRequest, data: Data) -> dict[str, str]:
    """The programs below a figure."""
    return programs.form_listings(request, data)


def build(demo: gr.Blocks, tabs: gr.Tabs) -> Room[FragileRequest]:
    """Controls, figure, and their events."""
    first = FRAGILE
    boxes: dict[str, Any] = {}
    with gr.Row(equal_height=True):
        boxes["models"] = models_field(first.models, elem_id="fragile-models")
        boxes["variants"] = gr.Dropdown(
            list(KINDS),
            value=list(first.variants),
            multiselect=True,
            label="Forms, the claimed one first",
            scale=5,
            min_width=260,
            elem_id="fragile-forms",
            elem_classes="many",
        )
        buttons = run_button("Try forms", elem_id="fragile"), cancel_button(elem_id="fragile-cancel")
    with gr.Accordion("Advanced: sets, items of your own, draws, examples, seed", open=False):
        gr.Markdown("Forms: " + "; ".join(f"*{kind}*, {says}" for kind, says in KINDS.items()) + ".")
        boxes |= item_fields(first, "fragile-")
        with gr.Row(equal_height=True):
            boxes["limit"] = gr.Slider(
                1, MOST_OF_A_SET, first.limit, step=1, label="items of a set", min_width=130
            )
            boxes["draws"] = gr.Slider(
                1, 5, first.draws, step=1, label="draws of orders and examples", min_width=130
            )
            boxes["shots"] = gr.Slider(1, 8, first.shots, step=1, label="examples (few-shot)", min_width=130)
            boxes["metric"] = gr.Dropdown(
                [one for one in METRICS if one != MUTUAL],
                value=first.metric,
                label="an answer counts",
                min_width=130,
            )
            boxes["seed"] = gr.Number(first.seed, label="seed", precision=0, min_width=90)
    figure = Figure(
        example("forms"), folder=RENDERER, title=f"{TITLE}: how fragile", elem_id="fragile-figure"
    )
    return open_room(
        demo,
        tabs=tabs,
        name="fragile",
        title=TITLE,
        request=FragileRequest,
        controls=boxes,
        buttons=buttons,
        figure=figure,
        run=drawing(figure, steps),
        programs=programs_of,
        stored=[example("forms")],
        seconds=seconds,
    )
