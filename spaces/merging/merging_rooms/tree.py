"""The room of the family tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from family_tree import exports
from family_tree.grow import grow
from family_tree.paternity import paternity
from family_tree.replay import compare_weights
from family_tree.request import MERGED_HERE, TreeRequest
from merging import data, presets
from merging.child import Child, still_here
from merging.recipe import MAX_CHARACTERS
from merging.sources import check_downloads, weights_of
from merging_rooms.common import RENDERER, TITLE, example, named
from shared.errors import VisitorError
from shared.figure import Figure
from shared.page import ADDRESS
from shared.room import LIGHT, MODEL, Data, Room, Values, cancel_button, drawing, open_room, run_button
from shared.steps import last

READING: dict[str, Any] = {"concurrency_limit": 4, "concurrency_id": "tree"}
"""Trees take no GPU and little of the processor."""
STOPPED = VisitorError("Reading the tree was cancelled.", "Press Show the tree to start again.")


def family_tree(request: TreeRequest) -> data.Tree:
    """Read a model's family tree from the Hub: recipes, cards, tags and the Hub's own derivation, with
    evidence.

    Returns:
        nodes (id, sha, licence, status, share: bounds of the coefficient that its weights have in the
        model's), edges (source, target, relation, role, weight, evidence), licences (obligations with their
        way, conflicts, unknown), warnings.
    """
    return last(grow(request))


def parse_named(model: Any = "", **values: Any) -> TreeRequest:
    """A request over the API, which must name a model.

    Raises:
        VisitorError: as `TreeRequest.parse`, or no model is named.
    """
    return named(TreeRequest.parse(model=model, **values))


def programs_of(request: TreeRequest, _: Data) -> dict[str, str]:
    """The call that reads the same tree; a merge made here is not on the Hub."""
    if request.model == MERGED_HERE:
        return {}
    call = (
        "from gradio_client import Client\n\n"
        f'tree = Client("{ADDRESS}").predict(\n'
        f"    {request.model!r}, {request.ancestors}, {request.descendants}, {request.limit}, "
        'api_name="/family_tree"\n)\n'
        'for node in tree["nodes"]:\n    print(node["id"], node["licence"], node["share"])\n'
    )
    return {"The same tree from the API of a running demo": call}


def tree_text(argument: dict[str, Any]) -> str:
    """A tree as Mermaid or DOT, for the figure's download."""
    try:
        write = {"mermaid": exports.mermaid, "dot": exports.dot}[str(argument["format"])]
        return write(argument["nodes"], argument["edges"])
    except (KeyError, TypeError):
        raise VisitorError("The tree could not be written.", "Show the tree again.") from None


def paternity_of(
    tree: data.Tree, model: str, parents: Sequence[dict[str, Any]], child: Child | None
) -> data.Paternity:
    """Compare a model's weights with those of its declared parents.

    Args:
        tree: that the page shows.
        model: a member of it.
        parents: id and role of each.
        child: the merge that was made last.

    Raises:
        VisitorError: weights are not here, or the tree is not that of the last merge.
    """
    names = [str(parent["id"]) for parent in parents][:8]
    base = next((str(parent["id"]) for parent in parents if parent["role"] == "base"), names[0])
    check_downloads([base, *names, *([model] if model != MERGED_HERE else [])])
    if model != MERGED_HERE:
        folder = weights_of(model, whole=True)
    elif still_here(child).recipe == recipe_of(tree["request"]):
        folder = still_here(child).folder
    else:
        raise VisitorError("This is not the tree of the merge that was made last.", "Press Tree of my merge.")
    folders = {name: weights_of(name, whole=True) for name in [base, *names]}
    others = {name: folders[name] for name in names if name != base}
    return paternity(folder, folders[base], others).to_json(model)


def recipe_of(request: dict[str, Any]) -> str:
    """The recipe of the merge that a tree starts from."""
    return request["recipe"] or presets.PRESETS[presets.IN_FULL]


def replay_of(model: str, child: Child | None) -> data.Replay:
    """Compare the merge that was made last with a published model.

    Raises:
        VisitorError: there is no merge, or the model's weights are not here.
    """
    mine = still_here(child).folder
    return compare_weights(mine, weights_of(model, whole=True)).to_json()


def from_tree(event: gr.EventData) -> tuple[str, Any]:
    """A published recipe, and the room where it is merged."""
    return str(event.recipe_text)[:MAX_CHARACTERS], gr.Tabs(selected="merge")


def build(demo: gr.Blocks, tabs: gr.Tabs, recipe: gr.Textbox, child: gr.State) -> Room:
    """Controls, figure, and their events.

    Args:
        demo: the page.
        tabs: of the page.
        recipe: the field of the room where a published recipe can be merged.
        child: the merge that was made last.
    """
    first = example("tree")
    request = TreeRequest.parse(**first["request"])
    with gr.Row(equal_height=True):
        model = gr.Textbox(
            label="Model of the Hub, owner/name, or an expert",
            placeholder="empty: the first example's merge",
            max_lines=1,
            scale=4,
            min_width=240,
            elem_id="tree-model",
        )
        start = run_button("Show the tree", elem_id="grow")
        mine = gr.Button("Tree of my merge", scale=0, min_width=150, elem_classes="run", elem_id="grow-here")
        cancel = cancel_button()
    with gr.Accordion("Advanced: how far", open=False), gr.Row():
        numbers = {
            name: gr.Textbox(str(getattr(request, name)), label=label, max_lines=1, min_width=120)
            for name, label in (
                ("ancestors", "generations above"),
                ("descendants", "generations below"),
                ("limit", "models at most"),
            )
        }
    figure = Figure(
        first,
        folder=RENDERER,
        events=("recipe", "root", "expand", "test", "replay", "report"),
        fetch=(tree_text,),
        title=f"{TITLE}: family tree",
        elem_id="tree",
    )

    run = drawing(figure, grow)
    room = open_room(
        demo,
        tabs=tabs,
        name="tree",
        title=f"{TITLE}: family tree",
        request=TreeRequest,
        controls={"model": model, **numbers},
        buttons=(start, cancel),
        figure=figure,
        run=run,
        programs=programs_of,
        inputs=[child],
        triggers=[model.submit],
        marks=["tree="],
        stored=[first],
        stopped=STOPPED,
        queue=READING,
    )

    def reach(values: Values) -> dict[str, Any]:
        return {name: values[box] for name, box in numbers.items()}

    def of_mine(values: Values) -> Iterator[Values]:
        if values[child] is None:
            raise VisitorError("There is no merge yet.", "Press Merge and compare in the first room.")
        yield from run(TreeRequest.parse(recipe=values[child].recipe, **reach(values)), values)

    def of_member(values: Values, event: gr.EventData) -> Iterator[Values]:
        yield from run(TreeRequest.parse(model=event.id, **reach(values)), values)

    def expanded(values: Values, event: gr.EventData) -> Iterator[Values]:
        request = TreeRequest.parse(**event.request)
        wider = [*request.expand, str(event.key)]
        yield from run(TreeRequest.parse(**{**event.request, "expand": wider}), values)

    def with_test(tree: Data, result: Any) -> Values:
        return {figure: {**tree, "tested": result}}

    def tested(values: Values, event: gr.EventData) -> Iterator[Values]:
        tree = values[room.state]
        try:
            yield with_test(tree, paternity_of(tree, str(event.id), event.parents, values[child]))
        except VisitorError as error:
            yield with_test(tree, error.to_json())

    def replayed(values: Values, event: gr.EventData) -> Iterator[Values]:
        tree = values[room.state]
        try:
            yield with_test(tree, replay_of(str(event.id), values[child]))
        except VisitorError as error:
            yield with_test(tree, error.to_json())

    room.connect(mine.click, of_mine)
    room.connect(figure.root, of_member)
    room.connect(figure.expand, expanded)
    room.connect(figure.test, tested, **MODEL)
    room.connect(figure.replay, replayed, **MODEL)
    figure.recipe(from_tree, None, [recipe, tabs], **LIGHT)
    return room
