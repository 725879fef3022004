"""A field for a text that may also be uploaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from shared import limits
from shared.errors import VisitorError
from shared.room import QUIET


def text_field(label: str, value: str = "") -> gr.Textbox:
    """The field, with a button for a file below it."""
    with gr.Column(min_width=260):
        field = gr.Textbox(
            value, label=label, placeholder="the sample that comes with this page", lines=3, max_lines=6
        )
        with gr.Row(elem_classes="chips"):
            file = gr.UploadButton("Upload UTF-8 text", size="sm", file_types=[".txt", ".md"], scale=0)
    file.upload(_uploaded, [file], [field], **QUIET)  # queued: a warning needs the queue
    return field


def read_text(file: str | None) -> str:
    """The text of an uploaded file.

    Raises:
        VisitorError: it is not UTF-8, or too long.
    """
    if not file:
        return ""
    size = Path(file).stat().st_size
    if size > 4 * limits.MAX_TEXT_CHARACTERS:
        raise VisitorError(
            f"The file has {size / 1e6:,.1f} MB.", f"Use at most {limits.MAX_TEXT_CHARACTERS:,} characters."
        )
    content = Path(file).read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise VisitorError(
            f"The file is not UTF-8 text (byte {error.start:,}).", "Save it as UTF-8 and upload it again."
        ) from None


def _uploaded(file: str | None) -> Any:
    try:
        return read_text(file)
    except VisitorError as error:
        gr.Warning(str(error))
        return gr.skip()
