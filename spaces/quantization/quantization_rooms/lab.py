"""The room that looks at one weight."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import gradio as gr

from quantization import data, programs
from quantization.methods import METHODS
from quantization.request import LabRequest
from quantization.waiting import waiting
from quantization_rooms import settings as setting_controls
from quantization_rooms.common import RENDERER, TITLE, example
from shared import ggml, models, page
from shared.checks import whole
from shared.errors import VisitorError
from shared.figure import Figure
from shared.models import Loaded
from shared.room import LIGHT, MODEL, QUIET, Room, cancel_button, drawing, open_room, run_button


def weights(request: LabRequest) -> dict[str, Any]:
    """Quantize one weight of a model and show what rounding does to it.

    Returns:
        summary (bits, stored_bytes, mse, sqnr in dB, distinct_codes, kld of the model with this tensor alone
            replaced), histogram, error_map, and blocks with every weight, code, level and parameter.
    """
    from quantization.effect import look

    figure = look(models.load(request.model, exact=True), request)
    return {name: value for name, value in figure.items() if name not in ("run_id", "drawable")}


def run(request: LabRequest) -> Iterator[data.Lab | data.Waiting]:
    """The weight lab's figure."""
    from quantization.effect import looks

    yield waiting("lab", f"{request.tensor} · {request.method}", "Quantizing")
    yield from looks(models.load(request.model, exact=True), request)


def programs_of(request: LabRequest, _: dict[str, Any]) -> dict[str, str]:
    """The method's own source."""
    return {f"The method: {request.method}": programs.method_source(request.method)}


def block(argument: dict[str, Any]) -> dict[str, Any]:
    """One block of the weight that the figure shows, for a click on its map."""
    from quantization.effect import look_at_block

    def work(request: LabRequest, loaded: Loaded) -> data.Block:
        row, index = (whole(0, 2**31)(name, argument.get(name)) for name in ("row", "block"))
        return look_at_block(loaded, request, row, index)

    return _answer(argument, work)


def adjust(argument: dict[str, Any]) -> dict[str, Any]:
    """What other settings do to the tensor and to the model, for the figure's handles."""
    from quantization import effect

    return _answer(argument, lambda request, loaded: effect.adjusted(loaded, request))


def _answer(argument: dict[str, Any], work: Callable[[LabRequest, Loaded], Any]) -> dict[str, Any]:
    """An answer about the weight that a figure shows; no other model is loaded for it."""
    request = LabRequest.parse(**{name: argument[name] for name in LabRequest.declared() if name in argument})
    loaded = models.in_memory(request.model, exact=True)
    if loaded is None and request.model == models.EMBEDDED_MODEL:  # the stored example is its own
        loaded = models.load(request.model, exact=True)
    if loaded is None:
        raise VisitorError(f"{request.model} is not in memory any more.", "Press Quantize again.")
    return dict(work(request, loaded))


def settings_of(method: str) -> tuple[str, str]:
    """A method's default settings as JSON, and its sentence."""
    if method not in METHODS:
        return "{}", page.quiet("A block type of GGUF: its layout leaves nothing to set.")
    known = METHODS[method]
    defaults = {name: setting.default for name, setting in known.settings.items()}
    return json.dumps(defaults), page.quiet(known.sentence)


def tensors_of(model: str, tensor: str) -> Any:
    """The weights that a model has, for the list of tensors."""
    from quantization.effect import tensor_names

    if not model:
        return gr.skip()
    try:
        names = tensor_names(models.load(model, exact=True))
    except VisitorError as error:
        gr.Warning(str(error))
        return gr.skip()
    return gr.Dropdown(choices=names, value=tensor if tensor in names else names[1])


def build(demo: gr.Blocks, tabs: gr.Tabs) -> Room[LabRequest]:
    """Controls, figure, and their events."""
    first = example("lab")
    request = LabRequest.parse(**first["request"])
    with gr.Row(equal_height=True):
        tensor = gr.Dropdown(
            first["tensors"],
            value=request.tensor,
            label="Tensor",
            scale=3,
            min_width=220,
            allow_custom_value=True,
            elem_id="tensor",
        )
        method = gr.Dropdown(
            [*METHODS, *ggml.TYPES],
            value=request.method,
            label="Method or type",
            scale=1,
            min_width=150,
            elem_id="method",
        )
        shown = {
            name: setting_controls.control(name, request.method, request.settings)
            for name in setting_controls.LABELS
            if name not in setting_controls.HANDLES
        }
        buttons = run_button("Quantize", elem_id="look"), cancel_button()
    settings = setting_controls.json_field(request.settings)
    with gr.Accordion("Advanced: model, rotation, the scale's handles", open=False), gr.Row():
        model = page.model_field(request.model, scale=2, elem_id="lab-model")
        rotation = gr.Checkbox(request.rotation, label="Rotate first (QuaRot)", scale=1, min_width=160)
        for name in setting_controls.HANDLES:
            shown[name] = setting_controls.control(name, request.method, request.settings)
    sentence = gr.HTML(settings_of(request.method)[1], elem_classes="quiet", padding=False)
    figure = Figure(
        first, folder=RENDERER, fetch=(block, adjust), title=f"{TITLE}: weight lab", elem_id="lab-figure"
    )

    room = open_room(
        demo,
        tabs=tabs,
        name="lab",
        title=TITLE,
        request=LabRequest,
        controls={
            "tensor": tensor,
            "method": method,
            "settings": settings,
            "rotation": rotation,
            "model": model,
        },
        buttons=buttons,
        figure=figure,
        run=drawing(figure, run),
        programs=programs_of,
        stored=[first],
        stopped=VisitorError("Cancelled.", "Press Quantize to start again."),
    )
    method.input(lambda name: settings_of(name)[0], [method], [settings], **LIGHT)
    method.change(lambda name: settings_of(name)[1], [method], [sentence], **LIGHT)  # by a link
    setting_controls.connect(settings, method, shown)
    model.input(tensors_of, [model, tensor], [tensor], **MODEL, **QUIET)
    return room


one_method = partial(LabRequest.parse, compare=False)
"""The endpoint's request, without the comparison of all methods."""
