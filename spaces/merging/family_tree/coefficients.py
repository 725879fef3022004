"""How much of each parent's weights enters a merge's: θ = Σ cᵢ θᵢ, each cᵢ exact or with its bounds.

For the methods that are linear in their parents (linear, slerp on an arc that is nearly straight, nuslerp,
multislerp, karcher, task_arithmetic, passthrough and, in the mean over its draws, dare_linear and
della_linear) the coefficients follow from the recipe. Methods that trim or elect (ties, breadcrumbs, della,
sce, …) decide entry by entry: a parent enters one with anything from nothing to what its weight says, and
more where what is left is rescaled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from merging.data import Span
from merging.methods import catalogue
from shared.checks import finite

LINEAR = ("linear", "slerp", "nuslerp", "multislerp", "karcher")
TASK = ("task_arithmetic", "dare_linear", "della_linear")
ELECTING = ("ties", "dare_ties", "della", "breadcrumbs", "breadcrumbs_ties")


def bounds_of(
    method: str, base: str | None, settings: dict[str, dict[str, Any]], shared: dict[str, Any]
) -> dict[str, Span]:
    """Lowest and highest coefficient of each model that is merged, where the method tells.

    Args:
        method: of the recipe.
        base: its base model.
        settings: of each model, by name, the shared ones among them.
        shared: the recipe's own parameters.
    """
    names = list(settings)
    others = [name for name in names if name != base]
    stated = {name: settings[name].get("weight") for name in names}
    if method == "passthrough":
        scale = _scale(settings[names[0]].get("scale")) if len(names) == 1 else None
        return {names[0]: scale} if scale else {}
    if method == "karcher":
        return dict.fromkeys(names, (1 / len(names), 1 / len(names))) if names else {}
    if method == "slerp":
        t = mean_span(shared.get("t"))
        first = base or (names[0] if names else "")
        rest = [name for name in names if name != first]
        if t is None or len(rest) != 1:
            return {}
        return {first: (1 - t[1], 1 - t[0]), rest[0]: t}
    if method == "linear" and shared.get("normalize") is False:
        return {name: span for name in names if (span := mean_span(stated[name]))}
    if method in ("linear", "nuslerp", "multislerp"):
        return _fractions(
            {name: stated[name] for name in (names if method == "linear" or base not in names else others)},
            method,
            base,
        )
    if method == "model_stock":
        return {
            **dict.fromkeys(others, (0.0, 1 / max(1, len(others)))),
            **({base: (0.0, 1.0)} if base else {}),
        }
    if method in (*TASK, *ELECTING):
        return _task_bounds(method, base, {name: settings[name] for name in others}, shared)
    return {}


def _scale(value: Any) -> Span | None:
    """What passthrough multiplies a model's weights by; those that no filter fits stay as they are."""
    if value is None:
        return 1.0, 1.0
    span = mean_span(value)
    items = value if isinstance(value, list) else [value]
    filters = [item.get("filter") for item in items if isinstance(item, dict)]
    if span is None or not filters or "*" in filters or None in filters:
        return span
    return min(1.0, span[0]), max(1.0, span[1])


def _fractions(stated: dict[str, Any], method: str, base: str | None) -> dict[str, Span]:
    """Each weight's part in their sum, layer by layer; all weights must be stated and not negative."""
    weights = {name: _reach(value) for name, value in stated.items()}
    if any(span is None or span[0] < 0 for span in weights.values()) or (method != "linear" and base):
        return {}
    known = {name: span for name, span in weights.items() if span}
    fractions = {}
    for name, (low, high) in known.items():
        rest = [span for other, span in known.items() if other != name]
        most, least = sum(span[1] for span in rest), sum(span[0] for span in rest)
        fractions[name] = (
            low / (low + most) if low + most else 0.0,
            high / (high + least) if high + least else 1.0,
        )
    return fractions


def _task_bounds(
    method: str, base: str | None, settings: dict[str, dict[str, Any]], shared: dict[str, Any]
) -> dict[str, Span]:
    defaults = {item.name: item.default for item in catalogue()[method].parameters}
    normalize, rescale = (shared.get(name, defaults[name]) for name in ("normalize", "rescale"))
    factor = _reach(shared.get("lambda", 1.0))
    if factor is None or not isinstance(normalize, bool) or not isinstance(rescale, bool):
        return {}
    fractions: dict[str, Span] = {}
    if normalize:
        # It divides by the weights of those that enter an entry, which an electing method changes from entry
        # to entry.
        stated = {name: own.get("weight") for name, own in settings.items()}
        fractions = (
            _fractions(stated, "linear", None) if method in TASK else dict.fromkeys(settings, (0.0, 1.0))
        )
    bounds: dict[str, Span] = {}
    for name, own in settings.items():
        density = _reach(own.get("density", 1.0)) if method != "task_arithmetic" else (1.0, 1.0)
        spread = _reach(own.get("epsilon", defaults.get("epsilon", 0.0)))
        weight = fractions.get(name) if normalize else _reach(own.get("weight"))
        if density is None or spread is None or weight is None:
            return {}
        left = _left(method, density, spread[1], rescale)
        if (
            not normalize
            and factor[0] == factor[1]
            and density[0] == density[1]
            and (left[0] == left[1] or weight[0] >= 0)
        ):
            # nothing else changes over the layers, so the mean will do
            weight = mean_span(own.get("weight")) or weight
        bounds[name] = _times(_times(weight, factor), left)
    if base:
        # where an electing method divides by the weights, all parents together enter an entry once
        joined = sum if method in TASK or not normalize else _farthest
        least, most = (joined([span[end] for span in bounds.values()]) for end in (0, 1))
        bounds[base] = 1 - most, 1 - least
    return bounds


def _farthest(values: list[float]) -> float:
    return max(values, key=abs, default=0.0)


def _left(method: str, density: Span, spread: float, rescale: bool) -> Span:
    """How much of a task vector is left once entries are dropped and, with `rescale`, the rest made as large
    in L1 as all were.

    Drawing leaves a share of the density, in the mean; della leaves up to `spread` more of the large entries
    and less of the small ones. Trimming and electing may leave nothing, and rescaling makes at most 1 /
    density of it: where the small entries go first, those that stay hold at least their share of the norm.
    """
    low, high = (min(1.0, max(0.0, end)) for end in density)
    if method in ELECTING:
        return 0.0, 1 / low if rescale and low else 1.0
    if low == 1:
        return 1.0, 1.0
    if rescale:
        return (1 - spread / low, 1 + spread / low) if low else (0.0, 1.0)
    return max(0.0, low - spread), min(1.0, high + spread)


def _times(one: Span, other: Span) -> Span:
    products = [a * b for a in one for b in other]
    return min(products), max(products)


def mean_span(value: Any) -> Span | None:
    """Smallest and largest mean over the layers that a setting can stand for; None where it is not stated as
    numbers.
    """
    points = _points(value)
    if not points:
        return _over(value, mean_span)
    if len(points) == 1:
        return points[0], points[0]
    mean = (sum(points) - (points[0] + points[-1]) / 2) / (len(points) - 1)  # joined by straight lines
    return mean, mean


def _reach(value: Any) -> Span | None:
    """Smallest and largest value that a setting has in any layer; None where it is not stated as numbers."""
    points = _points(value)
    return (min(points), max(points)) if points else _over(value, _reach)


def _over(value: Any, read: Callable[[Any], Span | None]) -> Span | None:
    """Both ends over the filters of a setting."""
    items = value if isinstance(value, list) else [value]
    spans = [read(item.get("value")) if isinstance(item, dict) else None for item in items]
    known = [span for span in spans if span]
    return (
        (min(span[0] for span in known), max(span[1] for span in known))
        if known and len(known) == len(spans)
        else None
    )


def _points(value: Any) -> list[float] | None:
    """The numbers of a setting without filters, one or a gradient's; mergekit takes text that is a number as
    one.
    """
    items = value if isinstance(value, list) else [value]
    numbers = [finite(item) for item in items]
    return numbers if numbers and all(abs(number) < 1e6 for number in numbers) else None
