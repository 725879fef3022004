"""The room in which a published model is held against its base: what was done to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from abliteration import programs, record, sets
from abliteration.data import Forensics
from abliteration.forensics_request import SCOPES, ForensicsRequest
from abliteration.outcome import forensics as outcome
from abliteration_rooms.controls import PAIRS, RENDERER, TITLE, example, is_done
from shared import gpu, page
from shared.errors import VisitorError
from shared.figure import Figure
from shared.files import result_folder
from shared.room import QUIET, Data, Room, cancel_button, drawing, open_room, run_button
from shared.steps import last, paced

SECONDS = 90
"""GPU seconds to ask for where both models are measured; the comparison itself needs none."""


@gpu.on_gpu(duration=lambda *_, **__: SECONDS)
def compute(figure: Forensics, request: ForensicsRequest, folder: Path) -> Iterator[Data]:
    """The part of a run that has the GPU: both models answer."""
    yield from paced(outcome.measured(figure, request, folder), is_done)


def steps(request: ForensicsRequest) -> Iterator[Data]:
    """A run: what it does, and at the end its figure."""
    folder = result_folder() / "replayed"
    figure: Any = None
    for figure in outcome.compare(request, folder):
        yield figure
    if request.measured:
        outcome.prepare(request, folder)
        yield from compute(figure, request, folder)


def forensics(request: ForensicsRequest) -> dict[str, Any]:
    """Say what was done to a published model: which matrices differ from its base, by which rank, along which
    direction, how strongly in which layer, and whether that is an abliteration at all.

    Returns:
        verdict (kind: projection, mixed, other, recast or same; words; facts), rows (one a tensor that
        differs: singular values, rank, and under taken the projection that it is), curves (strengths by layer
        and the kernel that they follow), direction, and with measured what both models answer.
    """
    return dict(last(steps(request)))


def uploaded(path: str) -> str:
    """An uploaded record as text.

    Raises:
        gr.Error: it is too large, or no text.
    """
    try:
        if Path(path).stat().st_size > record.MOST_CHARACTERS:
            raise VisitorError("The record is larger than 20 MB.", "Upload the file as it was exported.")
        return Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        error = VisitorError("The record is not text.", "Upload an edit.json or a reproduce.json.")
        raise gr.Error(str(error), print_exception=False) from None
    except VisitorError as error:
        raise gr.Error(str(error), print_exception=False) from error


def programs_of(request: ForensicsRequest, _: Data) -> dict[str, str]:
    """The program below a figure."""
    return {"The same from the API of a running demo": programs.forensics_program(request, page.ADDRESS)}


def build(demo: gr.Blocks, tabs: gr.Tabs) -> Room[ForensicsRequest]:
    """Controls, figure, and their events."""
    first = example("forensics")
    request = ForensicsRequest.parse(**first["request"])
    with gr.Row(equal_height=True):
        base = gr.Textbox(
            request.base, label="Base model", max_lines=1, scale=2, min_width=200, elem_id="forensics-base"
        )
        edited = gr.Textbox(
            request.edited,
            label="Edited model, or an adapter",
            placeholder="owner/name",
            max_lines=1,
            scale=2,
            min_width=200,
            elem_id="forensics-edited",
        )
        buttons = (
            run_button("What was done?", elem_id="run-forensics"),
            cancel_button(elem_id="cancel-forensics"),
        )
    with gr.Accordion("Advanced: which tensors, answers of both models, a record of the edit", open=False):
        with gr.Row():
            scope = gr.Dropdown(
                [(words, name) for name, words in SCOPES.items()],
                value=request.scope,
                label="Compare",
                min_width=240,
                elem_id="forensics-scope",
            )
            measured = gr.Checkbox(
                request.measured, label="let both models answer", min_width=160, elem_id="forensics-measured"
            )
            contrast = gr.Dropdown(
                [(words, name) for words, name in PAIRS if name in sets.STORED],
                value=request.contrast,
                label="… these prompts",
                min_width=240,
                elem_id="forensics-contrast",
            )
        with gr.Row():
            text = gr.Textbox(
                request.record,
                label="edit.json, which is made again, or heretic's reproduce.json",
                lines=2,
                max_lines=8,
                scale=4,
                min_width=240,
                elem_classes="mono",
                elem_id="forensics-record",
            )
            upload = gr.UploadButton(
                "Upload it", file_types=[".json"], size="sm", scale=0, min_width=140, elem_id="upload-record"
            )
    upload.upload(uploaded, [upload], [text], **QUIET)  # queued: an error needs the queue
    figure = Figure(first, folder=RENDERER, title=f"{TITLE}: forensics", elem_id="forensics")
    controls = {
        "base": base,
        "edited": edited,
        "scope": scope,
        "measured": measured,
        "contrast": contrast,
        "record": text,
    }
    return open_room(
        demo,
        tabs=tabs,
        name="forensics",
        title=f"{TITLE}: forensics",
        request=ForensicsRequest,
        controls=controls,
        buttons=buttons,
        figure=figure,
        run=drawing(figure, steps),
        programs=programs_of,
        triggers=[base.submit, edited.submit],
        stored=[first],
        stopped=VisitorError("The comparison was cancelled.", "Start it again."),
        seconds=lambda _, request: SECONDS if request.measured else 0,
    )
