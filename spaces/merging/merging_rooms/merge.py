"""The room where a recipe is merged and the child held against its parents."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData

from merging import carriers, comparison, data, outcome, presets, programs
from merging import recipe as recipes
from merging import run as merging_run
from merging.atlas import sample
from merging.check import check as checked
from merging.child import child_of, shelved
from merging.names import expert_of
from merging.report import Progress, Report
from merging.request import Request
from merging.sources import weights_of
from merging_rooms import behaviour_form, recipe_form
from merging_rooms.common import RENDERER, TITLE, example
from shared import entrances, gpu, limits, models, page
from shared.errors import VisitorError
from shared.figure import Figure
from shared.files import result_folder, zipped
from shared.room import (
    LATEST,
    LIGHT,
    QUIET,
    Data,
    Room,
    Values,
    below,
    cancel_button,
    open_room,
    run_button,
)
from shared.rules import LIKELIER
from shared.steps import last, paced
from shared.talk import ROWS
from shared.turns import in_turn

STOPPED = VisitorError(
    "The run was cancelled; what was unfinished is gone.", "Press Merge and compare to start again."
)


READ_BY_BAND = 300
"""Tokens that six answers and their questions have, about."""
READ, BAND = 3.0, 0.05
"""Seconds of the comparison's own work: opening 10⁹ weights and reading them once more for the atlas, on the
processor, which was not measured on a GPU machine and is generous; and putting a band of layers into a model,
which was, see tests/gpu_check.
"""


def seconds_to_compare(parameters: int, parents: int, request: Request) -> int:
    """GPU seconds to ask for: windows and answers of parents and child, then each parent's bands of layers.

    Args:
        parameters: of the largest model.
        parents: how many.
        request: with behaviours and prompts.
    """
    count = parents + 1
    asked = comparison.asked(request.measured, request.prompts).all
    batches = math.ceil(len(asked) / ROWS)
    pairs = sum(len(one.held_out(comparison.EACH)) for one in request.measured if one.rule.kind == LIKELIER)
    bands = parents * (2 * carriers.BANDS + 2)
    return gpu.seconds_for(
        parameters,
        models=count,
        passes=comparison.WINDOWS * count + bands + 2 * pairs * count,
        read=comparison.WINDOWS * comparison.CONTEXT * count + READ_BY_BAND * bands + 100 * pairs * count,
        steps=request.answer_tokens * batches * count,
        more=READ * count * parameters / 1e9 + BAND * bands,
    )


def seconds(report: Report, request: Request) -> int:
    """What the comparison of a finished merge asks for."""
    parents = list(report.sources.values())[: outcome.MAX_COMPARED]
    largest = max(source.parameters for source in parents)
    return seconds_to_compare(largest, len(parents), request)


@gpu.on_gpu(duration=seconds)
def comparisons(report: Report, request: Request) -> Iterator[data.Merge]:
    """Measure a merge, yielding the growing figure, the complete one last."""
    yield from paced(outcome.compare(report, request), lambda figure: figure["done"])


def check(request: Request) -> data.Check:
    """Check a merge recipe in seconds, before anything is downloaded: keys, parameters, method rules, shapes,
    tokenizers, cost.

    Returns:
        ok; findings with level (error, warning, note), where, message, fix; models with revision, size and
        licence; tensors, layers; cost (parameters, disk, download and memory in bytes, seconds).
    """
    return checked(request.recipe).to_json()


def merge(request: Request) -> tuple[data.Report, FileData]:
    """Merge models as a recipe says, by mergekit.

    Returns:
        A report (files, sha256, seconds, peak_memory in bytes, versions, findings, models) and the model as a
        zip archive.
    """
    folder = result_folder()
    report = merging_run.finished(merging_run.merge(request, folder))
    child_of(report)
    archive = zipped(report.folder, folder / "child.zip")
    return report.to_json(), FileData(path=str(archive), orig_name="child.zip")


def compare(request: Request) -> data.Merge:
    """Merge as a recipe says, then measure parents and child alike.

    Returns:
        models with shares of behaviours (count, of, 95 % Wilson interval), perplexity ± sigma, answers and,
        for the child, KL to each parent in nats per token; atlas of task vectors; carriers: how much of a
        parent each band of layers carries; skipped: what could not be measured, and why.
    """
    with tempfile.TemporaryDirectory(prefix="compare-") as folder:  # nobody takes the child home
        report = merging_run.finished(merging_run.merge(request, Path(folder)))
        return last(comparisons(report, request))


def programs_of(request: Request, _: Data) -> dict[str, str]:
    """The programs below a figure."""
    return programs.listings(request)


def tensor_sample(argument: dict[str, Any]) -> data.TensorSample:
    """Entries of one tensor's task vectors, for the figure's histogram and its live trim."""
    base, *parents = [str(argument["base"]), *map(str, argument["parents"])][:5]
    folders = {name: weights_of(name, whole=False) for name in parents}
    return sample(weights_of(base, whole=False), folders, str(argument["name"]))


def cost(request: Request) -> int:
    """GPU seconds that the comparison of a recipe will ask for at most."""
    names = recipes.models_of(recipes.parse(request.recipe))[: outcome.MAX_COMPARED]
    largest = max((models.most_parameters(expert_of(name) or name, exact=True) for name in names), default=0)
    return seconds_to_compare(largest, len(names), request)


@dataclass(frozen=True)
class MergeRoom:
    """What the other rooms use of this one.

    Args:
        room: the wired room.
        recipe: the recipe's text; the form and the check follow it.
        child: the merge that was made last, on the server.
    """

    room: Room
    recipe: gr.Textbox
    child: gr.State


def build(demo: gr.Blocks, tabs: gr.Tabs) -> MergeRoom:
    """Controls, figure, and their events."""
    first = example("merge")
    request = Request.parse(**first["request"])
    with gr.Row(equal_height=True):
        preset = gr.Dropdown(
            [*presets.PRESETS, presets.OWN],
            value=presets.FIRST,
            label="Recipe",
            scale=4,
            min_width=260,
            elem_id="preset",
        )
        buttons = run_button("Merge and compare", elem_id="merge"), cancel_button(elem_id="cancel")
    findings = gr.HTML(
        recipe_form.findings_html(first["check"]), elem_id="findings", elem_classes="quiet", padding=False
    )
    with gr.Accordion(
        "Advanced: the recipe as a form and as YAML, seed, more prompts, behaviours of your own", open=False
    ):
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=320):
                editor = recipe_form.editor(request.recipe)
            with gr.Column(scale=2, min_width=300):
                recipe = gr.Textbox(
                    request.recipe,
                    label="Recipe (mergekit YAML)",
                    lines=14,
                    max_lines=30,
                    elem_id="recipe",
                    elem_classes="mono",
                )
        with gr.Row():
            seed = gr.Textbox(str(request.seed), label="seed", max_lines=1, min_width=120)
            prompts = gr.Textbox(label="More prompts for parents and child, one a line", lines=2, scale=3)
            tokens = gr.Textbox(
                str(request.answer_tokens), label="tokens of an answer", max_lines=1, min_width=120
            )
        behaviours = behaviour_form.build(request.behaviours, "merge-behaviours")
    figure = Figure(
        {**first, "check": None}, folder=RENDERER, fetch=(tensor_sample,), title=TITLE, elem_id="figure"
    )
    child = gr.State(None)
    files = gr.Files(
        label="The merged model", visible=False, interactive=False, elem_id="files", render=False
    )
    count = gr.HTML("", elem_classes="quiet", padding=False, render=False)
    opens = entrances.result(render=False)

    def run(request: Request, _: Values) -> Iterator[Values]:
        waiting: Data = {
            "kind": "merge",
            "run_id": "",
            "drawable": False,
            "done": False,
            "request": request.to_json(),
        }
        for step in paced(merging_run.merge(request, result_folder()), is_milestone):
            if isinstance(step, Progress):
                yield {figure: {**waiting, "progress": progress_of(step)}}
                continue
            report = step
        # The merge can be taken home now, whatever the comparison comes to.
        new = child_of(report)
        paths = [str(path) for path in new.files]
        yield {
            figure: {**waiting, "progress": {"label": "Loading the parents", "value": 0, "max": 1}},
            room.panel: below(room.title, room.request, room.programs, room.runs, waiting),
            child: new,
            files: gr.Files(paths, visible=True, interactive=False),
            count: page.quiet(f"The merged model: {len(paths)} files, kept for two hours at most."),
            opens: entrances.links(shelved(report)),
        }
        for step_data in comparisons(report, request):
            done = {child: child_of(report, step_data)} if step_data["done"] else {}
            yield {figure: step_data, **done}

    room: Room = open_room(
        demo,
        tabs=tabs,
        name="merge",
        title=TITLE,
        request=Request,
        controls={
            "recipe": recipe,
            "seed": seed,
            "prompts": prompts,
            "behaviours": behaviours,
            "answer_tokens": tokens,
        },
        buttons=buttons,
        figure=figure,
        run=run,
        programs=programs_of,
        outputs=[child, files, count, opens],
        clears={files: gr.Files(visible=False), count: "", opens: ""},
        marks=["recipe="],
        stored=[first],
        seconds=lambda _, request: cost(request),
        stopped=STOPPED,
    )
    files.render()
    count.render()
    opens.render()
    # Whatever changes the text, the form and the check follow it.
    editor.recipe(recipe_form.from_form, None, [recipe], **LIGHT)
    preset.input(lambda name: presets.PRESETS.get(name, gr.skip()), [preset], [recipe], **LIGHT)
    recipe.change(presets.named, [recipe], [preset], **LATEST)
    recipe.change(recipe_form.editor_value, [recipe], [editor], **LATEST)
    recipe.change(None, [findings], [findings], js=recipe_form.MARK_STALE, **QUIET)
    checking = in_turn(recipe_form.check_html, page.alert, limits.MAX_QUEUE)
    recipe.change(checking, [recipe], [findings], **LATEST)
    return MergeRoom(room, recipe, child)


def is_milestone(step: Progress | Report) -> bool:
    """Whether a step of a merge must be shown: the report, and whatever counts no tensors."""
    return isinstance(step, Report) or step.total == 0


def progress_of(step: Progress) -> data.Progress:
    """A merge's progress as figures show it."""
    label = f"Merging: {step.label}" if step.total else step.label
    return {"label": label, "value": step.done, "max": step.total or 1}
