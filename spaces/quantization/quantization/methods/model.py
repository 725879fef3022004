"""A whole model by an own method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantization import modules
from quantization.methods import METHODS, quantize
from quantization.methods.smoothquant import activation_linear
from quantization.record import QuantizedModel
from shared.models import Loaded, twin

if TYPE_CHECKING:
    from quantization.calibration import Calibration

ROUNDS_ACTIVATIONS = ("smoothquant", "llm_int8")


def own_model(
    loaded: Loaded, method: str, settings: dict[str, Any], calibrations: dict[str, Calibration] | None
) -> QuantizedModel:
    """Quantize every linear layer of the decoder's blocks; head, embeddings, norms and biases stay as they
    are.

    Args:
        loaded: the base model.
        method: a name in `METHODS`.
        settings: checked.
        calibrations: what each layer sees by parameter name, for methods that need it.
    """
    import torch

    model = twin(loaded.model)
    names = modules.linear_names(loaded.model)
    reports = []
    for name in names:
        weight = modules.weight_of(loaded.model, name).detach()
        result = quantize(weight, method, settings, calibrations[name] if calibrations else None)
        if method in ROUNDS_ACTIVATIONS:
            layer = activation_linear(
                result,
                getattr(loaded.model.get_submodule(name.rpartition(".")[0]), "bias", None),
                settings.get("bits", 8),
            )
            model.set_submodule(name.rpartition(".")[0], layer.to(loaded.model.device))
        else:
            modules.replace_weight(model, name, result.values.to(loaded.model.device))
        reports.append(modules.report(name, weight.float().cpu(), result))
    rounding = method in ROUNDS_ACTIVATIONS
    return QuantizedModel(
        format=f"own:{method}",
        version=f"own code, torch {torch.__version__}",
        model=model,
        tensors=tuple(reports),
        other_bytes=modules.other_bytes(loaded.model, set(names), modules.width(loaded)),
        runtime=f"PyTorch, {'weights and activations rounded, ' if rounding else ''}computed in float32",
        notes=(
            METHODS[method].sentence,
            *([METHODS[method].leaves_out] if METHODS[method].leaves_out else []),
            "Held in float32 here: bytes on disk are counted, nothing loads such a file.",
        ),
    )
