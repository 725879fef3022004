"""The room where a mixture of experts is written, its gates seen while they are written, and its tokens
routed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from merging import data, presets, programs
from merging import gates as gating
from merging import mixture as engine
from merging import recipe as recipes
from merging import run as merging_run
from merging.child import child_of, shelved
from merging.mixture_request import FORMS, MixtureRequest
from merging.names import expert_of
from merging.report import Progress, Report
from merging.request import Request
from merging_rooms import recipe_form
from merging_rooms.common import RENDERER, TITLE, example
from merging_rooms.merge import is_milestone, progress_of
from shared import entrances, gpu, limits, models, page
from shared.errors import VisitorError
from shared.figure import Figure
from shared.files import result_folder
from shared.room import LATEST, LIGHT, QUIET, Data, Room, Values, cancel_button, open_room, run_button
from shared.steps import last, paced
from shared.turns import in_turn

STOPPED = VisitorError(
    "The run was cancelled; what was unfinished is gone.", "Press Mix and route to start again."
)
OPEN = 3.0
"""Seconds to open 10⁹ weights on the processor, as `merge.READ`."""


def seconds_to_route(parameters: int, experts: int, request: MixtureRequest) -> int:
    """GPU seconds to ask for: every text, and the prompts of every expert, with the gates of each mode.

    Args:
        parameters: of the mixture.
        experts: how many.
        request: with the texts.
    """
    count = len(gating.MODES) + 1
    passes = count * (len(request.texts) + engine.OWN * experts)
    own = engine.OWN * experts * gating.MAX_PROMPT_TOKENS
    read = count * (len(request.texts) * engine.MAX_TOKENS + own)
    return gpu.seconds_for(parameters, passes=passes, read=read, more=OPEN * parameters / 1e9)


def seconds(request: MixtureRequest, figure: data.Mixture, found: engine.Gated, report: Report) -> int:
    """What the routing of a finished mixture asks for."""
    del figure, found
    weights = sum(size for name, size in report.files.items() if name.endswith(".safetensors"))
    return seconds_to_route(weights // 2, len(request.parsed["experts"]), request)


@gpu.on_gpu(duration=seconds)
def routings(
    request: MixtureRequest, figure: data.Mixture, found: engine.Gated, report: Report
) -> Iterator[data.Mixture]:
    """Route the texts through a mixture, yielding the growing figure, the complete one last."""
    yield from paced(engine.routed(request, figure, found, report), lambda step: step["done"])


def cost(request: MixtureRequest) -> int:
    """GPU seconds that a recipe will ask for at most."""
    recipe = request.parsed
    names = recipes.models_of(recipe)
    largest = max((models.most_parameters(expert_of(name) or name, exact=True) for name in names), default=0)
    experts = len(experts_of(recipe))
    return seconds_to_route(largest * max(1, experts), experts, request)


def experts_of(recipe: dict[str, Any]) -> list[dict[str, Any]]:
    """The routed experts that a recipe names."""
    return [expert for _, expert in recipes.items(recipe.get("experts"), "experts")]


def gates(request: MixtureRequest) -> data.Gates:
    """Compute the gates of a mixture of experts from its prompts, as mergekit-moe does, in the recipe's mode
    and in the others; the base must be on this machine.

    Returns:
        gates with experts, own (the recipe's mode), and modes: pairs of experts with the cosine of their
        gates by layer, condition numbers by layer, and the layers of which mergekit warns (degenerate).
    """
    return engine.gates_of(request)


def mixture(request: MixtureRequest) -> data.Mixture:
    """Make a mixture of experts by mergekit and route texts through it with the gates of each mode.

    Returns:
        gates as of /gates; tokens; routed: for each mode weights by token, layer and expert, load by layer
        and expert, entropy by layer in nats, own (where the tokens of an expert's own prompts go), and
        agreement with the recipe's mode; report of the merge; skipped: what could not be run, and why.
    """
    with tempfile.TemporaryDirectory(prefix="mixture-") as folder:  # nobody takes it home
        found, figure = engine.begun(request)
        report = merging_run.finished(engine.merge(request, Path(folder)))
        return last(routings(request, figure, found, report))


def gates_value(text: str, seed: str) -> dict[str, Any]:
    """The gates of a recipe that is being written, or why there are none."""
    try:
        return dict(engine.gates_of(MixtureRequest.parse(recipe=text, seed=seed)))
    except VisitorError as error:
        return {"kind": "gates", "drawable": False, **error.to_json()}


def programs_of(request: MixtureRequest, _: Data) -> dict[str, str]:
    """The programs below the figure."""
    plain = Request(request.recipe, request.seed)
    return {
        **programs.listings(plain),
        "The routing in Python": programs.routing_program(request.texts, request.form),
    }


def build(demo: gr.Blocks, tabs: gr.Tabs, child: gr.State) -> Room:
    """Controls, figure, and their events.

    Args:
        demo: the page.
        tabs: of the page.
        child: the merge that was made last, which can be taken home.
    """
    first = example("mixture")
    request = MixtureRequest.parse(**first["request"])
    with gr.Row(equal_height=True):
        preset = gr.Dropdown(
            list(presets.MIXTURES),
            value=presets.FIRST_MIXTURE,
            label="Mixture",
            scale=3,
            min_width=240,
            elem_id="mixture-preset",
        )
        texts = gr.Textbox(
            "\n".join(request.texts),
            label="Texts to route, one a line",
            lines=2,
            max_lines=6,
            scale=4,
            min_width=260,
            elem_id="texts",
        )
        buttons = run_button("Mix and route", elem_id="mix"), cancel_button()
    findings = gr.HTML(
        recipe_form.findings_html(first["check"]),
        elem_id="mixture-findings",
        elem_classes="quiet",
        padding=False,
    )
    with gr.Accordion(
        "Advanced: experts and prompts as a form and as YAML, gates while you write, seed", open=False
    ):
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=320):
                editor = recipe_form.editor(request.recipe, "mixture-editor")
            with gr.Column(scale=2, min_width=300):
                recipe = gr.Textbox(
                    request.recipe,
                    label="Recipe (mergekit-moe YAML)",
                    lines=14,
                    max_lines=30,
                    elem_id="mixture-recipe",
                    elem_classes="mono",
                )
        live = Figure(None, folder=RENDERER, title=f"{TITLE}: gates", elem_id="live-gates")
        with gr.Row():
            seed = gr.Textbox(str(request.seed), label="seed", max_lines=1, min_width=120)
            form = gr.Dropdown(
                list(FORMS), value=request.form, label="texts are read as", min_width=160, elem_id="form"
            )
    shown_first = {**first, "check": None}
    figure = Figure(shown_first, folder=RENDERER, title=f"{TITLE}: mixture of experts", elem_id="mixture")
    files = gr.Files(
        label="The mixture", visible=False, interactive=False, elem_id="mixture-files", render=False
    )

    opens = entrances.result(render=False)

    def run(request: MixtureRequest, _: Values) -> Iterator[Values]:
        yield {
            figure: {
                "kind": "mixture",
                "run_id": "",
                "drawable": False,
                "done": False,
                "request": request.to_json(),
                "progress": {"label": "Reading the prompts", "value": 0, "max": 1},
            }
        }
        found, shown = engine.begun(request)
        yield {figure: shown}
        for step in paced(engine.merge(request, result_folder()), is_milestone):
            if isinstance(step, Progress):
                yield {figure: {**shown, "progress": progress_of(step)}}
                continue
            report = step
        new = child_of(report)
        paths = [str(path) for path in new.files]
        yield {
            child: new,
            files: gr.Files(paths, visible=True, interactive=False),
            opens: entrances.links(shelved(report)),
        }
        for routed in routings(request, shown, found, report):
            yield {figure: routed}

    room = open_room(
        demo,
        tabs=tabs,
        name="mixture",
        title=f"{TITLE}: mixture of experts",
        request=MixtureRequest,
        controls={"recipe": recipe, "seed": seed, "texts": texts, "form": form},
        buttons=buttons,
        figure=figure,
        run=run,
        programs=programs_of,
        outputs=[child, files, opens],
        clears={files: gr.Files(visible=False), opens: ""},
        stored=[shown_first],
        seconds=lambda _, request: cost(request),
        stopped=STOPPED,
    )
    files.render()
    opens.render()
    editor.recipe(recipe_form.from_form, None, [recipe], **LIGHT)
    preset.input(presets.MIXTURES.get, [preset], [recipe], **LIGHT)
    recipe.change(recipe_form.editor_value, [recipe], [editor], **LATEST)
    recipe.change(None, [findings], [findings], js=recipe_form.MARK_STALE, **QUIET)
    checking = in_turn(recipe_form.check_html, page.alert, limits.MAX_QUEUE)
    recipe.change(checking, [recipe], [findings], **LATEST)
    computing = in_turn(gates_value, VisitorError.to_json, limits.MAX_QUEUE)
    gr.on([recipe.change, seed.change], computing, [recipe, seed], [live], **LATEST)
    return room
