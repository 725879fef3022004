"""The evaluation Space: models on the same items, and what their scores may say. The engine is in
`evaluation` and `shared`, its picture in `evaluation/js`, the page in `evaluation_rooms`.
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

from evaluation.follow_request import FollowRequest
from evaluation.function_file import FunctionsRequest
from evaluation.request import CompareRequest, FragileRequest, JudgeRequest, PowerRequest
from evaluation.task_file import TaskRequest
from evaluation.whole_task import WholeTaskRequest
from evaluation_rooms import compare, follow, fragile, judge, power, task, tasks
from evaluation_rooms.common import RENDERER, TITLE
from evaluation_rooms.tours import TOURS
from shared import page, server
from shared.api import endpoint
from shared.figure import stylesheet
from shared.room import MODEL

SENTENCE = (
    "Is it really better? Ask models the same items, see which answers flipped, and what so many items can "
    "and cannot decide."
)
EVALUATE = ["models", "tasks", "limit", "seed", "items", "metric", "chat"]
CORPUS = ["corpus", "corpus_dataset", "ngram"]
FRAGILE = ["models", "variants", "tasks", "limit", "seed", "items", "metric", "draws", "shots"]
JUDGE = ["models", "prompts", "judge", "tokens", "seed"]
FOLLOW = ["models", "prompts", "reading", "tokens"]
TASK = ["models", "own", "yaml", "rows", "limit", "tokens", "seed", "chat"]
FUNCTIONS = ["dataset", "rows", "limit", "wrong", "seed"]
POWER = ["items", "discordant", "difference", "level", "power"]

css = stylesheet(RENDERER)

with page.page(TITLE, SENTENCE, HERE, TOURS) as demo:
    with gr.Tabs(overflow_behavior="wrap") as tabs:  # a phone shows every room
        with gr.Tab("Compare", id="compare"):
            compare.build(demo, tabs)
        with gr.Tab("How fragile", id="fragile"):
            fragile.build(demo, tabs)
        with gr.Tab("Tasks", id="task"):
            tasks.build(demo, tabs)
        with gr.Tab("Instructions", id="follow"):
            follow.build(demo, tabs)
        with gr.Tab("Judge", id="judge"):
            judge.build(demo, tabs)
    page.about(HERE / "README.md")
    endpoint(compare.evaluate, CompareRequest, [*EVALUATE, *CORPUS], **MODEL)
    endpoint(compare.compare, CompareRequest, [*EVALUATE, "early", *CORPUS], **MODEL)
    endpoint(fragile.fragile, FragileRequest, FRAGILE, **MODEL)
    endpoint(follow.follow, FollowRequest, FOLLOW, **MODEL)
    endpoint(judge.judge, JudgeRequest, JUDGE, **MODEL)
    endpoint(tasks.run_task, WholeTaskRequest, TASK, **MODEL)
    endpoint(power.power, PowerRequest, POWER, queue=False)
    endpoint(task.task_items, TaskRequest, ["yaml", "rows", "limit"], **task.QUEUE)
    endpoint(task.function_items, FunctionsRequest, FUNCTIONS, **task.QUEUE)

if __name__ == "__main__":
    server.launch(demo, css)
