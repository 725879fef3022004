"""The abliteration Space: controls and events. The maths is in the package `abliteration`, the pictures in
`abliteration/js`.
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

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import gradio as gr
from gradio.data_classes import FileData

from abliteration import sets
from abliteration.ablate import METHODS
from abliteration.encode import FORMATS
from abliteration.kernel import resolve
from abliteration.optimise import PROJECTIONS
from abliteration.request import Request, validate
from abliteration.select import RULES
from shared import frame, hub
from shared.checks import between, whole
from shared.errors import VisitorError
from shared.figure import Figure, stylesheet

TITLE = "Abliteration"
LEDE = (
    "A model's habit, such as refusing, can lie along one direction of its residual stream. Find the direction, remove it, and see with honest "
    "numbers what went and what else moved."
)
RENDERER = HERE / "abliteration" / "js"
EXAMPLES = HERE / "examples"
MAX_AMOUNT = 1_000_000
"""Largest activation that a feature is held at."""
MAX_FEATURE = 10_000_000
"""Largest feature number: a loaded autoencoder may be wider than those that are trained here."""
UPDATE_SECONDS = 0.4
"""Time between two updates of a running figure."""

css = stylesheet(RENDERER)
example = partial(frame.stored, EXAMPLES)

SECONDS = {
    "find": 60,
    "ablate": 60,
    "measure": 90,
    "ablate and measure": 120,
    "optimise": 90,
    "features": 120,
    "feature": 60,
    "certificate": 60,
    "export": 150,
}
"""GPU seconds to ask for by room; not measured on ZeroGPU yet, so generous."""


def seconds(room: str, asked: dict[str, Any], *_: Any, **__: Any) -> int:
    """What a room asks for, the search by its trials."""
    return min(240, SECONDS[room] + (2 * int(asked["trials"]) if room == "optimise" else 0))


def work(room: str, asked: Request, folder: str = "", **more: Any) -> Iterator[dict[str, Any]]:
    """Run a room, yielding its growing figure, the complete one last.

    Args:
        room: one of SECONDS.
        asked: checked.
        folder: of this result's files.
        more: as `compute`.
    """
    from abliteration import outcome

    yield from outcome.prepared(room, asked.to_json(), Path(folder))
    yield from compute(room, asked.to_json(), folder, **more)


@gpu.on_gpu(duration=seconds)
def compute(
    room: str,
    asked: dict[str, Any],
    folder: str = "",
    form: str = "safetensors",
    feature: int = 0,
    amount: float | None = None,
) -> Iterator[dict[str, Any]]:
    """The part of a room that has the GPU."""
    from abliteration import outcome

    steps = {
        "find": lambda: outcome.find(asked),
        "ablate": lambda: outcome.ablate(asked),
        "measure": lambda: outcome.measured(asked),
        "ablate and measure": lambda: outcome.ablate_and_measure(asked),
        "optimise": lambda: outcome.optimised(asked),
        "features": lambda: outcome.explained(asked, Path(folder)),
        "feature": lambda: outcome.feature_edit(asked, Path(folder), feature, amount),
        "certificate": lambda: outcome.certified(asked),
        "export": lambda: outcome.exported(asked, Path(folder), form),
    }[room]()
    shown = 0.0
    for data in steps:
        if data["done"] or time.monotonic() - shown >= UPDATE_SECONDS:
            yield data
            shown = time.monotonic()


def find_direction(
    model: str = "cautious",
    positive: list[str] | None = None,
    negative: list[str] | None = None,
    layer: int | None = None,
    seed: int = 0,
    format: str = "chat",
) -> dict[str, Any]:
    """Find the direction along which a model parts two sets of prompts, and choose the layer to read it at.

    Args:
        model: a Hub id, or the expert cautious.
        positive: prompts that show the behaviour; the stored cooking questions where both sets are left out.
        negative: prompts that do not.
        layer: to take by hand.
        seed: of the split.
        format: chat, the prompts in the model's chat template, or plain, as they are.

    Returns:
        layers (separation d_prime and auc, norm, candidate with bypass, induce and kl), choice, and
        direction: what ablate takes.
    """
    asked = validate(
        model=model, positive=positive or (), negative=negative or (), layer=layer, seed=seed, format=format
    )
    data = frame.last(work("find", asked))
    chosen = {**asked.to_json(), "layer": data["choice"]["layer"]}
    return {**data, "direction": {name: chosen[name] for name in DIRECTION}}


DIRECTION = ("model", "contrast", "positive", "negative", "format", "seed", "layer", "position", "projection")
"""What determines a direction."""


def ablate(
    model: str = "",
    direction: dict[str, Any] | None = None,
    method: str = "ablate",
    strength: float = 1.0,
    kernel: dict[str, Any] | None = None,
    prompts: list[str] | None = None,
) -> dict[str, Any]:
    """Answer prompts with the model as it is and with the direction removed, and measure both on the report
    prompts.

    Args:
        model: a Hub id, or an expert; by default the direction's model, and cautious without a direction.
        direction: as find_direction returns it; by default the stored pair's, read at the layer that the rule
            chooses.
        method: ablate, norm_preserving, affine or add.
        strength: multiplies the kernel; with add, how many times the difference of means is added.
        kernel: {"embedding": 1, "attention": 1, "mlp": 1}; a number for all layers, a list with one for each,
            or a falloff.
        prompts: to answer side by side, at most 6.

    Returns:
        pairs (base and edited answer, KL at each token, X-ray) and measures (refusals with 95 % Wilson
        intervals, KL, loss, facts).
    """
    asked = request_of(
        direction, model, method=method, strength=strength, kernel=kernel, prompts=prompts or ()
    )
    return frame.last(work("ablate and measure", asked))


def request_of(direction: dict[str, Any] | None, model: str, **settings: Any) -> Request:
    """The request of an API call: what its direction says, and its own settings over that.

    Raises:
        VisitorError: the direction is none, or of another model; or as `validate`.
    """
    if direction is not None and not isinstance(direction, dict):
        raise VisitorError(
            "The direction is no object.", "Pass on what find_direction returned as direction."
        )
    given = {"model": model, **(direction or {})}
    if model and given["model"] != model:
        raise VisitorError(
            f"The direction is of {str(given['model'])[:80]}, the model is {str(model)[:80]}.",
            "Leave the model out, or find a direction of it.",
        )
    return validate(**{**given, **settings})


def features(
    model: str = "",
    direction: dict[str, Any] | None = None,
    layer: int | None = None,
    steps: int = 300,
    sae: str = "",
) -> dict[str, Any]:
    """Train a TopK sparse autoencoder at a layer, or load one, and say which of its features the direction is
    made of.

    Args:
        model: a Hub id, or an expert; by default the direction's model, and cautious without a direction.
        direction: as find_direction returns it.
        layer: whose input the autoencoder reads; the direction's by default.
        steps: of training, 256 activations each.
        sae: a trained one to load instead, "release/id" of sae-lens' registry.

    Returns:
        sae (explained variance, dead features), pursuit (features, explained share, null of random
        dictionaries), tops, prompts.
    """
    asked = request_of(direction, model, sae_layer=layer, steps=steps, sae=sae)
    return frame.last(work("features", asked, str(frame.result_folder())))


def export(
    model: str = "",
    direction: dict[str, Any] | None = None,
    method: str = "ablate",
    strength: float = 1.0,
    kernel: dict[str, Any] | None = None,
    form: str = "safetensors",
) -> tuple[dict[str, Any], FileData]:
    """Bake the edit into weights, with a certificate and a card of what was measured.

    Args:
        model: a Hub id, or an expert; by default the direction's model, and cautious without a direction.
        direction: as find_direction returns it.
        method: ablate or norm_preserving.
        strength: multiplies the kernel.
        kernel: as for ablate.
        form: safetensors for the whole model, lora for a rank-1 adapter.

    Returns:
        A report with certificate and measures, and the files as a zip archive.
    """
    asked = request_of(direction, model, method=method, strength=strength, kernel=kernel)
    folder = frame.result_folder()
    (folder / "edited").mkdir()
    data = frame.last(work("export", asked, str(folder / "edited"), form=form))
    path = frame.zipped(folder / "edited", folder / "edited.zip")
    shutil.rmtree(folder / "edited")  # it is as large as the archive
    return data, FileData(path=str(path), orig_name="edited.zip")


# The page

CONTROLS = (
    "model",
    "contrast",
    "positive",
    "negative",
    "layer",
    "position",
    "projection",
    "method",
    "strength",
    "kernel",
    "prompts",
    "seed",
    "format",
    "rule",
    "candidates",
    "trials",
    "answer_tokens",
)
SAE_CONTROLS = ("sae", "sae_layer", "features", "k", "steps")
"""Of the features room alone."""
STORED_SAE = EXAMPLES / "sae"
"""The autoencoder of the stored example."""


def asked_of(values: tuple[Any, ...]) -> Request:
    """The request that the controls make, with or without those of the features room."""
    given = dict(zip((CONTROLS + SAE_CONTROLS)[: len(values)], values, strict=True))
    if given["contrast"] != "own":
        given["positive"] = given["negative"] = ()
    return validate(**given)


def kernel_value(text: str, layers: int) -> dict[str, Any]:
    """What the kernel's editor shows for a text, or why it cannot."""
    try:
        return {"kind": "kernel", "layers": layers, **resolve(validate(kernel=text).kernel, layers).to_json()}
    except VisitorError as error:
        return error.to_json()
    except Exception as error:  # noqa: BLE001  the page must go on whatever was typed
        return frame.unexpected(error).to_json()


def from_kernel(event: gr.EventData) -> str:
    """The kernel that was drawn, as text."""
    return json.dumps(event.kernel, separators=(", ", ": "))


def shown(room: str, asked: Request) -> Iterator[tuple[Any, Any, Any, Any]]:
    """Run a room; figure, number of layers for the kernel's editor, panel, and what a changed feature needs
    follow.
    """
    folder = str(frame.result_folder()) if room == "features" else ""
    for data in work(room, asked, folder):
        trained = {"folder": folder, "asked": asked.to_json()} if data["done"] and folder else gr.skip()
        yield data, layers_of(data), panel_of(data) if data["done"] else gr.skip(), trained


def layers_of(data: dict[str, Any]) -> Any:
    """How many layers the kernel's editor has to show, once a figure says it."""
    return data["model"]["layers"] if "model" in data else gr.skip()


def room_page(room: str, *values: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Run a room; figure, number of layers and panel follow."""
    for figure, layers, panel, _ in shown(room, asked_of(values)):
        yield figure, layers, panel


def features_page(*values: Any) -> Iterator[tuple[Any, Any, Any, Any]]:
    """Train or load an autoencoder; figure, number of layers, panel and what a changed feature needs
    follow.
    """
    yield from shown("features", asked_of(values))


def steer_page(event: gr.EventData, trained: dict[str, Any], *values: Any) -> Iterator[Any]:
    """Answer with one feature of the autoencoder above removed, or held at an amount."""
    feature = whole(0, MAX_FEATURE)("The feature", event.feature)
    amount = None if event.amount is None else between(0, MAX_AMOUNT)("The amount", event.amount)
    asked = replace(validate(**trained["asked"]), prompts=asked_of(values).prompts)
    yield from work("feature", asked, trained["folder"], feature=feature, amount=amount)


def place(event: gr.EventData) -> tuple[str, str]:
    """Layer and position that were picked on the map."""
    asked = validate(layer=event.layer, position=event.position)
    return str(asked.layer), str(asked.position)


def upload(path: str) -> tuple[str, str]:
    """An uploaded set, one prompt a line or a JSON list, as the text of its field, and what chooses the
    fields.
    """
    try:
        if Path(path).stat().st_size > 1_000_000:
            raise VisitorError("The file is larger than 1 MB.", "Upload at most 256 prompts.")
        prompts = sets.read(Path(path).read_text(encoding="utf-8-sig"))
        return "\n".join(" ".join(prompt.split()) for prompt in prompts), "own"
    except UnicodeDecodeError as error:
        raise VisitorError(
            "The file is not text.", "Upload text with one prompt a line, or a JSON list of texts."
        ) from error


def chosen(event: gr.EventData) -> tuple[str, str, str, str]:
    """Layer, projection, strength and kernel of the search's best, for the controls."""
    asked = validate(**dict(event.chosen))
    return str(asked.layer), asked.projection, str(asked.strength), json.dumps(asked.kernel)


def export_page(form: str, *values: Any) -> Iterator[tuple[Any, Any, Any, Any]]:
    """Export; figure, number of layers, files and what can be pushed follow."""
    asked = asked_of(values)
    folder = frame.result_folder() / "edited"
    folder.mkdir()
    for data in work("export", asked, str(folder), form=form):
        if data["done"]:
            files = [str(path) for path in sorted(folder.iterdir())]
            yield (
                data,
                layers_of(data),
                gr.Files(files, visible=True, interactive=False),
                {"files": files, "card": data["card"]},
            )
        else:
            yield data, layers_of(data), gr.skip(), gr.skip()


def panel_of(data: dict[str, Any]) -> dict[str, Any]:
    """What stands below a figure: a call that gives the same, and its link."""
    asked = validate(**data["request"])
    kept = {
        name: value
        for name, value in asked.to_json().items()
        if name in DIRECTION and value not in (None, [], ())
    }
    call = (
        "from gradio_client import Client\n\n"
        f'client = Client("{frame.ADDRESS}")\n'
        f"direction = {json.dumps(kept, indent=1)}\n"
        f"answer = client.predict(direction=direction, method={asked.method!r}, strength={asked.strength:g},\n"
        f'                        kernel={json.dumps(asked.kernel)}, api_name="/ablate")\n'
        'print(answer["measures"]["behaviour"]["positive"]["edited"]["refused"])\n'
    )
    query = asked.to_query()
    link = "&".join(filter(None, (f"room={data['kind']}", query)))
    if not query and asked != Request():  # the visitor's own sets are too long for a link
        link = ""
    return frame.panel_value(
        TITLE, {"The same edit from the API of a running demo": call}, link, live=not data.get("example")
    )


def open_link(query: str) -> Iterator[tuple[Any, ...]]:
    """Set the controls from the URL's query and run the room that it names."""
    room, _, rest = query.partition("room=")[2].partition("&")
    room = room if room in TABS else "find"
    asked = Request.from_query(
        "&".join(part for part in (query.partition("room=")[0].strip("?&"), rest) if part)
    )
    tab = list(dict.fromkeys(TABS.values())).index(TABS[room])
    yield gr.Tabs(selected=TABS[room]), *values_of(asked, CONTROLS + SAE_CONTROLS), *[gr.skip()] * OUTPUTS
    # an error belongs into the figure of the tab that was opened
    for figure, layers, panel, trained in frame.for_page(shown, 0, 4)(room, asked):
        outputs = [gr.skip()] * OUTPUTS
        outputs[2 * tab], outputs[2 * tab + 1], outputs[-2], outputs[-1] = figure, panel, layers, trained
        yield *[gr.skip()] * (1 + len(CONTROLS) + len(SAE_CONTROLS)), *outputs


TABS = {
    "find": "find",
    "ablate": "ablate",
    "measure": "measure",
    "optimise": "measure",
    "features": "features",
    "certificate": "take",
}
"""The tab of every room that a link can name."""
OUTPUTS = 2 * len(set(TABS.values())) + 2
"""A figure and a panel for every tab, the number of layers, and the trained autoencoder."""


def values_of(asked: Request, names: tuple[str, ...]) -> list[str]:
    """A request as the values of controls."""
    return [text_of(getattr(asked, name)) for name in names]


def text_of(value: Any) -> str:
    """A setting as its control shows it."""
    if isinstance(value, tuple):
        return "\n".join(value)
    if isinstance(value, dict):
        return json.dumps(value)
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)


def push(taken: dict[str, Any] | None, repository: str, token: str | None) -> str:
    """Upload an export into a private repository; its URL.

    Raises:
        VisitorError: nothing was exported yet, or as `hub.push`.
    """
    if not taken:
        raise VisitorError("There is nothing to push yet.", "Press Export first.")
    files = {Path(path).name: Path(path) for path in taken["files"] if Path(path).name != "README.md"}
    return hub.push(repository, "model", files, taken["card"], token, private=True)


def label(verb: str, room: str) -> str:
    """A button's text, with the room's cost where it costs GPU time."""
    return f"{verb} · up to {seconds(room, Request().to_json())} s of GPU" if gpu.on_zero_gpu() else verb


WRITTEN = "One prompt a line, or a Hub dataset as hf://owner/name?split=train&column=text"
"""How a set is written into its field."""


def build_controls(asked: Request) -> dict[str, Any]:
    """The controls that every room reads, in the order of CONTROLS."""
    value = dict(zip(CONTROLS, values_of(asked, CONTROLS), strict=True))
    boxes: dict[str, Any] = {}

    def small(name: str, says: str = "", choices: tuple[str, ...] = ()) -> None:
        said: dict[str, Any] = {"value": value[name], "label": says or name, "min_width": 120}
        boxes[name] = gr.Dropdown(list(choices), **said) if choices else gr.Textbox(max_lines=1, **said)

    with gr.Row():
        boxes["model"] = frame.model_field(value["model"], elem_id="model")
        pairs = [
            ("cooking questions against others", "cooking"),
            ("alarming words against plain ones", "alarming"),
            ("my own two sets", "own"),
        ]
        boxes["contrast"] = gr.Dropdown(
            pairs, value=value["contrast"], label="Two sets of prompts", elem_id="contrast"
        )
    with (
        gr.Accordion("My own two sets", open=False),
        gr.Row(),
    ):
        for name, says in (
            ("positive", "Positive: they show the behaviour"),
            ("negative", "Negative: they do not"),
        ):
            with gr.Column():
                box = gr.Textbox(value[name], label=says, lines=5, placeholder=WRITTEN, elem_id=name)
                box.input(lambda: "own", None, [boxes["contrast"]], **frame.LIGHT)
                button = gr.UploadButton(
                    "Upload a text file or JSON list",
                    file_types=[".txt", ".json"],
                    size="sm",
                    elem_id=f"upload-{name}",
                )
                button.upload(frame.for_api(upload), [button], [box, boxes["contrast"]], **frame.LIGHT)
                boxes[name] = box
    with gr.Accordion(
        "Advanced: format, layer, position, method, strength, search, prompts, seed", open=False
    ):
        with gr.Row():
            small("format", "format of the prompts", FORMATS)
            small("layer", "layer (empty: the rule chooses)")
            small("position", "position (−1: last token)")
            small("projection", choices=PROJECTIONS)
            small("method", choices=METHODS)
            small("strength")
        with gr.Row():
            small("rule", "rule that chooses the layer", RULES)
            small("candidates", "layers that it tries")
            small("trials", "kernels that the search tries")
            small("answer_tokens", "tokens of an answer")
            small("seed")
        boxes["prompts"] = gr.Textbox(
            value["prompts"],
            label="Prompts to answer side by side, one a line (empty: two of each set)",
            lines=2,
        )
        boxes["kernel"] = gr.Textbox(
            value["kernel"], label="kernel, JSON", max_lines=3, elem_id="kernel-text", elem_classes="mono"
        )
    return {name: boxes[name] for name in CONTROLS}


Room = tuple[gr.Button, list[Any], list[Figure]]
"""A room's Cancel button, the runs that it ends, and the figures that show them."""


def buttons(verb: str, room: str) -> tuple[gr.Button, gr.Button]:
    """A room's primary button and its Cancel."""
    with gr.Row():
        start = gr.Button(label(verb, room), variant="primary", scale=2, elem_id=f"run-{room}")
        return start, frame.cancel_button(elem_id=f"cancel-{room}")


def build() -> gr.Blocks:
    """The page."""
    found = example("optimise")
    # the kernel that the search found; its layer is left to the rule, which also fits another model
    asked = replace(validate(**found["chosen"]), layer=None)
    page = partial(frame.for_page, figure_index=0, outputs=3)
    with frame.page(TITLE, LEDE) as demo:
        boxes = build_controls(asked)
        controls, kernel = list(boxes.values()), boxes["kernel"]
        layers = gr.State(found["model"]["layers"])
        outputs: list[Any] = []
        rooms: list[Room] = []
        with gr.Tabs() as tabs:
            with gr.Tab("1 Find", id="find"):
                start, cancel = buttons("Find the direction", "find")
                figure = Figure(
                    example("find"),
                    folder=RENDERER,
                    events=("place",),
                    title=f"{TITLE}: find",
                    elem_id="find",
                )
                panel = frame.panel(panel_of(example("find")))
                outputs += [figure, panel]
                run = start.click(
                    page(partial(room_page, "find")), controls, [figure, layers, panel], **frame.HEAVY
                )
                rooms.append((cancel, [run], [figure]))
                figure.place(frame.for_api(place), None, [boxes["layer"], boxes["position"]], **frame.LIGHT)
            with gr.Tab("2 Remove", id="ablate"):
                editor = Figure(
                    kernel_value(json.dumps(asked.kernel), found["model"]["layers"]),
                    folder=RENDERER,
                    events=("kernel",),
                    title=f"{TITLE}: kernel",
                    elem_id="kernel",
                )
                start, cancel = buttons("Remove it", "ablate")
                figure = Figure(
                    example("ablate"), folder=RENDERER, title=f"{TITLE}: remove", elem_id="ablate"
                )
                panel = frame.panel(panel_of(example("ablate")))
                outputs += [figure, panel]
                run = start.click(
                    page(partial(room_page, "ablate")), controls, [figure, layers, panel], **frame.HEAVY
                )
                rooms.append((cancel, [run], [figure]))
            with gr.Tab("3 Measure", id="measure"):
                with gr.Row():
                    start = gr.Button(
                        label("Measure", "measure"), variant="primary", scale=2, elem_id="run-measure"
                    )
                    search = gr.Button(label("Search a kernel", "optimise"), scale=2, elem_id="run-search")
                    cancel = frame.cancel_button()
                figure = Figure(
                    found, folder=RENDERER, events=("chosen",), title=f"{TITLE}: measure", elem_id="measure"
                )
                panel = frame.panel(panel_of(found))
                outputs += [figure, panel]
                runs = [
                    button.click(
                        page(partial(room_page, room)), controls, [figure, layers, panel], **frame.HEAVY
                    )
                    for button, room in ((start, "measure"), (search, "optimise"))
                ]
                rooms.append((cancel, runs, [figure]))
                places = [boxes[name] for name in ("layer", "projection", "strength", "kernel")]
                figure.chosen(frame.for_api(chosen), None, places, **frame.LIGHT)
            with gr.Tab("4 Features", id="features"):
                sae_controls, (figure, panel, trained), room = build_features(controls, asked, layers)
                outputs += [figure, panel]
                rooms.append(room)
            with gr.Tab("5 Take home", id="take"):
                (figure, panel), room = build_take(controls, layers)
                outputs += [figure, panel]
                rooms.append(room)
        outputs += [layers, trained]
        opened_outputs = [tabs, *controls, *sae_controls, *outputs]
        opened = frame.on_link(
            demo,
            "room=",
            frame.for_page(open_link, len(opened_outputs) - OUTPUTS, len(opened_outputs)),
            opened_outputs,
            **frame.HEAVY,
        )
        for cancel, runs, figures in rooms:
            frame.on_cancel(
                cancel, [opened, *runs], figures, VisitorError("The run was cancelled.", "Start it again.")
            )
        editor.kernel(from_kernel, None, [kernel], **frame.LIGHT)
        gr.on(
            [kernel.change, layers.change],
            kernel_value,
            [kernel, layers],
            [editor],
            trigger_mode="always_last",
            **frame.LIGHT,
        )
        frame.about(HERE / "README.md")
        for function in (find_direction, ablate, features, export):
            gr.api(
                frame.for_api(function),
                api_name=function.__name__,
                concurrency_limit=1,
                concurrency_id="model",
            )
    return demo


def build_features(
    controls: list[Any], asked: Request, layers: gr.State
) -> tuple[list[Any], tuple[Any, Any, Any], Room]:
    """The room of autoencoders, after its own controls and its outputs (figure, panel, what was trained)."""
    sae, layer, features, k, steps = values_of(asked, SAE_CONTROLS)
    with gr.Accordion("Autoencoder: train one of this size, or load one", open=False), gr.Row():
        own = [
            gr.Textbox(sae, label="load from sae-lens' registry, release/id", max_lines=1, min_width=220),
            gr.Textbox(layer, label="layer (empty: the direction's)", max_lines=1, min_width=120),
            gr.Textbox(features, label="features", max_lines=1, min_width=90),
            gr.Textbox(k, label="k, active at a token", max_lines=1, min_width=90),
            gr.Textbox(steps, label="steps of 256 activations", max_lines=1, min_width=90),
        ]
    start, cancel = buttons("Take it apart", "features")
    figure = Figure(
        example("features"),
        folder=RENDERER,
        events=("steer",),
        title=f"{TITLE}: features",
        elem_id="features",
    )
    panel = frame.panel(panel_of(example("features")))
    steered = Figure({"kind": "feature"}, folder=RENDERER, title=f"{TITLE}: feature", elem_id="steered")
    trained = gr.State({"folder": str(STORED_SAE), "asked": example("features")["request"]})
    run = start.click(
        frame.for_page(features_page, 0, 4),
        [*controls, *own],
        [figure, layers, panel, trained],
        **frame.HEAVY,
    )
    steer = figure.steer(frame.for_page(steer_page), [trained, *controls], [steered], **frame.HEAVY)
    return own, (figure, panel, trained), (cancel, [run, steer], [figure, steered])


def build_take(controls: list[Any], layers: gr.State) -> tuple[tuple[Any, Any], Room]:
    """The room where an edit is certified, exported and pushed, after its outputs (figure, panel)."""
    with gr.Row():
        certify = gr.Button(label("Certify", "certificate"), variant="primary", elem_id="run-certify")
        form = gr.Dropdown(
            [("the whole model", "safetensors"), ("a rank-1 LoRA adapter", "lora")],
            value="lora",
            label="as",
            elem_id="form",
        )
        start = gr.Button(label("Export", "export"), elem_id="run-export")
        cancel = frame.cancel_button()
    figure = Figure(
        example("certificate"), folder=RENDERER, title=f"{TITLE}: certificate", elem_id="certificate"
    )
    panel = frame.panel(panel_of(example("certificate")))
    files = gr.Files(label="The edited model", visible=False, interactive=False, elem_id="files")
    taken = gr.State(None)
    frame.push_row("Private model repository to create, owner/name", push, [taken])
    certified = certify.click(
        frame.for_page(partial(room_page, "certificate"), 0, 3),
        controls,
        [figure, layers, panel],
        **frame.HEAVY,
    )
    exported = start.click(
        frame.for_page(export_page, 0, 4), [form, *controls], [figure, layers, files, taken], **frame.HEAVY
    )
    return (figure, panel), (cancel, [certified, exported], [figure])


demo = build()

if __name__ == "__main__":
    frame.launch(demo, css)
