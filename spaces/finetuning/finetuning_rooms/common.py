"""What the rooms of the fine-tuning Space share."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from finetuning.examples import FOLDER
from shared import gpu, page

TITLE = "Fine-tuning"
RENDERER = Path(__file__).parents[1] / "finetuning" / "js"

example = partial(page.stored, FOLDER)


@gpu.on_gpu(duration=lambda *_, **__: 10)
def unused() -> Iterator[None]:
    """Nothing calls it: no model is run here. But a free account hosts a Gradio Space on ZeroGPU alone, which
    starts none that declares no function for a GPU.
    """
    yield
