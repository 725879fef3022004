"""How much each part of a model suffers from quantization, and the mix of types that a budget buys.

A unit is a layer's attention, a layer's MLP, or the embedding. Its sensitivity is measured: the model's mean
KLD when only that unit is quantized. For types that were not measured it is predicted from the nearest
measured one, in proportion to the squared error of the weights (the divergence grows with the square of a
small perturbation; Malinovskii et al. 2025, "Pushing the Limits of Large Language Model Quantization via the
Linearity Theorem"). A mix adds the units' predictions; the whole mix is then measured like any other format,
and both numbers are shown.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantization import data, metrics
from quantization.modules import linear_names, replace_weight, weight_of
from shared import ggml
from shared.errors import VisitorError
from shared.estimates import Estimate, estimate
from shared.models import Loaded, twin

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TYPES = ("Q2_K", "Q3_K", "IQ4_NL", "Q4_0", "Q4_K", "Q5_K", "Q6_K", "Q8_0")
"""ggml types that a mix is made of, none of which needs calibration."""

WINDOWS = 2
"""Windows that one unit's sensitivity is measured on, at most."""

_LAYER = re.compile(r"\.(\d+)\.")


@dataclass(frozen=True)
class Unit:
    """Weights that share a type: their names, and where they stand in the model."""

    layer: int | None
    part: str
    names: tuple[str, ...]

    @property
    def label(self) -> str:
        """For a reader: "layer 3 mlp"."""
        return self.part if self.layer is None else f"layer {self.layer} {self.part}"


@dataclass(frozen=True)
class Option:
    """One type for a unit: bytes that it takes, and the squared error of its weights relative to their
    squared size.
    """

    type: str
    used: tuple[str, ...]
    bytes: int
    error: float


@dataclass(frozen=True)
class Sensitivity:
    """Measured divergences `kld[type][unit]`, the relative squared errors of the same, and the options of
    every unit.
    """

    units: tuple[Unit, ...]
    options: tuple[tuple[Option, ...], ...]
    kld: dict[str, list[Estimate]]
    errors: dict[str, list[float]]
    tokens: int

    def to_json(self) -> data.Sensitivity:
        """As the figure takes it."""
        return {
            "tokens": self.tokens,
            "units": [{"layer": unit.layer, "part": unit.part} for unit in self.units],
            "formats": list(self.kld),
            "kld": [[one.mean for one in row] for row in self.kld.values()],
            "sigma": [[one.sigma for one in row] for row in self.kld.values()],
        }


def units_of(model: PreTrainedModel) -> tuple[Unit, ...]:
    """The model's units in order, the embedding first; a tied output head belongs to it."""
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    units: dict[tuple[int | None, str], list[str]] = {(None, "embedding"): [names[id(embedding.weight)]]}
    if head.weight is not embedding.weight:
        units[(None, "output")] = [names[id(head.weight)]]
    for name in linear_names(model):
        match = _LAYER.search(name)
        part = "attention" if "attn" in name or "attention" in name else "mlp"
        units.setdefault((int(match[1]) if match else None, part), []).append(name)
    return tuple(Unit(layer, part, tuple(unit)) for (layer, part), unit in units.items())


def measure(
    loaded: Loaded, base: metrics.Base, types: tuple[str, ...]
) -> Iterator[tuple[int, int] | Sensitivity]:
    """Quantize one unit at a time and measure the model; yields steps done and all steps, at the end the
    result.

    Args:
        loaded: the base model.
        base: its pass; fewer windows than a comparison's make it quicker.
        types: ggml types to measure; the options of a mix are all of `TYPES`.
    """
    units = units_of(loaded.model)
    options: list[tuple[Option, ...]] = []
    kld: dict[str, list[Estimate]] = {type: [] for type in types}
    errors: dict[str, list[float]] = {type: [] for type in types}
    for number, unit in enumerate(units):
        yield number, len(units)
        by_type: dict[str, Option] = {}
        for type in dict.fromkeys([*types, *TYPES]):
            swapped = twin(loaded.model) if type in types else None
            used, size, error, square = [], 0, 0.0, 0.0
            for name in unit.names:
                weight = weight_of(loaded.model, name).detach().float().cpu()
                actual = ggml.substitute(type, weight.shape[1])[0]
                blocks = ggml.quantize(weight, actual)
                values = ggml.dequantize(blocks, actual, weight.shape[1])
                used.append(actual)
                size += blocks.nbytes
                error += float(((weight - values).double() ** 2).sum())
                square += float((weight.double() ** 2).sum())
                if swapped is not None:
                    replace_weight(swapped, name, values.to(loaded.model.device))
            by_type[type] = Option(type, tuple(used), size, error / square if square else 0.0)
            if swapped is not None:
                *_, scores = metrics.score(swapped, base)
                assert isinstance(scores, metrics.Scores)
                kld[type].append(estimate(scores.kl))
                errors[type].append(by_type[type].error)
        options.append(_distinct(by_type))
    yield Sensitivity(units, tuple(options), kld, errors, base.scores.kl.numel())


def _distinct(by_type: dict[str, Option]) -> tuple[Option, ...]:
    """The options by rising size, those that are larger and no better left out: substituted types often
    coincide.
    """
    kept: list[Option] = []
    for option in sorted(by_type.values(), key=lambda one: (one.bytes, one.error)):
        if not kept or option.error < kept[-1].error:
            kept.append(option)
    return tuple(kept)


def predict(measured: Sensitivity, unit: int, option: Option) -> float:
    """KLD that a unit's option adds: measured, or scaled by squared error from the measured type of the
    nearest error.
    """
    errors = {type: units[unit] for type, units in measured.errors.items() if units[unit]}
    if not errors:
        return 0.0
    nearest = min(errors, key=lambda type: abs(math.log(errors[type] / max(option.error, 1e-12))))
    return measured.kld[nearest][unit].mean * option.error / errors[nearest]


@dataclass(frozen=True)
class Budget:
    """Every mix on the way from the smallest to the largest: the first option of each unit, then one step
    after another.
    """

    sensitivity: Sensitivity
    fixed_bytes: int
    predicted: tuple[tuple[float, ...], ...]
    path: tuple[tuple[int, int], ...]

    def mix(self, budget_bytes: float) -> tuple[dict[str, str], int, float]:
        """The mix for a budget: types by parameter name, its bytes, its predicted KLD.

        Raises:
            VisitorError: not even the smallest types fit.
        """
        options = self.sensitivity.options
        chosen = [0] * len(options)
        size = self.fixed_bytes + sum(unit[0].bytes for unit in options)
        if size > budget_bytes:
            raise VisitorError(
                f"The smallest mix takes {size / 1e6:,.1f} MB, more than {budget_bytes / 1e6:,.1f} MB.",
                "Raise the budget or choose a smaller model.",
            )
        for unit, step in self.path:
            more = options[unit][step].bytes - options[unit][chosen[unit]].bytes
            if size + more > budget_bytes:
                break
            size, chosen[unit] = size + more, step
        types = {
            name: used
            for unit, option in zip(
                self.sensitivity.units, (options[i][c] for i, c in enumerate(chosen)), strict=True
            )
            for name, used in zip(unit.names, option.used, strict=True)
        }
        return types, size, sum(self.predicted[unit][choice] for unit, choice in enumerate(chosen))

    def to_json(self) -> data.Budget:
        """As the figure takes it."""
        options = self.sensitivity.options
        return {
            "fixed_bytes": self.fixed_bytes,
            "units": [{"label": unit.label} for unit in self.sensitivity.units],
            "start": [0] * len(options),
            "types": [["/".join(dict.fromkeys(option.used)) for option in unit] for unit in options],
            "bytes": [[option.bytes for option in unit] for unit in options],
            "predicted": [list(unit) for unit in self.predicted],
            "path": list(self.path),
        }


def plan_budget(measured: Sensitivity, fixed_bytes: int) -> Budget:
    """Order the upgrades of all units by the KLD that they save per byte.

    On each unit's lower convex hull of (bytes, KLD), taking the steepest step first is optimal at every total
    that the path passes through (Everett's generalized Lagrange multipliers, 1963).
    """
    predicted = tuple(
        tuple(predict(measured, unit, option) for option in options)
        for unit, options in enumerate(measured.options)
    )
    steps: list[tuple[float, int, int]] = []
    for unit, options in enumerate(measured.options):
        hull = _hull([(option.bytes, loss) for option, loss in zip(options, predicted[unit], strict=True)])
        for before, after in itertools.pairwise(hull):
            saved = (predicted[unit][before] - predicted[unit][after]) / (
                options[after].bytes - options[before].bytes
            )
            steps.append((-saved, unit, after))
    return Budget(measured, fixed_bytes, predicted, tuple((unit, after) for _, unit, after in sorted(steps)))


def _hull(points: list[tuple[float, float]]) -> list[int]:
    """Indices of the lower convex hull from the first point on, as far as the loss falls; bytes rise along
    the list.
    """
    hull = [0]
    while True:
        size, loss = points[hull[-1]]
        slopes = [
            ((other - loss) / (bytes - size), -index)
            for index, (bytes, other) in enumerate(points)
            if index > hull[-1] and other < loss
        ]
        if not slopes:
            return hull
        hull.append(-min(slopes)[1])
