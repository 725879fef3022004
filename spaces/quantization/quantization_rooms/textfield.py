"""Fields that several rooms have: a text that may also be uploaded, and how many questions are asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from quantization import published
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


def questions_field(value: int) -> gr.Textbox:
    """The field for how many questions base and formats answer; an empty one means none."""
    return gr.Textbox(
        str(value) if value else "",
        label="Questions of each of nine sets (flips)",
        placeholder="none; 24 are 216 in all",
        max_lines=1,
        min_width=200,
    )


def matrix_field(value: str = "") -> gr.Textbox:
    """The field for an importance matrix, with a button for a file below it."""
    with gr.Column(min_width=260):
        field = gr.Textbox(
            value,
            label="Importance matrix of a file, for GGUF formats",
            placeholder="none: computed from the calibration text",
            max_lines=1,
            elem_classes="imatrix",
        )
        with gr.Row(elem_classes="chips"):
            endings = [".gguf", ".dat", ".imatrix"]
            file = gr.UploadButton("Upload an imatrix", size="sm", file_types=endings, scale=0)
    file.upload(_matrix, [file], [field], **QUIET)
    return field


def _matrix(file: str | None) -> Any:
    from quantization import importance

    if not file:
        return gr.skip()
    try:
        spec = published.uploaded(file, matrix=True)
        importance.opened(Path(file), Path(file).name)
        return spec
    except VisitorError as error:
        gr.Warning(str(error))
        return gr.skip()


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
