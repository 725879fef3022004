"""The settings of a method as controls, and as the JSON that a request and a link have.

The controls write the JSON in the browser, so that a run that follows at once has it; a link writes the JSON,
and the controls follow.
"""

from __future__ import annotations

import json
from typing import Any

import gradio as gr

from quantization.methods import METHODS, Setting
from shared.room import LIGHT

LABELS = {
    "bits": "bits",
    "group": "group",
    "act_order": "act_order",
    "alpha": "alpha",
    "threshold": "threshold",
    "clip": "clip",
    "scale_factor": "scale factor",
}
"""Settings and what their controls are called; the last two are handles in the figure too."""

HANDLES = ("clip", "scale_factor")

_WRITE = """(method, ...values) => {
  const [known, names] = KNOWN;
  const written = {};
  names.forEach((name, place) => {
    const value = values[place];
    if (!(known[method] ?? []).includes(name)) return;
    const isNumber = typeof value === "string" && value.trim() !== "" && Number.isFinite(Number(value));
    written[name] = isNumber ? Number(value) : value;
  });
  return JSON.stringify(written);
}"""


def json_field(settings: dict[str, Any]) -> gr.Textbox:
    """The JSON, which nobody sees."""
    return gr.Textbox(
        json.dumps(settings), label="Its settings (JSON)", visible="hidden", elem_id="lab-settings"
    )


def control(name: str, method: str, settings: dict[str, Any]) -> Any:
    """The control of one setting, hidden where the method has none of it."""
    shown = _shown(name, method, settings)
    common = {"label": LABELS[name], "min_width": 90, "scale": 1, "elem_id": f"setting-{name}", **shown}
    if name == "act_order":
        return gr.Checkbox(**{**common, "min_width": 110})
    if name == "bits":
        return gr.Dropdown([str(bits) for bits in range(2, 9)], **common)
    if name == "group":
        choices = ["32", "64", "128", "row", "tensor"]
        return gr.Dropdown(choices, allow_custom_value=True, **{**common, "min_width": 120})
    return gr.Textbox(max_lines=1, **common)


def _shown(name: str, method: str, settings: dict[str, Any]) -> dict[str, Any]:
    """A control's value, and whether it is seen."""
    setting = _known(method).get(name)
    value = settings.get(name, setting.default if setting else None)
    if name == "act_order":
        return {"value": bool(value), "visible": setting is not None}
    return {"value": _written(value), "visible": setting is not None}


def _written(value: Any) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _known(method: str) -> dict[str, Setting]:
    return METHODS[method].settings if method in METHODS else {}


def connect(field: gr.Textbox, method: gr.Dropdown, controls: dict[str, Any]) -> None:
    """Have the controls write the JSON, and follow it where something else wrote it."""
    known = {name: list(one.settings) for name, one in METHODS.items()}
    write = _WRITE.replace("KNOWN", json.dumps([known, list(controls)]))
    for one in controls.values():
        one.input(None, [method, *controls.values()], [field], js=write, show_progress="hidden")

    def follow(text: str, chosen: str, *values: Any) -> list[Any]:
        """The controls, where they say something else than the JSON."""
        try:
            settings = json.loads(text)
        except ValueError:
            settings = {}
        if not isinstance(settings, dict):
            settings = {}
        updates = []
        for (name, component), value in zip(controls.items(), values, strict=True):
            shown = _shown(name, chosen, settings)
            is_same = name not in _known(chosen) or str(shown["value"]) == str(value)
            updates.append(gr.update(visible=shown["visible"]) if is_same else type(component)(**shown))
        return updates

    field.change(follow, [field, method, *controls.values()], list(controls.values()), **LIGHT)
