"""How much of each parent's weights enters a merge's: θ = Σ cᵢ θᵢ, each cᵢ exact or with its bounds.

For the methods that are linear in their parents (linear, slerp on an arc that is nearly straight, nuslerp,
multislerp, karcher, task_arithmetic, passthrough and, in the mean over its draws, dare_linear and
della_linear) the coefficients follow from the recipe. Methods that trim or elect (ties, breadcrumbs, della,
sce, …) decide entry by entry: a parent enters one with anything from nothing to what its weight says, and
more where what is left is rescaled.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from merging import recipe as recipes
from merging.methods import catalogue
from merging.sources import expert_of
from merging.tree.hubread import is_id
from shared import experts
from shared.checks import finite
from shared.errors import VisitorError

Span = tuple[float, float]
LINEAR = ("linear", "slerp", "nuslerp", "multislerp", "karcher")
TASK = ("task_arithmetic", "dare_linear", "della_linear")
ELECTING = ("ties", "dare_ties", "della", "breadcrumbs", "breadcrumbs_ties")


@dataclass(frozen=True)
class Parts:
    """One parent in a recipe; see `parents.Edge` for the fields."""

    role: str
    weight: float | None = None
    density: float | None = None
    layers: tuple[tuple[int, int], ...] = ()
    part: Span = (0.0, 1.0)
    revision: str = ""


def hub_name(name: str) -> str:
    """A recipe's name for a model as a node's id: without revision and adapter; an expert stays itself; ""
    where it is none.
    """
    model = name.split("+")[0].split("@")[0].strip()
    with suppress(VisitorError):
        model = expert_of(name) or model
    return model if model in experts.NAMES or is_id(model) else ""


def parts_of(recipe: dict[str, Any]) -> dict[str, Parts]:
    """Every model that a recipe names, with its role and bounds; {} where it names none.

    Args:
        recipe: parsed, not checked: values of wrong types count as not stated.
    """
    found: dict[str, Parts] = {}
    if recipes.is_moe(recipe):
        for _, expert in recipes.items(recipe.get("experts"), "experts"):
            _put(found, expert.get("source_model"), Parts("contributor"))
        _put(found, recipe.get("base_model"), Parts("contributor"))
    else:
        for name, entry in _entries(recipe).items():
            _put(found, name, entry)
    for holder, key, where in recipes.named(recipe):
        name = hub_name(holder[key])
        if name and name not in found:
            role = (
                "tokenizer" if "token" in where else "base" if where.endswith("base_model") else "contributor"
            )
            _put(found, holder[key], Parts(role, part=(0.0, 0.0) if role == "tokenizer" else (0.0, 1.0)))
        adapter = holder[key].partition("+")[2]
        if hub_name(adapter) not in (
            "",
            name,
            *found,
        ):  # what it changed counts as its model's, as a fine-tune's training does
            _put(found, adapter, Parts("adapter", part=(0.0, 0.0)))
    return found


def _put(found: dict[str, Parts], name: Any, parts: Parts) -> None:
    """Add a parent; one that comes twice keeps its first role and gets the sum."""
    key = hub_name(name) if isinstance(name, str) else ""
    if not key:
        return
    revision = str(name).split("+")[0].partition("@")[2].strip()[:64]
    known = found.get(key)
    if known is None:
        found[key] = Parts(
            parts.role, parts.weight, parts.density, parts.layers, parts.part, revision or parts.revision
        )
        return
    role = "contributor" if "contributor" in (known.role, parts.role) else known.role
    part = (known.part[0] + parts.part[0], known.part[1] + parts.part[1])
    weight = known.weight if known.weight is not None else parts.weight
    density = known.density if known.density is not None else parts.density
    found[key] = Parts(role, weight, density, known.layers + parts.layers, part, known.revision or revision)


def _entries(recipe: dict[str, Any]) -> dict[str, Parts]:
    """The weights' parents, by name as written."""
    method = str(recipe.get("merge_method") or "")
    base = recipe.get("base_model") if isinstance(recipe.get("base_model"), str) else None
    shared = _mapping(recipe.get("parameters"))
    if isinstance(recipe.get("modules"), dict):
        return {}  # parts of several models side by side: named, and nothing is claimed of their shares
    if not isinstance(recipe.get("slices"), list):
        models: list[tuple[str, dict[str, Any], tuple[int, int] | None]] = [
            (str(entry["model"]), _mapping(entry.get("parameters")), None)
            for _, entry in recipes.items(recipe.get("models"), "models")
            if isinstance(entry.get("model"), str)
        ]
        return _merged(method, base, models, shared, 1.0)
    slices = [
        [
            (str(source["model"]), _mapping(source.get("parameters")), _range(source.get("layer_range")))
            for _, source in recipes.items(output.get("sources"), "")
            if isinstance(source.get("model"), str)
        ]
        for _, output in recipes.items(recipe.get("slices"), "")
    ]
    depth = [max((span[1] - span[0] for _, _, span in sources if span), default=0) for sources in slices]
    total = sum(depth)
    found: dict[str, Parts] = {}
    for sources, layers in zip(slices, depth, strict=True):
        for name, parts in _merged(method, base, sources, shared, layers / total if total else 0.0).items():
            _put_raw(found, name, parts)
    return found if total else {name: Parts(parts.role) for name, parts in found.items()}


def _put_raw(found: dict[str, Parts], name: str, parts: Parts) -> None:
    known = found.get(name)
    if known is None:
        found[name] = parts
        return
    weight = known.weight if known.weight is not None else parts.weight
    found[name] = Parts(
        known.role if known.role == "contributor" else parts.role,
        weight,
        known.density,
        known.layers + parts.layers,
        (known.part[0] + parts.part[0], known.part[1] + parts.part[1]),
        known.revision,
    )


def _merged(
    method: str,
    base: str | None,
    models: list[tuple[str, dict[str, Any], tuple[int, int] | None]],
    shared: dict[str, Any],
    scale: float,
) -> dict[str, Parts]:
    """Bounds of one stack of models, times the stack's share of the layers."""
    named = [(name, own, span) for name, own, span in models if name]
    others = [item for item in named if item[0] != base]
    settings = {name: {**shared, **own} for name, own, _ in named}
    bounds = _bounds(method, base, settings, shared)
    found: dict[str, Parts] = {}
    for name, _, span in named:
        low, high = bounds.get(name, (0.0, 1.0))
        role = "contributor" if name != base or method in (*LINEAR, "passthrough") else "base"
        weight, density = (_middle(_span(settings[name].get(key))) for key in ("weight", "density"))
        found[name] = Parts(role, weight, density, (span,) if span else (), (scale * low, scale * high))
    if base and base not in found and (others or named):
        low, high = bounds.get(base, (0.0, 1.0))
        spare = method in ("linear", "karcher", "passthrough")  # they pass the base over
        found[base] = Parts("base", part=(0.0, 0.0) if spare else (scale * low, scale * high))
    return found


def _bounds(
    method: str, base: str | None, settings: dict[str, dict[str, Any]], shared: dict[str, Any]
) -> dict[str, Span]:
    names = list(settings)
    others = [name for name in names if name != base]
    stated = {name: settings[name].get("weight") for name in names}
    if method == "passthrough":
        return dict.fromkeys(names, (1.0, 1.0)) if len(names) == 1 else {}
    if method == "karcher":
        return dict.fromkeys(names, (1 / len(names), 1 / len(names))) if names else {}
    if method == "slerp":
        t = _span(shared.get("t"))
        first = base or (names[0] if names else "")
        rest = [name for name in names if name != first]
        if t is None or len(rest) != 1:
            return {}
        return {first: (1 - t[1], 1 - t[0]), rest[0]: t}
    if method == "linear" and shared.get("normalize") is False:
        return {name: span for name in names if (span := _span(stated[name]))}
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


def _fractions(stated: dict[str, Any], method: str, base: str | None) -> dict[str, Span]:
    """Each weight's part in their sum, layer by layer; all weights must be stated and not negative."""
    weights = {name: _reach(value) for name, value in stated.items()}
    if any(span is None or span[0] < 0 for span in weights.values()) or (method != "linear" and base):
        return {}
    known = {name: span for name, span in weights.items() if span}
    found = {}
    for name, (low, high) in known.items():
        rest = [span for other, span in known.items() if other != name]
        most, least = sum(span[1] for span in rest), sum(span[0] for span in rest)
        found[name] = (
            low / (low + most) if low + most else 0.0,
            high / (high + least) if high + least else 1.0,
        )
    return found


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
    found: dict[str, Span] = {}
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
            weight = (
                _span(own.get("weight")) or weight
            )  # nothing else changes over the layers, so the mean will do
        found[name] = _times(_times(weight, factor), left)
    if base:
        joined = (
            sum if method in TASK or not normalize else _farthest
        )  # all parents together enter an entry once
        found[base] = (
            1 - joined([span[1] for span in found.values()]),
            1 - joined([span[0] for span in found.values()]),
        )
    return found


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


def _span(value: Any) -> Span | None:
    """Smallest and largest mean over the layers that a setting can stand for; None where it is not stated as
    numbers.
    """
    points = _points(value)
    if points:
        mean = (
            points[0]
            if len(points) == 1
            else (sum(points) - (points[0] + points[-1]) / 2) / (len(points) - 1)
        )
        return mean, mean  # of a gradient: its points are joined by straight lines
    return _over(value, _span)


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


def _middle(span: Span | None) -> float | None:
    return None if span is None else round((span[0] + span[1]) / 2, 6)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _range(value: Any) -> tuple[int, int] | None:
    if (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(end, int) and 0 <= end < 10_000 for end in value)
        and value[0] < value[1]
    ):
        return int(value[0]), int(value[1])
    return None
