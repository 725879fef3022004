"""The abliteration Space. The maths is in the package `abliteration`, its pictures in `abliteration/js`, the
page in `abliteration_rooms`.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
# a staged Space carries `shared`, the repository shares it
ROOT = HERE if (HERE / "shared").is_dir() else HERE.parents[1]
sys.path[:0] = [path for path in (str(HERE), str(ROOT)) if path not in sys.path]

from shared import gpu  # noqa: F401  isort: skip  imports spaces, which must come before torch

from typing import Any

import gradio as gr

from abliteration import sets
from abliteration.bench_request import BenchRequest
from abliteration.chat_request import ChatRequest
from abliteration.forensics_request import ForensicsRequest
from abliteration.request import Request, with_direction
from abliteration_rooms import (
    bench,
    chat,
    controls,
    features,
    find,
    forensics,
    measure,
    remove,
    take,
    uploads,
)
from abliteration_rooms.tours import TOURS
from shared import page, server
from shared.api import Argument, endpoint
from shared.figure import stylesheet
from shared.room import MODEL

SENTENCE = (
    "Find the direction along which a model's habit, such as refusing, lies; remove it; measure what went."
)

# these rooms have models and prompts of their own
ALONE = "\n".join(
    f'#study:has(~ * #{name}-tab-button[aria-selected="true"]) {{ display: none; }}'
    for name in ("forensics", "bench")
)
# the stored conversation must not push its figure down
FOLDED = "#chat-message textarea:not(:focus) { max-height: 2.6em; }"
css = f"{stylesheet(controls.RENDERER)}\n{ALONE}\n{FOLDED}"

first = Request.parse(**controls.example("find")["request"])

with page.page(controls.TITLE, SENTENCE, HERE, TOURS) as demo:
    with gr.Column(elem_id="study"):
        common = controls.build(first)
    rooms: list[tuple[gr.Tab, Any]] = []
    with gr.Tabs(overflow_behavior="wrap") as tabs:  # a phone shows all eight
        for name, label, room in (
            ("find", "1 Find", find),
            ("ablate", "2 Remove", remove),
            ("measure", "3 Measure", measure),
            ("features", "4 Features", features),
            ("take", "5 Take home", take),
        ):
            with gr.Tab(label, id=name) as tab:
                rooms.append((tab, room.build(demo, tabs, common)))
        with gr.Tab("6 Forensics", id="forensics", elem_id="forensics-tab"):
            forensics.build(demo, tabs)
        with gr.Tab("7 Truth bench", id="bench", elem_id="bench-tab"):
            bench.build(demo, tabs)
        with gr.Tab("8 Chat", id="chat") as tab:
            rooms.append((tab, chat.build(demo, tabs, common)))
    controls.follow_tabs(rooms)
    demo.load(None, None, None, js=controls.SYNC)
    page.about(HERE / "README.md")
    model = Argument(
        "model",
        str,
        "",
        "a Hub id, or an expert; by default the direction's model, and cautious without a direction",
    )
    direction = Argument(
        "direction",
        dict[str, Any] | None,
        None,
        "as find_direction returns it; by default the stored pair's, read at the layer that the rule chooses",
    )
    layer = Argument(
        "layer", int | None, None, "whose input the autoencoder reads; the direction's by default"
    )
    # no pair by default: with one, a caller's own sets would be passed over
    contrast = Argument(
        "contrast",
        str | None,
        None,
        f"a stored pair of sets, {', '.join(sets.STORED)}; own where positive and negative are given",
    )
    vector = Argument(
        "vector", str, "", f"{Request.declared()['vector'].metadata['says']}; the direction's by default"
    )
    endpoint(
        find.find_direction,
        Request,
        ["model", "positive", "negative", "layer", "seed", "format", contrast, "shows", "value", "against"],
        **MODEL,
    )
    endpoint(
        remove.ablate,
        Request,
        [model, direction, "method", "strength", "kernel", "prompts", vector],
        with_direction,
        **MODEL,
    )
    endpoint(
        features.features,
        Request,
        [model, direction, layer, "steps", "sae", vector],
        features.request_of,
        **MODEL,
    )
    endpoint(
        take.export,
        Request,
        [model, direction, "method", "strength", "kernel", "form", vector],
        with_direction,
        **MODEL,
    )
    endpoint(uploads.take_vector)
    endpoint(
        forensics.forensics,
        ForensicsRequest,
        ["base", "edited", "record", "scope", "measured", "contrast"],
        **MODEL,
    )
    CHAT = ("messages", "second", "reply_tokens", "temperature", "chat_seed")
    endpoint(
        chat.chat,
        ChatRequest,
        [model, direction, "method", "strength", "kernel", vector, *CHAT],
        chat.request_of,
        **MODEL,
    )
    endpoint(bench.truth_bench, BenchRequest, list(BenchRequest.declared()), **MODEL)

if __name__ == "__main__":
    server.launch(demo, css)
