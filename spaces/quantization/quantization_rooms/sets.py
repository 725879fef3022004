"""The room that writes several files of one model, as one set."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData

from quantization import programs
from quantization.plan import gpu_seconds
from quantization.request import USUAL_SET, SetRequest
from quantization.sets import CARD, Step, check_room, set_plan
from quantization.waiting import waiting
from quantization_rooms.common import RENDERER, TITLE, example, follow, goes_on
from quantization_rooms.take import with_files
from quantization_rooms.textfield import matrix_field, questions_field, text_field
from shared import gpu, hub, limits, models, page
from shared.errors import VisitorError
from shared.figure import Figure
from shared.files import remove, result_folder, zipped
from shared.numbers import counted
from shared.room import LIGHT, Room, Values, cancel_button, chip, open_room, run_button
from shared.steps import last, paced


def seconds(request: SetRequest, *_: Any) -> int:
    """GPU seconds to ask for."""
    return gpu_seconds(request.comparison())


@gpu.on_gpu(duration=seconds)
def steps(request: SetRequest, folder: Path) -> Iterator[Step]:
    """Write, read back and measure every format, the files last."""
    from quantization.sets import make

    loaded = models.on_device(models.load(request.model, exact=True))
    yield from paced(make(request, loaded, folder), lambda step: bool(step.files))


def quantize_set(request: SetRequest) -> tuple[FileData, str]:
    """Quantize a model into several formats, read every file back, and measure it.

    Returns:
        A zip archive of all files, and the card with the table that was measured of them.
    """
    archive = last(run(request))
    path = archive.files[0]
    return FileData(path=str(path), orig_name=path.name), archive.figure["card"]  # type: ignore[typeddict-item]


def run(request: SetRequest) -> Iterator[Step]:
    """The steps from a request to its archive, the only file of the last one; a run that is cancelled leaves
    nothing.
    """
    yield Step(waiting("set", counted(len(request.formats), "format"), f"Loading {request.model}"))
    models.load(request.model, exact=True)
    home = result_folder()
    name = f"{request.model.split('/')[-1]}-{len(request.formats)}-formats"
    folder = home / name
    folder.mkdir()
    whole = False
    try:
        for step in steps(request, folder):
            if step.files:
                archive = zipped(folder, home / f"{name}.zip")
                whole = True
                yield Step(step.figure, (archive,))
            else:
                yield step
    finally:
        if not whole:
            shutil.rmtree(home, ignore_errors=True)


def programs_of(request: SetRequest, _: Any) -> dict[str, str]:
    """The programs below a set."""
    listings = {"The same set, from Python": programs.set_program(request, page.ADDRESS)}
    if any(name.startswith("gguf:") for name in request.formats):
        listings["The GGUF files, with llama.cpp's own tools"] = programs.set_commands(request)
    return listings


def push(upload: dict[str, Any] | None, private: bool, repository: str, token: str | None) -> str:
    """Upload all files and their card in one commit; the repository's URL.

    Raises:
        VisitorError: there are no files yet or any more, no room to unpack them, or as `hub.push`.
    """
    if not upload:
        raise VisitorError("There is nothing to push yet.", "Press Write all first.")
    path = Path(upload["archive"])
    if not path.is_file():
        raise VisitorError(
            "The files are no longer here: results are kept for two hours at most.",
            "Make them again, then push.",
        )
    unpacked = Path(tempfile.mkdtemp(prefix="push-"))
    try:
        check_room(path.stat().st_size, unpacked)
        with zipfile.ZipFile(path) as archive:
            archive.extractall(unpacked)  # it was packed here
        files = {
            found.relative_to(unpacked).as_posix(): found
            for found in sorted(unpacked.rglob("*"))
            if found.is_file()
        }
        files.pop(CARD)
        return hub.push(repository, "model", files, upload["card"], token, private=private)
    finally:
        remove(unpacked)


def build(demo: gr.Blocks, tabs: gr.Tabs) -> Room[SetRequest]:
    """Controls, figure, archive, and their events."""
    first = example("set")
    request = SetRequest.parse(**first["request"])
    with gr.Row(equal_height=True):
        chosen = gr.Dropdown(
            with_files(),
            value=list(request.formats),
            multiselect=True,
            allow_custom_value=True,
            max_choices=limits.MAX_FORMATS,
            label="Formats, each written, read back and measured",
            scale=4,
            min_width=300,
            elem_id="set-formats",
            elem_classes="many",
        )
        buttons = run_button("Write all", elem_id="set"), cancel_button(elem_id="set-cancel")
    with gr.Row(elem_classes="chips"):
        usual = chip("The usual set")
        cost = gr.HTML(page.quiet(set_plan(request)), elem_classes="quiet", elem_id="set-plan", padding=False)
    with gr.Accordion("Advanced: model, texts, windows, questions, rotation", open=False):
        with gr.Row():
            model = page.model_field(request.model, scale=2, elem_id="set-model")
            context = gr.Textbox(
                str(request.context), label="context (tokens in a window)", max_lines=1, min_width=120
            )
            windows = gr.Textbox(str(request.windows), label="windows", max_lines=1, min_width=120)
            questions = questions_field(request.questions)
            rotated = gr.Checkbox(request.rotated, label="Rotated equivalent", min_width=160)
        with gr.Row():
            text = text_field("Text to measure on", request.text)
            calibration = text_field("Calibration text", request.calibration)
            imatrix = matrix_field(request.imatrix)
    files = gr.Files(label="All files in one archive", visible=False, interactive=False, elem_id="set-files")
    figure = Figure(first, folder=RENDERER, title=f"{TITLE}: several files", elem_id="set-figure")
    upload = gr.State(None)

    def show(request: SetRequest, _: Values) -> Iterator[Values]:
        for step in run(request):
            values: Values = {figure: step.figure}
            if step.files:
                (archive,) = step.files
                values[files] = gr.Files([str(archive)], visible=True)
                card = step.figure["card"]  # type: ignore[typeddict-item]
                values[upload] = {"archive": str(archive), "card": card}
            yield values

    room = open_room(
        demo,
        tabs=tabs,
        name="set",
        title=TITLE,
        request=SetRequest,
        controls={
            "formats": chosen,
            "model": model,
            "context": context,
            "windows": windows,
            "rotated": rotated,
            "text": text,
            "calibration": calibration,
            "questions": questions,
            "imatrix": imatrix,
        },
        buttons=buttons,
        figure=figure,
        run=show,
        programs=programs_of,
        outputs=[files, upload],
        clears={files: gr.Files(visible=False), upload: None},
        stored=[first],
        seconds=lambda _, request: seconds(request),
        stopped=VisitorError("Cancelled; no file was kept.", "Press Write all to start again."),
    )
    usual.click(lambda: list(USUAL_SET), None, [chosen], **LIGHT)
    follow(room, [chosen.change, model.change, windows.blur, context.blur, rotated.change], set_plan, cost)
    with gr.Accordion("Push to the Hub as one repository", open=False):
        private = gr.Checkbox(True, label="Private repository", elem_id="set-private")
        page.push_row("Model repository to create or update, owner/name", push, [upload, private])
    return room


def started_from(compared: Room[Any], room: Room[SetRequest], tabs: gr.Tabs) -> None:
    """Have a button below the comparison's table choose its formats here, with the model, the texts and the
    rotation that were compared.
    """
    names = ("formats", "model", "text", "calibration", "rotated", "imatrix")
    goes_on(compared.figure.several, room, tabs, "set", names)
