"""The abliteration Space: controls and events. The maths is in the package `abliteration`, the pictures in `abliteration/js`."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE if (HERE / "shared").is_dir() else HERE.parents[1]  # a staged Space carries `shared`, the repository shares it
sys.path[:0] = [path for path in (str(HERE), str(ROOT)) if path not in sys.path]

from shared import gpu  # isort: skip  imports spaces, which must come before torch

import json
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import gradio as gr
from gradio.data_classes import FileData

from abliteration import sets
from abliteration.ablate import METHODS
from abliteration.kernel import resolve
from abliteration.optimise import PROJECTIONS
from abliteration.request import Request, validate
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

SECONDS = {"find": 60, "ablate": 60, "measure": 90, "optimise": 90, "features": 120, "feature": 60, "certificate": 60, "export": 150}
"""GPU seconds to ask for by room; not measured on ZeroGPU yet, so generous."""


def seconds(room: str, asked: dict[str, Any], *_: Any, **__: Any) -> int:
    """What a room asks for, the search by its trials."""
    return min(240, SECONDS[room] + (2 * int(asked["trials"]) if room == "optimise" else 0))


@gpu.on_gpu(duration=seconds)
def work(
    room: str, asked: dict[str, Any], folder: str = "", form: str = "safetensors", feature: int = 0, amount: float | None = None
) -> Iterator[dict[str, Any]]:
    """Run a room, yielding its growing figure, the complete one last."""
    from abliteration import outcome

    steps = {
        "find": lambda: outcome.find(asked), "ablate": lambda: outcome.ablate(asked), "measure": lambda: outcome.measured(asked),
        "optimise": lambda: outcome.optimised(asked), "features": lambda: outcome.explained(asked, Path(folder)),
        "feature": lambda: outcome.feature_edit(asked, Path(folder), feature, amount),
        "certificate": lambda: outcome.certified(asked), "export": lambda: outcome.exported(asked, Path(folder), form),
    }[room]()  # fmt: skip
    shown = 0.0
    for data in steps:
        if data["done"] or time.monotonic() - shown >= UPDATE_SECONDS:
            yield data
            shown = time.monotonic()


def find_direction(
    model: str = "cautious", positive: list[str] | None = None, negative: list[str] | None = None, layer: int | None = None, seed: int = 0
) -> dict[str, Any]:
    """Find the direction along which a model parts two sets of prompts, and choose the layer to read it at.

    Args:
        model: a Hub id, or the expert cautious.
        positive: prompts that show the behaviour; the stored cooking questions where both sets are left out.
        negative: prompts that do not.
        layer: to take by hand.
        seed: of the split.

    Returns:
        layers (separation d_prime and auc, norm, candidate with bypass, induce and kl), choice, and direction: what ablate takes.
    """
    asked = validate(model=model, positive=positive or (), negative=negative or (), layer=layer, seed=seed)
    *_, data = work("find", asked.to_json())
    chosen = {**asked.to_json(), "layer": data["choice"]["layer"]}
    return {**data, "direction": {name: chosen[name] for name in DIRECTION}}


DIRECTION = ("model", "contrast", "positive", "negative", "seed", "layer", "position", "projection")
"""What determines a direction."""


def ablate(
    model: str = "cautious", direction: dict[str, Any] | None = None, method: str = "ablate", strength: float = 1.0,
    kernel: dict[str, Any] | None = None, prompts: list[str] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Answer prompts with the model as it is and with the direction removed, and measure both on the report prompts.

    Args:
        model: a Hub id, or the expert cautious.
        direction: as find_direction returns it; by default the stored pair's, read at the layer that the rule chooses.
        method: ablate, norm_preserving, affine or add.
        strength: multiplies the kernel; with add, how many times the difference of means is added.
        kernel: {"embedding": 1, "attention": 1, "mlp": 1}; a number for all layers, a list with one for each, or a falloff.
        prompts: to answer side by side, at most 6.

    Returns:
        pairs (base and edited answer, KL at each token, X-ray) and measures (refusals with 95 % Wilson intervals, KL, loss, facts).
    """
    asked = request_of(model, direction, method, strength, kernel, prompts)
    *_, pairs = work("ablate", asked.to_json())
    *_, measured = work("measure", asked.to_json())
    return {**pairs, "measures": measured["measures"]}


def request_of(
    model: str,
    direction: dict[str, Any] | None,
    method: str,
    strength: float,
    kernel: dict[str, Any] | None,
    prompts: list[str] | None = None,
) -> Request:
    """The request of an API call."""
    if direction is not None and not isinstance(direction, dict):
        raise VisitorError("The direction is no object.", "Pass on what find_direction returned as direction.")
    return validate(
        **{**(direction or {}), "model": model, "method": method, "strength": strength, "kernel": kernel, "prompts": prompts or ()}
    )


def features(
    model: str = "cautious", direction: dict[str, Any] | None = None, layer: int | None = None, steps: int = 300, sae: str = ""
) -> dict[str, Any]:
    """Train a TopK sparse autoencoder at a layer, or load one, and say which of its features the direction is made of.

    Args:
        model: a Hub id, or the expert cautious.
        direction: as find_direction returns it.
        layer: whose input the autoencoder reads; the direction's by default.
        steps: of training, 256 activations each.
        sae: a trained one to load instead, "release/id" of sae-lens' registry.

    Returns:
        sae (explained variance, dead features), pursuit (features, explained share, null of random dictionaries), tops, prompts.
    """
    asked = validate(**{**(direction or {}), "model": model, "sae_layer": layer, "steps": steps, "sae": sae})
    *_, data = work("features", asked.to_json(), str(frame.result_folder()))
    return data


def export(
    model: str = "cautious", direction: dict[str, Any] | None = None, method: str = "ablate", strength: float = 1.0,
    kernel: dict[str, Any] | None = None, form: str = "safetensors",
) -> tuple[dict[str, Any], FileData]:  # fmt: skip
    """Bake the edit into weights, with a certificate and a card of what was measured.

    Args:
        model: a Hub id, or the expert cautious.
        direction: as find_direction returns it.
        method: ablate or norm_preserving.
        strength: multiplies the kernel.
        kernel: as for ablate.
        form: safetensors for the whole model, lora for a rank-1 adapter.

    Returns:
        A report with certificate and measures, and the files as a zip archive.
    """
    asked = request_of(model, direction, method, strength, kernel)
    folder = frame.result_folder()
    (folder / "edited").mkdir()
    *_, data = work("export", asked.to_json(), str(folder / "edited"), form)
    return data, FileData(path=str(frame.zipped(folder / "edited", folder / "edited.zip")), orig_name="edited.zip")


# The page

CONTROLS = (
    "model", "contrast", "positive", "negative", "layer", "position", "projection", "method", "strength", "kernel", "prompts", "seed",
)  # fmt: skip
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
        drawn = resolve(validate(kernel=text).kernel, layers)
    except VisitorError as error:
        return error.to_json()
    return {"kind": "kernel", "layers": layers, "embedding": drawn.embedding, "attention": list(drawn.attention), "mlp": list(drawn.mlp)}


def from_kernel(event: gr.EventData) -> str:
    """The kernel that was drawn, as text."""
    return json.dumps(event.kernel, separators=(", ", ": "))


def find_page(*values: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Find the direction; figure, panel and the number of layers follow."""
    asked = asked_of(values)
    for data in work("find", asked.to_json()):
        layers = data["model"]["layers"] if "model" in data else gr.skip()
        yield data, panel_of(data, asked) if data["done"] else gr.skip(), layers


def room_page(room: str, *values: Any) -> Iterator[tuple[Any, Any]]:
    """Run another room; figure and panel follow."""
    asked = asked_of(values)
    for data in work(room, asked.to_json()):
        yield data, panel_of(data, asked) if data["done"] else gr.skip()


def features_page(*values: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Train or load an autoencoder; figure, panel and what a changed feature needs follow."""
    asked = asked_of(values)
    folder = str(frame.result_folder())
    for data in work("features", asked.to_json(), folder):
        done = (panel_of(data, asked), {"folder": folder, "asked": asked.to_json()}) if data["done"] else (gr.skip(), gr.skip())
        yield data, *done


def steer_page(event: gr.EventData, trained: dict[str, Any], *values: Any) -> Iterator[Any]:
    """Answer with one feature of the autoencoder above removed, or held at an amount."""
    feature = whole(0, MAX_FEATURE)("The feature", event.feature)
    amount = None if event.amount is None else between(0, MAX_AMOUNT)("The amount", event.amount)
    prompts = list(asked_of(values).prompts)
    yield from work("feature", {**trained["asked"], "prompts": prompts}, trained["folder"], feature=feature, amount=amount)


def place(event: gr.EventData) -> tuple[str, str]:
    """Layer and position that were picked on the map."""
    asked = validate(layer=event.layer, position=event.position)
    return str(asked.layer), str(asked.position)


def upload(path: str) -> tuple[str, str]:
    """An uploaded set, one prompt a line or a JSON list, as the text of its field, and what chooses the fields."""
    try:
        if Path(path).stat().st_size > 1_000_000:
            raise VisitorError("The file is larger than 1 MB.", "Upload at most 256 prompts.")
        prompts = sets.read(Path(path).read_text(encoding="utf-8-sig"))
        return "\n".join(" ".join(prompt.split()) for prompt in prompts), "own"
    except UnicodeDecodeError as error:
        raise VisitorError("The file is not text.", "Upload text with one prompt a line, or a JSON list of texts.") from error


def chosen(event: gr.EventData) -> tuple[str, str, str, str]:
    """Layer, projection, strength and kernel of the search's best, for the controls."""
    asked = validate(**dict(event.chosen))
    return str(asked.layer), asked.projection, str(asked.strength), json.dumps(asked.kernel)


def export_page(form: str, *values: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Export; figure, files and what can be pushed follow."""
    asked = asked_of(values)
    folder = frame.result_folder() / "edited"
    folder.mkdir()
    for data in work("export", asked.to_json(), str(folder), form):
        if data["done"]:
            files = [str(path) for path in sorted(folder.iterdir())]
            yield data, gr.Files(files, visible=True, interactive=False), {"files": files, "card": data["card"]}
        else:
            yield data, gr.skip(), gr.skip()


def panel_of(data: dict[str, Any], asked: Request) -> dict[str, Any]:
    """What stands below a figure: a call that gives the same, and its link."""
    kept = {name: value for name, value in asked.to_json().items() if name in DIRECTION and value not in (None, [], ())}
    call = (
        "from gradio_client import Client\n\n"
        f'client = Client("{frame.ADDRESS}")\n'
        f"direction = {json.dumps(kept, indent=1)}\n"
        f"answer = client.predict(model={asked.model!r}, direction=direction, method={asked.method!r}, strength={asked.strength:g},\n"
        f'                        kernel={json.dumps(asked.kernel)}, api_name="/ablate")\n'
        'print(answer["measures"]["behaviour"]["positive"]["edited"]["refused"])\n'
    )
    query = asked.to_query()
    link = "&".join(filter(None, (f"room={data['kind']}", query)))
    if not query and asked != Request():  # the visitor's own sets are too long for a link
        link = ""
    return frame.panel_value(TITLE, {"The same edit from the API of a running demo": call}, link, live=not data.get("example"))


def open_link(query: str) -> Iterator[tuple[Any, ...]]:
    """Set the controls from the URL's query and run the room that it names."""
    room, _, rest = query.partition("room=")[2].partition("&")
    room = room if room in ("find", "ablate", "measure", "optimise", "features") else "find"
    asked = Request.from_query("&".join(part for part in (query.partition("room=")[0].strip("?&"), rest) if part))
    number = {"find": 1, "ablate": 2, "measure": 3, "optimise": 3, "features": 4}[room]
    yield gr.Tabs(selected=TABS[number - 1]), *values_of(asked), *sae_values_of(asked), *[gr.skip()] * OUTPUTS
    folder = str(frame.result_folder()) if room == "features" else ""
    for data in work(room, asked.to_json(), folder):
        outputs: list[Any] = [gr.skip()] * OUTPUTS
        outputs[2 * (number - 1)] = data
        if data["done"]:
            outputs[2 * (number - 1) + 1] = panel_of(data, asked)
            if room == "features":
                outputs[-1] = {"folder": folder, "asked": asked.to_json()}
        yield *[gr.skip()] * (1 + len(CONTROLS) + len(SAE_CONTROLS)), *outputs


TABS = ("find", "ablate", "measure", "features")
OUTPUTS = 2 * len(TABS) + 1
"""A figure and a panel for every tab, and the trained autoencoder."""


def values_of(asked: Request) -> tuple[Any, ...]:
    """A request as the controls' values."""
    layer = "" if asked.layer is None else str(asked.layer)
    return (
        asked.model, asked.contrast, "\n".join(asked.positive), "\n".join(asked.negative), layer, str(asked.position), asked.projection, asked.method,
        f"{asked.strength:g}", json.dumps(asked.kernel), "\n".join(asked.prompts), str(asked.seed),
    )  # fmt: skip


def sae_values_of(asked: Request) -> tuple[str, ...]:
    """A request as the values of the features room's own controls."""
    return asked.sae, "" if asked.sae_layer is None else str(asked.sae_layer), str(asked.features), str(asked.k), str(asked.steps)


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


def build_controls(asked: Request) -> list[Any]:
    """The controls that every room reads, in the order of CONTROLS."""
    model, contrast, positive, negative, layer, position, projection, method, strength, kernel, prompts, seed = values_of(asked)
    with gr.Row():
        model_box = frame.model_field(model, elem_id="model")
        pairs = [
            ("cooking questions against others", "cooking"), ("alarming words against plain ones", "alarming"), ("my own two sets", "own"),
        ]  # fmt: skip
        contrast_box = gr.Dropdown(pairs, value=contrast, label="Two sets of prompts", elem_id="contrast")
    with (
        gr.Accordion("My own two sets", open=False),
        gr.Row(),
    ):
        boxes = []
        for name, value, says in (
            ("positive", positive, "Positive: they show the behaviour"),
            ("negative", negative, "Negative: they do not"),
        ):
            with gr.Column():
                box = gr.Textbox(value, label=says, lines=5, placeholder=WRITTEN, elem_id=name)
                box.input(lambda: "own", None, [contrast_box], **frame.LIGHT)
                button = gr.UploadButton(
                    "Upload a text file or JSON list", file_types=[".txt", ".json"], size="sm", elem_id=f"upload-{name}"
                )
                button.upload(frame.for_api(upload), [button], [box, contrast_box], **frame.LIGHT)
                boxes.append(box)
    positive_box, negative_box = boxes
    with gr.Accordion("Advanced: layer, position, method, strength, prompts, seed", open=False):
        with gr.Row():
            layer_box = gr.Textbox(layer, label="layer (empty: the rule chooses)", max_lines=1, min_width=120)
            position_box = gr.Textbox(position, label="position (−1: last token)", max_lines=1, min_width=120)
            projection_box = gr.Dropdown(list(PROJECTIONS), value=projection, label="projection", min_width=120)
            method_box = gr.Dropdown(list(METHODS), value=method, label="method", min_width=120)
            strength_box = gr.Textbox(strength, label="strength", max_lines=1, min_width=90)
            seed_box = gr.Textbox(seed, label="seed", max_lines=1, min_width=90)
        prompts_box = gr.Textbox(prompts, label="Prompts to answer side by side, one a line (empty: two of each set)", lines=2)
        kernel_box = gr.Textbox(kernel, label="kernel, JSON", max_lines=3, elem_id="kernel-text", elem_classes="mono")
    return [
        model_box,
        contrast_box,
        positive_box,
        negative_box,
        layer_box,
        position_box,
        projection_box,
        method_box,
        strength_box,
        kernel_box,
        prompts_box,
        seed_box,
    ]


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
    asked = validate(**found["chosen"])
    page = partial(frame.for_page, figure_index=0, outputs=2)
    with frame.page(TITLE, LEDE) as demo:
        controls = build_controls(asked)
        kernel = controls[CONTROLS.index("kernel")]
        layers = gr.State(found["model"]["layers"])
        outputs: list[Any] = []
        rooms: list[Room] = []
        with gr.Tabs() as tabs:
            with gr.Tab("1 Find", id="find"):
                start, cancel = buttons("Find the direction", "find")
                find = Figure(example("find"), folder=RENDERER, events=("place",), title=f"{TITLE}: find", elem_id="find")
                find_panel = frame.panel(panel_of(example("find"), asked))
                outputs += [find, find_panel]
                run = start.click(frame.for_page(find_page, 0, 3), controls, [find, find_panel, layers], **frame.HEAVY)
                rooms.append((cancel, [run], [find]))
                find.place(place, None, [controls[CONTROLS.index(name)] for name in ("layer", "position")], **frame.LIGHT)
            with gr.Tab("2 Remove", id="ablate"):
                editor = Figure(kernel_value(json.dumps(asked.kernel), found["model"]["layers"]), folder=RENDERER, events=("kernel",),
                                title=f"{TITLE}: kernel", elem_id="kernel")  # fmt: skip
                start, cancel = buttons("Remove it", "ablate")
                figure = Figure(example("ablate"), folder=RENDERER, title=f"{TITLE}: remove", elem_id="ablate")
                panel = frame.panel(panel_of(example("ablate"), asked))
                outputs += [figure, panel]
                run = start.click(page(partial(room_page, "ablate")), controls, [figure, panel], **frame.HEAVY)
                rooms.append((cancel, [run], [figure]))
            with gr.Tab("3 Measure", id="measure"):
                with gr.Row():
                    start = gr.Button(label("Measure", "measure"), variant="primary", scale=2, elem_id="run-measure")
                    search = gr.Button(label("Search a kernel", "optimise"), scale=2, elem_id="run-search")
                    cancel = frame.cancel_button()
                figure = Figure(found, folder=RENDERER, events=("chosen",), title=f"{TITLE}: measure", elem_id="measure")
                panel = frame.panel(panel_of(found, asked))
                outputs += [figure, panel]
                runs = [
                    button.click(page(partial(room_page, room)), controls, [figure, panel], **frame.HEAVY)
                    for button, room in ((start, "measure"), (search, "optimise"))
                ]
                rooms.append((cancel, runs, [figure]))
                places = [controls[CONTROLS.index(name)] for name in ("layer", "projection", "strength", "kernel")]
                figure.chosen(chosen, None, places, **frame.LIGHT)
            with gr.Tab("4 Features", id="features"):
                sae_controls, sae_outputs, room = build_features(controls, asked)
                outputs += sae_outputs
                rooms.append(room)
            with gr.Tab("5 Take home", id="take"):
                rooms.append(build_take(controls))
        opened_outputs = [tabs, *controls, *sae_controls, *outputs]
        opened = frame.on_link(
            demo, "room=", frame.for_page(open_link, len(opened_outputs) - OUTPUTS, len(opened_outputs)), opened_outputs, **frame.HEAVY
        )  # fmt: skip
        for cancel, runs, figures in rooms:
            frame.on_cancel(cancel, [opened, *runs], figures, VisitorError("The run was cancelled.", "Start it again."))
        editor.kernel(from_kernel, None, [kernel], **frame.LIGHT)
        gr.on([kernel.change, layers.change], kernel_value, [kernel, layers], [editor], trigger_mode="always_last", **frame.LIGHT)
        frame.about(HERE / "README.md")
        for function in (find_direction, ablate, features, export):
            gr.api(frame.for_api(function), api_name=function.__name__, concurrency_limit=1, concurrency_id="model")
    return demo


def build_features(controls: list[Any], asked: Request) -> tuple[list[Any], list[Any], Room]:
    """The room of autoencoders, after its own controls and its outputs (figure, panel, what was trained)."""
    sae, layer, features, k, steps = sae_values_of(asked)
    with gr.Accordion("Autoencoder: train one of this size, or load one", open=False), gr.Row():
        own = [
            gr.Textbox(sae, label="load from sae-lens' registry, release/id", max_lines=1, min_width=220),
            gr.Textbox(layer, label="layer (empty: the direction's)", max_lines=1, min_width=120),
            gr.Textbox(features, label="features", max_lines=1, min_width=90),
            gr.Textbox(k, label="k, active at a token", max_lines=1, min_width=90),
            gr.Textbox(steps, label="steps of 256 activations", max_lines=1, min_width=90),
        ]
    start, cancel = buttons("Take it apart", "features")
    figure = Figure(example("features"), folder=RENDERER, events=("steer",), title=f"{TITLE}: features", elem_id="features")
    panel = frame.panel(panel_of(example("features"), asked))
    steered = Figure({"kind": "feature"}, folder=RENDERER, title=f"{TITLE}: feature", elem_id="steered")
    trained = gr.State({"folder": str(STORED_SAE), "asked": example("features")["request"]})
    run = start.click(frame.for_page(features_page, 0, 3), [*controls, *own], [figure, panel, trained], **frame.HEAVY)
    steer = figure.steer(frame.for_page(steer_page), [trained, *controls], [steered], **frame.HEAVY)
    return own, [figure, panel, trained], (cancel, [run, steer], [figure, steered])


def build_take(controls: list[Any]) -> Room:
    """The room where an edit is certified, exported and pushed."""
    with gr.Row():
        certify = gr.Button(label("Certify", "certificate"), variant="primary", elem_id="run-certify")
        form = gr.Dropdown(
            [("the whole model", "safetensors"), ("a rank-1 LoRA adapter", "lora")], value="lora", label="as", elem_id="form"
        )
        start = gr.Button(label("Export", "export"), elem_id="run-export")
        cancel = frame.cancel_button()
    figure = Figure(example("certificate"), folder=RENDERER, title=f"{TITLE}: certificate", elem_id="certificate")
    panel = frame.panel(panel_of(example("certificate"), validate(**example("optimise")["chosen"])))
    files = gr.Files(label="The edited model", visible=False, interactive=False, elem_id="files")
    taken = gr.State(None)
    frame.push_row("Private model repository to create, owner/name", push, [taken])
    certified = certify.click(frame.for_page(partial(room_page, "certificate"), 0, 2), controls, [figure, panel], **frame.HEAVY)
    exported = start.click(frame.for_page(export_page, 0, 3), [form, *controls], [figure, files, taken], **frame.HEAVY)
    return cancel, [certified, exported], [figure]


demo = build()

if __name__ == "__main__":
    frame.launch(demo, css)
