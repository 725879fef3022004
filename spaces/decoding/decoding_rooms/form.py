"""The strategies as JSON text, and a form beside it with one field for every setting of one of them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import gradio as gr

from decoding.settings import SAMPLING_ONLY, SETTINGS
from decoding.strategy import Strategy, strategies_of, text_of, without_equal_names
from shared import limits
from shared.errors import VisitorError
from shared.room import QUIET, Values

_NOT_OF_A_STRATEGY = {
    "_from_model_config",
    "transformers_version",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
    "max_new_tokens",
    "max_length",
    "use_cache",
    "output_attentions",
    "output_hidden_states",
    "output_scores",
    "output_logits",
    "return_dict_in_generate",
}


def build_form(text: str, strategies: gr.Textbox) -> None:
    """One field for every setting of one strategy of the list; an empty one means the default.

    Args:
        text: the strategies' JSON.
        strategies: the component that holds it; the form and it follow each other.
    """
    try:
        first, *others = _named(text)
    except VisitorError:
        first, others = Strategy("greedy"), []
    names = [strategy.name for strategy in (first, *others)]
    target = gr.Radio(names, label="Strategy to edit", value=first.name)
    fields = {}
    for flags in (True, False):  # a flag needs little room, and would be squeezed between the others
        with gr.Row():
            for name, setting in SETTINGS.items():
                if (setting.kind == "flag") == flags:
                    fields[name] = _field(name, first.config.get(name))

    def show(values: Values) -> Values:
        try:
            known = {strategy.name: strategy.config for strategy in _named(values[strategies])}
        except VisitorError:
            return {target: gr.skip()}
        chosen = values[target] if values[target] in known else next(iter(known))
        shown = {box: to_field(name, known[chosen].get(name)) for name, box in fields.items()}
        return {target: gr.Radio(choices=list(known), value=chosen), **shown}

    def edit(values: Values) -> Values:
        try:
            written = {name: from_field(name, values[box]) for name, box in fields.items()}
            return {strategies: with_config(values[strategies], values[target], written)}
        except VisitorError as error:
            gr.Warning(str(error))
            return {strategies: gr.skip()}

    gr.on(
        [strategies.change, target.input],
        show,
        {strategies, target},
        [target, *fields.values()],
        queue=False,
        **QUIET,
    )
    gr.on(
        [box.blur if isinstance(box, gr.Textbox) else box.input for box in fields.values()],
        edit,
        {strategies, target, *fields.values()},
        [strategies],
        **QUIET,  # queued: a warning needs the queue
    )


def _named(text: str) -> tuple[Strategy, ...]:
    return without_equal_names(strategies_of(text))


def _field(name: str, value: Any) -> gr.Checkbox | gr.Dropdown | gr.Textbox:
    setting, shown = SETTINGS[name], to_field(name, value)
    if setting.kind == "flag":
        with gr.Column(min_width=170, scale=0):  # a checkbox alone takes no least width
            return gr.Checkbox(shown, label=name)
    if setting.choices:
        choices = ["", *setting.choices]
        return gr.Dropdown(choices, value=shown, label=name, allow_custom_value=True, min_width=165)
    width = 230 if "[" in setting.hint else 165
    return gr.Textbox(shown, label=name, placeholder=setting.hint, max_lines=1, min_width=width)


def with_config(text: str, name: str, config: dict[str, Any]) -> str:
    """The strategies' JSON with another configuration of the strategy of that name; None means no value.

    Raises:
        VisitorError: the text is no list of strategies.
    """
    stated = {key: value for key, value in config.items() if value is not None}
    strategies = [replace(one, config=stated) if one.name == name else one for one in _named(text)]
    return text_of([one.to_json() for one in strategies])


def with_sampling(text: str, name: str, config: dict[str, Any]) -> str:
    """The strategies' JSON with the sampler panel's settings in the strategy of that name, or in a new one.

    Raises:
        VisitorError: the text is no list of strategies.
    """
    strategies, sampling = list(_named(text)), {**config, "do_sample": True}
    for place, one in enumerate(strategies):
        if one.name == name:
            kept = {key: value for key, value in one.config.items() if key not in SAMPLING_ONLY}
            strategies[place] = replace(one, config={**kept, **sampling})
            break
    else:
        strategies = [*strategies[: limits.MAX_STRATEGIES - 1], Strategy(name or "sample", sampling)]
    return text_of([one.to_json() for one in strategies])


def to_field(name: str, value: Any) -> Any:
    """A setting's value as its form field shows it: text, empty where unset (a checkbox: False)."""
    if SETTINGS[name].kind == "flag":
        return bool(value)
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def from_field(name: str, value: Any) -> Any:
    """A form field's value as the setting; None where the field is empty.

    Raises:
        VisitorError: the text is no number, or no JSON where a list belongs.
    """
    if value is None or value == "":
        return None
    setting = SETTINGS[name]
    if setting.kind == "flag":
        return True if value else None
    if setting.kind in ("int", "float"):
        try:
            return int(value) if setting.kind == "int" else float(value)
        except ValueError:
            raise VisitorError(
                f"{name} is “{str(value)[:20]}”, not a number.", "Write a number, or leave the field empty."
            ) from None
    if value in ("never", "low", "high"):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise VisitorError(f"{name} is not valid JSON.", "Write lists with square brackets.") from None


def read_pasted(text: str, max_new_tokens: int) -> tuple[str, int]:
    """Turn a pasted `generation_config.json` (or a list of strategies) into this demo's strategies.

    Fields that describe the model and not the strategy (`eos_token_id`, `transformers_version`, …) are left
    out, and `max_new_tokens` moves to the slider. What is malformed is left as it stands: the run will say
    what is wrong.

    Args:
        text: JSON, an object or a list of objects.
        max_new_tokens: the slider's value, kept where the text names none.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text, max_new_tokens
    items = [value] if isinstance(value, dict) else value
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items) or not items:
        return text, max_new_tokens
    for item in items:
        if type(item.get("max_new_tokens")) is int:
            max_new_tokens = item["max_new_tokens"]
    cleaned = [
        {key: item[key] for key in item if key not in _NOT_OF_A_STRATEGY and item[key] is not None}
        for item in items
    ]
    return text_of(cleaned), max_new_tokens
