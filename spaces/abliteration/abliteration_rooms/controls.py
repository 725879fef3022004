"""What the rooms of the abliteration Space share: the controls above the tabs, and how a room is wired."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from abliteration import given, programs, reading
from abliteration.chat_request import EDIT, settings_of
from abliteration.edit import METHODS
from abliteration.encode import FORMATS
from abliteration.optimise import PROJECTIONS
from abliteration.request import Request
from abliteration.select import RULES
from abliteration.vector_programs import TENSORS
from abliteration_rooms.uploads import taken_vector, upload
from shared import gpu, page
from shared.errors import VisitorError
from shared.figure import Figure
from shared.room import LIGHT, QUIET, Data, Room, Run, Values, control_value, open_room
from shared.rules import KINDS

TITLE = "Abliteration"
HERE = Path(__file__).parents[1]
RENDERER = HERE / "abliteration" / "js"
MAX_KEPT = 20
"""Edits of a session that are kept for a comparison."""
PAIRS = [
    ("cooking questions against others", "cooking"),
    ("alarming words against plain ones", "alarming"),
    ("asked like a pirate against plainly", "pirate"),
    ("asked for one sentence against detail", "concise"),
    ("asked for a grand essay against a fact (slop)", "slop"),
    ("my own two sets", "own"),
]
SYNC = """() => {
  const told = () => {
    for (const box of document.querySelectorAll("textarea"))
      box.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const isRun = (event) => event.target.closest?.("button.run");
  document.addEventListener("pointerdown", (event) => isRun(event) && told(), true);
  document.addEventListener("keydown", (event) => isRun(event) && told(), true);
}"""
"""Before a run, let Gradio read every text field as it is: a browser extension, or a program that fills a
page, may put a text there without the event that typing and pasting have.
"""
_HINT = "What the rule is given."
PLACEHOLDER = (
    "One prompt a line, or a Hub dataset as hf://owner/name?split=train&column=text, or rows of your shelf "
    "as made/…?column=text"
)

example = partial(page.stored, HERE / "examples")


@dataclass(frozen=True)
class Controls:
    """The controls that every room reads.

    Args:
        boxes: by the request's own names.
        layers: how many layers the model of the last run has, for the kernel's editor.
        kept: the edits of the session, as `kept_with` makes them.
    """

    boxes: Mapping[str, Component]
    layers: gr.State
    kept: gr.State

    def follow(self, figure: Component, steps: Iterator[Data], values: Values) -> Iterator[Values]:
        """A run's data as values of the page: the figure, the number of layers once it is known, and at the
        end the session's edits with the run's.
        """
        for data in steps:
            known: Values = {self.layers: data["model"]["layers"]} if "model" in data else {}
            if is_done(data) and data.get("edit"):
                known[self.kept] = kept_with(values[self.kept], data)
            yield {figure: data, **known}

    def run(self, figure: Component, steps: Callable[[Request], Iterator[Data]]) -> Run:
        """A room's run that `follow` shows."""
        return lambda request, values: self.follow(figure, steps(request), values)


def build(request: Request) -> Controls:
    """One row with the model and its two sets, the visitor's own sets where they are chosen, the rest folded.

    Args:
        request: that the controls show first.
    """
    boxes: dict[str, Component] = {}
    with gr.Row():
        boxes["model"] = page.model_field(request.model, elem_id="model", min_width=200)
        boxes["contrast"] = contrast = gr.Dropdown(
            PAIRS, label="Two sets of prompts", elem_id="contrast", min_width=200
        )
    own = _own_sets(boxes, visible=request.contrast == "own")
    contrast.change(lambda name: gr.Row(visible=name == "own"), [contrast], [own], **LIGHT)

    def small(name: str, label: str = "", choices: tuple[str, ...] = ()) -> None:
        settings: dict[str, Any] = {"label": label or name, "min_width": 150}
        boxes[name] = (
            gr.Dropdown(list(choices), **settings) if choices else gr.Textbox(max_lines=1, **settings)
        )

    with gr.Accordion(
        "Advanced: layer, edit, format, kernel, prompts, what counts as the behaviour", open=False
    ):
        with gr.Row():
            small("layer", "layer (empty: by the rule)")
            small("position", "position (−1: last token)")
            small("projection", choices=PROJECTIONS)
            small("method", choices=METHODS)
            small("strength")
        boxes["vector"] = vector = gr.Textbox(
            label="vector file whose direction is taken (empty: the found one)",
            placeholder="made/…, by the button",
            max_lines=1,
            elem_id="vector",
            min_width=240,
        )
        with gr.Row(elem_classes="chips"):
            button = gr.UploadButton(
                "Upload a vector: safetensors or GGUF",
                file_types=list(given.ENDINGS),
                size="sm",
                scale=0,
                elem_id="upload-vector",
            )
        said = gr.HTML("", elem_id="vector-said")
        into = [vector, said, boxes["layer"]]
        button.upload(taken_vector, [button], into, **LIGHT)
        with gr.Row():
            small("format", "format of the prompts", FORMATS)
            small("thinking", "thinking", ("", "on", "off"))
            small("rule", "rule for the layer", RULES)
            small("candidates", "layers that it tries")
            small("answer_tokens", "tokens of an answer")
            small("seed")
        with gr.Row():
            boxes["kernel"] = gr.Textbox(
                label="kernel, as JSON",
                max_lines=3,
                elem_id="kernel-text",
                elem_classes="mono",
                scale=4,
                min_width=240,
            )
            small("trials", "kernels that the search tries")
        with gr.Row():
            for name, label in (
                ("prompts", "Prompts to answer, one a line (empty: two of each set)"),
                ("system", "System prompt (empty: the template's)"),
                ("markers", "Markers of a refusal, one a line (empty: the rule's)"),
            ):
                boxes[name] = gr.Textbox(label=label, lines=2, max_lines=8, min_width=240, elem_id=name)
        with gr.Row():
            choices = [("the pair's own; else it refuses", ""), *((kind, kind) for kind in KINDS)]
            boxes["shows"] = shows = gr.Dropdown(
                choices, label="The answer …", min_width=200, elem_id="shows", info="A rule without code."
            )
            boxes["value"] = gr.Textbox(
                label="Its value", lines=2, max_lines=8, min_width=240, elem_id="value", info=_HINT
            )
            boxes["against"] = gr.Textbox(
                label="… than this answer",
                lines=2,
                max_lines=4,
                min_width=200,
                elem_id="against",
                info="Of “is likelier” alone.",
            )
    shows.change(_hint, [shows], [boxes["value"]], **LIGHT)
    for box in (boxes["model"], contrast):  # a layer belongs to the model and the sets that it was found with
        box.input(lambda: "", None, [boxes["layer"]], **LIGHT)  # type: ignore[attr-defined]
    show(request, boxes)
    return Controls(boxes, gr.State(example("find")["model"]["layers"]), gr.State([]))


def kept_with(kept: Sequence[dict[str, Any]], data: Data) -> list[dict[str, Any]]:
    """A session's edits with that of a run, each once, the last `MAX_KEPT`: label and settings."""
    edit, stated = data["edit"], data.get("chosen") or data["request"]
    own = {name: stated[name] for name in EDIT if name in stated}
    if not own.get("vector"):
        own["layer"] = edit["layer"]  # the one that was chosen
    settings = settings_of(Request.parse(**own))
    if any(one["settings"] == settings for one in kept):
        return list(kept)
    number = 1 + max((one["number"] for one in kept), default=0)
    where = own.get("vector") or f"layer {edit['layer']}, {edit['projection']}"
    label = f"{number}: {edit['method']}, {where}, strength {edit['strength']:g}"
    return [*kept, {"number": number, "label": label, "settings": settings}][-MAX_KEPT:]


def _hint(kind: str) -> gr.Textbox:
    """The field of a rule's value, with what it takes."""
    says = "The pair's own rule, or refusing." if not kind else f"{KINDS[kind][:1].upper()}{KINDS[kind][1:]}."
    if kind == "refuses":
        says = "Nothing: its phrases are the markers, under Advanced."
    return gr.Textbox(info=says)


def follow_tabs(rooms: Sequence[tuple[gr.Tab, Room[Any]]]) -> None:
    """Let the controls ask for the stored example that an opened tab shows, as long as they ask for another
    tab's: what a visitor has set stays, and so does what a link asks for.
    """
    asked = [example_of(room) for _, room in rooms]
    for tab, room in rooms:

        def opened(values: Values, page: gr.Request, room: Room[Any] = room) -> Any:
            linked = room.request.is_in(str(page.query_params))  # the address names the open room too
            form = None if linked else form_of_example(room, values, asked)
            return gr.skip() if form is None else form

        boxes = list(room.controls.values())
        tab.select(opened, {*boxes, room.state}, boxes, **LIGHT)


def example_of(room: Room[Any]) -> Request:
    """The request of a room's stored example."""
    assert room.figure.data is not None
    found: Request = room.request.parse(**room.figure.data["request"])
    return found


def form_of_example(room: Room[Any], values: Values, asked: Sequence[Request]) -> Values | None:
    """What a room's controls show for its stored example; None where the room shows another result, or the
    controls ask for no example.

    Args:
        values: of the room's controls and its state.
        asked: the requests of all rooms' examples.
    """
    if not (values[room.state] or {}).get("example"):
        return None
    try:
        now = room.parse(values)
    except VisitorError:
        return None
    first = example_of(room)
    is_asked = any(_common(now) == _common(one) for one in asked)
    return room.form(first) if is_asked and _common(now) != _common(first) else None


def _common(request: Request) -> dict[str, Any]:
    """The settings that all rooms share."""
    stated = request.to_json()
    return {name: stated[name] for name in Request.declared()}


def show(request: Request, boxes: Mapping[str, Component]) -> None:
    """Let controls begin with a request's values."""
    form = request.to_form()
    for name, box in boxes.items():
        box.value = control_value(box, form[name])


def _own_sets(boxes: dict[str, Component], visible: bool) -> gr.Row:
    """The fields of the visitor's own sets, which are there only where they are used."""
    with gr.Row(visible=visible) as own:
        for name, label in (
            ("positive", "Positive: they show the behaviour"),
            ("negative", "Negative: they do not"),
        ):
            with gr.Column(min_width=260):
                boxes[name] = box = gr.Textbox(
                    label=label, lines=5, max_lines=12, placeholder=PLACEHOLDER, elem_id=name
                )
                with gr.Row(equal_height=True):
                    button = gr.UploadButton(
                        "Upload text, JSON, JSONL or CSV",
                        file_types=[".txt", *reading.DATA],
                        size="sm",
                        scale=0,
                        min_width=240,
                        elem_id=f"upload-{name}",
                    )
                    column = gr.Textbox(
                        placeholder="its column (empty: prompt, text …)",
                        label=f"Column of the file with the {name} set",
                        show_label=False,
                        container=False,
                        max_lines=1,
                        min_width=200,
                        elem_id=f"column-{name}",
                    )
                button.upload(upload, [button, column], [box], **QUIET)  # queued: an error needs the queue
    return own


def programs_of(request: Request, data: Data) -> dict[str, str]:
    """The programs below a figure."""
    program = programs.client_program(request, page.ADDRESS)
    return {
        "The same edit from the API of a running demo": program,
        **{
            f"In {library}, with {TENSORS} of “the direction as vectors”": text
            for library, text in data.get("programs", {}).items()
        },
    }


def open_tab(
    demo: gr.Blocks,
    tabs: gr.Tabs,
    controls: Controls,
    figure: Figure,
    run: Run,
    *,
    request: type[Request] = Request,
    own: Mapping[str, Component] | None = None,
    outputs: Sequence[Component] = (),
    **settings: Any,
) -> Room[Any]:
    """`open_room` with what the rooms that share these controls have in common; the figure shows its stored
    example.

    Args:
        demo: the page.
        tabs: of the page.
        controls: that the rooms share.
        figure: of the room.
        run: see `Controls.run`.
        request: what the controls make.
        own: further controls.
        outputs: what the run may set beside the figure and the number of layers.
        settings: of `open_room`.
    """
    assert figure.data is not None
    return open_room(
        demo,
        tabs=tabs,
        title=TITLE,
        request=request,
        controls={**controls.boxes, **(own or {})},
        figure=figure,
        run=run,
        inputs=[controls.kept],
        outputs=[controls.layers, controls.kept, *outputs],
        stored=[figure.data],
        **{
            "programs": programs_of,
            "stopped": VisitorError("The run was cancelled.", "Start it again."),
            **settings,
        },
    )


def is_done(data: Any) -> bool:
    """Whether a run's data is its last."""
    return bool(data["done"])


def with_cost(verb: str, seconds: int) -> str:
    """A button's text, on ZeroGPU with what it costs."""
    return f"{verb} · up to {gpu.charged(seconds)} s of GPU" if gpu.on_zero_gpu() else verb
