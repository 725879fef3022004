"""What a recipe's settings become for each tensor, as mergekit resolves them, and which of them are wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from merging.finding import Finding, error, warning
from merging.keys import closest

LARGEST = 1e30
"""Numbers beyond it are infinite once they meet a weight in float32."""
SHARES = ("density", "gamma", "select_topk")
"""Parameters that are a share of entries, from 0 to 1."""


def problems(planner: Any, recipe: dict[str, Any], names: Mapping[str, str]) -> Iterator[Finding]:
    """What is wrong with the settings of a merge that mergekit has planned.

    Args:
        planner: mergekit's, after planning.
        recipe: as written.
        names: of the models in `recipe`, by what mergekit calls them.
    """
    yield from _numbers(planner)
    yield from _domains(planner, recipe, names)
    yield from _filters(planner, recipe)


def _numbers(planner: Any) -> Iterator[Finding]:
    """The first setting, as mergekit resolved it for a tensor, that gives no numbers: not finite, or divided
    by weights that sum to 0.
    """
    for tensor, task in planner._tensors:
        shared = dict(task.parameters)
        each = [dict(settings) for settings in task.input_parameters.values()]
        for name, value in (pair for settings in (shared, *each) for pair in settings.items()):
            if isinstance(value, float) and not abs(value) < LARGEST:  # true of NaN as well
                what = f"{name} is {value:g} for {tensor.name}."
                yield error("parameters", what, "Write a finite number of ordinary size.")
                return
        divides = {"linear": "normalize", "multislerp": "normalize_weights"}.get(task.method_name, "")
        if shared.get(divides) and abs(sum(settings.get("weight", 0.0) for settings in each)) < 1e-6:
            yield error(
                "parameters",
                f"The weights of {tensor.name} sum to 0, and {task.method_name} divides by their sum.",
                f"Change a weight, or set {divides}: false.",
            )
            return


def _domains(planner: Any, recipe: dict[str, Any], names: Mapping[str, str]) -> Iterator[Finding]:
    """Settings, as mergekit resolved them, that its methods cannot use or take for others; of each place the
    first tensor's, since a gradient gives every layer another value.
    """
    told: set[str] = set()
    for tensor, task in planner._tensors:
        shared = dict(task.parameters)
        own = [(names.get(str(model)), dict(settings)) for model, settings in task.input_parameters.items()]
        for model, settings in [(None, shared), *own]:
            for name, value in settings.items():
                where = _stated(recipe, name, model)
                if isinstance(value, float) and where not in told:
                    for finding in _domain(
                        task.method_name, name, value, {**shared, **settings}, tensor.name, where
                    ):
                        told.add(where)
                        yield finding


def _stated(recipe: dict[str, Any], name: str, model: str | None) -> str:
    """Where a recipe states a parameter: below the model, else for all."""
    everywhere = "parameters"
    for path, part in _mappings(recipe, ""):
        stated = part.get("parameters")
        if isinstance(stated, dict) and name in stated:
            where = f"{path}.parameters.{name}".lstrip(".")
            if model is not None and part.get("model") == model:
                return where
            if "model" not in part:
                everywhere = where
    return everywhere


def _mappings(value: Any, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every mapping of a recipe with its path."""
    if isinstance(value, dict):
        yield where, value
        for key, item in value.items():
            yield from _mappings(item, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _mappings(item, f"{where}[{number}]")


def _domain(
    method: str, name: str, value: float, settings: dict[str, Any], tensor: str, where: str
) -> Iterator[Finding]:
    what = f"{name} is {value:g} for {tensor}"
    if name in SHARES and value < 0 and method.startswith("dare"):
        yield error(where, f"{what}, and a chance is never below 0.", "Write a share from 0 to 1.")
    elif name in SHARES and not 0 <= value <= 1:
        # a negative gamma shifts what is kept, and stands for no other
        used = "" if name == "gamma" else f"; mergekit uses {0 if value < 0 else 1} in its place"
        percent = f" {value:g} percent is {value / 100:g}." if 1 < value <= 100 else ""
        yield warning(where, f"{what}{used}.", f"Write a share from 0 to 1.{percent}")
    elif name == "t" and not 0 <= value <= 1:
        what = f"{what}: the result lies beyond the two models, not between them."
        yield warning(where, what, "Write a number from 0 to 1, unless that is what you want.")
    elif name == "density" and method.startswith("della") and 0 < value < 1:
        epsilon = settings.get("epsilon", 0.0)
        if value + epsilon >= 1 or value - epsilon <= 0:
            what = f"{what} and epsilon is {epsilon:g}; {method} keeps entries by chances from "
            yield error(
                where,
                f"{what}density − epsilon to density + epsilon, which must lie between 0 and 1.",
                f"Choose a density above {epsilon:g} and below {1 - epsilon:g}, or a smaller epsilon.",
            )


def _filters(planner: Any, recipe: dict[str, Any]) -> Iterator[Finding]:
    """Filters that fit no tensor: mergekit never uses their values."""
    names = [weight.name for weight, _ in planner._tensors]
    parts = {part for name in names for part in name.split(".") if not part.isdigit()}
    for path, part in _mappings(recipe, ""):
        pattern = part.get("filter") if "value" in part else None
        if isinstance(pattern, str) and pattern != "*" and not any(pattern in name for name in names):
            likely = closest(pattern, parts)
            fix = f"Write {likely}." if likely else f"Tensors have names such as {names[len(names) // 2]}."
            yield error(f"{path}.filter", f"The filter “{pattern[:40]}” fits no tensor.", fix)
