"""What visitors upload beside the controls: sets of prompts, and a direction's vector file."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData

from abliteration import given, reading, sets
from shared import page, shelf, web
from shared.errors import VisitorError
from shared.files import result_folder

MAX_UPLOAD = 1_000_000
"""Largest file with one set, in bytes."""


def taken_vector(path: str) -> tuple[str, str, Any]:
    """What the field of the vector file holds after an upload, what stands below it, the layer: an earlier
    one belongs to another direction.
    """
    try:
        return upload_vector(path), "", ""
    except VisitorError as error:
        return "", page.alert(error), gr.skip()  # an earlier file is not what was meant


def take_vector(file: FileData) -> dict[str, str]:
    """Put a direction on your shelf: safetensors, or a GGUF control vector of llama.cpp's or repeng's. A
    program has a shelf where it sends a cookie `llm-course-visitor-<port>` of 22 to 64 letters of its own.

    Args:
        file: the file, or its address on the web.

    Returns:
        vector: what ablate, features and export take as vector, for two hours.
    """
    path, name = web.file_of(file)
    return {"vector": upload_vector(str(path), Path(name).stem)}


def upload_vector(path: str, words: str = "") -> str:
    """The name under which an uploaded vector file lies on the visitor's shelf.

    Args:
        path: of the file.
        words: that the name holds; by default the file's own.

    Raises:
        VisitorError: it is no such file, or nobody can be told from others.
    """
    given.read(Path(path))
    folder, name = result_folder(), f"vector{given.ENDINGS[0]}"
    with Path(path).open("rb") as handle:
        if handle.read(4) == b"GGUF":
            name = f"vector{given.ENDINGS[1]}"
    shutil.copy(path, folder / name)
    title = f"vector {words or Path(path).stem}"
    made = shelf.put(folder, "vector", title, says="uploaded", parents=[], relation="", file=name)
    if made is None:
        raise VisitorError(
            "Your browser sends no cookie, so the file cannot be kept for you.", "Allow cookies here."
        )
    return made.name


def upload(path: str, column: str = "") -> str:
    """An uploaded set, one prompt a line or a row, as the text of its field.

    Args:
        path: of the file; its ending says what it is.
        column: of its rows; "" for the usual one.

    Raises:
        gr.Error: the file is too large or does not hold prompts.
    """
    try:
        if Path(path).stat().st_size > MAX_UPLOAD:
            raise VisitorError(
                f"The file is larger than {MAX_UPLOAD // 1_000_000} MB.",
                f"Upload at most {sets.MAX_PROMPTS} prompts.",
            )
        with Path(path).open(encoding="utf-8-sig", newline="") as handle:
            prompts = reading.prompts_of(Path(path).name, handle.read(), column)
    except UnicodeDecodeError:
        error = VisitorError(
            "The file is not text.", "Upload text with one prompt a line, or JSON, JSONL or CSV in UTF-8."
        )
        raise gr.Error(str(error), print_exception=False) from None
    except VisitorError as error:
        raise gr.Error(str(error), print_exception=False) from error
    return reading.written(prompts)
