"""The room of speculative decoding: a model, a draft that runs ahead of it, and every round of the two."""

from __future__ import annotations

from collections.abc import Iterator

import gradio as gr

from decoding import vocabulary
from decoding.data import Speculative, SpeculativeWaiting
from decoding.speculative import programs
from decoding.speculative.examples import EXAMPLES
from decoding.speculative.request import MAX_DRAFT_TOKENS, Request
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
from shared import experts, gpu, limits, models, page
from shared.data import Progress
from shared.figure import Figure
from shared.models import Loaded
from shared.room import Room, cancel_button, drawing, run_button
from shared.rounding import TYPES
from shared.steps import last, paced

RECORD = 0.004
"""Seconds to record what the rule decided at a place, beside the passes."""

DRAFT_NAMES = [
    ("the model, rounded to fewer bits", "rounded"),
    ("its first layers", "layers"),
    ("another model", "model"),
    ("prompt lookup", "lookup"),
]


def seconds(request: Request) -> int:
    """GPU seconds to ask for: as if every token of the draft were refused, then the model alone."""
    tokens = request.max_new_tokens
    drafted = 0 if request.draft == "lookup" else tokens * request.draft_tokens
    return gpu.seconds_for(
        max(
            models.most_parameters(request.model),
            models.most_parameters(request.draft_model) if request.draft_model else 0,
        ),
        passes=5,
        read=3 * limits.MAX_PROMPT_TOKENS,
        steps=2 * tokens + drafted,
        more=RECORD * tokens * (request.draft_tokens + 1),
        models=1 if request.draft in ("layers", "lookup") else 2,
        dtype=models.dtype_of(request.model),
    )


@gpu.on_gpu(duration=seconds)
def results(request: Request) -> Iterator[Speculative]:
    """Run, yielding the growing result, the complete one last."""
    from decoding.speculative.engine import speculate

    loaded, draft = _models(request)
    if draft is not None:
        draft = models.on_device(draft, keep=request.draft == "model")
    yield from paced(speculate(request, models.on_device(loaded), draft), lambda result: result["done"])


def _models(request: Request) -> tuple[Loaded, Loaded | None]:
    """The model of a run and its draft, in memory; what cannot be is refused before a GPU is asked for."""
    from decoding.speculative.engine import draft_of

    loaded = models.load(request.model)
    named = None
    if request.draft_model:
        names = (request.model, request.draft_model)
        vocabulary.check_before_download(loaded, request.draft_model, names)
        named = models.load(request.draft_model)
    return loaded, draft_of(request, loaded, named)


def steps(request: Request) -> Iterator[Speculative | SpeculativeWaiting]:
    """A run: what the figure is sent."""
    for name in filter(None, (request.model, request.draft_model)):
        if models.in_memory(name) is None:
            yield _waiting(f"Loading {name}")
    models.load(request.model)
    if request.draft == "rounded":
        yield _waiting(f"Rounding a copy of the model to {request.rounding}")
    _models(request)
    yield from results(request)


def _waiting(label: str) -> SpeculativeWaiting:
    progress: Progress = {"label": label, "value": 0, "max": 1}
    return {"kind": "speculative", "drawable": False, "done": False, "progress": progress}


def speculate(request: Request) -> Speculative:
    """Continue a prompt with speculative decoding and record every round: what the draft proposed, with which
    chance and by which number each token was kept or refused, and what replaced it.

    Returns:
        rounds[].places[] with p, q, chance, number, overlap (1 − TV) and what was written; tokens[] with who
        wrote each; passes and seconds of model, draft and the model alone; forecast[] for other numbers of
        draft tokens; exactness, that the distribution is the model's own.
    """
    _models(request)
    return last(results(request))


def programs_of(request: Request, data: Speculative) -> dict[str, str]:
    """The program below a figure."""
    libraries = ["transformers"]
    if {request.model, request.draft_model} & set(experts.NAMES):
        libraries.append("peft")
    if request.draft == "rounded":
        libraries.append("gguf")
    named = " and ".join(libraries)
    label = f"The same {'text' if request.greedy else 'settings'} by assisted generation, with {named}"
    return {label: programs.transformers_program(request, data)}


def build(demo: gr.Blocks, tabs: gr.Tabs) -> Room[Request]:
    """Controls, figure, and their events."""
    first = example(next(iter(EXAMPLES)))
    request = Request.parse(**first["request"])
    with gr.Row(equal_height=True):
        prompt = prompt_field(request, max_lines=4, elem_id="speculative-prompt")
        draft = gr.Dropdown(
            DRAFT_NAMES, value=request.draft, label="Draft", scale=2, min_width=200, elem_id="draft"
        )
        draft_tokens = gr.Slider(
            1,
            MAX_DRAFT_TOKENS,
            request.draft_tokens,
            step=1,
            label="draft tokens a round (γ)",
            scale=2,
            min_width=150,
        )
        buttons = run_button("Speculate", elem_id="speculate"), cancel_button()
    with gr.Accordion("Advanced: draft, sampling, length, model, seed, chat", open=False):
        with gr.Row():
            rounding = gr.Dropdown(list(TYPES), value=request.rounding, label="rounded to", min_width=130)
            layers = gr.Number(request.layers, label="first layers", precision=0, min_width=130)
            draft_model = gr.Textbox(
                request.draft_model,
                label="draft model, of the same vocabulary",
                max_lines=1,
                placeholder="owner/name, or an expert",
                min_width=260,
                scale=2,
            )
            ngram = gr.Number(request.ngram, label="longest run looked up", precision=0, min_width=150)
        with gr.Row():
            temperature = gr.Slider(
                0, 2, request.temperature, step=0.05, label="temperature, 0 for greedy search", min_width=200
            )
            top_k = gr.Number(request.top_k, label="top_k, 0 for all", precision=0, min_width=120)
            top_p = gr.Slider(0.05, 1, request.top_p, step=0.05, label="top_p", min_width=150)
            max_new_tokens = length_field(request)
        with gr.Row():
            model = page.model_field(request.model, scale=2, min_width=260)
            seed = gr.Textbox(str(request.seed), label="seed", max_lines=1, min_width=120)
        with gr.Row():
            chat = chat_fields(request)
    chips = chips_of(EXAMPLES)
    figure = Figure(first, folder=RENDERER, title=f"{TITLE}: speculative", elem_id="speculative-figure")

    return open_prompt_room(
        demo,
        chips,
        tabs=tabs,
        name="speculative",
        request=Request,
        controls={
            "prompt": prompt,
            "model": model,
            "draft": draft,
            "rounding": rounding,
            "layers": layers,
            "draft_model": draft_model,
            "ngram": ngram,
            "draft_tokens": draft_tokens,
            "temperature": temperature,
            "top_k": top_k,
            "top_p": top_p,
            "max_new_tokens": max_new_tokens,
            "seed": seed,
            **chat,
        },
        buttons=buttons,
        figure=figure,
        run=drawing(figure, steps),
        programs=programs_of,
        seconds=seconds,
    )
