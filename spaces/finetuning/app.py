"""The fine-tuning Space: what is trained on, a model that learns it, rewards, and what is taken home. The
engine is in `finetuning`, its pictures in `finetuning/js`, the page in `finetuning_rooms`.
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

from finetuning.grpo_request import GrpoRequest
from finetuning.plan import PlanRequest
from finetuning.request import MaskRequest
from finetuning.train_request import TrainRequest
from finetuning_rooms import grpo, mask, plan, take, train
from finetuning_rooms.common import RENDERER, TITLE
from finetuning_rooms.tours import TOURS
from shared import page, server
from shared.api import endpoint
from shared.figure import stylesheet
from shared.room import MODEL

SENTENCE = (
    "See which tokens of your rows are trained on, and why, before a run costs you a night; then watch a "
    "model learn, token by token."
)

MASK = [
    "rows",
    "model",
    "trainer",
    "template",
    "file",
    "dataset",
    "split",
    "config",
    "max_length",
    "packing",
    "eot_tokens",
    "instruction_part",
    "response_part",
    "pad_token",
    "limit",
]

ROWS = ["rows", "file", "model", "dataset", "config", "split", "limit"]
TRAIN = [
    "objective",
    "data",
    *ROWS,
    "rank",
    "alpha",
    "targets",
    "layers",
    "learning_rate",
    "schedule",
    "steps",
    "batch",
    "beta",
    "desirable_weight",
    "undesirable_weight",
    "max_length",
    "seed",
    "packing",
    "qlora",
    "versus",
    "behaviours",
    "answers",
]
GRPO = [
    "reward",
    "data",
    *ROWS,
    "group",
    "batch",
    "tokens",
    "temperature",
    "steps",
    "iterations",
    "learning_rate",
    "schedule",
    "beta",
    "epsilon",
    "scale",
    "loss",
    "rank",
    "alpha",
    "targets",
    "layers",
    "seed",
    "answers",
]
PLAN = ["model", "rank", "targets", "layers", "dtype", "checkpointing"]

css = stylesheet(RENDERER)

with page.page(TITLE, SENTENCE, HERE, TOURS) as demo:
    with gr.Tabs(overflow_behavior="wrap") as tabs:
        with gr.Tab("1 What is trained on", id="mask"):
            mask.build(demo, tabs)
        with gr.Tab("2 Train and watch", id="train"):
            trained = train.build(demo, tabs)
        with gr.Tab("3 GRPO", id="grpo"):
            rewarded = grpo.build(demo, tabs)
        with gr.Tab("4 Take home", id="plan"):
            take.build(demo, tabs, trained, rewarded)
    page.about(HERE / "README.md")
    endpoint(mask.mask, MaskRequest, MASK, **mask.QUEUE)
    endpoint(train.train, TrainRequest, TRAIN, **MODEL)
    endpoint(grpo.grpo, GrpoRequest, GRPO, **MODEL)
    endpoint(plan.plan, PlanRequest, PLAN, **mask.QUEUE)

if __name__ == "__main__":
    server.launch(demo, css)
