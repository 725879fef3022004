"""What one tensor's quantization does to the whole model: quick enough to follow a slider."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from quantization import metrics, modules
from quantization.request import LabRequest
from shared import texts
from shared.errors import VisitorError
from shared.models import EMBEDDED_SOURCE, Loaded, twin

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from quantization.calibration import Calibration

GRID_WARNING = (
    "This copy of the model was stored as Q4_1 and dequantized: its weights lie on a 4-bit grid. Q4_1 is lossless on it by "
    "construction and every method of 4 to 5 bits is flattered. Rotate first, or use the original from the Hub."
)

CONTEXT = 256
"""Tokens of the sample that are read; the second half is scored."""

ROTATION_SEED = 0
"""Of "Rotate first"."""

REMEMBERED = 8
"""Layers of a model whose inputs are kept."""

_bases: WeakKeyDictionary[PreTrainedModel, metrics.Base] = WeakKeyDictionary()
_inputs: WeakKeyDictionary[PreTrainedModel, dict[str, Calibration]] = WeakKeyDictionary()
"""Both go with the model: nothing in them may refer to it."""


def short_base(loaded: Loaded) -> metrics.Base:
    """The base model's pass over one window of the sample."""
    from quantization.calibration import text_windows

    base = _bases.get(loaded.model)
    if (
        base is None or base.kept[0].device != loaded.model.device
    ):  # a comparison may have moved the model to the GPU
        *_, found = metrics.base_pass(
            loaded.model, text_windows(loaded.tokenizer, texts.sample("evaluation"), CONTEXT, 1)
        )
        assert isinstance(found, metrics.Base)
        base = _bases[loaded.model] = replace(found, model=None)  # type: ignore[arg-type]
    return replace(base, model=loaded.model)


def inputs_of(loaded: Loaded, name: str) -> Calibration:
    """What one layer sees of the calibration sample."""
    from quantization.calibration import collect, text_windows

    known = _inputs.setdefault(loaded.model, {})
    found = known.get(name)
    if found is None:
        windows = text_windows(loaded.tokenizer, texts.sample("calibration"), CONTEXT, 2)
        found = collect(loaded.model, windows, [name])[name]
        while len(known) >= REMEMBERED:
            known.pop(next(iter(known)), None)
        known[name] = found
    return found


def effect(loaded: Loaded, name: str, values: Tensor) -> dict[str, Any]:
    """The model's KLD when this one weight (outputs, inputs) is replaced: mean, standard error, tokens."""
    base = short_base(loaded)
    model = twin(loaded.model)
    modules.replace_weight(model, name, values.to(loaded.model.device))
    *_, scores = metrics.score(model, base)
    assert isinstance(scores, metrics.Scores)
    found = metrics.mean_of(scores.kld)
    return {"mean": found.mean, "sigma": found.sigma, "tokens": len(scores.kld)}


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
    """As `weigh`, in the basis that the request asks for, and the turn into it; raises as `lab.rotate`
    too.
    """
    from quantization import lab

    weight, inputs = weigh(loaded, request)
    return (
        lab.rotate(weight, request.method, inputs, ROTATION_SEED)
        if request.rotation
        else (weight, inputs, None)
    )


def look(loaded: Loaded, request: LabRequest) -> dict[str, Any]:
    """The weight lab's data for one request, the model's KLD included."""
    import torch

    from quantization import lab

    weight, inputs = weigh(loaded, request)
    data, values = lab.explore(
        weight, request.method, request.settings, inputs, ROTATION_SEED if request.rotation else None
    )
    data["summary"]["kld"] = effect(loaded, request.tensor, values)
    if request.compare:
        data["methods"] = lab.all_methods(weight, inputs)
    return {
        **data,
        "kind": "lab",
        "drawable": True,
        "done": True,
        "title": f"{request.tensor} · {request.method}",
        "tensor": request.tensor,
        "request": request.to_json(),
        "warnings": [GRID_WARNING] if loaded.source == EMBEDDED_SOURCE and not request.rotation else [],
        "provenance": {
            "model": loaded.id,
            "revision": loaded.revision,
            "source": loaded.source,
            "dtype": loaded.dtype,
            "torch": torch.__version__,
            "text": "sample",
        },
    }


def look_at_block(loaded: Loaded, request: LabRequest, row: int, index: int) -> dict[str, Any]:
    """One block of the tensor in full arithmetic.

    Raises:
        VisitorError: as `weigh`, or no such block.
    """
    from quantization import lab

    weight, inputs, _ = _turned(loaded, request)
    return {
        "label": f"row {row}, block {index}",
        **lab.block(
            weight, lab.make(weight, request.method, request.settings, inputs), request.method, row, index
        ),
    }


def adjusted(loaded: Loaded, request: LabRequest) -> dict[str, Any]:
    """The tensor's error and the model's KLD with the request's settings, and nothing else: for a handle that
    moves.
    """
    from quantization import lab

    weight, inputs, turn = _turned(loaded, request)
    made = lab.make(weight, request.method, request.settings, inputs)
    found = lab.summary(weight, made, inputs)
    values = made.values if turn is None else lab.turned_back(made.values, turn)
    return {
        **{name: found[name] for name in ("sqnr", "mse", "bits")},
        "kld": effect(loaded, request.tensor, values),
    }
