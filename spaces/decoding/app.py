"""The decoding Space: controls and events. The maths is in the package `decoding`, the picture in
`decoding/js`.
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

import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import gradio as gr

from decoding import presets
from decoding.request import NAME_LENGTH, SAMPLING_ONLY, SETTINGS, Request, Strategy, code, validate
from shared import experts, frame, limits, models
from shared.checks import whole
from shared.errors import VisitorError
from shared.figure import Figure, stylesheet

TITLE = "Decoding"
LEDE = (
    "A language model only gives odds for the next token; a decoding strategy turns odds into text. "
    "Compare up to four strategies on one tree, token by token, exactly as transformers runs them."
)
RENDERER = HERE / "decoding" / "js"
EXAMPLES = HERE / "examples"
UPDATE_SECONDS = 0.25
"""Time between two updates of a growing picture; each carries the whole trace."""

css = stylesheet(RENDERER)
example = partial(frame.stored, EXAMPLES)


def seconds(strategies: list[dict[str, Any]], max_new_tokens: int, *_: Any, **__: Any) -> int:
    """GPU seconds to ask for: start-up and weights, then forward passes; not measured on a GPU yet, so
    generous.
    """
    return min(120, 15 + max_new_tokens // 2 + 2 * len(strategies))


def estimate(request: dict[str, Any], *_: Any, **__: Any) -> int:
    """`seconds` of a request in JSON."""
    return seconds(request["strategies"], request["max_new_tokens"])


@gpu.on_gpu(duration=estimate)
def run(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Decode, yielding the growing trace as JSON, the complete one last."""
    from decoding.engine import decode

    checked = validate(**request)
    loaded = models.on_device(models.load(checked.model))
    shown = time.monotonic()
    for trace in decode(checked, loaded):
        if trace.done or time.monotonic() - shown >= UPDATE_SECONDS:
            yield trace.to_json()
            shown = time.monotonic()


def decode(
    prompt: str,
    model: str = models.EMBEDDED_MODEL,
    strategies: list[dict[str, Any]] | None = None,
    max_new_tokens: int = 24,
    seed: int = 0,
    chat: bool = False,
) -> dict[str, Any]:
    """Continue a prompt with several decoding strategies and record every candidate token and its fate.

    Args:
        prompt: the text to continue, at most 1,024 tokens.
        model: Hub id of a causal language model with safetensors weights.
        strategies: up to four GenerationConfig dicts, each with an optional "name"; [{}] is greedy search.
        max_new_tokens: tokens to add, 1 to 128.
        seed: seed of every strategy that draws.
        chat: whether to wrap the prompt in the model's chat template.

    Returns:
        The trace: runs[].sequences[] with token_ids, text and score, and runs[].nodes[] with every
            candidate's
        log-probabilities (nats), status and reason; provenance names the model's copy, dtype and library
        versions.
    """
    request = validate(prompt, model, [{}] if strategies is None else strategies, max_new_tokens, seed, chat)
    models.load(request.model)
    return frame.last(run(request.to_json()))


_distribution_turn = threading.Lock()
"""The panel's questions pass the queue by: one is computed at a time."""

DISTRIBUTION_SECONDS = 20
"""How long one of them waits for its turn."""


def distribution(argument: dict[str, Any]) -> dict[str, Any]:
    """The next-token distribution after any prefix, for the sampler panel; computed on the CPU of the server.

    Args:
        argument: `model`, `token_ids` (prompt and continuation), `prompt_length`, `config` (GenerationConfig
            fields) and `limit` (tokens to list, null for the whole vocabulary).
    """
    from decoding.engine import next_token_distribution, window

    try:
        request = validate("-", argument["model"], [argument["config"]])
        loaded = models.in_memory(request.model)
        if loaded is None and request.model == models.EMBEDDED_MODEL:  # the stored examples are its own
            loaded = models.load(request.model)
        if loaded is None:
            raise VisitorError(f"{request.model} is not in memory any more.", "Decode again.")
        if not 1 <= len(argument["token_ids"]) <= window(loaded):
            raise VisitorError("That place in the text cannot be computed.", "Decode again.")
        size = loaded.model.config.get_text_config().vocab_size
        ids = [whole(0, size - 1)("A token", token) for token in argument["token_ids"]]
        prompt_length = whole(1, len(ids))("prompt_length", argument["prompt_length"])
        limit = argument.get("limit")
        limit = None if limit is None else whole(1, size)("limit", limit)
        if not _distribution_turn.acquire(timeout=DISTRIBUTION_SECONDS):
            raise VisitorError(
                "The server computes for others at the moment.", "Select the token again in a minute."
            )
        try:
            return next_token_distribution(loaded, ids, request.strategies[0].config, prompt_length, limit)
        finally:
            _distribution_turn.release()
    except VisitorError as error:
        return error.to_json()
    except Exception as error:  # noqa: BLE001  the panel must go on whatever happened
        return frame.unexpected(error).to_json()


def read_request(
    prompt: str, model: str, strategies: str, max_new_tokens: int, seed: str, chat: bool
) -> Request:
    """The controls' values as a checked request."""
    return validate(prompt, model, strategies, max_new_tokens, seed.strip() or 0, chat)


def panel_of(result: dict[str, Any]) -> dict[str, Any]:
    """What stands below a finished figure: its code and its link."""
    request = validate(**result["request"])
    origin = result["provenance"]
    label = f"The same run with transformers {'and peft' if request.model in experts.NAMES else 'alone'}"
    listing = code(request, origin.get("revision", "main"), origin.get("source", ""))
    return frame.panel_value(TITLE, {label: listing}, request.to_query(), live=not result.get("example"))


def shown(result: dict[str, Any]) -> tuple[Any, Any, Any]:
    """A result as the values of figure, state and panel; the panel follows when the run is done."""
    return result, result, panel_of(result) if result["done"] else gr.skip()


OUTPUTS = 3  # figure, state, panel


def decode_page(*controls: Any) -> Iterator[tuple[Any, ...]]:
    """Run the controls' request; the figure grows, the rest follows at the end."""
    request = read_request(*controls)
    models.load(request.model)
    for result in run(request.to_json()):
        yield shown(result)


def branch_page(state: dict[str, Any] | None, event: gr.EventData) -> Iterator[tuple[Any, ...]]:
    """Grow a branch from a candidate that was not taken, with the settings of the run it hangs on."""
    if not state or not state.get("done"):
        yield (gr.skip(),) * OUTPUTS
        return
    parent = state["runs"][int(event.run)]
    path, node = [int(event.token_id)], parent["nodes"][int(event.node)]
    while node["parent"] is not None:
        path.insert(0, node["token_id"])
        node = parent["nodes"][node["parent"]]
    request = validate(**state["request"])
    text = next((n["text"] for n in parent["nodes"] if n["token_id"] == path[-1]), str(path[-1]))
    name = f"{parent['name'].split(' → ')[0][:24]} → {text.strip() or '␣'}"[:NAME_LENGTH]
    branch = Strategy(name, parent["config"], tuple(path))
    try:
        grown = validate(**request.with_branch(branch).to_json())
    except VisitorError as error:  # the tree that stands is worth more than the sentence in its place
        gr.Warning(str(error))
        yield (gr.skip(),) * OUTPUTS
        return
    alone = Request(
        grown.prompt, grown.model, grown.strategies[-1:], grown.max_new_tokens, grown.seed, grown.chat
    )
    for part in run(alone.to_json()):
        added = {**part["runs"][0], "color": len(state["runs"])}
        result = {
            **state,
            "example": False,
            "request": grown.to_json(),
            "runs": [*state["runs"], added],
            "done": part["done"],
        }
        yield shown(result)


def undo_page(state: dict[str, Any] | None, event: gr.EventData) -> tuple[Any, ...]:
    """Take a branch away."""
    if not state or not state["runs"][int(event.run)]["prefix"]:
        return (gr.skip(),) * OUTPUTS
    keep = [index for index in range(len(state["runs"])) if index != int(event.run)]
    return _rearranged(state, keep)


def rename_page(state: dict[str, Any] | None, event: gr.EventData) -> tuple[Any, ...]:
    """Give a run another name."""
    name = " ".join(str(event.name).split())[:NAME_LENGTH]
    if not state or not name:
        return (gr.skip(),) * OUTPUTS
    index = int(event.run)
    runs = [{**run, "name": name} if i == index else run for i, run in enumerate(state["runs"])]
    strategies = [
        {**s, "name": name} if i == index else s for i, s in enumerate(state["request"]["strategies"])
    ]
    return _rearranged(
        {**state, "runs": runs, "request": {**state["request"], "strategies": strategies}}, range(len(runs))
    )


def _rearranged(state: dict[str, Any], keep: Any) -> tuple[Any, ...]:
    strategies = [state["request"]["strategies"][index] for index in keep]
    runs = [{**state["runs"][index], "color": place} for place, index in enumerate(keep)]
    result = {**state, "runs": runs, "request": {**state["request"], "strategies": strategies}}
    return shown(result)


def apply_page(text: str, state: dict[str, Any] | None, event: gr.EventData) -> str:
    """The strategies with the sampler panel's settings put into the one that the panel belongs to, found by
    its name.
    """
    try:
        strategies = [strategy.to_json() for strategy in validate("-", "-", text).strategies]
    except VisitorError as error:
        gr.Warning(str(error))
        return text
    runs = state["runs"] if state else []
    name = runs[int(event.run)]["name"].split(" → ")[0] if int(event.run) < len(runs) else ""
    for index, strategy in enumerate(strategies):
        if strategy["name"] == name:
            strategies[index] = {
                **{k: v for k, v in strategy.items() if k not in SAMPLING_ONLY},
                **event.config,
                "do_sample": True,
            }
            return presets.dump(strategies)
    strategies = [
        *strategies[: limits.MAX_STRATEGIES - 1],
        {"name": name or "sample", **event.config, "do_sample": True},
    ]
    return presets.dump(strategies)


def show_example(name: str) -> tuple[Any, ...]:
    """The controls and the stored result of an example."""
    result = example(name)
    return (*control_values(validate(**result["request"])), *shown(result))


def control_values(request: Request) -> tuple[Any, ...]:
    """A request as the values of prompt, model, strategies, max_new_tokens, seed and chat."""
    plain = [strategy.to_json() for strategy in request.strategies if not strategy.prefix]
    return (
        request.prompt,
        request.model,
        presets.dump(plain),
        request.max_new_tokens,
        str(request.seed),
        request.chat,
    )


def open_page(query: str) -> Iterator[tuple[Any, ...]]:
    """Set the controls from the URL's query and run what it describes."""
    request = Request.from_query(query)
    controls = control_values(request)
    for name in presets.EXAMPLES:
        if validate(**example(name)["request"]) == request:
            yield (*controls, *shown(example(name)))
            return
    yield (*controls, None, None, gr.skip())
    models.load(request.model)
    for result in run(request.to_json()):
        yield (*[gr.skip()] * 6, *shown(result))


def form_values(text: str, target: str) -> list[Any]:
    """The form's fields for one strategy of the list: the choice of strategy first."""
    try:
        strategies = validate("-", "-", text).strategies
    except VisitorError:
        return [gr.skip()] * (1 + len(SETTINGS))
    names = [strategy.name for strategy in strategies]
    chosen = target if target in names else names[0]
    config = strategies[names.index(chosen)].config
    return [
        gr.Radio(choices=names, value=chosen),
        *(presets.to_field(name, config.get(name)) for name in SETTINGS),
    ]


def form_edited(text: str, target: str, *fields: Any) -> str:
    """The strategies' JSON with the form's fields put into the chosen strategy."""
    try:
        strategies = validate("-", "-", text).strategies
    except VisitorError:
        return text
    try:
        config = {
            name: value
            for name, field in zip(SETTINGS, fields, strict=True)
            if (value := presets.from_field(name, field)) is not None
        }
    except VisitorError as error:
        gr.Warning(str(error))
        return text
    return presets.dump([{"name": s.name, **config} if s.name == target else s.to_json() for s in strategies])


HINTS = {
    "early_stopping": ["false", "true", "never"],
    "dola_layers": ["low", "high"],
}


def build_form(text: str, strategies: gr.Textbox) -> None:
    """One field for every setting, generated from `SETTINGS`, for one strategy of the list; empty means the
    default.

    Args:
        text: the strategies' JSON.
        strategies: the component that holds it; the form and it follow each other.
    """
    try:
        parsed = validate("-", "-", text).strategies
    except VisitorError:
        parsed = (Strategy("greedy"),)
    target = gr.Radio([strategy.name for strategy in parsed], label="Strategy to edit", value=parsed[0].name)
    fields: list[Any] = []
    with gr.Row():
        for name, setting in SETTINGS.items():
            value = presets.to_field(name, parsed[0].config.get(name))
            if setting.type == "bool":
                fields.append(gr.Checkbox(value, label=name, min_width=190))
            elif name in HINTS:
                fields.append(gr.Dropdown(["", *HINTS[name]], value=value or "", label=name, min_width=150))
            else:
                hint = {"bad_words_ids": "[[1234], [567, 89]]", "sequence_bias": "[[[1234], -2.5]]"}.get(
                    name, "default"
                )
                fields.append(
                    gr.Textbox(
                        value,
                        label=name,
                        placeholder=hint,
                        max_lines=1,
                        min_width=230 if "[" in hint else 150,
                    )
                )
    gr.on(
        [strategies.change, target.input],
        form_values,
        [strategies, target],
        [target, *fields],
        queue=False,
        **frame.QUIET,
    )
    gr.on(
        [field.blur if isinstance(field, gr.Textbox) else field.input for field in fields],
        form_edited,
        [strategies, target, *fields],
        [strategies],
        **frame.QUIET,
    )


def button_label(max_new_tokens: int) -> str:
    """The primary button's text, with the run's cost where it costs GPU time."""
    return (
        f"Decode · up to {seconds([{}] * limits.MAX_STRATEGIES, max_new_tokens)} s of GPU"
        if gpu.on_zero_gpu()
        else "Decode"
    )


def build() -> gr.Blocks:
    """The page."""
    first = example(next(iter(presets.EXAMPLES)))
    values = control_values(validate(**first["request"]))
    with frame.page(TITLE, LEDE) as demo:
        prompt = gr.Textbox(
            values[0],
            label="Prompt",
            lines=2,
            max_lines=6,
            max_length=limits.MAX_PROMPT_CHARACTERS,
            elem_id="prompt",
        )
        with gr.Row(equal_height=True):
            chosen = gr.Dropdown(
                list(presets.PRESETS),
                value=[s["name"] for s in first["request"]["strategies"]],
                multiselect=True,
                max_choices=limits.MAX_STRATEGIES,
                label="Strategies, up to four",
                scale=3,
            )
            max_new_tokens = gr.Slider(
                1, limits.MAX_NEW_TOKENS, values[3], step=1, label="max_new_tokens", scale=1, min_width=180
            )
        with gr.Accordion("Advanced: model, seed, and every setting of a strategy", open=False) as advanced:
            with gr.Row():
                model = frame.model_field(values[1], scale=2)
                seed = gr.Textbox(str(values[4]), label="seed", max_lines=1, scale=1, min_width=120)
                chat = gr.Checkbox(values[5], label="Use the model's chat template", scale=1, min_width=160)
            strategies = gr.Textbox(
                values[2],
                label="Strategies as GenerationConfig JSON: edit or paste",
                lines=3,
                max_lines=14,
                elem_classes="mono",
                elem_id="strategies",
            )

            # The form is made when the accordion opens: 25 fields would slow down every visit for the few who
            # use them.
            @gr.render(inputs=[strategies], triggers=[advanced.expand])
            def form(text: str) -> None:
                build_form(text, strategies)

        with gr.Row():
            start = gr.Button(button_label(values[3]), variant="primary", scale=2, elem_id="decode")
            cancel = frame.cancel_button(elem_id="cancel")
        with gr.Row(elem_classes="examples"):
            buttons = [
                gr.Button(presets.EXAMPLES[name]["label"], size="sm", min_width=120)
                for name in presets.EXAMPLES
            ]
        figure = Figure(
            first,
            folder=RENDERER,
            events=("branch", "apply", "undo", "rename"),
            fetch=(distribution,),
            title=TITLE,
            elem_id="figure",
        )
        state = gr.State(first)
        panel = frame.panel(panel_of(first))
        frame.about(HERE / "README.md")

        controls = [prompt, model, strategies, max_new_tokens, seed, chat]
        outputs = [figure, state, panel]
        run_event = gr.on(
            [start.click, prompt.submit],
            frame.for_page(decode_page, 0, OUTPUTS),
            controls,
            outputs,
            **frame.HEAVY,
        )
        branch = figure.branch(frame.for_page(branch_page, 0, OUTPUTS), [state], outputs, **frame.HEAVY)
        applied = figure.apply(
            apply_page, [strategies, state], [strategies], **frame.QUIET
        )  # queued: a warning needs the queue
        apply_run = applied.then(frame.for_page(decode_page, 0, OUTPUTS), controls, outputs, **frame.HEAVY)
        opened = frame.on_link(
            demo, "prompt=", frame.for_page(open_page, 6, 6 + OUTPUTS), [*controls, *outputs], **frame.HEAVY
        )
        figure.undo(undo_page, [state], outputs, **frame.LIGHT)
        figure.rename(rename_page, [state], outputs, **frame.LIGHT)
        frame.on_cancel(cancel, [run_event, branch, apply_run, opened], [figure])
        for name, button in zip(presets.EXAMPLES, buttons, strict=True):
            button.click(partial(show_example, name), None, [*controls, *outputs], **frame.LIGHT)
        if gpu.on_zero_gpu():
            max_new_tokens.release(button_label, [max_new_tokens], [start], **frame.LIGHT)
        chosen.input(presets.from_names, [chosen], [strategies], **frame.LIGHT)
        strategies.blur(
            presets.read_pasted, [strategies, max_new_tokens], [strategies, max_new_tokens], **frame.LIGHT
        )
        gr.api(frame.for_api(decode), api_name="decode", concurrency_limit=1, concurrency_id="model")
    return demo


demo = build()

if __name__ == "__main__":
    frame.launch(demo, css)
