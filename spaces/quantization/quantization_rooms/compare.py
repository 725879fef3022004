"""The room that compares formats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gradio as gr

from quantization import data, formats, programs, published, published_check, published_rows
from quantization.kinds import KINDS
from quantization.plan import gpu_seconds, plan
from quantization.request import Request
from quantization.sensitivity import TYPES
from quantization.waiting import waiting
from quantization_rooms.common import RENDERER, TITLE, example, follow
from quantization_rooms.textfield import matrix_field, questions_field, text_field
from shared import gpu, limits, models, page
from shared.errors import VisitorError
from shared.figure import Figure
from shared.room import LIGHT, QUIET, Room, Values, cancel_button, drawing, open_room, run_button
from shared.steps import last, paced

MATRIX = ("gguf:Q3_K_S", *(f"gguf:Q3_K_S{formats.LEARNT}:{kind}" for kind in KINDS))
"""One type, made without an importance matrix and with one of each kind of text: measured on all of them."""

NOT_IN_THE_API = ("microscope", "tokens", "kind", "run_id", "done", "drawable", "title")
"""Keys of the figure's data that only the figure needs."""


@gpu.on_gpu(duration=gpu_seconds)
def comparisons(request: Request) -> Iterator[data.Compare]:
    """Compare, yielding the growing comparison, the complete one last."""
    from quantization.compare import compare

    loaded = models.on_device(models.load(request.model, exact=True))
    for step in paced(compare(request, loaded), lambda step: step.done):
        yield step.to_json()


def compare(request: Request) -> dict[str, Any]:
    """Measure what formats of several engines cost a model: size, perplexity, divergence from the base,
    speed.

    Returns:
        base, and rows with engine, version, rank, tied, bits, bits_quantized, file_bytes, resident_bytes,
            ppl, ppl_sigma, ratio, kld (mean, sigma, median, p90, p95, p99, p999, max), same_top, rms_dp,
            prefill, decode (tokens a second), tensors with the type used and why, notes; answers,
            sensitivity, budget, memory, provenance; of GGUF rows that llama.cpp read too, llama_cpp; where
            asked for, floor (the base against itself), kinds (of text, and each row's divergence on them),
            and questions (with the base's answers, and each row's flips: lost, gained, and their exact test).
            Sigmas count windows, and are null where there is one.
    """
    for _ in ready(request):
        pass
    result = last(comparisons(request))
    return {name: value for name, value in result.items() if name not in NOT_IN_THE_API}


def run(request: Request) -> Iterator[data.Compare | data.Waiting]:
    """The comparison's figure as the run goes on."""
    yield waiting("compare", request.model, "Loading the model")
    for label in ready(request):
        yield waiting("compare", request.model, label)
    yield from comparisons(request)


def ready(request: Request) -> Iterator[str]:
    """Download what a comparison needs, before a GPU is borrowed; yields what it does. What is wrong with the
    request is said before a published file is downloaded.

    Raises:
        VisitorError: as `prepare` and `published_rows.fetched`.
    """
    from quantization.compare import prepare

    loaded = models.load(request.model, exact=True)
    brings_files = request.imatrix or any(map(published_rows.is_published, request.formats))
    if brings_files and not request.rotated:
        names, _ = published_rows.named(request.formats)
        prepare(replace(request, formats=names), replace(loaded, device=models.machine()))
    yield from published_rows.fetched(request, loaded)


def programs_of(request: Request, figure: dict[str, Any]) -> dict[str, str]:
    """The programs below a comparison."""
    origin = figure["provenance"]
    return {
        "A GGUF row, checked with llama.cpp's own tools": programs.llama_cpp_commands(
            request, origin["source"]
        ),
        "The metrics of any two models, with transformers alone": programs.transformers_program(
            request, figure["model"]["lead"], origin["source"], origin.get("stored", "bfloat16")
        ),
    }


def add_file(path: str | None, names: list[str]) -> tuple[Any, Any]:
    """The formats with an uploaded file among them, by its short name, and no rotation, which a file does not
    have; a warning where it cannot be one.
    """
    if not path:
        return gr.skip(), gr.skip()
    try:
        name = published.uploaded(path)
        place = published.place(formats.parse(name).spec)
        published_check.check_kind(place.header(), place.name)
        found = list(dict.fromkeys([*names, name]))
    except VisitorError as error:
        gr.Warning(str(error))
        return gr.skip(), gr.skip()
    files = [
        (f"{formats.parse(name).label} (your file)", name) for name in filter(published.is_upload, found)
    ]
    return gr.Dropdown([*formats.all_formats(), *files], value=found), False


def without_rotation(names: list[str]) -> Any:
    """No rotation where a published file is among the formats: it holds the model as it is."""
    return False if any(published.is_file(name) for name in names) else gr.skip()


def build(demo: gr.Blocks, tabs: gr.Tabs) -> Room[Request]:
    """Controls, figure, and their events."""
    first = example("compare")
    request = Request.parse(**first["request"])
    with gr.Row(equal_height=True):
        chosen = gr.Dropdown(
            formats.all_formats(),
            value=list(request.formats),
            multiselect=True,
            allow_custom_value=True,
            max_choices=limits.MAX_FORMATS,
            label="Formats (own: by this suite’s code), or GGUF files of the Hub: owner/model-GGUF",
            scale=4,
            min_width=300,
            elem_id="formats",
            elem_classes="many",
        )
        buttons = run_button("Compare", elem_id="compare"), cancel_button(elem_id="cancel")
    with gr.Accordion(
        "Advanced: model, text, windows, a mix for a size, layer sensitivity, the prompt", open=False
    ):
        with gr.Row():
            model = page.model_field(request.model, scale=2, elem_id="model")
            rotated = gr.Checkbox(
                request.rotated, label="Rotated equivalent (off the 4-bit grid)", scale=1, min_width=200
            )
        with gr.Row():
            context = _number("context (tokens in a window)", request.context)
            windows = _number("windows", request.windows)
            seed = _number("seed", request.seed)
            budget = gr.Textbox(
                "" if request.budget is None else f"{request.budget:g}",
                label="Fit a mix in … MB",
                placeholder="no mix",
                max_lines=1,
                min_width=120,
                elem_id="budget",
            )
            sensitivity = gr.Dropdown(
                list(TYPES),
                value=list(request.sensitivity),
                multiselect=True,
                label="Measure every layer with",
                min_width=200,
            )
        with gr.Row():
            llama_cpp = gr.Checkbox(
                request.llama_cpp, label="Run GGUF rows in llama.cpp too", min_width=200, elem_id="llama-cpp"
            )
            floor = gr.Checkbox(
                request.floor, label="Noise floor: the base against itself", min_width=200, elem_id="floor"
            )
            kinds = gr.Checkbox(
                request.kinds, label="KLD by kind of text", min_width=160, elem_id="text-kinds"
            )
            questions = questions_field(request.questions)
            file = gr.UploadButton(
                "Add a GGUF file of yours", size="sm", file_types=[".gguf"], scale=0, elem_id="gguf-file"
            )
            matters = gr.Button(
                "Does the calibration text matter?", size="sm", scale=0, elem_id="calibration-matrix"
            )
        with gr.Row():
            prompt = gr.Textbox(request.prompt, label="Prompt that every row answers", lines=2, scale=3)
            answer_tokens = _number("answer tokens", request.answer_tokens)
            do_sample = gr.Checkbox(request.do_sample, label="do_sample (one seed for all)", min_width=120)
        with gr.Row():
            text = text_field("Text to measure on", request.text)
            calibration = text_field(
                "Calibration text (GPTQ, AWQ, SmoothQuant, imatrix, AutoRound)", request.calibration
            )
            imatrix = matrix_field(request.imatrix)
    cost = gr.HTML(page.quiet(plan(request)), elem_classes="quiet", elem_id="plan", padding=False)
    figure = Figure(first, folder=RENDERER, events=("mix", "take", "several"), title=TITLE, elem_id="figure")
    # On ZeroGPU the rows were measured in a process that is gone.
    again = "start again" if gpu.on_zero_gpu() else "go on; finished rows are remembered"

    show = drawing(figure, run)
    room = open_room(
        demo,
        tabs=tabs,
        name="compare",
        title=TITLE,
        request=Request,
        controls={
            "formats": chosen,
            "budget": budget,
            "model": model,
            "rotated": rotated,
            "context": context,
            "windows": windows,
            "seed": seed,
            "sensitivity": sensitivity,
            "prompt": prompt,
            "answer_tokens": answer_tokens,
            "do_sample": do_sample,
            "text": text,
            "calibration": calibration,
            "llama_cpp": llama_cpp,
            "floor": floor,
            "kinds": kinds,
            "questions": questions,
            "imatrix": imatrix,
        },
        buttons=buttons,
        figure=figure,
        run=show,
        programs=programs_of,
        stored=[first],
        seconds=lambda _, request: gpu_seconds(request),
        stopped=VisitorError("The comparison was cancelled.", f"Press Compare to {again}."),
    )

    def mix(values: Values, event: gr.EventData) -> Iterator[Values]:
        megabytes = f"{float(event.bytes) / 1e6:.1f}"
        yield {budget: megabytes}
        yield from show(room.parse({**values, budget: megabytes}), values)

    room.connect(figure.mix, mix, outputs=[budget])
    file.upload(add_file, [file, chosen], [chosen, rotated], **QUIET)  # queued: a warning needs the queue
    matters.click(lambda: (list(MATRIX), True), None, [chosen, kinds], **LIGHT)
    chosen.input(without_rotation, [chosen], [rotated], **LIGHT)
    follow(
        room,
        [
            chosen.input,
            budget.blur,
            model.input,
            windows.blur,
            context.blur,
            sensitivity.input,
            llama_cpp.input,
            floor.input,
            kinds.input,
            questions.blur,
        ],
        plan,
        cost,
    )
    return room


def _number(label: str, value: int) -> gr.Textbox:
    """A number whose field is a text: an empty one means the default."""
    return gr.Textbox(str(value), label=label, max_lines=1, min_width=120)
