"""What the rooms of the fine-tuning Space share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from finetuning.examples import FOLDER
from shared import page
from shared.room import LIGHT, Room, open_room

TITLE = "Fine-tuning"
RENDERER = Path(__file__).parents[1] / "finetuning" / "js"

example = partial(page.stored, FOLDER)


def rows_file(room: str) -> gr.File:
    """The field for a file of rows."""
    return gr.File(
        label="or a file: JSON, JSON Lines, CSV",
        file_types=[".json", ".jsonl", ".ndjson", ".csv", ".tsv"],
        height=78,
        min_width=200,
        elem_id=f"{room}-file",
        elem_classes="slim",
    )


def dataset_fields(limit: int, says: str) -> dict[str, gr.Dropdown | gr.Textbox | gr.Slider]:
    """The fields for a dataset of the Hub or of the visitor's shelf, by the request's settings.

    Args:
        limit: rows at most, at first.
        says: what that limits.
    """
    return {
        "dataset": page.dataset_field(min_width=150),
        "config": gr.Textbox("", label="its config", max_lines=1, min_width=90),
        "split": gr.Textbox("train", label="its split", max_lines=1, min_width=90),
        "limit": gr.Slider(1, 200, limit, step=1, label=says, min_width=140),
    }


def open_rows_room(
    demo: gr.Blocks,
    tabs: gr.Tabs,
    file: gr.File,
    *,
    controls: Mapping[str, Any],
    examples: Iterable[str],
    outputs: Sequence[Any] = (),
    **parts: Any,
) -> Room[Any]:
    """A room whose run reads rows: of its controls, or of a file, which empties them.

    Args:
        demo: the page.
        tabs: of the page.
        file: of `rows_file`; its value is among the run's.
        controls: by the request's names, rows and dataset among them.
        examples: names of the stored ones.
        outputs: what the run may set beside the figure and the file.
        parts: further ones of `open_room`.
    """
    room = open_room(
        demo,
        tabs=tabs,
        title=TITLE,
        controls=controls,
        inputs=[file],
        outputs=[file, *outputs],
        stored=[example(name) for name in examples],
        **parts,
    )
    file.upload(lambda: ("", ""), None, [controls["rows"], controls["dataset"]], **LIGHT)
    return room


def set_aside(stored: gr.Dropdown, rows: Sequence[Any]) -> None:
    """Say beside the field of the stored sets that it is not used where a visitor gives rows.

    Args:
        stored: the field.
        rows: the fields for rows of their own.
    """
    label = stored.label

    def said(*given: Any) -> gr.Dropdown:
        own = any(str(one or "").strip() for one in given)
        return gr.Dropdown(label="Not used: your rows are trained on" if own else label, interactive=not own)

    gr.on([one.change for one in rows], said, list(rows), [stored], **LIGHT)
