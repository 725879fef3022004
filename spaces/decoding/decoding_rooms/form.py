"""A form with one field for every setting of a strategy, beside the strategies' JSON."""

from __future__ import annotations

from typing import Any

import gradio as gr

from decoding import presets
from decoding.strategy import SETTINGS, Strategy, strategies_of
from shared.errors import VisitorError
from shared.room import QUIET

CHOICES = {"early_stopping": ["false", "true", "never"], "dola_layers": ["low", "high"]}
PLACEHOLDERS = {"bad_words_ids": "[[1234], [567, 89]]", "sequence_bias": "[[[1234], -2.5]]"}


def build_form(text: str, strategies: gr.Textbox) -> None:
    """One field for every setting of one strategy of the list; an empty one means the default.

    Args:
        text: the strategies' JSON.
        strategies: the component that holds it; the form and it follow each other.
    """
    try:
        parsed = strategies_of(text)
    except VisitorError:
        parsed = (Strategy("greedy"),)
    target = gr.Radio([strategy.name for strategy in parsed], label="Strategy to edit", value=parsed[0].name)
    with gr.Row():
        fields = [_field(name, parsed[0].config.get(name)) for name in SETTINGS]
    gr.on(
        [strategies.change, target.input],
        form_values,
        [strategies, target],
        [target, *fields],
        queue=False,
        **QUIET,
    )
    gr.on(
        [field.blur if isinstance(field, gr.Textbox) else field.input for field in fields],
        edited_strategies,
        [strategies, target, *fields],
        [strategies],
        **QUIET,
    )


def _field(name: str, setting: Any) -> Any:
    value = presets.to_field(name, setting)
    if SETTINGS[name].type == "bool":
        return gr.Checkbox(value, label=name, min_width=190)
    if name in CHOICES:
        return gr.Dropdown(["", *CHOICES[name]], value=value or "", label=name, min_width=150)
    hint = PLACEHOLDERS.get(name, "default")
    return gr.Textbox(value, label=name, placeholder=hint, max_lines=1, min_width=230 if "[" in hint else 150)


def form_values(text: str, target: str) -> list[Any]:
    """The form's fields for one strategy of the list: the choice of strategy first."""
    try:
        strategies = strategies_of(text)
    except VisitorError:
        return [gr.skip()] * (1 + len(SETTINGS))
    names = [strategy.name for strategy in strategies]
    chosen = target if target in names else names[0]
    config = strategies[names.index(chosen)].config
    return [
        gr.Radio(choices=names, value=chosen),
        *(presets.to_field(name, config.get(name)) for name in SETTINGS),
    ]


def edited_strategies(text: str, target: str, *fields: Any) -> str:
    """The strategies' JSON with the form's fields put into one strategy."""
    try:
        strategies = strategies_of(text)
    except VisitorError:
        return text
    try:
        values = {name: presets.from_field(name, field) for name, field in zip(SETTINGS, fields, strict=True)}
    except VisitorError as error:
        gr.Warning(str(error))
        return text
    config = {name: value for name, value in values.items() if value is not None}
    return presets.dump([{"name": s.name, **config} if s.name == target else s.to_json() for s in strategies])
