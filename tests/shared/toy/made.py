"""A page that makes models and opens them, on what believes to be ZeroGPU too; `MODEL` is the
folder that it copies.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData

from shared import entrances, files, gpu, hub, models, page, request, server, shelf
from shared.api import endpoint
from shared.checks import text
from shared.figure import Figure, stylesheet
from shared.request import setting
from shared.room import Data, Values, cancel_button, open_room, run_button
from shared.steps import last

RENDERER = Path(__file__).parent / "js"


@dataclass(frozen=True)
class Request(request.Request):
    """A model by its name."""

    model: str = setting("", text, "its name", blank=True)


@gpu.on_gpu(duration=lambda *_: 5)
def counting(request: Request) -> Iterator[Data]:
    """How large the model is, in whichever process this is."""
    loaded = models.load(request.model)
    said = [str(sum(one.numel() for one in loaded.model.parameters())), loaded.source]
    yield {"kind": "count", "done": True, "request": request.to_json(), "said": said, "pid": os.getpid()}


def count(request: Request) -> dict[str, Any]:
    """Count a model's parameters."""
    return dict(last(counting(request)))


def shelved() -> shelf.Made | None:
    """A new model on the shelf."""
    folder = files.result_folder() / "model"
    shutil.copytree(os.environ["MODEL"], folder)
    return shelf.put(folder, "model", "A <toy>!", says="copied from", parents=["zoo/it"], relation="merge")


@dataclass(frozen=True)
class RowsRequest(request.Request):
    """Rows by their name."""

    dataset: str = setting("", text, "its name", blank=True)


def rows(request: RowsRequest) -> dict[str, Any]:
    """Read a dataset."""
    return {"rows": hub.dataset_rows(request.dataset, None, "train", 5)[0].to_pylist()}


def make_rows() -> tuple[str, str]:
    """Make a dataset; its name and its file."""
    path = files.result_folder() / "kept.jsonl"
    path.write_text('{"text": "secret"}\n')
    made = shelf.put(path.parent, "rows", "kept", says="cut from", parents=["a"], relation="", file=path.name)
    return made.name if made else "", str(path)


def make() -> tuple[str, FileData, list[str]]:
    """Make a model; its name, one of its files, and what is on the shelf."""
    made = shelved()
    if made is None:
        return "", FileData(path=""), []
    config = FileData(path=str(made.folder / "config.json"), orig_name="config.json")
    return made.name, config, [one.name for one in shelf.listed()]


def read(file: FileData) -> str:
    """The text of a file that was uploaded, or made."""
    given: Any = file
    return Path(given["path"] if isinstance(given, dict) else getattr(given, "path", given)).read_text()


def folder(argument: dict[str, Any]) -> str:
    """A model's folder, for a figure."""
    return str(shelf.folder_of(str(argument["name"])))


with page.page("Made", "What is made here.") as demo:
    with gr.Row():
        model = page.model_field("", elem_id="model")
        buttons = run_button("Count", elem_id="count"), cancel_button()
        maker = gr.Button("Make", elem_id="make")
    figure = Figure(None, folder=RENDERER, fetch=[folder], elem_id="figure")
    page.dataset_field(elem_id="dataset", interactive=True)
    opens = entrances.result()

    def run(request: Request, _: Values) -> Iterator[Values]:
        for data in counting(request):
            yield {figure: data}

    open_room(
        demo,
        name="count",
        title="Made",
        request=Request,
        controls={"model": model},
        buttons=buttons,
        figure=figure,
        run=run,
        programs=lambda *_: {},
        marks=["model"],
    )
    maker.click(lambda: entrances.links(shelved()), None, [opens])
    endpoint(count, Request, ["model"])
    endpoint(make)
    endpoint(make_rows)
    endpoint(rows, RowsRequest, ["dataset"])
    endpoint(read)


def main() -> None:
    """Serve the page."""
    server.launch(demo, stylesheet(RENDERER))
