"""The room of the report on a published merge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from family_tree import model_report
from family_tree.report_request import WEIGHTS, ReportRequest
from family_tree.request import MERGED_HERE
from merging import data, programs
from merging.child import Child, still_here
from merging.request import Request
from merging_rooms.common import RENDERER, TITLE, example, named
from shared.errors import VisitorError
from shared.figure import Figure
from shared.page import ADDRESS
from shared.room import LIGHT, MODEL, Data, Room, Values, cancel_button, open_room, run_button
from shared.steps import last

STOPPED = VisitorError("The report was cancelled; nothing was kept.", "Press Report to start again.")
READ = {
    "auto": "all where that is a small download, else a sample",
    "all": "all of them",
    "sample": "a sample, by ranges of the files",
    "none": "none",
}
"""What a page calls each choice of weights."""


def report(request: ReportRequest) -> data.ModelReport:
    """Report on a published merge: the check of its recipe, a replay from its parents by mergekit against the
    published weights, a test of the parents from the weights, the licences, the roots' shares.

    Returns:
        lines (chapter, verdict: good, mixed, bad or open, says); recipe; findings with place and fix; replay
        (how: all, sample or none; says; differing tensors; limits); paternity; roots with bounds of their
        shares; licences; unread with reasons; badge (message, svg, markdown); card, a section of Markdown in
        which {this demo} stands for the demo's address.
    """
    found = last(model_report.report(request))
    assert found["kind"] == "report" and found["drawable"]
    return found


def parse_named(model: Any = "", **values: Any) -> ReportRequest:
    """A request over the API, which must name a model.

    Raises:
        VisitorError: as `ReportRequest.parse`, or no model is named.
    """
    return named(ReportRequest.parse(model=model, **values))


def programs_of(request: ReportRequest, found: Data) -> dict[str, str]:
    """The call that makes the same report, and mergekit's command for the same replay."""
    listings: dict[str, str] = {}
    if request.model != MERGED_HERE:
        listings["The same report from the API of a running demo"] = (
            "from gradio_client import Client\n\n"
            f'report = Client("{ADDRESS}").predict(\n'
            f"    {request.model!r}, {request.seed!r}, {request.weights!r}, {request.which!r}, "
            'api_name="/report"\n)\n'
            'for line in report["lines"]:\n    print(line["chapter"], line["verdict"], line["says"])\n'
        )
    recipe = found.get("recipe")
    if recipe and recipe["method"] and found["replay"] and found["replay"]["how"] != "none":
        plain = Request(recipe["text"], recipe["seed"])
        listings["The same merge with mergekit's own command"] = programs.commands(plain)
    return listings


def from_tree(event: gr.EventData) -> tuple[str, Any]:
    """A member of a tree in the field of this room, which is opened."""
    name = str(event.id)
    return "" if name == MERGED_HERE else name[:200], gr.Tabs(selected="report")


def build(demo: gr.Blocks, tabs: gr.Tabs, child: gr.State, tree: Figure) -> Room:
    """Controls, figure, and their events.

    Args:
        demo: the page.
        tabs: of the page.
        child: the merge that was made last.
        tree: the figure of the family tree, whose members can be reported on.
    """
    first = example("report")
    request = ReportRequest.parse(**first["request"])
    with gr.Row(equal_height=True):
        model = gr.Textbox(
            label="Merged model of the Hub, owner/name",
            placeholder="empty: the first example's merge",
            max_lines=1,
            scale=4,
            min_width=240,
            elem_id="report-model",
        )
        start = run_button("Report", elem_id="make-report")
        mine = gr.Button(
            "Report on my merge", scale=0, min_width=170, elem_classes="run", elem_id="report-here"
        )
        cancel = cancel_button()
    with gr.Accordion("Advanced: how many weights are read, seed", open=False), gr.Row():
        weights = gr.Dropdown(
            [(READ[name], name) for name in WEIGHTS],
            value=request.weights,
            label="weights that are read",
            min_width=260,
            elem_id="report-weights",
        )
        seed = gr.Textbox(
            "",
            label="seed",
            placeholder="as its card says, else 0",
            max_lines=1,
            min_width=160,
            elem_id="report-seed",
        )
        which = gr.Textbox(
            "",
            label="recipe, where it publishes several",
            placeholder="the one that fits best",
            max_lines=1,
            min_width=220,
            elem_id="report-which",
        )
    figure = Figure(
        first, folder=RENDERER, events=("choose_recipe",), title=f"{TITLE}: report", elem_id="report"
    )

    def run(request: ReportRequest, values: Values, made: Child | None = None) -> Iterator[Values]:
        del values
        if made is None and request == ReportRequest.parse(**first["request"]):
            yield {figure: first}
            return
        for found in model_report.report(request, made):
            yield {figure: found}

    room = open_room(
        demo,
        tabs=tabs,
        name="report",
        title=f"{TITLE}: report",
        request=ReportRequest,
        controls={"model": model, "weights": weights, "seed": seed, "which": which},
        buttons=(start, cancel),
        figure=figure,
        run=run,
        programs=programs_of,
        inputs=[child],
        triggers=[model.submit],
        marks=["report="],
        stored=[first],
        stopped=STOPPED,
        queue=MODEL,
    )

    def of_mine(values: Values) -> Iterator[Values]:
        made = still_here(values[child])
        asked = ReportRequest.parse(recipe=made.recipe, weights=values[weights], seed=values[seed])
        yield from run(asked, values, made)

    def of_another(values: Values, event: gr.EventData) -> Iterator[Values]:
        shown = {"weights": values[weights], "seed": values[seed]}
        chosen = ReportRequest.parse(model=str(event.model), which=event.which, **shown)
        yield {model: chosen.model, which: str(chosen.which)}
        yield from run(chosen, values)

    room.connect(mine.click, of_mine)
    room.connect(figure.choose_recipe, of_another, outputs=[model, which])
    tree.report(from_tree, None, [model, tabs], **LIGHT)
    return room
