"""The strategies as JSON text, and a form beside it with one field for every setting of one of them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import gradio as gr

from decoding import presets
from decoding.settings import SAMPLING_ONLY, SETTINGS
from decoding.strategy import Strategy, describe, strategies_of, text_of, without_equal_names
from shared import limits
from shared.errors import VisitorError
from shared.room import QUIET, Values


def build_form(text: str, strategies: gr.Textbox, selector: gr.Dropdown) -> None:
    """One field for every setting of one strategy of the list; an empty one means the default.

    Args:
        text: the strategies' JSON.
        strategies: the component that holds it; the form and it follow each other.
        selector: names them; while the form stands, a change of theirs is heard here alone.
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
        radio = gr.Radio(choices=list(known), value=chosen)
        return {target: radio, selector: chosen_names(values[strategies]), **shown}

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
        [target, selector, *fields.values()],
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
    """The strategies' JSON with the sampler panel's settings in the strategy of that name. A strategy that
    does not draw stays as it is, and one that draws stands beside it, or in its place where there is no room.

    A name that said what the settings were, as a preset's, is not kept for other settings.

    Raises:
        VisitorError: the text is no list of strategies.
    """
    strategies, sampling = list(_named(text)), {**config, "do_sample": True}
    place = next((at for at, one in enumerate(strategies) if one.name == name), None)
    old = strategies[place] if place is not None else None
    kept = {key: value for key, value in old.config.items() if key not in SAMPLING_ONLY} if old else {}
    if old and old.kind in ("contrastive", "dola"):  # they choose otherwise: nothing of them is left
        kept = {}
    new = Strategy("", {**kept, **sampling})
    own_name = old is not None and old.draws and old.name not in (*presets.PRESETS, describe(old))
    new = replace(new, name=old.name if old and own_name else describe(new))
    if old and place is not None and (old.draws or len(strategies) >= limits.MAX_STRATEGIES):
        strategies[place] = new
    else:
        at = len(strategies) if place is None else place + 1
        strategies = [*strategies[:at], new, *strategies[at:]][: limits.MAX_STRATEGIES]
        if new not in strategies:
            strategies[-1] = new
    return text_of([one.to_json() for one in without_equal_names(tuple(strategies))])


def with_names(text: str, names: list[str]) -> str:
    """The strategies' JSON with those of these names, of the text or else presets; greedy where none is
    left.

    Raises:
        VisitorError: the text is no list of strategies.
    """
    known = {one.name: one.to_json() for one in _named(text)}
    chosen = [
        known.get(name) or {"name": name, **presets.PRESETS[name]}
        for name in names
        if name in known or name in presets.PRESETS
    ]
    return text_of(chosen or [{"name": "greedy"}])


def chosen_names(text: str) -> Any:
    """The names that the JSON has, as the field above the figure shows them."""
    names = names_in(text)
    if names is None:
        return gr.skip()
    more = [name for name in names if name not in presets.PRESETS]
    return gr.Dropdown(choices=[*presets.PRESETS, *more], value=names, multiselect=True)


def names_in(text: str) -> list[str] | None:
    """The names of the strategies; None where the text is no list of strategies."""
    try:
        return [one.name for one in _named(text)]
    except VisitorError:
        return None


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
