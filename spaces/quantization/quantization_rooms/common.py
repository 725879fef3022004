"""What the rooms of the quantization Space share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from shared import limits, page
from shared.room import LATEST, LIGHT, Room, Values
from shared.turns import in_turn

TITLE = "Quantization"
HERE = Path(__file__).parents[1]
RENDERER = HERE / "quantization" / "js"

example = partial(page.stored, HERE / "examples")


def follow(room: Room[Any], events: Sequence[Any], plan: Callable[[Any], str], line: gr.HTML) -> None:
    """Keep the line below a room's controls at what their run will cost, or what is wrong with it.

    Args:
        room: whose controls are read.
        events: after which the line is written anew.
        plan: the sentence of a request.
        line: the place.
    """

    def say(values: Values) -> str:
        return page.quiet(plan(room.parse(values)))

    answer = in_turn(say, lambda error: page.quiet(str(error)), limits.MAX_QUEUE)
    gr.on([*events], answer, set(room.controls.values()), [line], **LATEST)


def goes_on(
    event: Callable[..., Any], room: Room[Any], tabs: gr.Tabs, tab: str, names: Sequence[str]
) -> None:
    """Have an event of another room's figure fill controls of a room with what it brings, whatever stands
    there by now, and open its tab.

    Args:
        event: of the figure; what it brings has the names of the controls.
        room: that goes on.
        tabs: of the page.
        tab: of the room.
        names: of the controls.
    """

    def filled(brought: gr.EventData) -> list[Any]:
        return [gr.Tabs(selected=tab), *(getattr(brought, name) for name in names)]

    event(filled, None, [tabs, *(room.controls[name] for name in names)], **LIGHT)
