"""The room from which an edit is taken home: its certificate, its files, and a private repository."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData

from abliteration.card import MARK, licence_of
from abliteration.data import Form
from abliteration.outcome import take as outcome
from abliteration.outcome.run import prepare
from abliteration.request import Request
from abliteration_rooms.controls import RENDERER, TITLE, Controls, example, is_done, open_tab, with_cost
from shared import chat_room, entrances, gpu, hub, page, shelf
from shared.errors import VisitorError
from shared.figure import Figure
from shared.files import result_folder, zipped
from shared.room import Data, Room, Values, cancel_button, run_button
from shared.steps import last, paced

SECONDS, SECONDS_TO_EXPORT = 60, 150
"""GPU seconds to ask for; not measured on ZeroGPU yet, so generous."""
FORMS = [
    ("the whole model", "safetensors"),
    ("a rank-1 LoRA adapter", "lora"),
    ("the direction as vectors", outcome.VECTORS),
]


@gpu.on_gpu(duration=lambda *_, **__: SECONDS)
def compute(request: Request) -> Iterator[Data]:
    """The part of a certificate that has the GPU."""
    yield from paced(outcome.certificate(request), is_done)


@gpu.on_gpu(duration=lambda *_, **__: SECONDS_TO_EXPORT)
def compute_export(request: Request, folder: Path, form: Form | None) -> Iterator[Data]:
    """The part of an export that has the GPU; without a form of a model, of the vectors."""
    if form is None:
        yield from paced(outcome.vectors_of(request, folder), is_done)
        return
    yield from paced(outcome.export(request, folder, form), is_done)


def steps(request: Request) -> Iterator[Data]:
    """A certificate: its growing figure, the complete one last."""
    yield from prepare("certificate", request)
    yield from compute(request)


def export_steps(request: Request, folder: Path, form: str) -> Iterator[Data]:
    """An export into a folder that does not exist yet; its growing figure, the complete one last."""
    known = None if form == outcome.VECTORS else outcome.check_form(form)
    yield from prepare("export", request)
    yield from compute_export(request, folder, known)


def export(request: Request, form: str = "safetensors") -> tuple[dict[str, Any], FileData]:
    """Bake the edit into weights, with a certificate and a card of what was measured.

    Args:
        form: safetensors for the whole model, lora for a rank-1 adapter, vectors for the direction as
            safetensors and as a GGUF control vector.

    Returns:
        A report with certificate and measures, and the files as a zip archive.
    """
    folder = result_folder()
    data = dict(last(export_steps(request, folder / "edited", form)))
    path = zipped(folder / "edited", folder / "edited.zip")
    return data, FileData(path=str(path), orig_name="edited.zip")


@dataclass(frozen=True)
class Exported:
    """An export that can be pushed."""

    files: tuple[str, ...]
    card: str


def push(exported: Exported | None, repository: str, token: str | None) -> str:
    """Upload an export into a private repository; its URL.

    Raises:
        VisitorError: nothing was exported yet, or as `hub.push`.
    """
    if not exported:
        raise VisitorError("There is nothing to push yet.", "Press Export first.")
    files = {Path(path).name: Path(path) for path in exported.files if Path(path).name != "README.md"}
    return hub.push(repository, "model", files, exported.card, token, private=True)


def edited_of(exported: Exported | None) -> tuple[Path, str]:
    """The folder of the edited model, and the marks that go with it.

    Raises:
        VisitorError: nothing was exported yet.
    """
    if not exported:
        raise VisitorError("There is no edited model yet.", "Press Export first.")
    return Path(exported.files[0]).parent, MARK


def shelved(folder: Path, figure: Data, form: str) -> shelf.Made | None:
    """Put an edited model, or its adapter, on the shelf of whoever edited it."""
    model = str(figure["request"]["model"])
    return shelf.put(
        folder,
        "adapter" if form == "lora" else "model",
        f"edited {model.split('/')[-1]}",
        says="edited (a direction removed) from",
        parents=[model],
        relation="adapter" if form == "lora" else "finetune",
        licence=licence_of(model),
    )


def build(demo: gr.Blocks, tabs: gr.Tabs, controls: Controls) -> Room:
    """Buttons, figure, files, the field of the repository, and their events."""
    with gr.Row():
        start = run_button("Certify", elem_id="run-certify")
        save = gr.Button(
            with_cost("Export", SECONDS_TO_EXPORT),
            scale=0,
            min_width=110,
            elem_classes="run",
            elem_id="run-export",
        )
        form = gr.Dropdown(
            FORMS,
            value="lora",
            container=False,
            show_label=False,
            label="Export as",
            elem_id="form",
            scale=0,
            min_width=220,
        )
        cancel = cancel_button(elem_id="cancel-take")
    figure = Figure(
        example("certificate"), folder=RENDERER, title=f"{TITLE}: certificate", elem_id="certificate"
    )
    files = gr.Files(label="The edited model", visible=False, interactive=False, elem_id="files")
    opens = entrances.result()
    exported = gr.State(None)
    room = open_tab(
        demo,
        tabs,
        controls,
        figure,
        controls.run(figure, steps),
        name="certificate",
        tab="take",
        buttons=(start, cancel),
        outputs=[files, exported, opens],
        clears={files: gr.Files(visible=False), exported: None, opens: ""},
        seconds=lambda *_: SECONDS,
    )

    def run_export(values: Values) -> Iterator[Values]:
        folder = result_folder() / "edited"
        for step in controls.follow(figure, export_steps(room.parse(values), folder, values[form]), values):
            if is_done(step[figure]):
                paths = [str(path) for path in sorted(folder.iterdir())]
                step[files] = gr.Files(paths, visible=True)
                if "card" in step[figure]:  # vectors have none, and are not pushed
                    step[exported] = Exported(tuple(paths), step[figure]["card"])
                    step[opens] = entrances.links(shelved(folder, step[figure], values[form]))
            yield step

    room.connect(save.click, run_export, inputs=[form])
    page.push_row("Private model repository to create, owner/name", push, [exported])
    chat_room.build("edit", edited_of, [exported])
    return room
