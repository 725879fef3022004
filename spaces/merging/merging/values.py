"""What a recipe's settings become for each tensor, as mergekit resolves them, and which of them are wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from merging.finding import Finding, error, warning
from merging.keys import closest

LARGEST = 1e30
"""Numbers beyond it are infinite once they meet a weight in float32."""
SHARES = ("density", "gamma", "select_topk")
"""Parameters that are a share of entries, from 0 to 1."""


def problems(planner: Any, recipe: dict[str, Any]) -> Iterator[Finding]:
    """What is wrong with the settings of a merge that mergekit has planned.

    Args:
        planner: mergekit's, after planning.
        recipe: as written.
    """
    yield from _numbers(planner)
    yield from _domains(planner)
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


def _domains(planner: Any) -> Iterator[Finding]:
    """Settings, as mergekit resolved them for a tensor, that its methods cannot use or take for others."""
    seen: set[tuple[str, float]] = set()
    for tensor, task in planner._tensors:
        shared = dict(task.parameters)
        for settings in (shared, *map(dict, task.input_parameters.values())):
            for name, value in settings.items():
                if not isinstance(value, float) or (name, value) in seen:
                    continue
                seen.add((name, value))
                yield from _domain(task.method_name, name, value, {**shared, **settings}, tensor.name)


def _domain(method: str, name: str, value: float, settings: dict[str, Any], tensor: str) -> Iterator[Finding]:
    where, what = f"parameters.{name}", f"{name} is {value:g} for {tensor}"
    if name in SHARES and value < 0 and method.startswith("dare"):
        yield error(where, f"{what}, and a chance is never below 0.", "Write a share from 0 to 1.")
    elif name in SHARES and not 0 <= value <= 1:
        used = "0" if value < 0 else "1"
        percent = f" {value:g} percent is {value / 100:g}." if 1 < value <= 100 else ""
        yield warning(
            where, f"{what}; mergekit uses {used} in its place.", f"Write a share from 0 to 1.{percent}"
        )
    elif name == "t" and not 0 <= value <= 1:
        what = f"{what}: the result lies beyond the two models, not between them."
        yield warning(where, what, "Write a number from 0 to 1, unless that is what you want.")
    elif name == "density" and method.startswith("della") and 0 < value < 1:
        epsilon = settings.get("epsilon", 0.0)
        if value + epsilon >= 1 or value - epsilon <= 0:
            least, most = f"{epsilon:g}", f"{1 - epsilon:g}"
            what = f"{what} and epsilon is {epsilon:g}; {method} keeps entries by chances from "
            yield error(
                where,
                f"{what}density − epsilon to density + epsilon, which must lie between 0 and 1.",
                f"Choose a density above {least} and below {most}, or a smaller epsilon.",
            )


def _filters(planner: Any, recipe: dict[str, Any]) -> Iterator[Finding]:
    """Filters that fit no tensor: mergekit never uses their values."""
    names = [weight.name for weight, _ in planner._tensors]
    parts = {part for name in names for part in name.split(".") if not part.isdigit()}
    for where, pattern in _patterns(recipe, ""):
        if pattern != "*" and not any(pattern in name for name in names):
            likely = closest(pattern, parts)
            fix = f"Write {likely}." if likely else f"Tensors have names such as {names[len(names) // 2]}."
            yield error(where, f"The filter “{pattern[:40]}” fits no tensor.", fix)


def _patterns(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """Every filter of a recipe with its path."""
    if isinstance(value, dict):
        for key, item in value.items():
            path = f"{where}.{key}" if where else str(key)
            if key == "filter" and "value" in value and isinstance(item, str):
                yield path, item
            else:
                yield from _patterns(item, path)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _patterns(item, f"{where}[{number}]")
