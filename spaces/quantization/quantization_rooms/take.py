"""The room that writes files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData

from quantization import formats, programs
from quantization.importance import KINDS
from quantization.plan import gpu_seconds, take_plan
from quantization.request import TakeRequest
from quantization.scripts import OFFERED
from quantization.take import Step, ready_script
from quantization.waiting import waiting
from quantization_rooms.common import RENDERER, TITLE, example, follow, goes_on
from quantization_rooms.textfield import matrix_field, questions_field, text_field
from shared import chat_room, entrances, gpu, hub, models, page, shelf
from shared.errors import VisitorError
from shared.figure import Figure
from shared.files import result_folder, zipped
from shared.room import Room, Values, cancel_button, open_room, run_button
from shared.steps import last, paced


def seconds(request: TakeRequest, *_: Any) -> int:
    """GPU seconds to ask for."""
    return 0 if request.script else gpu_seconds(request.comparison())


@gpu.on_gpu(duration=seconds)
def steps(request: TakeRequest, folder: Path) -> Iterator[Step]:
    """Quantize, measure and write, the files last."""
    from quantization.take import take

    loaded = models.on_device(models.load(request.model, exact=True))
    yield from paced(take(request, loaded, folder), lambda step: bool(step.files))


def quantize(request: TakeRequest) -> tuple[FileData, str]:
    """Quantize a whole model into a file.

    Returns:
        The file (a GGUF, or a zip archive of a model folder) and its model card with the measured table.
    """
    name = f"{request.model.split('/')[-1]}-{_label(request)}"
    models.load(request.model, exact=True)
    folder = result_folder() / name
    step = last(steps(request, folder))
    if request.matrix:
        return FileData(path=str(step.files[0]), orig_name=step.files[0].name), ""  # type: ignore[typeddict-item]
    path = step.files[0] if len(step.files) == 1 else zipped(folder, folder.parent / f"{name}.zip")
    return FileData(path=str(path), orig_name=path.name), step.figure["card"]  # type: ignore[typeddict-item]


def with_files() -> list[str]:
    """Formats whose models something loads."""
    return [name for name in formats.all_formats() if name.partition(":")[0] in formats.WITH_FILES]


def file_request(**values: Any) -> TakeRequest:
    """The endpoint's request: for a file, and no program.

    Raises:
        VisitorError: as `TakeRequest.parse` and `formats.parse`.
    """
    request = TakeRequest.parse(**values)
    request.comparison()
    return request


def _label(request: TakeRequest) -> str:
    rows = request.comparison().formats
    return (rows[0] if rows else "mix").replace(":", "-")


def run(request: TakeRequest) -> Iterator[Step]:
    """The steps from a request to its files; a run that is cancelled leaves none."""
    if request.script:
        yield ready_script(request, result_folder())
        return
    yield Step(waiting("take", request.format, f"Loading {request.model}"))
    models.load(request.model, exact=True)
    folder = result_folder()
    written = False
    try:
        for step in steps(request, folder):
            written = bool(step.files)
            yield step
    finally:
        if not written:
            shutil.rmtree(folder, ignore_errors=True)


def programs_of(request: TakeRequest, figure: dict[str, Any]) -> dict[str, str]:
    """The programs below a file."""
    if request.script:
        return {"The program": figure["script"]}
    listings = {"The same file, from Python": programs.file_program(request, page.ADDRESS)}
    if request.format.startswith("gguf:"):
        checked = programs.llama_cpp_commands(request.comparison())
        listings["The same file, checked with llama.cpp's own tools"] = checked
    return listings


def push(upload: dict[str, Any] | None, repository: str, token: str | None) -> str:
    """Upload the files and their card; the repository's URL.

    Raises:
        VisitorError: there are no files yet, or as `hub.push`.
    """
    if not upload:
        raise VisitorError("There is nothing to push yet.", "Press Quantize first.")
    files = {Path(path).name: Path(path) for path in upload["files"]}
    return hub.push(repository, "model", files, upload["card"], token)


def quantized_of(upload: dict[str, Any] | None) -> tuple[Path, str]:
    """The folder of the GGUF file that was written last, and what it is.

    Raises:
        VisitorError: none was.
    """
    paths = [Path(path) for path in (upload or {"files": ()})["files"]]
    if not paths:
        raise VisitorError("There is no file yet.", "Press Quantize first.")
    if paths[0].suffix != ".gguf":
        raise VisitorError("A chat Space here opens a GGUF file.", "Choose a format that begins with gguf.")
    return paths[0].parent, f"{paths[0].stem}, quantized; the chat computes with its values in float32."


def opened(request: TakeRequest, paths: Sequence[Path]) -> str:
    """Put a GGUF file on the shelf of whoever made it, and say where it opens; folders of other engines open
    in their own libraries alone, since everything here starts from plain weights.
    """
    (label,) = request.comparison().formats or ("mix",)
    if [path.suffix for path in paths] != [".gguf"]:
        return page.quiet("Other Spaces open plain weights and GGUF files, not this format.")
    made = shelf.put(
        paths[0].parent,
        "gguf",
        f"{label.partition(':')[2] or label} {request.model.split('/')[-1]}",
        says=f"quantized to {label} from",
        parents=[request.model],
        relation="quantized",
        licence=hub.licence(request.model),
    )
    return entrances.links(made)


def build(demo: gr.Blocks, tabs: gr.Tabs) -> Room[TakeRequest]:
    """Controls, figure, files, and their events."""
    first = example("take")
    request = TakeRequest.parse(**first["request"])
    others = [*(f"imatrix:{kind}" for kind in KINDS), *(f"script:{name}" for name in OFFERED)]
    choices = [*with_files(), "mix:100", *others]
    with gr.Row(equal_height=True):
        model = page.model_field(request.model, scale=2, elem_id="take-model")
        chosen = gr.Dropdown(
            choices,
            value=request.format,
            allow_custom_value=True,
            label="Format; mix:100 fits 100 MB; imatrix: for llama-quantize; script: for CUDA",
            scale=2,
            min_width=260,
            elem_id="take-format",
        )
        buttons = run_button("Quantize", elem_id="take"), cancel_button(elem_id="take-cancel")
    cost = gr.HTML(page.quiet(take_plan(request)), elem_classes="quiet", elem_id="take-plan", padding=False)
    with gr.Accordion("Advanced: texts, rotation, questions", open=False):
        rotated = gr.Checkbox(request.rotated, label="Rotated equivalent", elem_id="take-rotated")
        with gr.Row():
            calibration = text_field("Calibration text", request.calibration)
            text = text_field("Text to measure on, for the model card", request.text)
            questions = questions_field(request.questions)
            imatrix = matrix_field(request.imatrix)
    files = gr.Files(label="Files", visible=False, interactive=False, elem_id="files")
    figure = Figure(first, folder=RENDERER, title=f"{TITLE}: take home", elem_id="take-figure")
    upload = gr.State(None)
    opens = entrances.result(render=False)

    def show(request: TakeRequest, _: Values) -> Iterator[Values]:
        for step in run(request):
            values: Values = {figure: step.figure, files: gr.Files(visible=False)}
            if step.files:
                paths = [str(path) for path in step.files]
                values[files] = gr.Files(paths, visible=True)
                if not (request.script or request.matrix):
                    card = step.figure["card"]  # type: ignore[typeddict-item]
                    values |= {upload: {"files": paths, "card": card}, opens: opened(request, step.files)}
            yield values

    room = open_room(
        demo,
        tabs=tabs,
        name="take",
        title=TITLE,
        request=TakeRequest,
        controls={
            "model": model,
            "format": chosen,
            "calibration": calibration,
            "text": text,
            "rotated": rotated,
            "questions": questions,
            "imatrix": imatrix,
        },
        buttons=buttons,
        figure=figure,
        run=show,
        programs=programs_of,
        outputs=[files, upload, opens],
        # a program is there at once: what is hidden and shown again that soon stays away
        clears={files: None, upload: None, opens: ""},
        stored=[first],
        seconds=lambda _, request: seconds(request),
        stopped=VisitorError("Cancelled; no file was kept.", "Press Quantize to start again."),
    )
    opens.render()
    follow(room, [chosen.change, model.change], take_plan, cost)
    with gr.Accordion("Push to the Hub", open=False):
        page.push_row("Model repository to create or update, owner/name", push, [upload])
    chat_room.build("file", quantized_of, [upload])
    return room


def started_from(compared: Room[Any], room: Room[TakeRequest], tabs: gr.Tabs) -> None:
    """Have a click on a row of the comparison choose its format here, with the model, the texts and the
    rotation that were compared, whatever stands in the fields by now.
    """
    names = ("model", "format", "text", "calibration", "rotated", "imatrix")
    goes_on(compared.figure.take, room, tabs, "take", names)
