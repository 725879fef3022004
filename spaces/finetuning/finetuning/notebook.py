"""A run as an Unsloth notebook."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from finetuning.same_run import TRAINERS, config, form_of, formed, targets
from finetuning.train_programs import named
from finetuning.train_request import TrainRequest
from shared import experts

UNSLOTH = "2026.10.9"
"""Before transformers 5 configs have warmup_ratio too, of which Unsloth makes 0.1 and which TRL no longer
knows: no program could state it for both.
"""


def unsloth(request: TrainRequest, data: Mapping[str, Any]) -> dict[str, Any]:
    """A notebook (nbformat 4.5) that trains with Unsloth on a GPU: the same rows and settings. Not run
    here.
    """
    module, name = TRAINERS[request.objective]
    ends, layers = targets(data)
    texts = request.objective == "sft" and form_of(data) != "talks"
    blocks = f"\n    layers_to_transform={layers!r}," if layers else ""
    cells = [
        (
            "markdown",
            f"# {name} with Unsloth\n\nThe rows and settings of a run in a Space, for a GPU. "
            f"{_differs(request)}",
        ),
        ("code", f'%pip install unsloth=={UNSLOTH} "transformers>=5"'),
        *([("code", named(request.model).rstrip())] if request.model in experts.NAMES else []),
        (
            "code",
            "from unsloth import FastLanguageModel\n\n"
            "model, tokenizer = FastLanguageModel.from_pretrained(\n"
            f"    {request.model!r}, max_seq_length={request.max_length}, "
            f"load_in_4bit={request.qlora}\n"
            ")\n"
            "model = FastLanguageModel.get_peft_model(\n"
            f'    model, r={request.rank}, lora_alpha={request.alpha:g}, lora_dropout=0, bias="none",\n'
            f"    target_modules={ends!r},{blocks}\n"
            f'    use_gradient_checkpointing="unsloth", random_state={request.seed},\n'
            ")",
        ),
        ("code", f"import json\n\n{formed(request, data)}{_ENDED if texts else ''}".rstrip()),
        (
            "code",
            f"from datasets import Dataset\n\n{_imported(module, name)}\n"
            f"config = {name}Config(\n{config(request)}"
            '    output_dir="run", report_to="none", save_strategy="no", logging_steps=1,\n'
            ")\n"
            "try:\n"
            '    data = Dataset.from_list(rows, on_mixed_types="use_json")\n'
            "except TypeError:  # the datasets that Unsloth brings may be older\n"
            "    data = Dataset.from_list(rows)\n"
            f"trainer = {name}Trainer(\n"
            "    model, args=config, train_dataset=data, processing_class=tokenizer\n"
            ")\n"
            "trainer.train()",
        ),
        ("code", 'model.save_pretrained("adapter")\ntokenizer.save_pretrained("adapter")'),
    ]
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "cells": [_cell(at, kind, text) for at, (kind, text) in enumerate(cells)],
    }


def _cell(at: int, kind: str, text: str) -> dict[str, Any]:
    own = hashlib.sha256(f"{at} {text}".encode()).hexdigest()[:12]
    cell: dict[str, Any] = {
        "id": own,
        "cell_type": kind,
        "metadata": {},
        "source": text.splitlines(keepends=True),
    }
    return cell if kind == "markdown" else {**cell, "execution_count": None, "outputs": []}


_ENDED = """
# Unsloth puts no stop token behind a text, and TRL does
end = tokenizer.eos_token or ""
rows = [
    {**row, "text": row["text"] + end} if "text" in row and not row["text"].endswith(end) else row
    for row in rows
]
"""


def _imported(module: str, name: str) -> str:
    """Lines that import a trainer; `unsloth`, imported before, puts its own in its place."""
    names = f"import {name}Config, {name}Trainer\n"
    if module == "trl":
        return f"from trl {names}"
    return f"try:\n    from {module} {names}except ImportError:  # an older TRL\n    from trl {names}"


def _differs(request: TrainRequest) -> str:
    """What is not the same as in the run, and why; the settings that decide are stated below."""
    scales = ", and its 4-bit weights have rounded scales" if request.qlora else ""
    return (
        "Every setting that makes the run is stated below, since Unsloth has defaults of its own. What still "
        f"differs: it computes in half precision{scales}, where the run had float32; A of the adapter is "
        "drawn by Unsloth; versions of TRL before 1.0, which it may bring, cut prompts at 512 tokens "
        "outside SFT. So losses are near, and not the same."
    )
