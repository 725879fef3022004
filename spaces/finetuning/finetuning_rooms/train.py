"""The room in which a model learns before one's eyes."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Any

import gradio as gr
from gradio.data_classes import FileData

from finetuning import axolotl_files, leave, train_programs
from finetuning import train as training
from finetuning.data import TrainWaiting
from finetuning.examples import RUNS
from finetuning.pairs import Rows
from finetuning.sets import SETS
from finetuning.snapshot import Snapshot
from finetuning.train import Since
from finetuning.train_request import OBJECTIVES, TARGETS, TrainRequest
from finetuning_rooms.common import RENDERER, dataset_fields, example, open_rows_room, rows_file, set_aside
from finetuning_rooms.kept import Kept, archives, keeping
from shared import gpu, hub, models, page
from shared.errors import VisitorError
from shared.figure import Figure
from shared.files import result_folder
from shared.models import Loaded
from shared.room import LIGHT, Data, Room, Values, cancel_button, chip, run_button
from shared.steps import paced


def seconds(_: str, request: TrainRequest) -> int:
    """GPU seconds to ask for: a step reads its rows as three passes do, forward and back."""
    total = 0
    for one in request.runs():
        texts = 1 if one.objective == "sft" else 2
        read = 3 * one.steps * one.batch * texts * min(one.max_length, 128) + 20_000
        total += gpu.seconds_for(
            models.most_parameters(one.model, exact=True),
            passes=3 * one.steps + 7 * 25,
            read=read,
            steps=3 * 36,
        )
    return total


@gpu.on_gpu(duration=lambda request, *_, **__: seconds("train", request))
def compute(
    request: TrainRequest, loaded: Loaded, rows: Rows, since: Since | None, uploaded: bool
) -> Iterator[tuple[Data, Snapshot | None]]:
    """The part of a run that has the GPU; adapters come as bytes, since on ZeroGPU it is another process."""
    moved = models.on_device(loaded)
    yield from paced(
        training.train(request, moved, rows, since, uploaded=uploaded),
        lambda item: item[1] is not None or bool(item[0]["done"]),
    )


def waiting(label: str) -> TrainWaiting:
    """A run before anything of it can be drawn."""
    return {
        "kind": "train",
        "drawable": False,
        "done": False,
        "progress": {"label": label, "value": 0, "max": 1},
    }


def steps(
    request: TrainRequest, upload: Any = None, since: Since | None = None
) -> Generator[tuple[Data, Snapshot | None]]:
    """A run: the growing figure, and the adapters as they come; the complete figure last."""
    if since is not None:
        training.check_same(request, since)
    yield waiting("Reading the rows and the model"), None
    loaded, rows = training.prepared(request, upload, hub.local_token())
    yield waiting("Reading the held-out rows"), None
    yield from compute(request, loaded, rows, since, upload is not None)


def train(
    request: TrainRequest, file: FileData | None = None
) -> Iterator[tuple[dict[str, Any], FileData | None]]:
    """Train a LoRA adapter by SFT, DPO, ORPO or KTO and follow what it does to held-out rows; measures stream
    while it learns.

    Args:
        file: rows as JSON or JSON Lines, in the place of rows.

    Returns:
        The measures so far (runs with steps and marks), and at the end the first run's adapter as a zip
        archive with adapter_model.safetensors and adapter_config.json.
    """
    data: Data = {}
    kept = first = Kept(result_folder())
    for data, now, _ in keeping(steps(request, file), first):
        kept = now
        if data.get("drawable") and not data["done"]:
            yield dict(data), None
    path = kept.archive(0, max(step for run, step in kept.marks if run == 0))
    yield dict(data), FileData(path=str(path), orig_name="adapter.zip")


def programs_of(request: TrainRequest, data: Data) -> dict[str, str]:
    """The programs below a figure."""
    found = {**train_programs.listings(request, data), "With TRL's own trainer": leave.trl(request, data)}
    if lacks := axolotl_files.no_axolotl(request, data):
        return {**found, "Axolotl's YAML": f"# {lacks}\n"}
    return {
        **found,
        "Axolotl's YAML": axolotl_files.axolotl(request, data),
        "Rows for Axolotl": axolotl_files.axolotl_rows(request, data),
    }


def build(demo: gr.Blocks, tabs: gr.Tabs) -> tuple[Room[TrainRequest], gr.State]:
    """Controls, figure, and their events; the room, and what is kept of its last run."""
    first = RUNS["pirate"][1]
    boxes: dict[str, Any] = {}
    with gr.Row(equal_height=True):
        boxes["data"] = gr.Dropdown(
            [(says, name) for name, says in SETS.items()],
            value=first.data,
            label="Teach it to …",
            scale=3,
            min_width=190,
            elem_id="train-data",
        )
        boxes["objective"] = gr.Dropdown(
            [(label, name) for name, label in OBJECTIVES.items()],
            value=first.objective,
            label="by",
            scale=1,
            min_width=90,
            elem_id="train-objective",
        )
        boxes["learning_rate"] = gr.Textbox(
            f"{first.learning_rate:g}", label="learning rate", max_lines=1, scale=1, min_width=140
        )
        boxes["steps"] = gr.Slider(
            1, 200, first.steps, step=1, label="steps", scale=2, min_width=150, elem_id="train-steps"
        )
        boxes["versus"] = gr.Textbox(
            first.versus,
            label="beside it runs with",
            placeholder="seed=1 | rank=2",
            max_lines=1,
            scale=2,
            min_width=140,
            elem_id="train-versus",
        )
        buttons = run_button("Train", elem_id="train-run"), cancel_button(elem_id="train-cancel")
    with gr.Accordion("Advanced: your rows, the model, LoRA, batch, seed, what is counted", open=False):
        with gr.Row(equal_height=True):
            boxes["rows"] = gr.Textbox(
                first.rows,
                label="Rows: prompt with completion (DPO, ORPO: chosen, rejected; KTO: label), or messages",
                lines=1,
                max_lines=6,
                scale=4,
                min_width=260,
                elem_id="train-rows",
            )
            file = rows_file("train")
        with gr.Row(equal_height=True):
            boxes |= dataset_fields(first.limit, "rows to train on")
            boxes["model"] = page.model_field(
                first.model, label="Model", min_width=190, elem_id="train-model"
            )
        with gr.Row(equal_height=True):
            boxes["rank"] = gr.Slider(1, 64, first.rank, step=1, label="rank r", min_width=120)
            boxes["alpha"] = gr.Number(first.alpha, label="alpha", min_width=90)
            boxes["targets"] = gr.Dropdown(
                list(TARGETS), value=first.targets, label="adapted layers", min_width=140
            )
            boxes["layers"] = gr.Number(
                first.layers, label="blocks from the top (0: all)", precision=0, min_width=150
            )
            boxes["batch"] = gr.Slider(1, 16, first.batch, step=1, label="rows of a step", min_width=120)
            boxes["packing"] = gr.Checkbox(first.packing, label="packing (SFT)", min_width=110)
            boxes["qlora"] = gr.Checkbox(
                first.qlora, label="QLoRA: weights in NF4", info="no memory is saved here", min_width=140
            )
        with gr.Row(equal_height=True):
            boxes["schedule"] = gr.Dropdown(
                ["linear", "constant"], value=first.schedule, label="schedule", min_width=110
            )
            boxes["beta"] = gr.Number(first.beta, label="β; λ of ORPO", min_width=90)
            boxes["desirable_weight"] = gr.Number(
                first.desirable_weight, label="KTO: weight of wanted", min_width=110
            )
            boxes["undesirable_weight"] = gr.Number(
                first.undesirable_weight, label="KTO: of unwanted", min_width=100
            )
            boxes["max_length"] = gr.Number(first.max_length, label="max_length", precision=0, min_width=110)
            boxes["seed"] = gr.Number(first.seed, label="seed", precision=0, min_width=90)
            boxes["answers"] = gr.Slider(1, 16, first.answers, step=1, label="questions asked", min_width=130)
            boxes["behaviours"] = gr.Textbox(
                "",
                label="behaviours to count, JSON",
                placeholder='["pirate"]',
                lines=1,
                max_lines=4,
                min_width=180,
            )
    with gr.Row(elem_classes="chips"):
        chips = {name: chip(label) for name, (label, _) in RUNS.items()}
    figure = Figure(example("pirate"), folder=RENDERER, title="Train and watch", elem_id="train")
    with gr.Row():
        since = gr.Dropdown(
            [], label="A kept step", scale=0, min_width=150, visible=False, elem_id="train-since"
        )
        on = gr.Button("Go on from it", size="md", scale=0, min_width=150, visible=False, elem_id="train-on")
        undo = gr.Button(
            "Go back to it", size="md", scale=0, min_width=120, visible=False, elem_id="train-undo"
        )
        files = gr.Files(
            label="The adapters of that step", visible=False, interactive=False, elem_id="train-files"
        )
    kept = gr.State(None)

    def shown(now: Kept | None, step: int | None = None) -> Values:
        """The controls below the figure for what is kept."""
        known = now.steps() if now else []
        if not now or not known:
            return {part: part.__class__(visible=False) for part in (since, on, undo, files)}
        at = step if step in known else known[-1]
        return {
            since: gr.Dropdown(
                [(f"step {one}", one) for one in known], value=at, visible=True, interactive=True
            ),
            on: gr.Button(visible=True, interactive=True),
            undo: gr.Button(visible=True, interactive=True),
            files: gr.Files(_files(now, at), visible=True),
        }

    def waits() -> Values:
        """The controls while a run goes on; made here and not beside the page's own, they would be further
        ones.
        """
        return {part: part.__class__(interactive=False) for part in (since, on, undo)}

    def running(
        request: TrainRequest, upload: Any, going: Since | None = None, before: Kept | None = None
    ) -> Iterator[Values]:
        first = before.carried(result_folder(), going.step) if before and going else Kept(result_folder())
        # A run that goes on may be refused at once: what is hidden and shown again that soon stays away.
        controls = shown(None) if going is None else waits()
        yield {figure: waiting("Reading the rows and the model"), **controls}
        for data, now, snapshot in keeping(steps(request, upload, going), first):
            values: Values = {figure: data}
            if snapshot:
                values[kept] = now
                if snapshot.step:  # once there is something to keep
                    values |= shown(now)
            if data.get("done"):
                values |= shown(now)
            yield values

    def run(request: TrainRequest, values: Values) -> Iterator[Values]:
        yield from running(request, values[file])

    def go_on(values: Values) -> Iterator[Values]:
        request = room.parse(values)
        going = since_of(values[kept], values[room.state], values[since])
        check_unfinished(going, request)
        try:
            yield from running(request, values[file], going, values[kept])
        except VisitorError:  # the earlier run can be gone on from still
            yield {room.state: going.data, kept: values[kept], **shown(values[kept], going.step)}
            raise

    def undone(values: Values) -> Iterator[Values]:
        going = since_of(values[kept], values[room.state], values[since])
        now = values[kept].until(going.step)
        yield {figure: cut_to(going), kept: now, **shown(now)}

    room = open_rows_room(
        demo,
        tabs,
        file,
        name="train",
        request=TrainRequest,
        controls=boxes,
        buttons=buttons,
        figure=figure,
        run=run,
        programs=programs_of,
        outputs=[since, on, undo, files, kept],
        examples=RUNS,
        seconds=seconds,
    )
    set_aside(boxes["data"], [boxes["rows"], boxes["dataset"], file])
    room.connect(on.click, go_on, inputs=[kept, since])
    room.connect(undo.click, undone, inputs=[kept, since])
    since.input(lambda now, step: gr.Files(_files(now, step)), [kept, since], [files], **LIGHT)
    for name, button in chips.items():
        data, request = example(name), RUNS[name][1]
        values = {room.figure: data, file: None, kept: None, **room.form(request)}
        room.update(button.click, lambda _, values=values: {**values, **shown(None)})
    return room, kept


def since_of(kept: Kept | None, data: Mapping[str, Any] | None, step: Any) -> Since:
    """Where a run goes on from.

    Raises:
        VisitorError: no run is kept.
    """
    if kept is None or not data or "runs" not in data:
        raise VisitorError("There is no run to go on with.", "Press Train first.")
    known = kept.steps()
    at = step if step in known else known[-1]
    return Since(data, at, [kept.snapshot(*mark) for mark in kept.at(at)])


def check_unfinished(going: Since, request: TrainRequest) -> None:
    """Raise a VisitorError where all runs have the steps that are asked for."""
    made = [one.step for one in going.snapshots]
    if len(made) == len(request.runs()) and min(made) >= request.steps:
        raise VisitorError(
            f"The run stands at step {going.step}, and {request.steps} are asked for.", "Raise steps."
        )


def _files(kept: Kept, step: int) -> list[str] | None:
    """The adapters of a step as files; none where there is no room for them or they are gone."""
    try:
        return archives(kept, step)
    except VisitorError as error:
        gr.Warning(str(error))
        return None


def cut_to(since: Since) -> dict[str, Any]:
    """The figure of a run as it was after a step."""
    runs = [
        {
            **run,
            "steps": [one for one in run["steps"] if one["step"] <= since.step],
            "marks": [one for one in run["marks"] if one["step"] <= since.step],
            "stopped": None,
        }
        for run in since.data["runs"]
    ]
    return {
        **since.data,
        "runs": runs,
        "done": True,
        "cancelled": False,
        "progress": None,
        "run_id": f"{since.data['run_id']}-{since.step}",
    }
