"""The room in which a model is trained by rewards: the GRPO exercise of the course."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import gradio as gr
from gradio.data_classes import FileData

from finetuning import grpo as training
from finetuning import grpo_programs
from finetuning.data import GrpoWaiting
from finetuning.examples import REWARDED
from finetuning.grpo_request import LOSSES, GrpoRequest
from finetuning.questions import SETS, Questions
from finetuning.rewards import KINDS
from finetuning.snapshot import Snapshot
from finetuning.train_request import TARGETS
from finetuning_rooms.common import RENDERER, dataset_fields, example, open_rows_room, rows_file, set_aside
from finetuning_rooms.kept import Kept, archives, keeping
from shared import gpu, hub, models, page
from shared.figure import Figure
from shared.files import result_folder
from shared.models import Loaded
from shared.room import Data, Room, Values, cancel_button, chip, run_button
from shared.steps import paced


def seconds(_: str, request: GrpoRequest) -> int:
    """GPU seconds to ask for: answers are written token by token, and read three times an optimizer step."""
    marks = len(request.marks())
    passes = 3 * (request.iterations + 2) * request.steps + 9 * marks
    width = request.batch * request.group * (128 + request.tokens)
    return gpu.seconds_for(
        models.most_parameters(request.model, exact=True),
        passes=passes,
        read=3 * (request.iterations + 2) * request.steps * width + marks * 1_000,
        steps=request.tokens * (request.steps + marks),
    )


@gpu.on_gpu(duration=lambda request, *_, **__: seconds("grpo", request))
def compute(request: GrpoRequest, loaded: Loaded, asked: Questions) -> Iterator[tuple[Data, Snapshot | None]]:
    """The part of a run that has the GPU; adapters come as bytes, since on ZeroGPU it is another process."""
    moved = models.on_device(loaded)
    yield from paced(
        training.train(request, moved, asked), lambda item: item[1] is not None or bool(item[0]["done"])
    )


def waiting(label: str) -> GrpoWaiting:
    """A run before anything of it can be drawn."""
    return {
        "kind": "grpo",
        "drawable": False,
        "done": False,
        "progress": {"label": label, "value": 0, "max": 1},
    }


def steps(request: GrpoRequest, upload: Any = None) -> Generator[tuple[Data, Snapshot | None]]:
    """A run: the growing figure, and the adapters as they come; the complete figure last."""
    yield waiting("Reading the prompts and the model"), None
    loaded, asked = training.prepared(request, upload, hub.local_token())
    yield waiting("Sampling the first answers"), None
    yield from compute(request, loaded, asked)


def grpo(
    request: GrpoRequest, file: FileData | None = None
) -> Iterator[tuple[dict[str, Any], FileData | None]]:
    """Train a LoRA adapter by GRPO on groups of sampled answers that a reward pays, and follow what the
    reward does not see; measures stream while it learns.

    Args:
        file: prompts as JSON or JSON Lines, in the place of rows.

    Returns:
        The measures so far (rounds with groups of answers, their rewards, advantages and tokens; marks;
        changes; verdict), and at the end the adapter as a zip archive with adapter_model.safetensors and
        adapter_config.json.
    """
    data: Data = {}
    kept = first = Kept(result_folder())
    for data, now, _ in keeping(steps(request, file), first):
        kept = now
        if data.get("drawable") and not data["done"]:
            yield dict(data), None
    if not kept.marks:  # it broke before anything was measured
        yield dict(data), None
        return
    path = kept.archive(0, max(step for _, step in kept.marks))
    yield dict(data), FileData(path=str(path), orig_name="adapter.zip")


def programs_of(request: GrpoRequest, data: Data) -> dict[str, str]:
    """The programs below a figure."""
    return grpo_programs.listings(request, data)


def build(demo: gr.Blocks, tabs: gr.Tabs) -> tuple[Room[GrpoRequest], gr.State]:
    """Controls, figure, and their events; the room, and what is kept of its last run."""
    first = REWARDED["length"][1]
    boxes: dict[str, Any] = {}
    with gr.Row(equal_height=True):
        boxes["reward"] = gr.Textbox(
            first.reward,
            label="Reward: one part a line",
            placeholder="about 50 characters",
            lines=1,
            max_lines=3,
            scale=4,
            min_width=210,
            elem_id="grpo-reward",
        )
        boxes["data"] = gr.Dropdown(
            [(says, name) for name, says in SETS.items()],
            value=first.data,
            label="for answers to",
            scale=2,
            min_width=150,
            elem_id="grpo-data",
        )
        boxes["group"] = gr.Slider(
            2, 16, first.group, step=1, label="answers of a group", scale=2, min_width=170
        )
        boxes["learning_rate"] = gr.Textbox(
            f"{first.learning_rate:g}", label="learning rate", max_lines=1, scale=1, min_width=95
        )
        boxes["steps"] = gr.Slider(
            1, 60, first.steps, step=1, label="steps", scale=2, min_width=170, elem_id="grpo-steps"
        )
        buttons = run_button("Train", elem_id="grpo-run"), cancel_button(elem_id="grpo-cancel")
    with gr.Accordion("Advanced: your prompts, what a reward may be, clip, KL, LoRA, seed", open=False):
        gr.Markdown(
            "A line of the reward is one of "
            + "; ".join(f"*{words}* ({pays})" for words, pays in KINDS.items())
            + ". A weight stands before it: `0.5 * answer`."
        )
        with gr.Row(equal_height=True):
            boxes["rows"] = gr.Textbox(
                first.rows,
                label="Prompts: questions, one a line, or rows with prompt and answer",
                lines=1,
                max_lines=6,
                scale=4,
                min_width=260,
                elem_id="grpo-rows",
            )
            file = rows_file("grpo")
        with gr.Row(equal_height=True):
            boxes |= dataset_fields(first.limit, "prompts to read")
            boxes["model"] = page.model_field(first.model, label="Model", min_width=190, elem_id="grpo-model")
        with gr.Row(equal_height=True):
            boxes["batch"] = gr.Slider(1, 8, first.batch, step=1, label="prompts of a step", min_width=120)
            boxes["tokens"] = gr.Slider(
                2, 96, first.tokens, step=1, label="longest answer, tokens", min_width=130
            )
            boxes["temperature"] = gr.Number(first.temperature, label="temperature", min_width=100)
            boxes["iterations"] = gr.Slider(
                1, 8, first.iterations, step=1, label="optimizer steps on the same answers", min_width=150
            )
            boxes["epsilon"] = gr.Number(first.epsilon, label="ε of the clip", min_width=90)
            boxes["beta"] = gr.Number(first.beta, label="β of the KL", min_width=90)
        with gr.Row(equal_height=True):
            boxes["scale"] = gr.Dropdown(
                ["group", "batch", "none"], value=first.scale, label="advantage over the σ of", min_width=120
            )
            boxes["loss"] = gr.Dropdown(list(LOSSES), value=first.loss, label="loss", min_width=100)
            boxes["schedule"] = gr.Dropdown(
                ["linear", "constant"], value=first.schedule, label="schedule", min_width=110
            )
            boxes["rank"] = gr.Slider(1, 64, first.rank, step=1, label="rank r", min_width=110)
            boxes["alpha"] = gr.Number(first.alpha, label="alpha", min_width=80)
            boxes["targets"] = gr.Dropdown(
                list(TARGETS), value=first.targets, label="adapted layers", min_width=130
            )
        with gr.Row(equal_height=True):
            boxes["layers"] = gr.Number(
                first.layers, label="blocks from the top (0: all)", precision=0, min_width=150
            )
            boxes["seed"] = gr.Number(first.seed, label="seed", precision=0, min_width=90)
            boxes["answers"] = gr.Slider(
                1, 16, first.answers, step=1, label="held-out prompts asked", min_width=130
            )
    with gr.Row(elem_classes="chips"):
        chips = {name: chip(label) for name, (label, _) in REWARDED.items()}
    figure = Figure(example("length"), folder=RENDERER, title="Training by rewards", elem_id="grpo")
    files = gr.Files(
        label="The adapter of the last measured step", visible=False, interactive=False, elem_id="grpo-files"
    )

    kept = gr.State(None)

    def run(request: GrpoRequest, values: Values) -> Iterator[Values]:
        yield {figure: waiting("Reading the prompts and the model"), files: gr.Files(visible=False)}
        for data, now, snapshot in keeping(steps(request, values[file]), Kept(result_folder())):
            shown: Values = {figure: data}
            if snapshot:
                shown[kept] = now
            if now.marks and ((snapshot and snapshot.step) or data.get("done")):
                shown[files] = gr.Files(archives(now, now.steps()[-1]), visible=True)
            yield shown

    room = open_rows_room(
        demo,
        tabs,
        file,
        name="grpo",
        request=GrpoRequest,
        controls=boxes,
        buttons=buttons,
        figure=figure,
        run=run,
        programs=programs_of,
        outputs=[files, kept],
        examples=REWARDED,
        seconds=seconds,
    )
    set_aside(boxes["data"], [boxes["rows"], boxes["dataset"], file])
    for name, button in chips.items():
        data, request = example(name), REWARDED[name][1]
        values = {room.figure: data, file: None, kept: None, **room.form(request)}
        room.update(button.click, lambda _, values=values: {**values, files: gr.Files(visible=False)})
    return room, kept
