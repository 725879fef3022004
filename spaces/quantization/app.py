"""The quantization Space. The maths is in the package `quantization`, its pictures in `quantization/js`, the
page in `quantization_rooms`.
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

from quantization.request import LabRequest, Request, SetRequest, TakeRequest
from quantization_rooms import compare, lab, sets, take
from quantization_rooms.common import RENDERER, TITLE
from quantization_rooms.tours import TOURS
from shared import page, server
from shared.api import Argument, endpoint
from shared.figure import stylesheet
from shared.room import MODEL

SENTENCE = "Fewer bits make a model smaller and a little wrong: measure how wrong, then take home what fits."

css = stylesheet(RENDERER)

with page.page(TITLE, SENTENCE, HERE, TOURS) as demo:
    with gr.Tabs(overflow_behavior="wrap") as tabs:  # a phone shows every room
        with gr.Tab("Compare formats", id="compare"):
            compared = compare.build(demo, tabs)
        with gr.Tab("Weight lab", id="lab"):
            lab.build(demo, tabs)
        with gr.Tab("Take home", id="take"):
            take.started_from(compared, take.build(demo, tabs), tabs)
        with gr.Tab("Several files", id="set"):
            sets.started_from(compared, sets.build(demo, tabs), tabs)
    page.about(HERE / "README.md")
    endpoint(
        compare.compare,
        Request,
        [
            "model",
            "formats",
            "text",
            "windows",
            "context",
            "calibration",
            Argument("prompt", str, "", "what every row answers; empty for no answers"),
            "answer_tokens",
            "do_sample",
            "seed",
            "rotated",
            "sensitivity",
            "budget",
            "llama_cpp",
            "floor",
            "kinds",
            "questions",
            "imatrix",
        ],
        **MODEL,
    )
    endpoint(
        lab.weights,
        LabRequest,
        ["tensor", "method", "settings", "model", "rotation"],
        parse=lab.one_method,
        **MODEL,
    )
    endpoint(
        take.quantize,
        TakeRequest,
        [
            "model",
            Argument("format", str, "gguf:Q4_K_M", TakeRequest.declared()["format"].metadata["says"]),
            "calibration",
            "text",
            "rotated",
            "questions",
            "imatrix",
        ],
        parse=take.file_request,
        **MODEL,
    )
    endpoint(
        sets.quantize_set,
        SetRequest,
        ["model", "formats", "calibration", "text", "context", "windows", "rotated", "questions", "imatrix"],
        **MODEL,
    )

if __name__ == "__main__":
    server.launch(demo, css)
