"""A page that says whose request each kind of call is: `python -m tests.shared.toy.whose`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextvars import copy_context
from pathlib import Path
from typing import Any

import gradio as gr

from shared import owner, page, server
from shared.api import endpoint
from shared.figure import Figure, stylesheet

RENDERER = Path(__file__).parent / "js"


def queued() -> bool:
    """Whether the owner asks, behind the queue."""
    return owner.is_here()


def at_once() -> bool:
    """Whether the owner asks, without a queue."""
    return owner.is_here()


def stepwise() -> Iterator[list[bool]]:
    """Whether the owner asks, at every step of a run."""
    said: list[bool] = []
    for _ in range(3):
        said.append(owner.is_here())
        yield said


def threads() -> list[bool]:
    """Whether the owner asks, in a thread without and in one with the context of its call."""
    said: list[bool] = []
    context = copy_context()
    for work in (owner.is_here, lambda: context.run(owner.is_here)):
        thread = threading.Thread(target=lambda work=work: said.append(work()))
        thread.start()
        thread.join()
    return said


def asked(_: dict[str, Any]) -> bool:
    """Whether the owner asks, from a figure."""
    return owner.is_here()


with page.page("Whose", "Whose request it is.") as demo:
    Figure(None, folder=RENDERER, fetch=[asked], elem_id="figure")
    endpoint(queued)
    endpoint(at_once, queue=False)
    gr.api(stepwise, api_name="stepwise")
    endpoint(threads)

if __name__ == "__main__":
    server.launch(demo, stylesheet(RENDERER))
