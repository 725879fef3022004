"""The merging Space: controls and events. The maths is in the package `merging`, the pictures in
`merging/js`.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = (
    HERE if (HERE / "shared").is_dir() else HERE.parents[1]
)  # a staged Space carries `shared`, the repository shares it
sys.path[:0] = [path for path in (str(HERE), str(ROOT)) if path not in sys.path]

from shared import gpu  # isort: skip  imports spaces, which must come before torch

import html
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import gradio as gr
from gradio.data_classes import FileData

from merging import presets
from merging import recipe as recipes
from merging.request import Request, validate
from shared import experts, frame, hub, models
from shared.checks import SEED
from shared.errors import VisitorError
from shared.figure import Figure, stylesheet

TITLE = "Merging"
LEDE = (
    "Two fine-tunes of one model can become one model that does both. Check a recipe before anything is downloaded, merge it with mergekit, "
    "and see what each parent brought."
)
RENDERER = HERE / "merging" / "js"
EXAMPLES = HERE / "examples"
UPDATE_SECONDS = 0.4
"""Time between two updates of a running figure."""

css = stylesheet(RENDERER)
example = partial(frame.stored, EXAMPLES)


def seconds_to_compare(models_compared: int, prompts: int = 0) -> int:
    """GPU seconds to ask for: loading, answers and layers of every model; not measured on ZeroGPU yet, so
    generous.
    """
    return min(240, 40 + 20 * models_compared + 2 * prompts)


def seconds(report: Any, asked: dict[str, Any], *_: Any, **__: Any) -> int:
    """What a finished merge's comparison asks for."""
    return seconds_to_compare(len(report.sources) + 1, len(asked["prompts"]))


@gpu.on_gpu(duration=seconds)
def look(report: Any, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Measure a merge, yielding the growing figure, the complete one last."""
    from merging import outcome

    shown = 0.0
    for data in outcome.look(report, asked):
        if data["done"] or time.monotonic() - shown >= UPDATE_SECONDS:
            yield data
            shown = time.monotonic()


def check(recipe: str) -> dict[str, Any]:
    """Check a merge recipe in seconds, before anything is downloaded: keys, parameters, method rules, shapes,
    tokenizers, cost.

    Args:
        recipe: YAML of mergekit-yaml or mergekit-moe; models are Hub ids, or the experts cautious, pirate,
            concise.

    Returns:
        ok; findings with level (error, warning, note), where, message, fix; models with revision, size and
        licence; tensors, layers; cost (parameters, disk, download and memory in bytes, seconds).
    """
    from merging import check as checks

    return checks.check(validate(recipe).recipe).to_json()


def merge(recipe: str, seed: int = 0) -> tuple[dict[str, Any], FileData]:
    """Merge models as a recipe says, by mergekit.

    Args:
        recipe: as for check.
        seed: of methods that draw (dare, della).

    Returns:
        A report (files, sha256, seconds, peak_memory in bytes, versions, findings, models) and the model as a
        zip archive.
    """
    from merging.card import model_card
    from merging.run import merge as merging
    from merging.run import run_all

    asked = validate(recipe, seed)
    folder = frame.result_folder()
    report = run_all(merging(asked.recipe, asked.seed, folder))
    write_texts(report.folder, model_card(report, []), asked.recipe)
    return report.to_json(), FileData(
        path=str(frame.zipped(report.folder, folder / "child.zip")), orig_name="child.zip"
    )


def compare(recipe: str, seed: int = 0, prompts: list[str] | None = None) -> dict[str, Any]:
    """Merge as a recipe says, then measure parents and child alike.

    Args:
        recipe: as for check.
        seed: of methods that draw.
        prompts: further prompts that every model answers.

    Returns:
        models with shares of behaviours (count, of, 95 % Wilson interval), perplexity ± sigma, answers and,
        for the child, KL to each parent in nats per token; atlas of task vectors; carriers: how much of a
        parent each band of layers carries; skipped: what could not be measured, and why.
    """
    from merging.run import merge as merging
    from merging.run import run_all

    asked = validate(recipe, seed, prompts)
    report = run_all(merging(asked.recipe, asked.seed, frame.result_folder()))
    return public(frame.last(look(report, asked.to_json())))


def seconds_to_explore(asked: Any, goal: str = "", *_: Any, **__: Any) -> int:
    """GPU seconds to ask for: loading, and every point; not measured on ZeroGPU yet, so generous."""
    from merging import explore as engine

    points = engine.GENERATIONS * engine.POPULATION + 3 if goal else len(list(engine.grid(len(asked.others))))
    return 40 + 2 * points


@gpu.on_gpu(duration=seconds_to_explore)
def explored(asked: Any, goal: str = "", seed: int = 0) -> Iterator[dict[str, Any]]:
    """Measure the points between models, or search their weights for a goal; yields the growing figure."""
    from merging import explore as engine

    yield from engine.evolve(asked, goal, seed) if goal else engine.explore(asked)


def explore(origin: str = models.EMBEDDED_MODEL, others: list[str] | None = None) -> dict[str, Any]:
    """Measure the merges between two or three models: task_arithmetic at the points of a line or a plane.

    Args:
        origin: where every weight is 0.
        others: one or two fine-tunes of it; the experts pirate and cautious by default.

    Returns:
        points with weights, loss ± sigma in nats per token of a sample text, shares of behaviours (count, of,
        95 % Wilson interval) and the recipe that makes each.
    """
    from merging import explore as engine

    return frame.last(explored(engine.validate(origin, others or engine.Explore.others)))


def evolve(
    origin: str = models.EMBEDDED_MODEL,
    others: list[str] | None = None,
    goal: str = "behaviours",
    seed: int = 0,
) -> dict[str, Any]:
    """Search the weights of one or two task vectors with CMA-ES on fit prompts, and measure the best on
    held-out ones.

    Args:
        origin: as for explore.
        others: as for explore.
        goal: "behaviours" (of the experts among the models) or "loss" (of a text).
        seed: of the search.

    Returns:
        search with candidates, best (weights, score, recipe), held_out and warnings where the two part.
    """
    from merging import explore as engine

    asked = engine.validate(origin, others or engine.Explore.others)
    return frame.last(explored(asked, engine.check_goal(goal), SEED("seed", seed)))


def family_tree(model: str, ancestors: int = 6, descendants: int = 1, limit: int = 120) -> dict[str, Any]:
    """Read a model's family tree from the Hub: recipes, cards, tags and the Hub's own derivation, with
    evidence.

    Args:
        model: a Hub id, or one of the experts cautious, pirate, concise.
        ancestors: generations above, at most 12.
        descendants: generations below, at most 3.
        limit: models at most, up to 400.

    Returns:
        nodes (id, sha, licence, status, share: bounds of the coefficient that its weights have in the
        model's), edges (source, target, relation, role, weight, evidence), licences (obligations with their
        way, conflicts, unknown), warnings.
    """
    from merging.tree.grow import grow
    from merging.tree.request import validate as check_tree

    return frame.last(grow(check_tree(model, ancestors, descendants, limit)))


def public(data: dict[str, Any]) -> dict[str, Any]:
    """A figure's data without what only Python can use."""
    return {name: value for name, value in data.items() if name != "measured"}


def write_texts(folder: Path, card: str, recipe: str) -> None:
    """Put card and recipe beside the weights."""
    (folder / "README.md").write_text(card, encoding="utf-8")
    name = "mergekit_moe_config.yml" if recipes.is_moe(recipes.parse(recipe)) else "mergekit_config.yml"
    (folder / name).write_text(recipe, encoding="utf-8")


# The page


def editor_value(text: str) -> dict[str, Any]:
    """What the form shows for a recipe, or why it cannot."""
    from merging.methods import catalogue

    base = {
        "kind": "editor",
        "drawable": True,
        "methods": [method.to_json() for method in catalogue().values()],
        "models": list(models.CATALOGUE),
    }
    try:
        recipe = recipes.parse(text)
    except VisitorError as error:
        return {**base, **error.to_json()}
    return {**base, "recipe": recipe, "moe": recipes.is_moe(recipe)}


def finding_html(finding: dict[str, str]) -> str:
    """One finding as a list's item."""
    mark = {"error": "✕", "warning": "!", "note": "i"}[finding["level"]]
    where = f"<code>{html.escape(finding['where'])}</code> " if finding["where"] else ""
    return (
        f'<li class="{finding["level"]}"><span aria-hidden="true">{mark}</span> <b>{finding["level"]}</b> {where}'
        f"{html.escape(finding['message'])} {html.escape(finding['fix'])}</li>"
    )


def findings_html(found: dict[str, Any]) -> str:
    """A check's result as safe HTML."""
    rows = "".join(finding_html(finding) for finding in found["findings"])
    cost = found["cost"]
    said = "The recipe can run." if found["ok"] else "The recipe cannot run."
    if cost:
        download = f", {cost['download'] / 1e6:,.0f} MB to download" if cost["download"] else ""
        said += (
            f" {found['tensors']} tensors in {found['layers']} layers, {cost['parameters'] / 1e6:,.1f} million weights: "
            f"{cost['disk'] / 1e6:,.0f} MB on disk{download}, about {cost['memory'] / 1e9:.1f} GB of memory and {cost['seconds']:,} s to merge on two CPU "
            "cores; then the comparison."
        )
    return f'<div class="findings" role="status"><p>{said}</p><ul>{rows}</ul></div>'


def check_page(text: str) -> str:
    """The check's findings, or what is wrong with the text."""
    try:
        return findings_html(check(text))
    except VisitorError as error:
        return frame.alert(error)
    except Exception as error:  # noqa: BLE001  the page must go on whatever happened
        return frame.alert(frame.unexpected(error))


def from_form(event: gr.EventData) -> str:
    """The recipe that the form now holds, as YAML."""
    return recipes.to_yaml(dict(event.recipe))


def merge_label(text: str) -> str:
    """The primary button's text, with the comparison's cost where it costs GPU time."""
    if not gpu.on_zero_gpu():
        return "Merge and compare"
    try:
        named = {holder[key] for holder, key, _ in recipes.named(recipes.parse(text))}
    except VisitorError:
        named = set()
    return f"Merge and compare · up to {seconds_to_compare(len(named) + 1)} s of GPU"


def panel_of(data: dict[str, Any]) -> dict[str, Any]:
    """What stands below a finished merge: the command that makes the same, and its link."""
    from merging.programs import commands, python_program

    asked = validate(**data["request"])
    listings = {
        "The same merge with mergekit's own command": commands(asked),
        "The same merge in Python": python_program(asked),
    }
    return frame.panel_value(TITLE, listings, asked.to_query(), live=not data.get("example"))


def merge_page(text: str, seed: str, prompts: str) -> Iterator[tuple[Any, ...]]:
    """Check, merge and measure; figure, panel, state and files follow."""
    yield from show(validate(text, seed, prompts))


def show(asked: Request) -> Iterator[tuple[Any, ...]]:
    """The run's figure, panel, what can be taken home, and its sentence."""
    from merging.card import model_card
    from merging.run import Progress
    from merging.run import merge as merging

    waiting = {"kind": "merge", "run_id": "", "done": False, "request": asked.to_json()}
    folder = frame.result_folder()
    report: Any = None
    shown = 0.0
    for step in merging(asked.recipe, asked.seed, folder):
        if not isinstance(step, Progress):
            report = step
        elif step.total == 0 or time.monotonic() - shown >= UPDATE_SECONDS:
            progress = {
                "label": f"Merging: {step.label}" if step.total else step.label,
                "value": step.done,
                "max": step.total or 1,
            }
            yield {**waiting, "progress": progress}, gr.skip(), gr.skip(), gr.skip(), gr.skip()
            shown = time.monotonic()
    # The merge can be taken home now, whatever the comparison comes to.
    taken = taken_home(report, model_card(report, []), asked.recipe)
    files = gr.Files(taken["files"], visible=True, interactive=False)
    said = frame.quiet(f"{report.folder.name}: {len(taken['files'])} files.")
    yield (
        {**waiting, "progress": {"label": "Loading the parents", "value": 0, "max": 1}},
        panel_of(waiting),
        taken,
        files,
        said,
    )
    data: dict[str, Any] = {}
    for data in look(report, asked.to_json()):
        if not data["done"]:
            yield data, gr.skip(), gr.skip(), gr.skip(), gr.skip()
    taken = taken_home(report, model_card(report, data["measured"]), asked.recipe)
    yield public(data), gr.skip(), taken, gr.skip(), gr.skip()


def taken_home(report: Any, card: str, recipe: str) -> dict[str, Any]:
    """What can be done with a merge later: its files, with card and recipe written beside the weights."""
    write_texts(report.folder, card, recipe)
    files = sorted(str(path) for path in report.folder.iterdir())
    return {"files": files, "card": card, "folder": str(report.folder), "recipe": recipe}


def still_here(taken: dict[str, Any] | None) -> dict[str, Any]:
    """The merge that was made last.

    Raises:
        VisitorError: there is none, or its files have been removed.
    """
    if not taken:
        raise VisitorError("There is no merge yet.", "Press Merge and compare in the first room.")
    if not Path(taken["folder"]).is_dir():
        raise VisitorError("The merge was kept for two hours.", "Merge again.")
    return taken


def open_page(query: str) -> Iterator[tuple[Any, ...]]:
    """Set the controls from the URL's query and run what it describes."""
    asked = Request.from_query(query)
    yield (
        asked.recipe,
        str(asked.seed),
        "\n".join(asked.prompts),
        editor_value(asked.recipe),
        None,
        *[gr.skip()] * 4,
    )
    for outputs in show(asked):
        yield (*[gr.skip()] * 4, *outputs)


def explore_label(verb: str, goal: str) -> str:
    """A button's text, with the largest cost where it costs GPU time."""
    from merging import explore as engine

    return (
        f"{verb} · up to {seconds_to_explore(engine.Explore(), goal)} s of GPU" if gpu.on_zero_gpu() else verb
    )


def explore_panel(data: dict[str, Any]) -> dict[str, Any]:
    """What stands below the picture of merges between models: a program for the best point, and its link."""
    from merging import explore as engine
    from merging.programs import commands

    asked = engine.validate(**data["request"])
    best = (data["search"] or {}).get("best")
    recipe = best["recipe"] if best else data["points"][-1]["recipe"]
    listings = {
        "The search's best merge" if best else "The last point as a merge": commands(validate(recipe))
    }
    return frame.panel_value(
        f"{TITLE}: between models", listings, asked.to_query(), live=not data.get("example")
    )


def explore_page(origin: str, first: str, second: str | None) -> Iterator[tuple[Any, Any]]:
    """Measure the merges between models; figure and panel follow."""
    from merging import explore as engine

    yield from show_explored(explored(engine.validate(origin, [first, second])))


def evolve_page(origin: str, first: str, second: str | None, goal: str) -> Iterator[tuple[Any, Any]]:
    """Search the weights; figure and panel follow."""
    from merging import explore as engine

    yield from show_explored(explored(engine.validate(origin, [first, second]), engine.check_goal(goal)))


def show_explored(steps: Iterator[dict[str, Any]]) -> Iterator[tuple[Any, Any]]:
    """The growing figure, and the panel at the end."""
    for data in steps:
        yield data, explore_panel(data) if data["done"] else gr.skip()


def open_explore(query: str) -> Iterator[tuple[Any, ...]]:
    """Show the room, set its controls from the URL's query and measure what it describes."""
    from merging import explore as engine

    asked = engine.Explore.from_query(query)
    yield (
        gr.Tabs(selected="explore"),
        asked.origin,
        asked.others[0],
        (*asked.others, None)[1],
        gr.skip(),
        gr.skip(),
    )
    for outputs in show_explored(explored(asked)):
        yield (*[gr.skip()] * 4, *outputs)


def from_point(event: gr.EventData) -> tuple[str, Any]:
    """A point's recipe, and the room where it is merged."""
    from merging import blend
    from merging import explore as engine

    asked = engine.validate(event.origin, event.others)
    weights = tuple(min(1.0, max(0.0, float(weight))) for weight in event.weights)[: len(asked.others)]
    return blend.recipe_of(asked.origin, asked.others, weights), gr.Tabs(selected="merge")


def tree_page(model: str, ancestors: str, descendants: str, limit: str) -> Iterator[tuple[Any, ...]]:
    """Read a tree, without a name that of the first example's merge; figure, its data and panel follow."""
    from merging.tree.request import validate as check_tree

    recipe = "" if model.strip() else presets.PRESETS[presets.FIRST]
    yield from show_tree(check_tree(model, ancestors, descendants, limit, recipe))


def tree_here(taken: dict[str, Any] | None) -> Iterator[tuple[Any, ...]]:
    """The tree of the merge that was made last."""
    from merging.tree.request import validate as check_tree

    if not taken:
        raise VisitorError("There is no merge yet.", "Press Merge and compare in the first room.")
    yield from show_tree(check_tree("", recipe=taken["recipe"]))


def tree_root(event: gr.EventData, ancestors: str, descendants: str, limit: str) -> Iterator[tuple[Any, ...]]:
    """The tree of a model that was chosen in the figure."""
    yield from tree_page(str(event.id), ancestors, descendants, limit)


def tree_expand(event: gr.EventData, shown: dict[str, Any] | None) -> Iterator[tuple[Any, ...]]:
    """The tree with one more part opened."""
    from merging.tree.request import validate as check_tree

    asked = dict(event.request)
    recipe = recipe_shown(shown, str(asked.get("model")))
    yield from show_tree(
        check_tree(**{**asked, "expand": [*asked.get("expand", []), str(event.key)]}, recipe=recipe)
    )


def recipe_shown(shown: dict[str, Any] | None, model: str) -> str:
    """The recipe of a merge made here, as the tree on the page has it; "" for a model of the Hub."""
    from merging.tree.request import MERGED_HERE

    nodes = (shown or example("tree"))["nodes"]
    return next((str(node["recipe"]) for node in nodes if node["id"] == model == MERGED_HERE), "")


def show_tree(asked: Any) -> Iterator[tuple[Any, ...]]:
    """The growing figure, then its data for later steps, and the panel."""
    from merging.tree.grow import grow

    for data in grow(asked):
        yield data, data if data["done"] else gr.skip(), tree_panel(data) if data["done"] else gr.skip()


def open_tree(query: str) -> Iterator[tuple[Any, ...]]:
    """Show the room; where the URL's query names a model, set the controls and read its tree."""
    from merging.tree.request import TreeRequest

    yield gr.Tabs(selected="tree"), *[gr.skip()] * 7
    if "tree=&" in f"{query}&":
        return
    asked = TreeRequest.from_query(query)
    controls = (asked.model, str(asked.ancestors), str(asked.descendants), str(asked.limit))
    yield gr.skip(), *controls, *[gr.skip()] * 3
    for outputs in show_tree(asked):
        yield *[gr.skip()] * 5, *outputs


def tree_panel(data: dict[str, Any]) -> dict[str, Any]:
    """What stands below a tree: the call that reads the same, and its link."""
    from merging.tree.request import MERGED_HERE, TreeRequest
    from merging.tree.request import validate as check_tree

    asked = data["request"]
    here = asked["model"] == MERGED_HERE
    request = TreeRequest(recipe="x") if here else check_tree(**asked)
    call = (
        "from gradio_client import Client\n\n"
        f'tree = Client("{frame.ADDRESS}").predict(\n'
        f'    {asked["model"]!r}, {asked["ancestors"]}, {asked["descendants"]}, {asked["limit"]}, api_name="/family_tree"\n)\n'
        'for node in tree["nodes"]:\n    print(node["id"], node["licence"], node["share"])\n'
    )
    listings = {} if here else {"The same tree from the API of a running demo": call}
    return frame.panel_value(
        f"{TITLE}: family tree", listings, request.to_query(), live=not data.get("example")
    )


def tree_text(argument: dict[str, Any]) -> str | dict[str, Any]:
    """A tree as Mermaid or DOT, for the figure's download."""
    from merging.tree import exports

    try:
        return {"mermaid": exports.mermaid, "dot": exports.dot}[str(argument["format"])](argument)
    except (KeyError, TypeError):
        return VisitorError("The tree could not be written.", "Show the tree again.").to_json()


def tested(shown: dict[str, Any] | None, result: dict[str, Any]) -> dict[str, Any]:
    """The tree with a test's result below it."""
    return {**(shown or example("tree")), "tested": result}


def test_parents(
    event: gr.EventData, shown: dict[str, Any] | None, taken: dict[str, Any] | None
) -> dict[str, Any]:
    """Compare a model's weights with those of its declared parents."""
    from merging.sources import weights_of
    from merging.tree.paternity import paternity
    from merging.tree.request import MERGED_HERE

    try:
        names = [str(parent["id"]) for parent in event.parents][:8]
        base = next((str(parent["id"]) for parent in event.parents if parent["role"] == "base"), names[0])
        if event.id != MERGED_HERE:
            child = weights_of(str(event.id), whole=True)
        elif still_here(taken)["recipe"] == recipe_shown(shown, MERGED_HERE):
            child = Path(still_here(taken)["folder"])
        else:
            raise VisitorError(
                "This is not the tree of the merge that was made last.", "Press Tree of my merge."
            )
        folders = {name: weights_of(name, whole=True) for name in [base, *names]}
        others = {name: folders[name] for name in names if name != base}
        return tested(shown, {**paternity(child, folders[base], others).to_json(), "of": str(event.id)})
    except VisitorError as error:
        return tested(shown, error.to_json())


def test_replay(
    event: gr.EventData, shown: dict[str, Any] | None, taken: dict[str, Any] | None
) -> dict[str, Any]:
    """Compare the last merge with a published model."""
    from merging.sources import weights_of
    from merging.tree.replay import compare_weights

    try:
        mine = Path(still_here(taken)["folder"])
        return tested(shown, compare_weights(mine, weights_of(str(event.id), whole=True)).to_json())
    except VisitorError as error:
        return tested(shown, error.to_json())


def from_tree(event: gr.EventData) -> tuple[str, Any]:
    """A published recipe, and the room where it is merged."""
    return str(event.recipe_text)[: recipes.MAX_CHARACTERS], gr.Tabs(selected="merge")


def tensor_sample(argument: dict[str, Any]) -> dict[str, Any]:
    """Entries of one tensor's task vectors, for the figure's histogram and its live trim."""
    from merging.atlas import sample
    from merging.sources import weights_of

    try:
        names = [str(argument["base"]), *map(str, argument["parents"])][:5]
        base, *parents = (weights_of(name, whole=False) for name in names)
        return sample(base, dict(zip(names[1:], parents, strict=True)), str(argument["name"]))
    except VisitorError as error:
        return error.to_json()


def push(taken: dict[str, Any] | None, repository: str, token: str | None) -> str:
    """Upload the child and its card; the repository's URL.

    Raises:
        VisitorError: as `still_here` and `hub.push`.
    """
    merged = still_here(taken)
    files = {Path(path).name: Path(path) for path in merged["files"] if Path(path).name != "README.md"}
    return hub.push(repository, "model", files, merged["card"], token)


def push_chat(model: str, repository: str, token: str | None) -> str:
    """Upload a chat Space for a pushed model; the Space's URL.

    Raises:
        VisitorError: the model's name is malformed, or as `hub.push`.
    """
    made = chat_files(model)
    card = made.pop("README.md").read_text(encoding="utf-8")
    return hub.push(repository, "space", made, card, token)


def chat_files(model: str) -> dict[str, Path]:
    """The chat Space's files, written into a folder of this visitor."""
    from merging.chat_space import files

    texts = files(model.strip())
    folder = frame.result_folder()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return {name: folder / name for name in texts}


def chat_page(model: str) -> tuple[Any, str]:
    """The chat Space's files to download."""
    try:
        made = chat_files(model)
    except VisitorError as error:
        return gr.Files(visible=False), frame.alert(error)
    return gr.Files([str(path) for path in made.values()], visible=True, interactive=False), frame.quiet(
        "Put these three files into a new Space with ZeroGPU hardware."
    )


def lora_page(model: str, base: str, rank: str) -> Iterator[tuple[Any, str]]:
    """Extract a LoRA adapter; its files, and a sentence."""
    from merging.run import Progress, extract_lora

    report: Any = None
    try:
        for step in extract_lora(model.strip(), base.strip(), rank, frame.result_folder()):
            if isinstance(step, Progress):
                yield (
                    gr.skip(),
                    frame.quiet(f"{step.label} {f'({step.done} of {step.total})' if step.total else ''}"),
                )
            else:
                report = step
    except Exception as error:  # noqa: BLE001  the page must go on whatever happened
        yield (
            gr.Files(visible=False),
            frame.alert(error if isinstance(error, VisitorError) else frame.unexpected(error)),
        )
        return
    paths = [str(path) for path in sorted(report.folder.iterdir())]
    size = sum(report.files.values()) / 1e6
    yield (
        gr.Files(paths, visible=True, interactive=False),
        frame.quiet(f"Extracted in {report.seconds:.0f} s: {size:,.1f} MB."),
    )


OUTPUTS = 5  # figure, panel, taken, files, sentence


def build_merge(demo: gr.Blocks) -> tuple[gr.State, gr.Textbox]:
    """The room where recipes are written, checked and run: what can be taken home, and the recipe."""
    first = example("merge")
    asked = validate(**first["request"])
    preset = gr.Dropdown(list(presets.PRESETS), value=presets.FIRST, label="Start from", elem_id="preset")
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=340):
            editor = Figure(
                editor_value(asked.recipe),
                folder=RENDERER,
                events=("recipe",),
                title=f"{TITLE}: recipe",
                elem_id="editor",
            )
        with gr.Column(scale=2, min_width=300):
            text = gr.Textbox(
                asked.recipe,
                label="Recipe (mergekit YAML)",
                lines=14,
                max_lines=30,
                elem_id="recipe",
                elem_classes="mono",
            )
    found = gr.HTML(findings_html(first["check"]), elem_id="findings", padding=False)
    with gr.Accordion("Advanced: seed, more prompts", open=False), gr.Row():
        seed = gr.Textbox("0", label="seed", max_lines=1, min_width=120)
        prompts = gr.Textbox("", label="More prompts for parents and child, one a line", lines=2, scale=3)
    with gr.Row():
        start = gr.Button(merge_label(asked.recipe), variant="primary", scale=2, elem_id="merge")
        cancel = frame.cancel_button(elem_id="cancel")
    figure = Figure(
        {**first, "check": None}, folder=RENDERER, fetch=(tensor_sample,), title=TITLE, elem_id="figure"
    )
    panel = frame.panel(panel_of(first))
    files = gr.Files(label="The merged model", visible=False, interactive=False, elem_id="files")
    said = gr.HTML("", elem_classes="quiet", padding=False)
    taken = gr.State(None)

    outputs = [figure, panel, taken, files, said]
    controls = [text, seed, prompts]
    pressed = start.click(frame.for_page(merge_page, 0, OUTPUTS), controls, outputs, **frame.HEAVY)
    opened = frame.on_link(
        demo,
        "recipe=",
        frame.for_page(open_page, 4, 4 + OUTPUTS),
        [text, seed, prompts, editor, *outputs],
        **frame.HEAVY,
    )
    stopped = VisitorError(
        "The run was cancelled; what was unfinished is gone.", "Press Merge and compare to start again."
    )
    frame.on_cancel(cancel, [pressed, opened], [figure], stopped)
    # Whatever changes the text, the form and the check follow it.
    editor.recipe(from_form, None, [text], **frame.LIGHT)
    preset.input(presets.PRESETS.get, [preset], [text], **frame.LIGHT)
    text.change(editor_value, [text], [editor], trigger_mode="always_last", **frame.LIGHT)
    text.change(check_page, [text], [found], trigger_mode="always_last", **frame.LIGHT)
    if gpu.on_zero_gpu():
        text.change(merge_label, [text], [start], trigger_mode="always_last", **frame.LIGHT)
    return taken, text


def build_explore(demo: gr.Blocks, tabs: gr.Tabs, recipe: gr.Textbox) -> None:
    """The room where the merges between models are measured and one is chosen."""
    first = example("explore")
    asked = first["request"]
    names = list(models.CATALOGUE)
    with gr.Row():
        origin = gr.Dropdown(
            names,
            value=asked["origin"],
            allow_custom_value=True,
            label="Origin, every weight 0",
            elem_id="origin",
        )
        one = gr.Dropdown(
            names, value=asked["others"][0], allow_custom_value=True, label="A fine-tune of it", elem_id="one"
        )
        other = gr.Dropdown(
            [("none: a line", ""), *names],
            value=asked["others"][1],
            allow_custom_value=True,
            label="Another",
            elem_id="other",
        )
        goal = gr.Dropdown(
            [("all behaviours, little loss", "behaviours"), ("little loss", "loss")],
            value="behaviours",
            label="Search for",
            elem_id="goal",
        )
    with gr.Row():
        start = gr.Button(explore_label("Measure", ""), variant="primary", scale=2, elem_id="measure")
        search = gr.Button(explore_label("Search the weights", "behaviours"), scale=2, elem_id="search")
        cancel = frame.cancel_button()
    figure = Figure(
        first, folder=RENDERER, events=("chosen",), title=f"{TITLE}: between models", elem_id="between"
    )
    panel = frame.panel(explore_panel(first))
    chosen = [origin, one, other]
    measured = start.click(frame.for_page(explore_page, 0, 2), chosen, [figure, panel], **frame.HEAVY)
    searched = search.click(
        frame.for_page(evolve_page, 0, 2), [*chosen, goal], [figure, panel], **frame.HEAVY
    )
    opened = frame.on_link(
        demo, "origin=", frame.for_page(open_explore, 4, 6), [tabs, *chosen, figure, panel], **frame.HEAVY
    )
    stopped = VisitorError("The measurement was cancelled.", "Press Measure to start again.")
    frame.on_cancel(cancel, [measured, searched, opened], [figure], stopped)
    figure.chosen(from_point, None, [recipe, tabs], **frame.LIGHT)


def build_tree(demo: gr.Blocks, tabs: gr.Tabs, recipe: gr.Textbox, taken: gr.State) -> None:
    """The room of the family tree."""
    first = example("tree")
    asked = first["request"]
    with gr.Row():
        model = gr.Textbox(
            label="Model of the Hub, owner/name, or an expert",
            placeholder="empty: the first example's merge",
            max_lines=1,
            scale=3,
            min_width=260,
            elem_id="tree-model",
        )
        start = gr.Button("Show the tree", variant="primary", scale=1, min_width=140, elem_id="grow")
        here = gr.Button("Tree of my merge", scale=1, min_width=140, elem_id="grow-here")
        cancel = frame.cancel_button()
    with gr.Accordion("Advanced: how far", open=False), gr.Row():
        numbers = [
            gr.Textbox(str(asked[name]), label=label, max_lines=1, min_width=120)
            for name, label in (
                ("ancestors", "generations above"),
                ("descendants", "generations below"),
                ("limit", "models at most"),
            )
        ]
    figure = Figure(
        first,
        folder=RENDERER,
        events=("recipe", "root", "expand", "test", "replay"),
        fetch=(tree_text,),
        title=f"{TITLE}: family tree",
        elem_id="tree",
    )
    panel = frame.panel(tree_panel(first))
    shown = gr.State(None)
    outputs = [figure, shown, panel]
    reading: dict[str, Any] = {"concurrency_limit": 4, "concurrency_id": "tree", **frame.QUIET}
    page = partial(frame.for_page, figure_index=0, outputs=3)
    runs = [
        gr.on([start.click, model.submit], page(tree_page), [model, *numbers], outputs, **reading),
        here.click(page(tree_here), [taken], outputs, **reading),
        figure.root(page(tree_root), numbers, outputs, **reading),
        figure.expand(page(tree_expand), [shown], outputs, **reading),
        frame.on_link(
            demo, "tree=", frame.for_page(open_tree, 5, 8), [tabs, model, *numbers, *outputs], **reading
        ),
    ]
    frame.on_cancel(
        cancel,
        runs,
        [figure],
        VisitorError("Reading the tree was cancelled.", "Press Show the tree to start again."),
    )
    figure.test(test_parents, [shown, taken], [figure], **frame.HEAVY)
    figure.replay(test_replay, [shown, taken], [figure], **frame.HEAVY)
    figure.recipe(from_tree, None, [recipe, tabs], **frame.LIGHT)


def build_take(taken: gr.State) -> None:
    """The room where a merge is taken home, a chat Space made, and an adapter extracted."""
    gr.Markdown("## Push the merged model")
    frame.push_row("Model repository to create or update, owner/name", push, [taken])
    gr.Markdown("## A chat Space for it")
    with gr.Row():
        model = gr.Textbox(label="The pushed model, owner/name", max_lines=1, scale=2, elem_id="chat-model")
        make = gr.Button("Make the files", scale=0, min_width=140, elem_id="make-chat")
    chat = gr.Files(label="The chat Space", visible=False, interactive=False, elem_id="chat-files")
    told = gr.HTML("", elem_classes="quiet")
    frame.push_row("Space to create or update, owner/name", push_chat, [model], "Push the Space")
    gr.Markdown("## Extract a LoRA adapter")
    with gr.Row():
        tuned = gr.Dropdown(
            list(models.CATALOGUE),
            value=experts.NAMES[1],
            allow_custom_value=True,
            label="Fine-tuned model",
            elem_id="tuned",
        )
        base = gr.Dropdown(
            list(models.CATALOGUE), value=models.EMBEDDED_MODEL, allow_custom_value=True, label="Its base"
        )
        rank = gr.Textbox("8", label="max rank", max_lines=1, min_width=100)
        extract = gr.Button("Extract", scale=0, min_width=110, elem_id="extract")
    adapter = gr.Files(label="The adapter", visible=False, interactive=False, elem_id="adapter")
    extracted = gr.HTML("", elem_classes="quiet", elem_id="extracted")
    make.click(chat_page, [model], [chat, told], **frame.QUIET)
    extract.click(lora_page, [tuned, base, rank], [adapter, extracted], **frame.HEAVY)


def build() -> gr.Blocks:
    """The page."""
    with frame.page(TITLE, LEDE) as demo:
        with gr.Tabs() as tabs:
            with gr.Tab("Merge", id="merge"):
                taken, recipe = build_merge(demo)
            with gr.Tab("Between models", id="explore"):
                build_explore(demo, tabs, recipe)
            with gr.Tab("Family tree", id="tree"):
                build_tree(demo, tabs, recipe, taken)
            with gr.Tab("Take home", id="take"):
                build_take(taken)
        frame.about(HERE / "README.md")
        gr.api(frame.for_api(check), api_name="check", concurrency_limit=2)
        gr.api(frame.for_api(merge), api_name="merge", concurrency_limit=1, concurrency_id="model")
        gr.api(frame.for_api(family_tree), api_name="family_tree", concurrency_limit=4, concurrency_id="tree")
        for function in (compare, explore, evolve):
            gr.api(
                frame.for_api(function),
                api_name=function.__name__,
                concurrency_limit=1,
                concurrency_id="model",
            )
    return demo


demo = build()

if __name__ == "__main__":
    frame.launch(demo, css)
