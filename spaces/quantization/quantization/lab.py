"""The weight lab: one tensor, one method, and the arithmetic of a block."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from quantization import data, ggml_blocks, ggml_codes, methods, rotation
from quantization.methods import METHODS, check_settings
from quantization.record import QuantizedTensor
from shared import ggml
from shared.errors import VisitorError
from shared.estimates import median
from shared.numbers import counted

if TYPE_CHECKING:
    from torch import Tensor

    from quantization.calibration import Calibration

BINS = 96
SEGMENT = 64
"""Weights of a block that are shown at once where a row or the tensor is one block."""
MAP_ROWS, MAP_COLUMNS = 64, 72


def quantize(
    weight: Tensor, method: str, settings: dict[str, Any], inputs: Calibration | None
) -> QuantizedTensor:
    """Quantize by an own method or a ggml type.

    Raises:
        VisitorError: as `methods.quantize` and `ggml.quantize`.
    """
    if method in METHODS:
        return methods.quantize(weight, method, settings, inputs)
    return ggml_codes.quantized(weight, method, inputs.column_mean_square if inputs else None)


def explore(
    weight: Tensor,
    method: str,
    settings: dict[str, Any],
    inputs: Calibration | None = None,
    rotation_seed: int | None = None,
) -> tuple[data.View, Tensor]:
    """What the figure draws of a tensor, and the quantized weight in the model's own basis.

    Args:
        weight: (rows, columns), float32.
        method: an own method or a ggml type.
        settings: all of the method's.
        inputs: what the layer sees, where it is a linear layer.
        rotation_seed: turn the input basis first; the figure then shows the turned weight.

    Raises:
        VisitorError: as `quantize`; or a method that cannot work in a turned basis.
    """
    turned, turn, own_inputs = weight, None, inputs
    if rotation_seed is not None:
        turned, inputs, turn = rotate(weight, method, inputs, rotation_seed)
    result = quantize(turned, method, settings, inputs)
    rotated: data.Rotation | None = None
    if turn is not None:
        rotated = {
            "kurtosis_before": rotation.kurtosis(weight),
            "kurtosis_after": rotation.kurtosis(turned),
            "sqnr_before": sqnr(weight, quantize(weight, method, settings, own_inputs).values),
            "sqnr_after": sqnr(turned, result.values),
        }
    length = segment(result, turned)
    known = METHODS.get(method)
    view: data.View = {
        "shape": list(weight.shape),
        "method": method,
        "method_title": known.title if known else f"GGUF {method}",
        "sentence": known.sentence if known else "A block type of GGUF, quantized by ggml's own code.",
        "settings": settings,
        "type": result.type,
        "summary": summary(turned, result, inputs),
        "histogram": histogram(turned, result.values),
        "error_map": error_map(turned, result.values),
        "blocks": chosen_blocks(turned, result, method, length),
        "blocks_per_row": math.ceil(turned.shape[1] / length),
        "rotation": rotated,
    }
    return view, result.values if turn is None else turned_back(result.values, turn)


def rotate(
    weight: Tensor, method: str, inputs: Calibration | None, seed: int
) -> tuple[Tensor, Calibration | None, Tensor]:
    """A weight in a turned input basis, what its layer sees there, and the turn, see
    `rotation.rotate_weight`.

    Maxima and mean sizes of the inputs' single columns stay as they were: they have no meaning in the turned
    basis.

    Raises:
        VisitorError: a method that cannot work there.
    """
    if method in METHODS and METHODS[method].needs_inputs and method != "gptq":
        raise VisitorError(
            f"{METHODS[method].title} scales single columns, which a rotation mixes.",
            "Turn the rotation off.",
        )
    turned, turn = rotation.rotate_weight(weight, seed)
    if inputs is None or inputs.second_moment is None:
        return turned, inputs, turn
    moment = (turn.T @ inputs.second_moment.double() @ turn).float()
    return turned, replace(inputs, second_moment=moment, column_mean_square=moment.diagonal().clone()), turn


def turned_back(values: Tensor, turn: Tensor) -> Tensor:
    """A weight of the turned basis in the model's own."""
    return (values.double() @ turn.T).float()


def sqnr(weight: Tensor, values: Tensor) -> float | None:
    """10·log10(Σw²/Σ(w−ŵ)²) in decibel; None where nothing is lost."""
    error = float(((weight.double() - values.double()) ** 2).sum())
    return 10 * math.log10(float((weight.double() ** 2).sum()) / error) if error and weight.any() else None


def summary(weight: Tensor, result: QuantizedTensor, inputs: Calibration | None) -> data.Summary:
    """The tensor's numbers."""
    difference = (weight.double() - result.values.double()) ** 2
    weighted = None
    if inputs is not None:
        square = inputs.column_mean_square.double()
        weighted = float((difference * square).sum() / (square.sum().clamp(min=1e-300) * weight.shape[0]))
    return {
        "elements": weight.numel(),
        "mse": float(difference.mean()),
        "sqnr": sqnr(weight, result.values),
        "bits": 8 * result.stored_bytes / weight.numel(),
        "stored_bytes": result.stored_bytes,
        "distinct_codes": int(result.codes.unique().numel()),
        "max_error": float(difference.max().sqrt()),
        "weight_rms": float((weight.double() ** 2).mean().sqrt()),
        "weighted_mse": weighted,
        "kurtosis": rotation.kurtosis(weight),
        "kld": None,
    }


def histogram(weight: Tensor, values: Tensor) -> data.Histogram:
    """Counts of weights before and after, in the same bins of the same units; the range holds both."""
    import torch

    low, high = float(min(weight.min(), values.min())), float(max(weight.max(), values.max()))
    if low == high:
        low, high = low - 0.5, high + 0.5
    margin = (high - low) * 1e-6  # rounding of the bins' edges must not push an extreme out
    edges = torch.linspace(low - margin, high + margin, BINS + 1, dtype=torch.float64)

    def counts(tensor: Tensor) -> list[int]:
        places = torch.bucketize(tensor.double().flatten(), edges[1:-1])
        return torch.bincount(places, minlength=BINS).tolist()

    return {"edges": edges.tolist(), "before": counts(weight), "after": counts(values)}


def error_map(weight: Tensor, values: Tensor) -> data.ErrorMap:
    """Root mean square of error and weight over cells of neighbouring rows and columns."""
    import torch

    rows, columns = weight.shape
    row_step, column_step = math.ceil(rows / MAP_ROWS), math.ceil(columns / MAP_COLUMNS)

    def pooled(squares: Tensor) -> list[list[float]]:
        pooling = torch.nn.functional.avg_pool2d(
            squares.float()[None, None], (row_step, column_step), ceil_mode=True
        )
        return [[float(f"{cell:.4g}") for cell in row] for row in pooling[0, 0].sqrt().tolist()]

    errors = pooled((weight - values) ** 2)
    return {
        "values": errors,
        "weights": pooled(weight**2),
        "rows": len(errors),
        "columns": len(errors[0]),
        "row_step": row_step,
        "column_step": column_step,
    }


def segment(result: QuantizedTensor, weight: Tensor) -> int:
    """Weights that one block of the microscope shows."""
    columns = weight.shape[1]
    size = result.details.get("block") or result.details.get("group")
    length = size if isinstance(size, int) and size <= 256 and columns % size == 0 else SEGMENT
    return min(length, columns)


def chosen_blocks(weight: Tensor, result: QuantizedTensor, method: str, length: int) -> list[data.Block]:
    """The worst block, a typical one, and the one with the largest weight."""
    rows, columns = weight.shape
    whole = columns // length * length
    squares = ((weight - result.values) ** 2)[:, :whole].reshape(rows, -1, length).sum(2).flatten()
    named = {
        "worst block": squares.argmax(),
        "typical block": (squares - median(squares)).abs().argmin(),
        "block of the largest weight": weight[:, :whole].abs().reshape(rows, -1, length).amax(2).argmax(),
    }
    per_row = whole // length
    return [
        block(label, weight, result, method, int(place) // per_row, int(place) % per_row)
        for label, place in named.items()
    ]


def block(
    label: str, weight: Tensor, result: QuantizedTensor, method: str, row: int, index: int
) -> data.Block:
    """One block in full arithmetic.

    Raises:
        VisitorError: there is no such block.
    """
    length = segment(result, weight)
    start = index * length
    if not 0 <= row < weight.shape[0] or not 0 <= start < weight.shape[1]:
        raise VisitorError(
            f"There is no block {index} in row {row}.",
            f"Rows go to {weight.shape[0] - 1}, blocks to {(weight.shape[1] - 1) // length}.",
        )
    part = slice(start, start + length)
    kind = result.details["kind"]
    if kind == "ggml":
        arithmetic = ggml_blocks.arithmetic(result.details["data"][row], method, index)
    elif kind == "affine":
        arithmetic = _affine_arithmetic(result, method, row, start)
    else:
        arithmetic = _codebook_arithmetic(result, row * weight.shape[1] + start)
    return {
        **arithmetic,
        "label": label,
        "row": row,
        "block": index,
        "start": start,
        "weights": weight[row, part].tolist(),
        "codes": result.codes[row, part].tolist(),
        "values": result.values[row, part].tolist(),
    }


def _affine_arithmetic(result: QuantizedTensor, method: str, row: int, start: int) -> data.Arithmetic:
    """Scale, zero point and levels of an affine block."""
    details = result.details
    grid, group = details["grid"], details["group"]
    place = (0 if grid.scale.shape[0] == 1 else row, start // group if isinstance(group, int) else 0)
    scale, zero = float(grid.scale[place]), float(grid.zero[place])
    where = {"row": "the row", "tensor": "the tensor"}.get(str(group), f"{group} weights")
    levels = [scale * (code - zero) for code in range(grid.low, grid.high + 1)]
    parameters: list[data.BlockParameter] = [{"name": "scale", "value": scale, "stored": "float16"}]
    formula, symmetry = "ŵ = scale · code", "symmetric around zero"
    if details["with_zero"]:
        stored = "float16" if method == "hqq" else f"{details['bits']} bits"
        parameters.append({"name": "zero point", "value": zero, "stored": stored})
        formula, symmetry = "ŵ = scale · (code − zero)", f"zero point {zero:.6g}"
    note = ""
    if details.get("scales") is not None:
        note = (
            "Weights were multiplied by a scale of their column before rounding, and divided by it after: "
            "levels differ by column."
        )
        levels = []
    if len(details.get("kept", ())):
        note = f"Kept in 16 bits: {counted(len(details['kept']), 'column')} of the tensor."
    plain = method in ("absmax", "zero_point", "rtn")
    return {
        "levels": levels,
        "parameters": parameters,
        "formula": formula,
        "steps": [
            f"One grid for {where}: scale {scale:.6g}, {symmetry}.",
            f"code = clamp(round(w / scale + zero), {grid.low}, {grid.high})",
        ],
        "affine": {"scale": scale, "zero": zero, "low": grid.low, "high": grid.high} if plain else None,
        "note": note,
    }


def _codebook_arithmetic(result: QuantizedTensor, place: int) -> data.Arithmetic:
    """Maximum and levels of a codebook block; blocks run through the flat weight, where its first weight has
    this place.
    """
    largest = float(result.details["largest"][place // result.details["block"]])
    return {
        "levels": [largest * level for level in result.details["levels"]],
        "parameters": [{"name": "largest weight", "value": largest, "stored": "float32"}],
        "formula": "ŵ = largest · level[code]",
        "steps": [f"The block's largest weight is {largest:.6g}.", "code = the level nearest to w / largest"],
        "affine": None,
        "note": "",
    }


def all_methods(weight: Tensor, inputs: Calibration | None) -> list[data.MethodResult]:
    """Every own method and ggml type at its default on this tensor; those that cannot hold it, with the
    reason.
    """
    rows: list[data.MethodResult] = []
    for name in [*METHODS, *ggml.TYPES]:
        settings = check_settings(name, {}) if name in METHODS else {}
        try:
            result = quantize(weight, name, settings, inputs)
        except VisitorError as error:
            rows.append(
                {"method": name, "type": "", "bits": None, "sqnr": None, "mse": None, "reason": error.what}
            )
            continue
        rows.append(
            {
                "method": name,
                "type": result.type,
                "bits": 8 * result.stored_bytes / weight.numel(),
                "sqnr": sqnr(weight, result.values),
                "mse": float(((weight.double() - result.values.double()) ** 2).mean()),
                "reason": "",
            }
        )
    return rows
