"""The room from which a run is taken home: its files with a card, the same run elsewhere, what fits where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from finetuning import axolotl_files, leave, plan_programs, take
from finetuning import plan as planning
from finetuning.examples import PLANS
from finetuning.grpo_request import GrpoRequest
from finetuning.plan import PlanRequest
from finetuning.snapshot import Snapshot
from finetuning.train_request import TARGETS, TrainRequest
from finetuning_rooms.common import RENDERER, TITLE, example
from finetuning_rooms.kept import Kept
from finetuning_rooms.mask import QUEUE
from shared import chat_room, entrances, hub, models, page
from shared.checks import whole
from shared.errors import VisitorError, for_visitor
from shared.figure import Figure
from shared.files import result_folder, zipped
from shared.numbers import counted
from shared.room import LIGHT, MODEL, QUIET, Data, Room, Values, cancel_button, drawing, open_room, run_button

STALE = (
    "Training has gone on or begun anew since: these files are of the run as it was. Write them again for "
    "what it is now."
)
SOURCES = {"train": "the last run of Train and watch", "grpo": "the last run of GRPO"}


@dataclass(frozen=True)
class Made:
    """Files that can be pushed."""

    files: tuple[str, ...]
    card: str
    says: str = ""


def push(made: Made | None, repository: str, token: str | None) -> str:
    """Upload what was made into a private repository; its URL.

    Raises:
        VisitorError: nothing was made yet, or as `hub.push`.
    """
    if not made:
        raise VisitorError("There is nothing to push yet.", "Press Write the files first.")
    files = {Path(path).name: Path(path) for path in made.files if Path(path).name != "README.md"}
    return hub.push(repository, "model", files, made.card, token, private=True)


def trained_of(made: Made | None) -> tuple[Path, str]:
    """The folder of the files that were written last, and what they are.

    Raises:
        VisitorError: none were.
    """
    if not made:
        raise VisitorError("There is no model yet.", "Press Write the files first.")
    return Path(made.files[0]).parent, f"{made.says} Nothing of it was tested for safety."


def chosen(kept: Kept | None, data: Data | None, step: Any) -> tuple[Snapshot, Data]:
    """The first run's adapter after a step, 0 for the last that is kept, and the run's figure.

    Raises:
        VisitorError: there is no run, or no such step.
    """
    if kept is None or not kept.marks or not data or data.get("example"):
        raise VisitorError("There is no run to take home.", "Train first: its adapters stay for two hours.")
    known = sorted(at for run, at in kept.marks if run == 0)
    at = whole(0, 1_000_000)("step", step or 0) or known[-1]
    if at not in known:
        raise VisitorError(
            f"No adapter of step {at} is kept.",
            f"Choose one of {', '.join(map(str, known))}, or 0 for the last.",
        )
    return kept.snapshot(0, at), data


def written(snapshot: Snapshot, data: Data, form: str, folder: Path) -> Made:
    """The files of a run, in a folder that does not exist yet.

    Raises:
        VisitorError: as `take.adapter`, `take.merged` and `models.load`.
    """
    if form == "merged":
        loaded = models.load(str(data["provenance"]["model"]), exact=True)
        card = take.merged(folder, snapshot, data, loaded)
    else:
        card = take.adapter(folder, snapshot, data)
    return Made(tuple(take.named(folder.iterdir())), card, take.words(snapshot, data))


def _put(texts: dict[str, str], beside: dict[str, bytes]) -> list[str]:
    """Programs as files, and what they read as data.zip; the paths."""
    home = result_folder()
    paths = []
    for name, text in texts.items():
        (home / name).write_text(text, encoding="utf-8")
        paths.append(str(home / name))
    for name, content in beside.items():
        place = home / "whole" / "data" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return [*paths, str(zipped(home / "whole", home / "data.zip"))] if beside else paths


def _elsewhere(request: TrainRequest, data: Data, *, taken: bool) -> str:
    """What is said beside the programs of a run: a job of the Hub, and why there is no YAML."""
    asked = leave.plan_request(request)
    shape = planning.shape_of(planning.empty(asked.model), asked)
    job = leave.job(request, shape, request.max_length, taken=taken)
    words = (
        f"A job of the Hub: {job.command}. On {job.flavor} ({job.card} GB), {job.hours:.2f} hours. "
        f"{job.words}."
        if job
        else "No hardware of the Hub's jobs that is known here has room for it."
    )
    if none := axolotl_files.no_axolotl(request, data):
        words += f" No YAML: {none}"
    return words


def steps(request: PlanRequest) -> Iterator[Data]:
    """A plan, in one step."""
    yield dict(planning.plan(request))


def build(
    demo: gr.Blocks, tabs: gr.Tabs, trained: tuple[Room[Any], gr.State], rewarded: tuple[Room[Any], gr.State]
) -> None:
    """Controls, figure, and their events.

    Args:
        demo: the page.
        tabs: of the page.
        trained: the room of SFT, DPO, ORPO and KTO, and what is kept of its last run.
        rewarded: likewise of GRPO.
    """
    first = PLANS["embedded"][1]
    boxes: dict[str, Any] = {}
    with gr.Row(equal_height=True):
        boxes["model"] = page.model_field(
            first.model, label="What fits where: model", scale=3, min_width=200, elem_id="plan-model"
        )
        boxes["rank"] = gr.Number(first.rank, label="rank r", precision=0, min_width=80)
        boxes["targets"] = gr.Dropdown(
            list(TARGETS), value=first.targets, label="adapted layers", min_width=130
        )
        boxes["layers"] = gr.Number(
            first.layers, label="blocks from the top (0: all)", precision=0, min_width=140
        )
        boxes["dtype"] = gr.Dropdown(["bfloat16", "float32"], value=first.dtype, label="dtype", min_width=110)
        boxes["checkpointing"] = gr.Checkbox(first.checkpointing, label="checkpointing", min_width=120)
        buttons = run_button("Plan", elem_id="plan-run"), cancel_button(elem_id="plan-cancel")
    figure = Figure(example("embedded"), folder=RENDERER, title="What fits where", elem_id="plan")
    open_room(
        demo,
        tabs=tabs,
        name="plan",
        title=TITLE,
        request=PlanRequest,
        controls=boxes,
        buttons=buttons,
        figure=figure,
        run=drawing(figure, steps),
        programs=plan_programs.listings,
        stored=[example("embedded")],
        queue=QUEUE,
    )
    gr.Markdown("## The files of a run")
    with gr.Row(equal_height=True):
        source = gr.Dropdown(
            [(says, name) for name, says in SOURCES.items()],
            value="train",
            label="Of",
            scale=2,
            min_width=200,
            elem_id="take-source",
        )
        form = gr.Dropdown(
            [(says, name) for name, says in take.FORMS.items()],
            value="adapter",
            label="As",
            scale=2,
            min_width=200,
            elem_id="take-form",
        )
        step = gr.Number(0, label="after step (0: the last kept)", precision=0, min_width=140)
        write = gr.Button("Write the files", scale=0, min_width=150, elem_classes="run", elem_id="take-write")
        out = gr.Button("Write programs", scale=0, min_width=150, elem_classes="run", elem_id="take-out")
    files = gr.Files(label="Files", visible=False, interactive=False, elem_id="take-files")
    said = gr.HTML("", elem_classes="quiet", elem_id="take-said")
    opens = entrances.result()
    made = gr.State(None)
    shown = gr.State("")  # the run whose files stand there
    page.push_row("Private model repository to create, owner/name", push, [made])
    chat_room.build("take", trained_of, [made])
    inputs = [source, step, trained[1], trained[0].state, rewarded[1], rewarded[0].state]

    def run_of(which: str, at: Any, *kept: Any) -> tuple[Snapshot, Data]:
        adapters, data = kept[:2] if which == "train" else kept[2:]
        return chosen(adapters, data, at)

    def take_files(as_form: str, which: str, at: Any, *kept: Any) -> Iterator[Values]:
        yield {
            said: page.quiet("Writing …"),
            files: gr.Files(visible=False),
            made: None,
            shown: "",
            opens: "",
        }
        try:
            snapshot, data = run_of(which, at, *kept)
            home = result_folder()
            found = written(snapshot, data, as_form, home / "model")
            yield {
                made: found,
                shown: which,
                files: gr.Files(list(found.files), visible=True, interactive=False),
                said: page.quiet(
                    f"This is {take.FORMS[as_form]}, after {counted(snapshot.step, 'step')}; README.md is "
                    "its card."
                ),
                opens: entrances.links(take.shelved(home / "model", snapshot, data, as_form)),
            }
        except Exception as error:  # noqa: BLE001  the page must go on whatever happened
            yield {said: page.alert(for_visitor(error))}

    def take_programs(which: str, at: Any, *kept: Any) -> Values:
        try:
            _, data = run_of(which, at, *kept)
            if which == "grpo":
                texts, beside, lacks = leave.rewarded(GrpoRequest.parse(**data["request"]), data)
                words = "train.py is TRL's GRPOTrainer, loop.py this run in a plain loop, use.py its adapter."
            else:
                request = TrainRequest.parse(**data["request"])
                texts, beside = leave.files(request, data), leave.data_files(request, data)
                lacks = leave.missing(request, data)
                words = _elsewhere(request, data, taken=bool(beside or lacks))
            paths = _put(texts, beside)
            if beside:
                words += " Unpack data.zip beside train.py."
            if lacks:
                words += f" Put {lacks} into a folder data beside train.py."
            return {
                files: gr.Files(paths, visible=True, interactive=False),
                made: None,
                shown: which,
                said: page.quiet(words),
                opens: "",
            }
        except Exception as error:  # noqa: BLE001  the page must go on whatever happened
            return {
                said: page.alert(for_visitor(error)),
                files: gr.Files(visible=False),
                made: None,
                shown: "",
                opens: "",
            }

    outputs = [files, said, made, shown, opens]
    write.click(take_files, [form, *inputs], outputs, **MODEL, **QUIET)
    out.click(take_programs, inputs, outputs, **LIGHT)
    for name, (_, kept) in {"train": trained, "grpo": rewarded}.items():
        kept.change(
            lambda of, name=name: page.quiet(STALE) if of == name else gr.skip(), [shown], [said], **LIGHT
        )
