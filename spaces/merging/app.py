"""The merging Space. The maths is in the packages `merging` and `family_tree`, their pictures in
`merging/js`, the page in `merging_rooms`.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

HERE = Path(__file__).parent
# a staged Space carries `shared`, the repository shares it
ROOT = HERE if (HERE / "shared").is_dir() else HERE.parents[1]
sys.path[:0] = [path for path in (str(HERE), str(ROOT)) if path not in sys.path]

from shared import gpu  # noqa: F401  isort: skip  imports spaces, which must come before torch

import gradio as gr

from family_tree.report_request import ReportRequest
from family_tree.request import TreeRequest
from merging.explore_request import ExploreRequest
from merging.mixture_request import MixtureRequest
from merging.request import Request
from merging_rooms import explore, merge, mixture, report, take, tree
from merging_rooms.common import RENDERER, TITLE
from merging_rooms.tours import TOURS
from shared import page, server
from shared.api import Argument, endpoint
from shared.figure import stylesheet
from shared.room import MODEL

SENTENCE = (
    "Merge fine-tunes of one model into one that does what each does, and see what each parent brought."
)

css = stylesheet(RENDERER)


def offer() -> None:
    """The endpoints."""
    endpoint(merge.check, Request, ["recipe"], concurrency_limit=2)
    endpoint(merge.merge, Request, ["recipe", "seed"], **MODEL)
    model = Argument("model", str, inspect.Parameter.empty, TreeRequest.declared()["model"].metadata["says"])
    endpoint(
        tree.family_tree,
        TreeRequest,
        [model, "ancestors", "descendants", "limit"],
        parse=tree.parse_named,
        **tree.READING,
    )
    endpoint(
        report.report,
        ReportRequest,
        [model, "seed", "weights", "which"],
        parse=report.parse_named,
        **MODEL,
    )
    endpoint(merge.compare, Request, ["recipe", "seed", "prompts", "behaviours", "answer_tokens"], **MODEL)
    endpoint(explore.explore, ExploreRequest, ["origin", "others", "behaviours"], **MODEL)
    endpoint(explore.evolve, ExploreRequest, ["origin", "others", "goal", "seed", "behaviours"], **MODEL)
    endpoint(mixture.gates, MixtureRequest, ["recipe", "seed"], **MODEL)
    endpoint(mixture.mixture, MixtureRequest, ["recipe", "seed", "texts", "form"], **MODEL)


with page.page(TITLE, SENTENCE, HERE, TOURS) as demo:
    with gr.Tabs(overflow_behavior="wrap") as tabs:  # a phone shows every room
        with gr.Tab("Merge", id="merge"):
            merge_room = merge.build(demo, tabs)
        with gr.Tab("Between models", id="explore"):
            explore.build(demo, tabs, merge_room.recipe)
        with gr.Tab("Mixture of experts", id="mixture"):
            mixture.build(demo, tabs, merge_room.child)
        with gr.Tab("Family tree", id="tree"):
            family = tree.build(demo, tabs, merge_room.recipe, merge_room.child)
        with gr.Tab("Report", id="report"):
            report.build(demo, tabs, merge_room.child, family.figure)
        with gr.Tab("Take home", id="take"):
            take.build(merge_room.child)
    page.about(HERE / "README.md")
    offer()

if __name__ == "__main__":
    server.launch(demo, css)
