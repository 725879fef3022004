"""The room that compares models on the same items."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from evaluation import engine, programs, pull
from evaluation.contamination import corpus_of
from evaluation.data import Compare, Waiting
from evaluation.engine import Plan
from evaluation.examples import EXAMPLES
from evaluation.request import MAX_CORPUS_CHARACTERS, MOST_OF_A_SET, CompareRequest
from evaluation_rooms import task
from evaluation_rooms.common import (
    RENDERER,
    TITLE,
    example,
    item_fields,
    models_field,
    moved,
    reading_seconds,
    waiting,
)
from evaluation_rooms.power import before
from shared import gpu, hub, page
from shared.choices import METRICS, MUTUAL
from shared.errors import VisitorError
from shared.figure import Figure
from shared.models import Loaded
from shared.room import LATEST, QUIET, Data, Room, Values, cancel_button, chip, drawing, open_room, run_button
from shared.steps import last, paced

ENDINGS = [".txt", ".md", ".jsonl", ".json", ".csv", ".tsv"]
TOKENS = 60
"""Tokens of an item with its choices, about."""


def seconds(_: str, request: CompareRequest) -> int:
    """GPU seconds to ask for: every model reads every item once, and the choices alone where the
    metric asks for them.
    """
    return reading_seconds(request, len(request.planned()) * (1 + (request.metric == MUTUAL)), TOKENS)


@gpu.on_gpu(duration=lambda request, *_, **__: seconds("compare", request))
def compute(request: CompareRequest, loaded: list[Loaded], planned: Plan) -> Iterator[Compare]:
    """The part of a run that has the GPU."""
    yield from paced(engine.compare(request, moved(request, loaded), planned), lambda data: data["done"])


def steps(request: CompareRequest) -> Iterator[Compare | Waiting]:
    """A run: what comes before, the growing figure, the complete one last."""
    for said in engine.loading(request):
        yield waiting("compare", said)
    corpus = corpus_of(request, hub.local_token())
    loaded = engine.sides(request)
    yield from compute(request, loaded, engine.plan(request, loaded, corpus))


def compare(request: CompareRequest) -> Iterator[dict[str, Any]]:
    """Ask two or more models the same items and say whether the answers decide between them; the numbers
    stream while items are answered.

    Returns:
        verdicts, the first sentence first; scores by model and task with 95 % intervals; differences to the
            first model with gained, lost and p of an exact paired test; looks, the planned ones of the
            sequential test; items and answers with the log-likelihood of every token of every choice;
            summary as markdown and csv, and for models results (.eval_results), head (model-index),
            command (lm-eval's) and job (a full-size run on the Hub).
    """
    for data in steps(request):
        if data["drawable"]:
            yield dict(data)


def evaluate(request: CompareRequest) -> dict[str, Any]:
    """Ask models some items and count right answers as lm-eval does.

    Returns:
        verdicts in words; results, by model and task: n, correct, score, the ends of its 95 % interval, what
            guessing gives, Brier score; differences to the first model; summary as markdown and csv, and
            for models results (.eval_results), head (model-index), command (lm-eval's) and job (a full-size
            run on the Hub); contamination, where a corpus is named: overlaps by item, scores of held and
            clean items.
    """
    data: Any = last(steps(request))
    chance = {task["name"]: task["chance"] for task in data["tasks"]}
    results = [
        {
            "model": data["models"][one["model"]]["name"],
            "task": one["task"] or "all",
            "n": one["of"],
            "correct": one["count"],
            "score": round(one["count"] / one["of"], 6),
            "low": one["low"],
            "high": one["high"],
            "guessing": round(chance[one["task"]], 6) if one["task"] else None,
            "brier": one["brier"],
        }
        for one in data["scores"]
    ]
    kept = ("verdicts", "differences", "contamination", "notes", "stopped", "summary", "request", "models")
    return {"results": results, **{key: data[key] for key in kept}}


def programs_of(request: CompareRequest, data: Data) -> dict[str, str]:
    """The programs below a figure."""
    return programs.listings(request, data)


def corpus_fields(request: CompareRequest) -> dict[str, Any]:
    """The fields that name a corpus, by the request's settings."""
    with gr.Accordion("A corpus that may hold the items", open=False):
        with gr.Row(equal_height=True):
            text = gr.Textbox(
                request.corpus,
                label="Paragraphs, or JSON Lines",
                placeholder="Each item is looked for in this text.",
                lines=3,
                max_lines=8,
                scale=3,
                min_width=260,
                elem_id="corpus",
            )
            with gr.Column(min_width=200):
                dataset = page.dataset_field(
                    request.corpus_dataset, "or a Hub dataset, owner/name:split", elem_id="corpus-dataset"
                )
                ngram = gr.Slider(
                    8, 50, request.ngram, step=1, label="held from so many words in a row", elem_id="ngram"
                )
        with gr.Row(elem_classes="chips"):
            file = gr.UploadButton("Upload UTF-8 text", size="sm", file_types=ENDINGS, scale=0)
    said = gr.HTML("", elem_classes="quiet")
    file.upload(uploaded, [file], [text, said], **QUIET)
    return {"corpus": text, "corpus_dataset": dataset, "ngram": ngram}


def uploaded(path: str) -> tuple[Any, str]:
    """A file's text for the field, or why not."""
    try:
        with Path(path).open(encoding="utf-8-sig", newline=None) as lines:
            found = lines.read(MAX_CORPUS_CHARACTERS + 1)
        CompareRequest.parse(corpus=found)
    except UnicodeDecodeError:
        return gr.skip(), page.alert(VisitorError("The file is no UTF-8 text.", "Save it as UTF-8."))
    except VisitorError as error:
        return gr.skip(), page.alert(error)
    return found, ""


def pull_request(room: Room[CompareRequest]) -> None:
    """The fields that open a pull request in a model's repository; nothing is sent before the button."""
    with gr.Accordion("A pull request with this result in a model's repository of the Hub", open=False):
        dataset = gr.Textbox(
            label="Dataset of the Hub that holds the items, owner/name", max_lines=1, elem_id="pull-dataset"
        )
        page.push_row(
            "Repository of the model, owner/name",
            pull.propose,
            [room.state, dataset],
            "Open a pull request",
            "Open for its owner to merge: the pull request in",
        )


def build(demo: gr.Blocks, tabs: gr.Tabs) -> Room[CompareRequest]:
    """Controls, figure, and their events."""
    name, (_, first) = next(iter(EXAMPLES.items()))
    boxes: dict[str, Any] = {}
    with gr.Row(equal_height=True):
        boxes["models"] = models_field(first.models, elem_id="models")
        boxes["limit"] = gr.Slider(
            1,
            MOST_OF_A_SET,
            first.limit,
            step=1,
            label="items of a set",
            scale=2,
            min_width=130,
            elem_id="limit",
        )
        buttons = run_button("Compare", elem_id="compare"), cancel_button(elem_id="cancel")
    said = gr.HTML(page.quiet(before(first)), elem_classes="quiet", elem_id="before")
    with gr.Accordion("Advanced: sets, items of your own, chat template, planned looks, seed", open=False):
        boxes |= item_fields(first)
        with gr.Row(equal_height=True):
            boxes["metric"] = gr.Dropdown(
                [(f"{key}, {words}", key) for key, words in METRICS.items()],
                value=first.metric,
                label="an answer counts",
                min_width=170,
            )
            boxes["seed"] = gr.Number(first.seed, label="seed", precision=0, min_width=90)
            boxes["chat"] = gr.Checkbox(first.chat, label="chat template", min_width=130)
            boxes["early"] = gr.Checkbox(
                first.early, label="stop at the first of ten planned looks that decides", min_width=260
            )
        task.build(boxes["items"])
        boxes |= corpus_fields(first)
    chips: dict[str, gr.Button] = {}
    if len(EXAMPLES) > 1:
        with gr.Row(elem_classes="chips"):
            chips = {key: chip(label) for key, (label, _) in EXAMPLES.items()}
    figure = Figure(example(name), folder=RENDERER, title=TITLE, elem_id="figure")

    room = open_room(
        demo,
        tabs=tabs,
        name="compare",
        title=TITLE,
        request=CompareRequest,
        controls=boxes,
        buttons=buttons,
        figure=figure,
        run=drawing(figure, steps),
        programs=programs_of,
        marks=["models=", "items="],
        stored=[example(key) for key in EXAMPLES],
        seconds=seconds,
    )

    pull_request(room)

    def foretold(values: Values) -> str:
        try:
            return page.quiet(before(room.parse(values)))
        except VisitorError as error:
            return page.alert(error)

    watched = {*boxes.values()}
    plan_boxes = ("models", "limit", "tasks", "items")
    gr.on([boxes[key].change for key in plan_boxes], foretold, watched, [said], **LATEST)
    for key, button in chips.items():
        values = {room.figure: example(key), **room.form(EXAMPLES[key][1])}
        room.update(button.click, lambda _, values=values: values)
    return room
