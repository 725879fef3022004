"""The dedup Space. The maths is in the package `dedup`, its picture in `dedup/js`, the page in
`dedup_rooms`.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
# a staged Space carries `shared`, the repository shares it
ROOT = HERE if (HERE / "shared").is_dir() else HERE.parents[1]
sys.path[:0] = [path for path in (str(HERE), str(ROOT)) if path not in sys.path]

from shared import gpu  # noqa: F401  isort: skip  imports spaces, which must come before torch

import gradio as gr

from dedup import warming
from dedup.request import Request, SplitsRequest
from dedup_rooms import contamination, duplicates
from dedup_rooms.common import RENDERER, TITLE
from dedup_rooms.tours import TOURS
from shared import page, server
from shared.api import endpoint
from shared.figure import stylesheet
from shared.room import LIGHT

SENTENCE = (
    "Find the rows of a dataset that say nearly the same, check each pair exactly, and keep one of each."
)

NOT_IN_A_PLAN = ("keep", "method", "goal", "pinned", "seed", "measure", "embedding", "spare", "labels")
"""What becomes of the pairs, and what a plan cannot know."""
RUN = [
    "file",
    "dataset",
    "split",
    "columns",
    "threshold",
    "ngram",
    "keep",
    "recall",
    "limit",
    "config",
    "part",
    "unit",
    "method",
    "goal",
    "pinned",
    "seed",
    "measure",
    "embedding",
    "spare",
    "labels",
    "files",
]
PLAN = [name for name in RUN if name not in NOT_IN_A_PLAN]
SPLITS = ["files", "dataset", "splits", "columns", "threshold", "ngram", "measure", "limit", "config", "unit"]
CLEAN = [*SPLITS, "clean"]

css = stylesheet(RENDERER)


def warm() -> None:
    """Compile the loops."""
    warming.warm()


with page.page(TITLE, SENTENCE, HERE, TOURS) as demo:
    with gr.Tabs(overflow_behavior="wrap") as tabs:  # a phone shows every room
        with gr.Tab("One dataset", id="duplicates"):
            duplicates.build(demo, tabs)
        with gr.Tab("Train against test", id="contamination"):
            contamination.build(demo, tabs)
    # a visitor chooses rows meanwhile; whoever only imports the app waits for nothing
    demo.load(warm, **LIGHT)
    page.about(HERE / "README.md")
    endpoint(duplicates.deduplicate, Request, RUN, **duplicates.QUEUE)
    endpoint(duplicates.plan, Request, PLAN, **duplicates.QUEUE)
    endpoint(contamination.contamination, SplitsRequest, SPLITS, **contamination.QUEUE)
    endpoint(contamination.decontaminate, SplitsRequest, CLEAN, **contamination.QUEUE)

if __name__ == "__main__":
    server.launch(demo, css)
