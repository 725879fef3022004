"""The room that compares two models on one prompt."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import gradio as gr

from decoding import presets, vocabulary
from decoding.data import Pair, PairWaiting, Trace
from decoding.pair import programs
from decoding.pair.presets import EXAMPLES
from decoding.pair.request import PairRequest
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
from decoding_rooms.decode import RECORD
from decoding_rooms.growth import growth
from shared import experts, gpu, limits, models, page
from shared.figure import Figure
from shared.models import Loaded
from shared.room import Room, cancel_button, drawing, run_button
from shared.rounding import TYPES, rounded
from shared.steps import last, paced

STRATEGIES = ("pure sampling", "nucleus .9", "top-k 50", "min-p .1")
"""Presets that one text is drawn by."""

MEASURE = 0.035
"""Seconds to compare two distributions of 152,000 tokens at one place, draws included, beside the forward
passes: as one processor core takes them; a GPU was not timed.
"""


def seconds(request: PairRequest) -> int:
    """GPU seconds to ask for: both models write, and both read both texts; in float32."""
    steps = request.max_new_tokens
    largest = max(models.most_parameters(name, exact=True) for name in (request.model, request.second))
    return gpu.seconds_for(
        largest,
        passes=6,
        read=6 * limits.MAX_PROMPT_TOKENS + 4 * steps,
        steps=2 * steps,
        more=2 * steps * (RECORD + MEASURE),
        models=2,
    )


def loading(request: PairRequest) -> Iterator[str]:
    """Bring both models into memory, saying each long step before it.

    Raises:
        VisitorError: as `models.load`, or the vocabularies differ, which is found out before the second model
            is downloaded.
    """
    if models.in_memory(request.model, exact=True) is None:
        yield f"Loading {request.model}"
    first = models.load(request.model, exact=True)
    if models.in_memory(request.second, exact=True) is None:
        yield f"Loading {request.second}"
        vocabulary.check_before_download(first, request.second, request.names, exact=True)
    second = models.load(request.second, exact=True)
    vocabulary.check(first.tokenizer, second.tokenizer, request.names)
    if request.rounding:
        yield f"Rounding {request.second} to {request.rounding}"
        rounded(second, request.rounding)


def sides(request: PairRequest) -> tuple[Loaded, Loaded]:
    """Both models, which `loading` has brought."""
    first, second = (models.load(name, exact=True) for name in (request.model, request.second))
    return first, rounded(second, request.rounding)


@gpu.on_gpu(duration=seconds)
def comparisons(request: PairRequest) -> Iterator[Pair]:
    """Compare, yielding the growing texts, the complete comparison last."""
    from decoding.pair.engine import compare

    first, second = sides(request)
    first, second = models.on_device(first), models.on_device(second, keep=not request.rounding)
    for step in paced(compare(request, first, second), lambda step: step.done):
        yield step.to_json()


def steps(request: PairRequest) -> Iterator[Pair | PairWaiting]:
    """A run as the figure is sent it: what comes before, growing texts, and the complete comparison."""
    for said in loading(request):
        yield {
            "kind": "pair",
            "drawable": False,
            "done": False,
            "progress": {"label": said, "value": 0, "max": 1},
        }
    yield from _grown(comparisons(request))


def _grown(pairs: Iterable[Pair]) -> Iterator[Pair]:
    """The comparisons, of each tree only what is new."""
    now: list[Pair] = []

    def traces() -> Iterator[Trace]:
        for pair in pairs:
            now[:] = [pair]
            yield pair["trace"]

    for _, news in growth(traces()):
        yield {**now[0], "trace": news}


def compare_models(request: PairRequest) -> dict[str, Any]:
    """Let two models continue the same prompt, and say where their texts part and how far apart their odds
    are at every step: a base and its quantized version, fine-tune, merge or edit.

    Returns:
        finding and meaning in words; parting with step, tokens, their log-probabilities and ranks under both
            models, and verdict; texts[] with token_ids, text, logprob under both, means of forward
            KL(first ‖ second) and backward KL, both in nats, and of total variation, and steps[] with these
            at every token; models[] says which copies answered.
    """
    for _ in loading(request):
        pass
    pair = last(comparisons(request))
    kept = ("request", "models", "finding", "meaning", "parting", "texts", "notes")
    return {**{name: pair[name] for name in kept}, "prompt": pair["trace"]["prompt"]}  # type: ignore[literal-required]


def programs_of(request: PairRequest, data: Pair) -> dict[str, str]:
    """The program below a figure."""
    libraries = ["transformers"]
    libraries += ["gguf"] if request.rounding else []
    libraries += ["peft"] if {request.model, request.second} & set(experts.NAMES) else []
    words = " and ".join(libraries) + (" alone" if len(libraries) == 1 else "")
    return {f"The same numbers with {words}": programs.transformers_program(request, data)}


def build(demo: gr.Blocks, tabs: gr.Tabs) -> Room[PairRequest]:
    """Controls, figure, and their events."""
    first = example(next(iter(EXAMPLES)))
    request = PairRequest.parse(**first["request"])
    with gr.Row(equal_height=True):
        prompt = prompt_field(request, min_width=230, elem_id="pair-prompt")
        model = page.model_field(
            request.model, label="First model", scale=3, min_width=190, elem_id="pair-model"
        )
        other = page.model_field(
            request.other,
            "Second model",
            "the same model",
            scale=3,
            min_width=150,
            elem_id="pair-other",
        )
        rounding = gr.Dropdown(
            [("as it is", ""), *TYPES],
            value=request.rounding,
            label="Second in",
            scale=1,
            min_width=110,
            elem_id="pair-rounding",
        )
        buttons = run_button("Compare", elem_id="pair-run"), cancel_button(elem_id="pair-cancel")
    with gr.Accordion("Advanced: length, strategy, seed, chat", open=False):
        with gr.Row():
            max_new_tokens = length_field(request)
            strategy = gr.Dropdown(
                [("greedy", "{}"), *((name, json.dumps(presets.PRESETS[name])) for name in STRATEGIES)],
                value=request.to_form()["strategy"],
                allow_custom_value=True,
                label="Strategy of both, or its JSON",
                min_width=240,
                scale=2,
            )
            seed = gr.Textbox(str(request.seed), label="seed of both", max_lines=1, min_width=120)
        with gr.Row():
            chat = chat_fields(request, "Use the first model's chat template")
    chips = chips_of(EXAMPLES)
    figure = Figure(first, folder=RENDERER, title=f"{TITLE}: two models", elem_id="pair-figure")

    return open_prompt_room(
        demo,
        chips,
        tabs=tabs,
        name="pair",
        request=PairRequest,
        controls={
            "prompt": prompt,
            "model": model,
            "other": other,
            "rounding": rounding,
            "strategy": strategy,
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
