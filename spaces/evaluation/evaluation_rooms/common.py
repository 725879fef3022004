"""What the rooms of the evaluation Space share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import gradio as gr

from evaluation.data import Waiting
from evaluation.examples import FOLDER
from evaluation.request import AT, ItemsRequest, ModelsRequest
from shared import experts, gpu, models, page
from shared.entrances import offered
from shared.item_sets import SETS
from shared.mean import AND
from shared.models import Loaded

TITLE = "Evaluation"
RENDERER = Path(__file__).parents[1] / "evaluation" / "js"

example = partial(page.stored, FOLDER)


def models_field(chosen: Sequence[str], **settings: Any) -> gr.Dropdown:
    """The field that names models."""
    return offered(
        gr.Dropdown(
            [
                *models.CATALOGUE,
                AND.join(experts.NAMES[:2]),
                *(f"{chosen[0]}{AT}{kind}" for kind in ("Q8_0", "Q4_0", "Q2_K")),
            ],
            value=list(chosen),
            multiselect=True,
            allow_custom_value=True,
            label=f"Models, the base first (name{AT}Q2_K rounds it, one{AND}other merges)",
            elem_classes="many",
            scale=5,
            min_width=260,
            **settings,
        )
    )


def item_fields(request: ItemsRequest, prefix: str = "") -> dict[str, gr.Dropdown | gr.Textbox]:
    """The fields that name items, by the request's settings; their ids begin with `prefix`."""
    return {
        "tasks": gr.Dropdown(
            [(f"{name}: {one.says}", name) for name, one in SETS.items()],
            value=list(request.tasks),
            multiselect=True,
            label="Sets",
            elem_id=f"{prefix}tasks",
        ),
        "items": gr.Textbox(
            request.items,
            label="or items of your own, a line of JSON each",
            placeholder='{"prompt": "The sea is", "choices": ["wet", "dry"], "gold": "wet"}',
            lines=2,
            max_lines=8,
            elem_id=f"{prefix}items",
        ),
    }


def reading_seconds(request: ItemsRequest, rows: int, tokens: int) -> int:
    """GPU seconds in which every model reads so many rows of so many tokens each."""
    return sum(
        gpu.seconds_for(
            models.most_parameters(side.parts[0], exact=True), passes=2 * (rows // 8 + 1), read=rows * tokens
        )
        for side in request.sides
    )


def moved(request: ModelsRequest, loaded: Sequence[Loaded]) -> list[Loaded]:
    """The models where they are to run; those made here are not kept there."""
    return [
        models.on_device(one, keep=not (side.rounding or side.parts[1:]))
        for one, side in zip(loaded, request.sides, strict=True)
    ]


def waiting(kind: Literal["compare", "fragile", "follow", "judge", "task"], label: str) -> Waiting:
    """A run before its first answer."""
    return {
        "kind": kind,
        "drawable": False,
        "done": False,
        "progress": {"label": label, "value": 0, "max": 1},
    }
