"""The strategies as JSON text, and a form beside it with one field for every setting of one of them."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import Any

import gradio as gr

from decoding import presets
from decoding.llama_cpp import settings as llama_cpp
from decoding.settings import SAMPLING_ONLY, SETTINGS, Setting
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
    forms = {runtime: _Form(runtime, first.config) for runtime in FORMS}
    boxes = [box for form in forms.values() for box in form.fields.values()]

    def show(values: Values) -> Values:
        try:
            known = {strategy.name: strategy.config for strategy in _named(values[strategies])}
        except VisitorError:
            return {target: gr.skip()}
        chosen = values[target] if values[target] in known else next(iter(known))
        shown: Values = {}
        for form in forms.values():
            shown |= form.shown(known[chosen])
        radio = gr.Radio(choices=list(known), value=chosen)
        return {target: radio, selector: chosen_names(values[strategies]), **shown}

    def edit(values: Values, runtime: str) -> Values:
        try:
            written = forms[runtime].written(values)
            return {strategies: with_config(values[strategies], values[target], written)}
        except VisitorError as error:
            gr.Warning(str(error))
            return {strategies: gr.skip()}

    gr.on(
        [strategies.change, target.input],
        show,
        {strategies, target},
        [target, selector, *(form.group for form in forms.values()), *boxes],
        queue=False,
        **QUIET,
    )
    for runtime, form in forms.items():
        gr.on(
            [box.blur if isinstance(box, gr.Textbox) else box.input for box in form.fields.values()],
            partial(edit, runtime=runtime),
            {strategies, target, *form.fields.values()},
            [strategies],
            **QUIET,  # queued: a warning needs the queue
        )


FORMS: dict[str, dict[str, Setting]] = {"transformers": SETTINGS, llama_cpp.RUNTIME: llama_cpp.SETTINGS}
"""The settings of each runtime."""


class _Form:
    """The fields of one runtime, which are seen while a strategy of its own is edited."""

    def __init__(self, runtime: str, config: dict[str, Any]) -> None:
        self.runtime = runtime
        self.fields: dict[str, gr.Checkbox | gr.Dropdown | gr.Textbox] = {}
        with gr.Column(visible=self._is_of(config)) as self.group:
            for flags in (True, False):  # a flag needs little room, and would be squeezed between the others
                with gr.Row():
                    for name, setting in FORMS[runtime].items():
                        if (setting.kind == "flag") == flags:
                            self.fields[name] = _field(name, config.get(name), setting)

    def _is_of(self, config: dict[str, Any]) -> bool:
        return config.get("runtime", "transformers") == self.runtime

    def shown(self, config: dict[str, Any]) -> Values:
        """The group and, where a strategy of this runtime is edited, its values."""
        if not self._is_of(config):
            return {self.group: gr.Column(visible=False)}
        values = {box: to_field(name, config.get(name)) for name, box in self.fields.items()}
        return {self.group: gr.Column(visible=True), **values}

    def written(self, values: Values) -> dict[str, Any]:
        """The configuration that the fields hold."""
        runtime = {} if self.runtime == "transformers" else {"runtime": self.runtime}
        known = FORMS[self.runtime]
        return runtime | {
            name: from_field(name, values[box], known[name]) for name, box in self.fields.items()
        }


def _named(text: str) -> tuple[Strategy, ...]:
    return without_equal_names(strategies_of(text))


def _field(name: str, value: Any, setting: Setting) -> gr.Checkbox | gr.Dropdown | gr.Textbox:
    shown = to_field(name, value)
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
    strategies = list(_named(text))
    llama = config.get("runtime") == llama_cpp.RUNTIME
    sampling = config if llama else {**config, "do_sample": True}
    place = next((at for at, one in enumerate(strategies) if one.name == name), None)
    old = strategies[place] if place is not None else None
    kept = {key: value for key, value in old.config.items() if key not in SAMPLING_ONLY} if old else {}
    if llama or (old and old.kind in ("contrastive", "dola", "llama_cpp")):
        kept = {}  # they choose otherwise: nothing of them is left
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
    if name in SETTINGS and SETTINGS[name].kind == "flag":
        return bool(value)
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def from_field(name: str, value: Any, setting: Setting | None = None) -> Any:
    """A form field's value as the setting, by default one of transformers'; None where the field is empty.

    Raises:
        VisitorError: the text is no number, or no JSON where a list belongs.
    """
    if value is None or value == "":
        return None
    setting = setting or SETTINGS[name]
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
