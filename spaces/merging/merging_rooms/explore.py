"""The room where the merges between two or three models are measured, and their weights searched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from merging import blend, comparison, data, programs
from merging import explore as engine
from merging.explore_request import MAX_OTHERS, ExploreRequest
from merging.request import Request
from merging_rooms import behaviour_form
from merging_rooms.common import RENDERER, TITLE, example
from shared import gpu, models, page
from shared.entrances import offered
from shared.errors import VisitorError
from shared.figure import Figure
from shared.room import LIGHT, Data, Room, cancel_button, drawing, open_room, run_button
from shared.rules import LIKELIER
from shared.steps import last

GOALS = [("all behaviours, little loss", "behaviours"), ("little loss", "loss")]
STOPPED = VisitorError("The measurement was cancelled.", "Press Measure to start again.")


OPENINGS = 300
"""Tokens that the openings of ten answers have, with their questions, about."""


def seconds_for(request: ExploreRequest, points: int, behaviours: int = 0) -> int:
    """GPU seconds to ask for: the models and their blend, then every point's text, openings and answers.

    Args:
        request: with the models.
        points: how many are measured.
        behaviours: whose openings each point scores.
    """
    read_whole = any(one.rule.kind not in (LIKELIER, "starts with") for one in request.measured)
    behaviours += sum(2 for one in request.measured if one.rule.kind == LIKELIER)
    return gpu.seconds_for(
        max(models.most_parameters(name, exact=True) for name in request.names),
        models=len(request.names) + 1,
        passes=points * (comparison.WINDOWS + behaviours),
        read=points * (comparison.WINDOWS * comparison.CONTEXT + behaviours * OPENINGS),
        steps=points * (comparison.ANSWER_TOKENS if read_whole else 2 * blend.START_TOKENS),
    )


def seconds_to_explore(request: ExploreRequest) -> int:
    """What the points between models ask for."""
    return seconds_for(request, len(list(engine.grid(len(request.others)))))


def seconds_to_evolve(request: ExploreRequest) -> int:
    """What a search asks for: its candidates, and the start and the best once more."""
    candidates = engine.GENERATIONS * engine.POPULATION + 4
    return seconds_for(request, candidates, max(3, len(request.measured)))


SECONDS = {"explore": seconds_to_explore, "evolve": seconds_to_evolve}
"""By a run's name in links."""


@gpu.on_gpu(duration=seconds_to_explore)
def points(request: ExploreRequest) -> Iterator[data.Explore | data.Waiting]:
    """Measure the points between models; yields the growing figure, the complete one last."""
    yield from engine.explore(request)


@gpu.on_gpu(duration=seconds_to_evolve)
def candidates(request: ExploreRequest) -> Iterator[data.Evolve | data.Waiting]:
    """Search the weights of a merge for a goal; yields the growing figure, the complete one last."""
    yield from engine.evolve(request)


def explore(request: ExploreRequest) -> Any:
    """Measure the merges between two or three models: task_arithmetic at the points of a line or a plane.

    Returns:
        points with weights, loss ± sigma in nats per token of a sample text, shares of behaviours (count, of,
        95 % Wilson interval) and the recipe that makes each.
    """
    return last(points(request))


def evolve(request: ExploreRequest) -> Any:
    """Search the weights of one or two task vectors with CMA-ES on fit prompts, and measure the best on
    held-out ones.

    Returns:
        search with candidates, best (weights, score, recipe), held_out and warnings where the two part.
    """
    return last(candidates(request))


def programs_of(_: ExploreRequest, figure: Data) -> dict[str, str]:
    """A program for the best point, or for the last one."""
    best = (figure["search"] or {}).get("best")
    recipe = best["recipe"] if best else figure["points"][-1]["recipe"]
    label = "The search's best merge" if best else "The last point as a merge"
    return {label: programs.commands(Request(recipe))}


def from_point(event: gr.EventData) -> tuple[str, Any]:
    """A point's recipe, and the room where it is merged."""
    request = ExploreRequest.parse(origin=event.origin, others=event.others)
    weights = [min(1.0, max(0.0, float(weight))) for weight in event.weights][: len(request.others)]
    return blend.recipe_of(request, weights), gr.Tabs(selected="merge")


def build(demo: gr.Blocks, tabs: gr.Tabs, recipe: gr.Textbox) -> Room:
    """Controls, figure, and their events.

    Args:
        demo: the page.
        tabs: of the page.
        recipe: the field of the room where a point can be merged.
    """
    first = example("explore")
    request = ExploreRequest.parse(**first["request"])
    with gr.Row(equal_height=True):
        origin = page.model_field(
            request.origin, "Origin, every weight 0", scale=4, min_width=220, elem_id="origin"
        )
        others = offered(
            gr.Dropdown(
                list(models.CATALOGUE),
                value=list(request.others),
                multiselect=True,
                max_choices=MAX_OTHERS,
                allow_custom_value=True,
                label="Fine-tunes of it, one or two",
                scale=3,
                min_width=240,
                elem_id="others",
            )
        )
        start = run_button("Measure", elem_id="measure")
        search = gr.Button("Search the weights", scale=0, min_width=160, elem_classes="run", elem_id="search")
        cancel = cancel_button()
    with gr.Accordion("Advanced: what the search looks for, behaviours of your own", open=False):
        with gr.Row():
            goal = gr.Dropdown(GOALS, value=request.goal, label="Search for", elem_id="goal")
            seed = gr.Textbox(str(request.seed), label="seed of the search", max_lines=1, min_width=120)
        behaviours = behaviour_form.build(request.behaviours, "explore-behaviours")
    figure = Figure(
        first, folder=RENDERER, events=("chosen",), title=f"{TITLE}: between models", elem_id="between"
    )

    room = open_room(
        demo,
        tabs=tabs,
        name="explore",
        title=f"{TITLE}: between models",
        request=ExploreRequest,
        controls={
            "origin": origin,
            "others": others,
            "goal": goal,
            "seed": seed,
            "behaviours": behaviours,
        },
        buttons=(start, cancel),
        figure=figure,
        run=drawing(figure, points),
        programs=programs_of,
        more_runs={"evolve": (search, drawing(figure, candidates))},
        tab="explore",
        marks=["origin="],
        stored=[first],
        seconds=lambda name, request: SECONDS[name](request),
        stopped=STOPPED,
    )
    figure.chosen(from_point, None, [recipe, tabs], **LIGHT)
    return room
