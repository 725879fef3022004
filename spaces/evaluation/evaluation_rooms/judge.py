"""The room of blind pairs: a visitor votes in the figure, a model judges beside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from evaluation import arena, engine, written_programs
from evaluation.arena import Plan
from evaluation.data import Arena, Waiting
from evaluation.examples import ARENA
from evaluation.request import EXPECTS, JudgeRequest
from evaluation_rooms.common import RENDERER, TITLE, example, models_field, moved, waiting
from shared import gpu, models, page
from shared.figure import Figure
from shared.models import Loaded
from shared.room import Data, Room, cancel_button, drawing, open_room, run_button
from shared.steps import paced
from shared.talk import ROWS

TOKENS = 130
"""Tokens of a pair as the judge reads it beside its two answers, about."""


def seconds(_: str, request: JudgeRequest) -> int:
    """GPU seconds to ask for: every model writes its answers, the judge reads every pair twice."""
    prompts, n = len(request.prompts), len(request.models)
    pairs = prompts * n * (n - 1) // 2
    total = 0
    for place, side in enumerate(request.sides):
        judges = place == request.judged_by
        total += gpu.seconds_for(
            models.most_parameters(side.parts[0], exact=True),
            passes=(pairs // 4 + 1) * judges,
            read=2 * pairs * (TOKENS + 2 * request.tokens) * judges,
            steps=request.tokens * (prompts // ROWS + 1) * (place < n),
        )
    return total


@gpu.on_gpu(duration=lambda request, *_, **__: seconds("judge", request))
def compute(request: JudgeRequest, loaded: list[Loaded], planned: Plan) -> Iterator[Arena]:
    """The part of a run that has the GPU."""
    yield from paced(arena.judged(request, moved(request, loaded), planned), lambda data: data["done"])


def steps(request: JudgeRequest) -> Iterator[Arena | Waiting]:
    """A run: what comes before, the growing figure, the complete one last."""
    for said in engine.loading(request):
        yield waiting("judge", said)
    loaded = engine.sides(request)
    yield from compute(request, loaded, arena.plan(request, loaded))


def judge(request: JudgeRequest) -> Iterator[dict[str, Any]]:
    """Let models answer prompts and hold their answers against each other in pairs, in both orders; streams.

    Returns:
        verdicts, the first sentence first; prompts with every model's answer; pairs with left, right and the
            judge's log odds in both orders; ranks, wins and Bradley-Terry strengths with standard errors by
            the judge; flips, how often its verdict changes with the order; known, answers that contain what
            is expected; agreed, Cohen's kappa of the judge with that.
    """
    for data in steps(request):
        if data["drawable"]:
            yield dict(data)


def programs_of(request: JudgeRequest, data: Data) -> dict[str, str]:
    """The programs below a figure."""
    return written_programs.pair_listings(request, data)


def build(demo: gr.Blocks, tabs: gr.Tabs) -> Room[JudgeRequest]:
    """Controls, figure, and their events."""
    first = ARENA
    boxes: dict[str, Any] = {}
    with gr.Row(equal_height=True):
        boxes["models"] = models_field(first.models, elem_id="judge-models")
        boxes["judge"] = page.model_field(
            first.judge,
            "Judge, a model that reads every pair in both orders",
            "none",
            scale=3,
            min_width=220,
            elem_id="judge-model",
        )
        buttons = run_button("Make pairs", elem_id="judge-run"), cancel_button(elem_id="judge-cancel")
    with gr.Accordion("Advanced: prompts, length of answers, seed", open=False):
        boxes["prompts"] = gr.Textbox(
            "\n".join(first.prompts),
            label=f"Prompts, one a line; after {EXPECTS} what a right answer contains",
            lines=4,
            max_lines=12,
            elem_id="judge-prompts",
        )
        with gr.Row(equal_height=True):
            boxes["tokens"] = gr.Slider(4, 128, first.tokens, step=1, label="longest answer, tokens")
            boxes["seed"] = gr.Number(first.seed, label="seed", precision=0, min_width=90)
    figure = Figure(example("pairs"), folder=RENDERER, title=f"{TITLE}: judge", elem_id="judge-figure")
    return open_room(
        demo,
        tabs=tabs,
        name="judge",
        title=TITLE,
        request=JudgeRequest,
        controls=boxes,
        buttons=buttons,
        figure=figure,
        run=drawing(figure, steps),
        programs=programs_of,
        stored=[example("pairs")],
        seconds=seconds,
    )
