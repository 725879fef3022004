"""The quantization Space: controls and events. The maths is in the package `quantization`, the pictures in
`quantization/js`.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = (
    HERE if (HERE / "shared").is_dir() else HERE.parents[1]
)  # a staged Space carries `shared`, the repository shares it
sys.path[:0] = [path for path in (str(HERE), str(ROOT)) if path not in sys.path]

from shared import gpu  # isort: skip  imports spaces, which must come before torch

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import gradio as gr
from gradio.data_classes import FileData

from quantization import formats, request
from quantization.plan import plan
from quantization.request import LabRequest, Request, validate, validate_lab
from shared import frame, hub, limits, models, texts
from shared.checks import whole
from shared.errors import VisitorError
from shared.figure import Figure, stylesheet

TITLE = "Quantization"
LEDE = (
    "Fewer bits make a model smaller and a little wrong. Measure how wrong, format by format and weight by weight, "
    "and take home the one that fits."
)
RENDERER = HERE / "quantization" / "js"
EXAMPLES = HERE / "examples"
UPDATE_SECONDS = 0.4
"""Time between two updates of a running figure; each carries all finished rows."""
PATIENCE_SECONDS = 20
"""Time that a handle's question waits for others."""
TOKENS_A_SECOND = 20_000
"""Tokens that one format reads on a GPU in a second, a careful guess."""

css = stylesheet(RENDERER)
example = partial(frame.stored, EXAMPLES)

CONTROLS = (
    "formats",
    "budget",
    "model",
    "rotated",
    "context",
    "windows",
    "seed",
    "sensitivity",
    "prompt",
    "answer_tokens",
    "do_sample",
    "text",
    "calibration",
)
"""The comparison's controls, by the request's own names."""

LAB_CONTROLS = ("tensor", "method", "settings", "rotation", "model")
"""The weight lab's controls, by the request's own names."""


def seconds(asked: dict[str, Any], *_: Any, **__: Any) -> int:
    """GPU seconds to ask for: start-up and weights, then every format and what it reads; not measured on
    ZeroGPU yet, so generous.
    """
    passes = len(asked["formats"]) + 1
    layers = 30 if asked["sensitivity"] or asked["budget"] else 0
    return min(
        240, 20 + 8 * passes + layers + asked["windows"] * asked["context"] * passes // TOKENS_A_SECOND
    )


@gpu.on_gpu(duration=seconds)
def run(asked: dict[str, Any], folder: str = "") -> Iterator[dict[str, Any]]:
    """Compare, yielding the growing comparison as JSON, the complete one last; with a folder, files and cards
    too.
    """
    from quantization.card import model_card
    from quantization.compare import compare

    checked = validate(**asked)
    loaded = models.on_device(models.load(checked.model))
    shown = time.monotonic()
    for step in compare(checked, loaded, Path(folder) if folder else None):
        if step.done and folder:
            row = step.rows[-1]
            if row.status == "failed":
                raise VisitorError(**row.facts["error"])
            yield {"done": True, "files": [str(path) for path in row.files], "card": model_card(step, row)}
        elif step.done or time.monotonic() - shown >= UPDATE_SECONDS:
            yield step.to_json()
            shown = time.monotonic()


def compare(
    model: str = models.EMBEDDED_MODEL,
    formats: list[str] | None = None,
    text: str = "",
    windows: int = 4,
    context: int = 256,
    calibration: str = "",
    prompt: str = "",
    answer_tokens: int = 32,
    do_sample: bool = False,
    seed: int = 0,
    rotated: bool = False,
    sensitivity: list[str] | None = None,
    budget: float | None = None,
) -> dict[str, Any]:
    """Measure what formats of several engines cost a model: size, perplexity, divergence from the base,
    speed.

    Args:
        model: Hub id of a causal language model with safetensors weights.
        formats: names engine:format, for example gguf:Q4_K_M, bitsandbytes:nf4, hqq:int4-g64,
            own:rtn-int4-g64.
        text: to measure on; by default a sample.
        windows: windows of the text to read.
        context: tokens in a window; the second half of each is scored.
        calibration: text for formats that learn from one; by default another sample.
        prompt: what every row answers; "" for none.
        answer_tokens: longest answer.
        do_sample: draw the answers with one seed instead of taking the likeliest tokens.
        seed: of draws, rotation and bootstrap.
        rotated: measure the equivalent model with a rotated residual stream.
        sensitivity: ggml types with which every layer is measured alone.
        budget: megabytes that a mix of types, chosen from measured sensitivities, has to fit in.

    Returns:
        base, and rows with engine, version, rank, tied, bits, bits_quantized, file_bytes, resident_bytes,
        ppl, ppl_sigma, ratio, kld (mean, sigma, median, p90, p95, p99, p999, max), same_top, rms_dp, prefill,
        decode (tokens a second), tensors with the type used and why, notes; answers, sensitivity, budget,
        provenance.
    """
    checked = validate(
        model=model,
        formats=request.Request.formats if formats is None else formats,
        text=text,
        windows=windows,
        context=context,
        calibration=calibration,
        prompt=prompt,
        answer_tokens=answer_tokens,
        do_sample=do_sample,
        seed=seed,
        rotated=rotated,
        sensitivity=sensitivity or [],
        budget=budget,
    )
    models.load(checked.model)
    result = frame.last(run(checked.to_json()))
    return {
        name: value
        for name, value in result.items()
        if name not in ("microscope", "tokens", "kind", "run_id", "done", "title")
    }


def weights(
    tensor: str = LabRequest.tensor,
    method: str = "rtn",
    settings: dict[str, Any] | None = None,
    model: str = models.EMBEDDED_MODEL,
    rotation: bool = False,
) -> dict[str, Any]:
    """Quantize one weight of a model and show what rounding does to it.

    Args:
        tensor: the parameter's name.
        method: an own method (absmax, zero_point, rtn, nf4, fp4, hqq, gptq, awq, …) or a ggml type (Q4_0,
            Q4_K, …).
        settings: of the method, for example {"bits": 4, "group": 64}.
        model: Hub id of a causal language model with safetensors weights.
        rotation: rotate the input basis before quantizing and back after.

    Returns:
        summary (bits, stored_bytes, mse, sqnr in dB, distinct_codes, kld of the model with this tensor alone
        replaced), histogram, error_map, and blocks with every weight, code, level and parameter.
    """
    from quantization.effect import look

    checked = validate_lab(
        model=model, tensor=tensor, method=method, settings=settings or {}, rotation=rotation, compare=False
    )
    return look(models.load(checked.model), checked)


def quantize(
    model: str = models.EMBEDDED_MODEL, format: str = "gguf:Q4_K_M", calibration: str = "", text: str = ""
) -> tuple[FileData, str]:
    """Quantize a whole model into a file.

    Args:
        model: Hub id of a causal language model with safetensors weights.
        format: engine:format, for example gguf:Q4_K_M or bitsandbytes:nf4; or mix:100, a GGUF of at most 100
            MB whose types are chosen from measured sensitivities.
        calibration: text for formats that learn from one; by default a sample.
        text: to measure on, for the card; by default a sample.

    Returns:
        The file (a GGUF, or a zip archive of a model folder) and its model card with the measured table.
    """
    checked = taken(model, format, calibration, text)
    models.load(checked.model)
    folder = frame.result_folder() / _stem(checked)
    made = frame.last(run(checked.to_json(), str(folder)))
    files = [Path(path) for path in made["files"]]
    path = files[0] if len(files) == 1 else frame.zipped(folder, folder.parent / f"{folder.name}.zip")
    return FileData(path=str(path), orig_name=path.name), made["card"]


def taken(model: str, format: str, calibration: str, text: str) -> Request:
    """The request of a model to take home, in one format or as a mix that fits a size.

    Raises:
        VisitorError: as `validate`, or no format.
    """
    common = {"model": model, "calibration": calibration, "text": text, "prompt": ""}
    if not isinstance(format, str) or not format.strip():
        raise VisitorError("There is no format to take home.", "Choose one, such as gguf:Q4_K_M.")
    kind, _, size = format.strip().partition(":")
    if kind != "mix":
        return validate(formats=[format], **common)
    if not size.strip():
        raise VisitorError("The mix has no size to fit in.", "Write the megabytes after it, as in mix:100.")
    return validate(formats=[], budget=size, **common)


def _stem(asked: Request) -> str:
    return f"{asked.model.split('/')[-1]}-{(asked.formats or ('mix',))[0].replace(':', '-')}"


def read_text(file: str | None) -> str:
    """The text of an uploaded file.

    Raises:
        VisitorError: it is not UTF-8, or too long.
    """
    if not file:
        return ""
    data = Path(file).read_bytes()
    if len(data) > 4 * limits.MAX_TEXT_CHARACTERS:
        raise VisitorError(
            f"The file has {len(data) / 1e6:,.1f} MB.",
            f"Use at most {limits.MAX_TEXT_CHARACTERS:,} characters.",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise VisitorError(
            f"The file is not UTF-8 text (byte {error.start:,}).", "Save it as UTF-8 and upload it again."
        ) from None


def text_page(file: str | None) -> Any:
    """The uploaded text in its field, or the sentence of the error."""
    try:
        return read_text(file)
    except VisitorError as error:
        gr.Warning(str(error))
        return gr.skip()


def request_of(values: tuple[Any, ...]) -> Request:
    """The controls' values as a checked request."""
    return validate(**dict(zip(CONTROLS, values, strict=True)))


def control_values(asked: Request) -> list[Any]:
    """A request as the values of the controls."""
    values = asked.to_json()
    return [
        ("" if values[name] is None else str(values[name]) if name in TEXT_FIELDS else values[name])
        for name in CONTROLS
    ]


TEXT_FIELDS = ("budget", "context", "windows", "seed", "answer_tokens")
"""Numbers whose field is a text: an empty one means the default."""


def panel_of(data: dict[str, Any]) -> dict[str, Any]:
    """What stands below a finished comparison: programs that check its rows, and its link."""
    from quantization.programs import llama_cpp_commands, transformers_program

    asked = validate(**data["request"])
    listings = {
        "A GGUF row, checked with llama.cpp's own tools": llama_cpp_commands(asked),
        "The metrics of any two models, with transformers alone": transformers_program(asked),
    }
    return frame.panel_value(TITLE, listings, asked.to_query(), live=not data.get("example"))


def lab_panel_of(data: dict[str, Any]) -> dict[str, Any]:
    """What stands below the weight lab: the method's own source, and the link."""
    from quantization.programs import method_source

    asked = validate_lab(**data["request"])
    return frame.panel_value(
        TITLE,
        {f"The method: {asked.method}": method_source(asked.method)},
        asked.to_query(),
        live=not data.get("example"),
    )


def compare_page(*values: Any) -> Iterator[tuple[Any, ...]]:
    """Run the comparison; the figure follows the run, the panel comes at the end."""
    yield from show_comparison(request_of(values))


def show_comparison(asked: Request) -> Iterator[tuple[Any, ...]]:
    """The comparison's figure and panel as the run goes on."""
    yield (
        {
            "kind": "compare",
            "run_id": "",
            "rows": [],
            "done": False,
            "title": asked.model,
            "progress": LOADING,
        },
        gr.skip(),
    )
    models.load(asked.model)
    for data in run(asked.to_json()):
        yield data, panel_of(data) if data["done"] else gr.skip()


LOADING = {"label": "Loading the model", "value": 0, "max": 1}


def mix_page(event: gr.EventData) -> str:
    """The budget that the figure's slider stands at, as the budget field's text."""
    return f"{float(event.bytes) / 1e6:.1f}"


def plan_page(*values: Any) -> str:
    """What the comparison will cost, or what is wrong with it."""
    try:
        return frame.quiet(plan(request_of(values)))
    except VisitorError as error:
        return frame.quiet(str(error))


def lab_request(values: tuple[Any, ...]) -> LabRequest:
    """The weight lab's controls as a checked request."""
    return validate_lab(**dict(zip(LAB_CONTROLS, values, strict=True)))


def lab_page(*values: Any) -> Iterator[tuple[Any, ...]]:
    """Quantize the tensor and look at it."""
    yield from show_lab(lab_request(values))


def show_lab(asked: LabRequest) -> Iterator[tuple[Any, ...]]:
    """The weight lab's figure and panel."""
    from quantization.effect import look

    title = f"{asked.tensor} · {asked.method}"
    yield (
        {
            "kind": "lab",
            "run_id": "",
            "done": False,
            "title": title,
            "progress": {"label": "Quantizing", "value": 0, "max": 1},
        },
        gr.skip(),
    )
    data = {**look(models.load(asked.model), asked), "run_id": str(time.time_ns())}
    yield data, lab_panel_of(data)


def block(argument: dict[str, Any]) -> dict[str, Any]:
    """One block of a tensor in full arithmetic, for the figure."""
    from quantization.effect import look_at_block

    def work(asked: LabRequest, loaded: models.Loaded) -> dict[str, Any]:
        row, index = (whole(0, 2**31)(name, argument.get(name)) for name in ("row", "block"))
        return look_at_block(loaded, asked, row, index)

    return _answer(argument, work)


def adjust(argument: dict[str, Any]) -> dict[str, Any]:
    """What other settings do to the tensor and to the model, for the figure's handles."""
    from quantization.effect import adjusted

    return _answer(argument, lambda asked, loaded: adjusted(loaded, asked))


_turn = threading.Lock()
"""Handles ask outside the queue: one is answered at a time."""


def _answer(
    argument: dict[str, Any], work: Callable[[LabRequest, models.Loaded], dict[str, Any]]
) -> dict[str, Any]:
    """What a figure asks of the weight that it shows; no other model is loaded for it."""
    try:
        asked = validate_lab(**{name: argument[name] for name in LAB_CONTROLS if name in argument})
        if not _turn.acquire(timeout=PATIENCE_SECONDS):
            raise VisitorError("Others are asking the same of this page.", "Try again in a moment.")
        try:
            loaded = (
                models.load(asked.model)
                if asked.model == models.EMBEDDED_MODEL
                else models.in_memory(asked.model)
            )
            if loaded is None:
                raise VisitorError(
                    f"{asked.model} is no longer in memory.", "Press Quantize the tensor again."
                )
            return work(asked, loaded)
        finally:
            _turn.release()
    except VisitorError as error:
        return error.to_json()
    except Exception as error:  # noqa: BLE001  the page must go on whatever happened
        return frame.unexpected(error).to_json()


def tensors_page(model: str, tensor: str) -> Any:
    """The weights that a model has, for the lab's list."""
    from quantization.effect import tensor_names

    if not model:
        return gr.skip()
    try:
        names = tensor_names(models.load(model))
    except VisitorError as error:
        gr.Warning(str(error))
        return gr.skip()
    return gr.Dropdown(choices=names, value=tensor if tensor in names else names[1])


def settings_page(method: str) -> tuple[str, str]:
    """A method's default settings as JSON, and its sentence."""
    from quantization.methods import METHODS

    if method not in METHODS:
        return "{}", frame.quiet("A block type of GGUF: its layout leaves nothing to set.")
    known = METHODS[method]
    return json.dumps({name: setting.default for name, setting in known.settings.items()}), frame.quiet(
        known.sentence
    )


def take_page(model: str, format: str, calibration: str, text: str) -> Iterator[tuple[Any, ...]]:
    """Quantize the model into files, or write the ready script; sentence, files, card, state."""
    try:
        if str(format).startswith("script:"):
            yield script_files(model, format.removeprefix("script:"), calibration)
        else:
            yield from taken_files(taken(model, format, calibration, text))
    except VisitorError as error:
        yield frame.alert(error), gr.Files(visible=False), "", None
    except Exception as error:  # noqa: BLE001  the page must go on whatever happened
        yield frame.alert(frame.unexpected(error)), gr.Files(visible=False), "", None


def taken_files(asked: Request) -> Iterator[tuple[Any, ...]]:
    """The model's files and their card; a run that is cancelled leaves none."""
    yield frame.quiet(f"Loading {asked.model} …"), gr.skip(), gr.skip(), None
    models.load(asked.model)
    folder = frame.result_folder()
    made: dict[str, Any] = {}
    try:
        for step in run(asked.to_json(), str(folder)):
            if step["done"]:
                made = step
            else:
                yield frame.quiet(step["progress"]["label"] + " …"), gr.skip(), gr.skip(), gr.skip()
    finally:
        if not made:
            shutil.rmtree(folder, ignore_errors=True)
    name = (asked.formats or (f"a mix for {asked.budget:g} MB",))[0]
    said = frame.quiet(
        f"Done: {name}, {sum(Path(path).stat().st_size for path in made['files']) / 1e6:,.1f} MB."
    )
    yield said, gr.Files(made["files"], visible=True), card_html(made["card"]), made


def script_files(model: str, name: str, calibration: str) -> tuple[Any, ...]:
    """A ready script for a format that needs CUDA to build.

    Raises:
        VisitorError: there is no such script.
    """
    from quantization.scripts import SCRIPTS, script

    if name not in SCRIPTS:
        raise VisitorError(f"There is no script “{name[:40]}”.", f"Choose one of {', '.join(SCRIPTS)}.")
    asked = validate(model=model, calibration=calibration)
    path = frame.result_folder() / f"quantize-{name}.py"
    path.write_text(
        script(name, asked.model, asked.calibration or texts.sample("calibration")), encoding="utf-8"
    )
    said = frame.quiet(
        f"{SCRIPTS[name][0]} needs CUDA to build: this is a script to run where there is a GPU. It was not run here."
    )
    return said, gr.Files([str(path)], visible=True), "", None


def card_html(card: str) -> str:
    """A model card as safe HTML, without its YAML head."""
    from markdown_it import MarkdownIt

    text = card.split("\n---\n", 1)[1]
    return MarkdownIt("commonmark", {"html": False}).enable("table").render(text)


def push(made: dict[str, Any] | None, repository: str, token: str | None) -> str:
    """Upload the files and their card; the repository's URL.

    Raises:
        VisitorError: nothing was made yet, or as `hub.push`.
    """
    if not made:
        raise VisitorError("There is nothing to push yet.", "Press Quantize first.")
    return hub.push(
        repository, "model", {Path(path).name: Path(path) for path in made["files"]}, made["card"], token
    )


OUTPUTS = 2  # figure, panel


def open_page(query: str) -> Iterator[tuple[Any, ...]]:
    """Set the controls from the URL's query and run what it describes."""
    asked = Request.from_query(query)
    yield (*control_values(asked), None, gr.skip())
    for outputs in show_comparison(asked):
        yield (*(gr.skip(),) * len(CONTROLS), *outputs)


def open_lab(query: str) -> Iterator[tuple[Any, ...]]:
    """As `open_page`, for a link into the weight lab; the tab is opened too."""
    yield (gr.Tabs(selected="lab"), *[gr.skip()] * (len(LAB_CONTROLS) + OUTPUTS))
    asked = LabRequest.from_query(query)
    yield (
        gr.skip(),
        asked.tensor,
        asked.method,
        json.dumps(asked.settings),
        asked.rotation,
        asked.model,
        None,
        gr.skip(),
    )
    for outputs in show_lab(asked):
        yield (*[gr.skip()] * (1 + len(LAB_CONTROLS)), *outputs)


def text_field(label: str) -> gr.Textbox:
    """A text that may also be uploaded."""
    with gr.Column(min_width=260):
        field = gr.Textbox(
            "", label=label, placeholder="the sample that comes with this page", lines=3, max_lines=6
        )
        file = gr.UploadButton("Upload UTF-8 text", size="sm", file_types=[".txt", ".md"])
    file.upload(
        text_page, [file], [field], **frame.QUIET
    )  # in the queue: a warning does not reach the page past it
    return field


def build_compare(demo: gr.Blocks) -> None:
    """The room that compares formats."""
    first = example("compare")
    values = dict(zip(CONTROLS, control_values(validate(**first["request"])), strict=True))
    with gr.Row(equal_height=True):
        chosen = gr.Dropdown(
            formats.all_formats(),
            value=values["formats"],
            multiselect=True,
            allow_custom_value=True,
            max_choices=limits.MAX_FORMATS,
            label="Formats, engine:format",
            scale=4,
            min_width=320,
            elem_id="formats",
        )
        budget = gr.Textbox(
            values["budget"],
            label="Fit a mix in … MB",
            placeholder="no mix",
            max_lines=1,
            scale=1,
            min_width=140,
            elem_id="budget",
        )
    with gr.Accordion("Advanced: model, text, windows, layer sensitivity, the prompt to answer", open=False):
        with gr.Row():
            model = frame.model_field(scale=2, elem_id="model")
            rotated = gr.Checkbox(
                values["rotated"], label="Rotated equivalent (off the 4-bit grid)", scale=1, min_width=200
            )
        with gr.Row():
            context = gr.Textbox(
                values["context"], label="context (tokens in a window)", max_lines=1, min_width=120
            )
            windows = gr.Textbox(values["windows"], label="windows", max_lines=1, min_width=120)
            seed = gr.Textbox(values["seed"], label="seed", max_lines=1, min_width=120)
            sensitivity = gr.Dropdown(
                list(request.sensitivity_types()),
                value=values["sensitivity"],
                multiselect=True,
                label="Measure every layer with",
                min_width=200,
            )
        with gr.Row():
            prompt = gr.Textbox(values["prompt"], label="Prompt that every row answers", lines=2, scale=3)
            answer_tokens = gr.Textbox(
                values["answer_tokens"], label="answer tokens", max_lines=1, min_width=100
            )
            do_sample = gr.Checkbox(values["do_sample"], label="do_sample (one seed for all)", min_width=120)
        with gr.Row():
            text = text_field("Text to measure on")
            calibration = text_field("Calibration text (GPTQ, AWQ, SmoothQuant, IQ types, AutoRound)")
    said = gr.HTML(
        frame.quiet(plan(validate(**first["request"]))), elem_classes="quiet", elem_id="plan", padding=False
    )
    with gr.Row():
        start = gr.Button(
            button_label(validate(**first["request"])), variant="primary", scale=2, elem_id="compare"
        )
        cancel = frame.cancel_button(elem_id="cancel")
    figure = Figure(first, folder=RENDERER, events=("mix",), title=TITLE, elem_id="figure")
    panel = frame.panel(panel_of(first))

    controls = [
        chosen,
        budget,
        model,
        rotated,
        context,
        windows,
        seed,
        sensitivity,
        prompt,
        answer_tokens,
        do_sample,
        text,
        calibration,
    ]
    outputs = [figure, panel]
    pressed = start.click(frame.for_page(compare_page, 0, OUTPUTS), controls, outputs, **frame.HEAVY)
    mixed = figure.mix(mix_page, None, [budget], **frame.LIGHT).then(
        frame.for_page(compare_page, 0, OUTPUTS), controls, outputs, **frame.HEAVY
    )
    answer = frame.for_page(open_page, len(CONTROLS), len(CONTROLS) + OUTPUTS)
    opened = frame.on_link(demo, "room=compare", answer, [*controls, *outputs], **frame.HEAVY)
    # On ZeroGPU the rows were measured in a process that is gone.
    again = (
        "Press Compare to start again."
        if gpu.on_zero_gpu()
        else "Press Compare to go on; finished rows are remembered."
    )
    stopped = VisitorError("The comparison was cancelled.", again)
    frame.on_cancel(cancel, [pressed, mixed, opened], [figure], stopped)
    # One at a time and the last one again, so that no earlier answer arrives after a later one.
    planned: dict[str, Any] = {**frame.LIGHT, "trigger_mode": "always_last"}
    gr.on(
        [chosen.input, budget.blur, model.input, windows.blur, context.blur, sensitivity.input],
        plan_page,
        controls,
        [said],
        **planned,
    )


def button_label(asked: Request) -> str:
    """The primary button's text, with the run's cost where it costs GPU time."""
    return f"Compare · up to {seconds(asked.to_json())} s of GPU" if gpu.on_zero_gpu() else "Compare"


def build_lab(demo: gr.Blocks, tabs: gr.Tabs) -> None:
    """The room that looks at one weight."""
    from quantization import ggml
    from quantization.methods import METHODS

    first = example("lab")
    asked = validate_lab(**first["request"])
    with gr.Row(equal_height=True):
        tensor = gr.Dropdown(
            first["tensors"],
            value=asked.tensor,
            label="Tensor",
            scale=3,
            allow_custom_value=True,
            elem_id="tensor",
        )
        method = gr.Dropdown(
            [*METHODS, *ggml.TYPES],
            value=asked.method,
            label="Method or GGUF type",
            scale=1,
            min_width=160,
            elem_id="method",
        )
    with gr.Row():
        settings = gr.Textbox(
            json.dumps(asked.settings),
            label="Settings of the method (JSON)",
            max_lines=1,
            scale=3,
            elem_classes="mono",
        )
        rotation = gr.Checkbox(asked.rotation, label="Rotate first (QuaRot)", scale=1, min_width=160)
    with gr.Accordion("Advanced: model", open=False):
        model = frame.model_field(scale=2, elem_id="lab-model")
    said = gr.HTML(settings_page(asked.method)[1], elem_classes="quiet", padding=False)
    start = gr.Button("Quantize the tensor", variant="primary", elem_id="look")
    figure = Figure(
        first, folder=RENDERER, fetch=(block, adjust), title=f"{TITLE}: weight lab", elem_id="lab-figure"
    )
    panel = frame.panel(lab_panel_of(first))
    controls, outputs = [tensor, method, settings, rotation, model], [figure, panel]
    start.click(frame.for_page(lab_page, 0, OUTPUTS), controls, outputs, **frame.HEAVY)
    wide = 1 + len(LAB_CONTROLS)
    frame.on_link(
        demo,
        "room=lab",
        frame.for_page(open_lab, wide, wide + OUTPUTS),
        [tabs, *controls, *outputs],
        **frame.HEAVY,
    )
    method.input(settings_page, [method], [settings, said], **frame.LIGHT)
    model.input(tensors_page, [model, tensor], [tensor], **frame.HEAVY)


def build_take() -> None:
    """The room that writes files."""
    from quantization.scripts import SCRIPTS

    choices = [
        name for name in formats.all_formats() if name.startswith(("gguf:", "bitsandbytes:", "autoround:"))
    ]
    choices += ["mix:100", *(f"script:{name}" for name in SCRIPTS)]
    with gr.Row(equal_height=True):
        model = frame.model_field(scale=2, elem_id="take-model")
        chosen = gr.Dropdown(
            choices,
            value="gguf:Q4_K_M",
            allow_custom_value=True,
            label="Format; mix:100 fits 100 MB; script: to run with CUDA",
            elem_id="take-format",
        )
    with gr.Accordion("Advanced: texts", open=False), gr.Row():
        calibration = text_field("Calibration text")
        text = text_field("Text to measure on, for the model card")
    with gr.Row():
        start = gr.Button("Quantize", variant="primary", scale=2, elem_id="take")
        cancel = frame.cancel_button(elem_id="take-cancel")
    said = gr.HTML("", elem_classes="quiet", elem_id="taken", padding=False)
    files = gr.Files(label="Files", visible=False, interactive=False, elem_id="files")
    card = gr.HTML("", elem_classes="about", elem_id="card", padding=False)
    state = gr.State(None)
    with gr.Accordion("Push to the Hub", open=False):
        frame.push_row("Model repository to create or update, owner/name", push, [state])
    taken = start.click(
        take_page, [model, chosen, calibration, text], [said, files, card, state], **frame.HEAVY
    )
    # As `frame.on_cancel`, which knows figures only: a sentence that ends in " …" says that a run goes on.
    cancel.click(None, [said, cancel], [said, cancel], js=_CANCEL, cancels=[taken], **frame.LIGHT)
    taken.then(None, None, [cancel], js="() => 'Cancel'", **frame.LIGHT)


_CANCEL = """(said, label) => (/ …</.test(said) ? ["<p>Cancelled; no file was kept.</p>", "Stopping …"] : [said, label])"""


def build() -> gr.Blocks:
    """The page."""
    with frame.page(TITLE, LEDE) as demo:
        with gr.Tabs() as tabs:
            with gr.Tab("Compare formats", id="compare"):
                build_compare(demo)
            with gr.Tab("Weight lab", id="lab"):
                build_lab(demo, tabs)
            with gr.Tab("Take home", id="take"):
                build_take()
        frame.about(HERE / "README.md")
        gr.api(frame.for_api(compare), api_name="compare", concurrency_limit=1, concurrency_id="model")
        gr.api(frame.for_api(weights), api_name="weights", concurrency_limit=1, concurrency_id="model")
        gr.api(frame.for_api(quantize), api_name="quantize", concurrency_limit=1, concurrency_id="model")
    return demo


demo = build()

if __name__ == "__main__":
    frame.launch(demo, css)
