"""The decoding Space. The maths is in the package `decoding`, its picture in `decoding/js`, the page in
`decoding_rooms`.
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

from decoding.pair.request import PairRequest
from decoding.request import Request
from decoding.speculative.request import Request as SpeculativeRequest
from decoding_rooms import common, decode, pair, speculative, why
from decoding_rooms.tours import TOURS
from shared import page, server
from shared.api import endpoint
from shared.figure import stylesheet
from shared.room import MODEL

SENTENCE = (
    "Watch a model choose every token: compare strategies, compare two models, or let a draft run ahead."
)

css = stylesheet(common.RENDERER)

with page.page(common.TITLE, SENTENCE, HERE, TOURS) as demo:
    with gr.Tabs(overflow_behavior="wrap") as tabs:  # a phone shows every room
        with gr.Tab("Decode", id="decode"):
            decode.build(demo, tabs)
        with gr.Tab("Two models", id="pair"):
            pair.build(demo, tabs)
        with gr.Tab("Speculative", id="speculative"):
            speculative.build(demo, tabs)
    page.about(HERE / "README.md")
    endpoint(
        decode.decode,
        Request,
        list(Request.declared()),
        **MODEL,
    )
    endpoint(
        pair.compare_models,
        PairRequest,
        [
            "prompt",
            "model",
            "other",
            "rounding",
            "strategy",
            "max_new_tokens",
            "seed",
            "chat",
            "system",
            "thinking",
        ],
        **MODEL,
    )
    endpoint(why.why, why.WhyRequest, list(why.WhyRequest.declared()), **MODEL)
    endpoint(speculative.speculate, SpeculativeRequest, list(SpeculativeRequest.declared()), **MODEL)

if __name__ == "__main__":
    server.launch(demo, css)
