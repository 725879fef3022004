"""What one tensor's quantization does to the whole model: quick enough to follow a slider."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from quantization import data, lab, metrics, modules
from quantization.request import LabRequest
from shared import limits, measure, talk, texts
from shared.cache import Cache
from shared.errors import VisitorError
from shared.estimates import estimate
from shared.measure import Windows
from shared.models import Loaded, twin

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from quantization.calibration import Calibration

CONTEXT = 256
"""Tokens of the sample that are read, as one window; its second half is scored."""

ROTATION_SEED = 0
"""Of "Rotate first"."""

_bases: WeakKeyDictionary[PreTrainedModel, metrics.Base] = WeakKeyDictionary()
_inputs: WeakKeyDictionary[PreTrainedModel, Cache[Calibration]] = WeakKeyDictionary()
"""Both go with the model: nothing in them may refer to it."""


def _windows(loaded: Loaded, sample: str, most: int) -> Windows:
    context = min(CONTEXT, talk.context_limit(loaded) or CONTEXT)
    windows = measure.text_windows(loaded.tokenizer, texts.sample(sample), context, most)
    talk.check_vocabulary(loaded.model, windows.ids)
    return windows


def short_base(loaded: Loaded) -> metrics.Base:
    """The base model's pass over one window of the sample."""
    base = _bases.get(loaded.model)
    # A comparison may have moved the model to the GPU.
    if base is None or base.kept[0].device != loaded.model.device:
        *_, whole = metrics.base_pass(loaded.model, _windows(loaded, "evaluation", 1))
        assert isinstance(whole, metrics.Base)
        base = _bases[loaded.model] = replace(whole, model=None)  # type: ignore[arg-type]
    return replace(base, model=loaded.model)


def inputs_of(loaded: Loaded, name: str) -> Calibration | None:
    """What one layer sees of the calibration sample; None where that is nothing."""
    from quantization.calibration import collect

    known = _inputs.setdefault(loaded.model, Cache(limits.KEPT_BYTES))
    inputs = known.get(name)
    if inputs is None:
        inputs = collect(loaded.model, _windows(loaded, "calibration", 2).ids, [name]).get(name)
        if inputs is None:
            return None
        known.put(name, inputs)
    return inputs


def effect(loaded: Loaded, name: str, values: Tensor) -> data.Effect:
    """The model's KLD when this one weight (outputs, inputs) is replaced."""
    base = short_base(loaded)
    model = twin(loaded.model)
    modules.replace_weight(model, name, values.to(loaded.model.device))
    *_, scores = metrics.score(model, base)
    assert isinstance(scores, metrics.Scores)
    kl = estimate(scores.kl)
    return {"mean": kl.mean, "sigma": kl.sigma, "tokens": kl.count}


def tensor_names(loaded: Loaded) -> list[str]:
    """Names of the weights that the lab offers: all linear layers, and the embedding first."""
    embedding = loaded.model.get_input_embeddings().weight
    names = [name for name, parameter in loaded.model.named_parameters() if parameter is embedding]
    return [*names, *modules.linear_names(loaded.model)]


def weigh(loaded: Loaded, request: LabRequest) -> tuple[Tensor, Calibration | None]:
    """The weight that a request names, and its inputs where it is a linear layer's.

    Raises:
        VisitorError: the model has no such weight, or is too large.
    """
    modules.check_size(loaded)
    if request.tensor not in tensor_names(loaded):
        raise VisitorError(
            f"{loaded.id} has no weight “{request.tensor[:80]}”.",
            "Choose one from the list: the embedding or a linear layer's weight.",
        )
    weight = modules.weight_of(loaded.model, request.tensor).detach().float().cpu()
    linear = request.tensor in modules.linear_names(loaded.model)
    return weight, inputs_of(loaded, request.tensor) if linear else None


def _turned(loaded: Loaded, request: LabRequest) -> tuple[Tensor, Calibration | None, Tensor | None]:
    """As `weigh`, in the basis that the request names, and the turn into it; raises as `lab.rotate` too."""
    weight, inputs = weigh(loaded, request)
    if request.rotation:
        return lab.rotate(weight, request.method, inputs, ROTATION_SEED)
    return weight, inputs, None


def look(loaded: Loaded, request: LabRequest) -> data.Lab:
    """The weight lab's data for one request, the model's KLD included."""
    *_, last = looks(loaded, request)
    return last


def looks(loaded: Loaded, request: LabRequest) -> Iterator[data.Lab]:
    """As `look`, first without the other methods: ggml makes the tables of its smallest types on first use,
    which takes a process 20 seconds.
    """
    import torch

    weight, inputs = weigh(loaded, request)
    seed = ROTATION_SEED if request.rotation else None
    view, values = lab.explore(weight, request.method, request.settings, inputs, seed)
    on_grid = modules.on_grid(loaded) and not request.rotation
    figure: data.Lab = {
        **view,
        "summary": {**view["summary"], "kld": effect(loaded, request.tensor, values)},
        "methods": None,
        "kind": "lab",
        "run_id": str(time.time_ns()),
        "drawable": True,
        "done": not request.compare,
        "title": f"{request.tensor} · {request.method}",
        "tensor": request.tensor,
        "request": request.to_json(),  # type: ignore[typeddict-item]  # from the fields, as they are
        "warnings": [modules.grid_warning(loaded, "method", "Rotate first")] if on_grid else [],
        "provenance": {
            **loaded.origin,
            "torch": torch.__version__,
            "text": "sample",
        },
    }
    if not request.compare:
        yield figure
        return
    yield {**figure, "progress": {"label": "Trying every other method on this tensor", "value": 0, "max": 1}}
    yield {**figure, "methods": lab.all_methods(weight, inputs), "done": True}


def look_at_block(loaded: Loaded, request: LabRequest, row: int, index: int) -> data.Block:
    """One block of the tensor in full arithmetic.

    Raises:
        VisitorError: as `weigh`, or no such block.
    """
    weight, inputs, _ = _turned(loaded, request)
    quantized = lab.quantize(weight, request.method, request.settings, inputs)
    return lab.block(f"row {row}, block {index}", weight, quantized, request.method, row, index)


def adjusted(loaded: Loaded, request: LabRequest) -> data.Adjustment:
    """The tensor's error and the model's KLD with the request's settings, and nothing else: for a handle that
    moves.
    """
    weight, inputs, turn = _turned(loaded, request)
    quantized = lab.quantize(weight, request.method, request.settings, inputs)
    summary = lab.summary(weight, quantized, inputs)
    values = quantized.values if turn is None else lab.turned_back(quantized.values, turn)
    return {
        "sqnr": summary["sqnr"],
        "mse": summary["mse"],
        "bits": summary["bits"],
        "kld": effect(loaded, request.tensor, values),
    }
