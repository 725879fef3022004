"""Small calls of each Space, which a page makes while a visitor types, clicks and moves handles."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from tests import zoo


def two_models(folder: Path) -> tuple[str, str]:
    """Two tiny models of one shape, as folders."""
    for name in ("first", "second"):
        shutil.copytree(zoo.folder("llama3"), folder / name)
    return str(folder / "first"), str(folder / "second")


def small_calls(model: str, other: str) -> dict[str, Callable[[], object]]:
    """The calls by Space and name.

    Args:
        model: a folder.
        other: another, of the same shape.
    """
    from abliteration_rooms import remove
    from decoding import presets
    from decoding.pair.request import PairRequest
    from decoding.request import Request as DecodeRequest
    from decoding.speculative.request import Request as SpeculativeRequest
    from decoding_rooms import decode, form, pair, panel, speculative
    from dedup.request import Request as DedupRequest
    from dedup_rooms import duplicates
    from merging_rooms import recipe_form
    from quantization.plan import plan
    from quantization.request import LabRequest
    from quantization.request import Request as CompareRequest
    from quantization_rooms import lab
    from shared import models

    models.load(model)  # a figure's questions load none
    recipe = f"merge_method: linear\nmodels:\n- model: {model}\n  parameters: {{weight: 1}}\n"
    recipe += f"- model: {other}\n  parameters: {{weight: 1}}\n"
    strategies = json.dumps([{"name": "a", "do_sample": True}])
    question = {"model": model, "token_ids": [1, 2, 3], "prompt_length": 1, "config": {}}
    weight = {"model": model, "tensor": "model.layers.0.mlp.up_proj.weight", "method": "rtn"}
    decoding = DecodeRequest.parse(prompt="The cat", model=model, max_new_tokens=2)
    two = PairRequest.parse(prompt="The cat", model=model, other=other, max_new_tokens=2)
    ahead = SpeculativeRequest.parse(prompt="The cat", model=model, max_new_tokens=2, temperature=1)
    return {
        "merging: check": lambda: recipe_form.check_html(recipe),
        "merging: form": lambda: recipe_form.editor_value(recipe),
        "quantization: plan": lambda: plan(CompareRequest.parse(model=model)),
        "quantization: lab": lambda: lab.weights(LabRequest.parse(**weight, compare=False)),
        "quantization: block": lambda: lab.block({**weight, "row": 0, "block": 0}),
        "quantization: handle": lambda: lab.adjust(weight),
        "dedup: plan": lambda: duplicates.plan(DedupRequest.parse(dataset="kitchen.jsonl")),
        "dedup: run": lambda: duplicates.deduplicate(DedupRequest.parse(dataset="kitchen.jsonl")),
        "decoding: presets": lambda: form.with_names(strategies, list(presets.PRESETS)[:4]),
        "decoding: form": lambda: form.with_config(strategies, "a", {"top_k": 3, "do_sample": True}),
        "decoding: run": lambda: decode.decode(decoding),
        "decoding: two models": lambda: pair.compare_models(two),
        "decoding: speculative": lambda: speculative.speculate(ahead),
        "decoding: odds": lambda: panel.distribution({**question, "limit": 5}),
        "abliteration: kernel": lambda: remove.editor_value("", 30),
    }
