"""The room of the decoding Space: a prompt, up to four strategies, one tree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gradio as gr

from decoding import pasted, presets, programs
from decoding.data import Trace, Waiting
from decoding.llama_cpp import programs as llama_cpp
from decoding.request import Request
from decoding_rooms.common import (
    RENDERER,
    TITLE,
    chat_fields,
    chips_of,
    example,
    length_field,
    open_prompt_room,
    prompt_field,
)
from decoding_rooms.constraint import connect_constraint, constraint_fields
from decoding_rooms.form import build_form, chosen_names, with_names, with_sampling
from decoding_rooms.growth import growth
from decoding_rooms.panel import distribution, why
from decoding_rooms.tree import branched, renamed, with_branch, without
from shared import experts, gpu, limits, models, page
from shared.checks import unmarked
from shared.data import Progress
from shared.errors import VisitorError
from shared.figure import Figure
from shared.room import LATEST, QUIET, Room, Values, cancel_button, run_button
from shared.steps import last, paced

RECORD = 0.002
"""Seconds to record one sequence's candidates at a step, as measured beside the constants of `shared.gpu`."""

MASK = 0.01
"""Seconds to find the tokens that a constraint allows one sequence at a step."""


def seconds(request: Request) -> int:
    """GPU seconds to ask for: the prompt once, a step for each new token, and recording each sequence."""
    steps, rows = request.max_new_tokens, sum(strategy.rows for strategy in request.strategies)
    masked = sum(strategy.rows for strategy in request.strategies if request.obeys(strategy))
    return gpu.seconds_for(
        models.most_parameters(request.model),
        read=limits.MAX_PROMPT_TOKENS,
        steps=steps,
        more=steps * (RECORD * rows + MASK * masked),
        dtype=models.dtype_of(request.model),
    )


@gpu.on_gpu(duration=seconds)
def traces(request: Request) -> Iterator[Trace]:
    """Decode, yielding the growing trace, the complete one last."""
    from decoding.engine import decode

    loaded = models.on_device(models.load(request.model))
    for trace in paced(decode(request, loaded), lambda trace: trace.done):
        yield trace.to_json()


def steps(request: Request) -> Iterator[tuple[Any, Trace | None]]:
    """A run: what the figure is sent, and the trace so far, None while the model is not in memory yet."""
    if models.in_memory(request.model) is None:
        progress: Progress = {"label": f"Loading {request.model}", "value": 0, "max": 1}
        waiting: Waiting = {"kind": "decoding", "drawable": False, "done": False, "progress": progress}
        yield waiting, None
    _make_ready(request)
    for data, news in growth(traces(request)):
        yield news, data


def decode(request: Request) -> Trace:
    """Continue a prompt with several decoding strategies and record every candidate token and its fate.

    Returns:
        The trace: runs[].sequences[] with token_ids, text and score, and runs[].nodes[] with every
        candidate's log-probabilities (nats), status and reason; with a constraint runs[].decisions[] with
        the number of allowed tokens and their log-probability, feasible, and sequences[] with obeyed;
        provenance names the model's copy, dtype and library versions.
    """
    _make_ready(request)
    return last(traces(request))


def _make_ready(request: Request) -> None:
    """The model, and what a constraint needs of its tokenizer, in the server's memory: on ZeroGPU each run is
    a process of its own, which would make it anew.
    """
    from decoding.structured.mask import ready

    loaded = models.load(request.model)
    if any(request.obeys(strategy) for strategy in request.strategies):
        ready(loaded)


def programs_of(request: Request, data: Trace) -> dict[str, str]:
    """The programs below a figure."""
    libraries = ["peft"] if request.model in experts.NAMES else []
    if any(request.obeys(strategy) for strategy in request.strategies):
        libraries.append("llguidance")
    words = {0: "transformers alone", 1: "transformers and {}", 2: "transformers, {} and {}"}
    libraries_said = words[len(libraries)].format(*libraries)
    listings = {f"The same run with {libraries_said}": programs.transformers_program(request, data)}
    if all(strategy.kind == "llama_cpp" for strategy in request.strategies):
        listings = {}
    if any(strategy.kind == "llama_cpp" for strategy in request.strategies):
        listings["llama.cpp's chain in torch"] = llama_cpp.torch_program(request, data)
        listings["The same settings for llama.cpp itself"] = llama_cpp.flags_program(request, data)
    return listings


def build(demo: gr.Blocks, tabs: gr.Tabs) -> Room[Request]:
    """Controls, figure, and their events."""
    first = example(next(iter(presets.EXAMPLES)))
    request = Request.parse(**first["request"])
    with gr.Row(equal_height=True):
        prompt = prompt_field(request, elem_id="prompt")
        names = gr.Dropdown(
            list(presets.PRESETS),
            value=[strategy.name for strategy in request.strategies],
            multiselect=True,
            max_choices=limits.MAX_STRATEGIES,
            label="Strategies, up to four",
            scale=4,
            min_width=260,
            elem_id="names",
        )
        buttons = run_button("Decode", elem_id="decode"), cancel_button(elem_id="cancel")
    with gr.Accordion(
        "Advanced: length, model, seed, a constraint, and every setting of a strategy", open=False
    ) as advanced:
        with gr.Row():
            max_new_tokens = length_field(request)
            model = page.model_field(request.model, scale=2, min_width=260)
            seed = gr.Textbox(str(request.seed), label="seed", max_lines=1, min_width=120)
        with gr.Row():
            chat = chat_fields(request)
        strategies = gr.Textbox(
            request.to_form()["strategies"],
            label="Strategies as GenerationConfig JSON: edit or paste",
            lines=3,
            max_lines=14,
            elem_classes="mono",
            elem_id="strategies",
        )

        constraint = constraint_fields(request)
        connect_constraint(constraint)

        # The form is made when the accordion opens: 25 fields would slow down every visit for the few who use
        # them.
        @gr.render(inputs=[strategies], triggers=[advanced.expand])
        def form(text: str) -> None:
            build_form(text, strategies, names)

    chips = chips_of(presets.EXAMPLES)
    figure = Figure(
        first,
        folder=RENDERER,
        events=("branch", "apply", "undo", "rename"),
        fetch=(distribution, why),
        title=TITLE,
        elem_id="figure",
    )

    def run(request: Request, _: Values) -> Iterator[Values]:
        for news, data in steps(request):
            yield {figure: news, tree: data or gr.skip()}

    room = open_prompt_room(
        demo,
        chips,
        tabs=tabs,
        name="decode",
        request=Request,
        controls={
            "prompt": prompt,
            "model": model,
            "strategies": strategies,
            "max_new_tokens": max_new_tokens,
            "seed": seed,
            **chat,
            **constraint.controls,
        },
        buttons=buttons,
        figure=figure,
        run=run,
        programs=programs_of,
        marks=["prompt"],
        seconds=seconds,
    )
    tree = room.state

    def grow(values: Values, event: gr.EventData) -> Iterator[Values]:
        if not values[tree].get("done"):
            return
        try:
            grown = branched(values[tree], int(event.run), int(event.node), int(event.token_id))
            alone = traces(replace(grown, strategies=grown.strategies[-1:]))
            for data, news in growth(with_branch(values[tree], grown, data) for data in alone):
                yield {figure: news, tree: data}
        except VisitorError as error:  # the tree that stands is worth more than the sentence in its place
            gr.Warning(str(error))
            yield {figure: gr.skip()}

    def undo(values: Values, event: gr.EventData) -> Values:
        return {figure: without(values[tree], int(event.run))}

    def rename(values: Values, event: gr.EventData) -> Values:
        return {figure: renamed(values[tree], int(event.run), str(event.name))}

    def apply(text: str, state: Trace, event: gr.EventData) -> str:
        run = int(event.run)
        name = state["runs"][run]["name"].split(" → ")[0] if run < len(state["runs"]) else ""
        try:
            return with_sampling(text, name, event.config)
        except VisitorError as error:
            gr.Warning(str(error))
            return text

    room.connect(figure.branch, grow)
    room.update(figure.undo, undo)
    room.update(figure.rename, rename)
    # queued: a warning needs the queue
    applied = figure.apply(apply, [strategies, tree], [strategies], **QUIET)
    room.connect(applied.then, lambda values: run(room.parse(values), values))
    names.input(choose, [strategies, names], [strategies, names], **QUIET)
    strategies.change(chosen_names, [strategies], [names], **LATEST)
    strategies.blur(paste, [strategies], [strategies, max_new_tokens], **QUIET)
    return room


def choose(text: str, names: list[str]) -> tuple[str, Any]:
    """Strategies chosen by name, put into the JSON; what is written there of others of them stays."""
    try:
        return with_names(text, names), gr.skip()
    except VisitorError as error:
        gr.Warning(f"The strategies' JSON is left as it is. {error}")
        return text, gr.skip()


def paste(text: str) -> tuple[str, Any]:
    """A pasted generation_config.json as a strategy; what it says that is not used is listed."""
    found = pasted.read(unmarked(text))
    if found.unused:
        gr.Info(f"Not used here: {', '.join(found.unused)}.")
    return found.strategies, gr.skip() if found.max_new_tokens is None else found.max_new_tokens
