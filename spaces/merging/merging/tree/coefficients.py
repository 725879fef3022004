"""How much of each parent's weights enters a merge's: θ = Σ cᵢ θᵢ, each cᵢ exact or with its bounds.

For the methods that are linear in their parents (linear, slerp on an arc that is nearly straight, nuslerp, multislerp, karcher,
task_arithmetic, passthrough and, in the mean over its draws, dare_linear and della_linear) the coefficients follow from the
recipe. Methods that trim or elect (ties, breadcrumbs, della, sce, …) let in at most what the weight says, entry by entry.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from merging import recipe as recipes
from merging.methods import catalogue
from merging.tree.hubread import is_id
from shared import experts

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
    """A recipe's name for a model as a node's id: without revision and adapter; an expert stays itself; "" where it is none."""
    model = name.split("+")[0].split("@")[0].strip()
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
            role = "tokenizer" if "token" in where else "anchor" if where.endswith("base_model") else "contributor"
            _put(found, holder[key], Parts(role, part=(0.0, 0.0) if role == "tokenizer" else (0.0, 1.0)))
    return found


def _put(found: dict[str, Parts], name: Any, parts: Parts) -> None:
    """Add a parent; one that comes twice keeps its first role and gets the sum."""
    key = hub_name(name) if isinstance(name, str) else ""
    if not key:
        return
    revision = str(name).split("+")[0].partition("@")[2].strip()[:64]
    known = found.get(key)
    if known is None:
        found[key] = Parts(parts.role, parts.weight, parts.density, parts.layers, parts.part, revision or parts.revision)
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
        models: list[tuple[str, dict[str, Any], tuple[int, int] | None]] = [(str(entry["model"]), _mapping(entry.get("parameters")), None) for _, entry in recipes.items(recipe.get("models"), "models")
                  if isinstance(entry.get("model"), str)]  # fmt: skip
        return _merged(method, base, models, shared, 1.0)
    slices = [
        [(str(source["model"]), _mapping(source.get("parameters")), _range(source.get("layer_range")))
         for _, source in recipes.items(output.get("sources"), "") if isinstance(source.get("model"), str)]
        for _, output in recipes.items(recipe.get("slices"), "")
    ]  # fmt: skip
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
        known.role if known.role == "contributor" else parts.role, weight, known.density, known.layers + parts.layers,
        (known.part[0] + parts.part[0], known.part[1] + parts.part[1]), known.revision,
    )  # fmt: skip


def _merged(
    method: str, base: str | None, models: list[tuple[str, dict[str, Any], tuple[int, int] | None]], shared: dict[str, Any], scale: float
) -> dict[str, Parts]:
    """Bounds of one stack of models, times the stack's share of the layers."""
    named = [(name, own, span) for name, own, span in models if name]
    others = [item for item in named if item[0] != base]
    weights = {name: _span(own.get("weight", shared.get("weight"))) for name, own, _ in named}
    bounds = _bounds(method, base, [name for name, _, _ in named], weights, shared)
    found: dict[str, Parts] = {}
    for name, own, span in named:
        stated = weights[name]
        density = _span(own.get("density", shared.get("density")))
        low, high = bounds.get(name, (0.0, 1.0))
        role = "contributor" if name != base or method in (*LINEAR, "passthrough") else "anchor"
        found[name] = Parts(
            role, _middle(stated), _middle(density), (span,) if span else (), (scale * low, scale * high)
        )  # fmt: skip
    if base and base not in found and (others or named):
        low, high = bounds.get(base, (0.0, 1.0))
        spare = method in ("linear", "karcher", "passthrough")  # they pass the base over
        found[base] = Parts("anchor", part=(0.0, 0.0) if spare else (scale * low, scale * high))
    return found


def _bounds(method: str, base: str | None, names: list[str], weights: dict[str, Span | None], shared: dict[str, Any]) -> dict[str, Span]:
    others = [name for name in names if name != base]
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
        return {name: span for name in names if (span := weights[name])}
    if method in ("linear", "nuslerp", "multislerp"):
        return _fractions({name: weights[name] for name in (names if method == "linear" or base not in names else others)}, method, base)
    if method == "model_stock":
        return {**dict.fromkeys(others, (0.0, 1 / max(1, len(others)))), **({base: (0.0, 1.0)} if base else {})}
    if method in (*TASK, *ELECTING):
        return _task_bounds(method, base, others, weights, shared)
    return {}


def _fractions(weights: dict[str, Span | None], method: str, base: str | None) -> dict[str, Span]:
    """Each weight's part in their sum; all weights must be stated and not negative."""
    if any(span is None or span[0] < 0 for span in weights.values()) or (method != "linear" and base):
        return {}
    known = {name: span for name, span in weights.items() if span}
    found = {}
    for name, (low, high) in known.items():
        rest = [span for other, span in known.items() if other != name]
        most, least = sum(span[1] for span in rest), sum(span[0] for span in rest)
        found[name] = (low / (low + most) if low + most else 0.0, high / (high + least) if high + least else 1.0)
    return found


def _task_bounds(
    method: str, base: str | None, others: list[str], weights: dict[str, Span | None], shared: dict[str, Any]
) -> dict[str, Span]:
    default = next((p.default for p in catalogue()[method].parameters if p.name == "normalize"), False)
    normalize = shared.get("normalize", default)
    scale = _span(shared.get("lambda", 1.0)) or (0.0, 1.0)
    stated = {name: weights[name] for name in others}
    if any(span is None for span in stated.values()) or not isinstance(normalize, bool):
        return {}
    spans = {name: span for name, span in stated.items() if span}
    if normalize:
        # It divides by the weights of those that enter an entry, which an electing method changes from entry to entry.
        spans = _fractions(stated, "linear", None) if method in TASK else {name: (0.0, 1.0) for name in others}
        if not spans:
            return {}
    found = {name: _ordered(low * scale[0], high * scale[1], low * scale[1], high * scale[0]) for name, (low, high) in spans.items()}
    if method in ELECTING:
        found = {name: (min(0.0, low), max(0.0, high)) for name, (low, high) in found.items()}
    if base:
        low, high = 1 - sum(span[1] for span in found.values()), 1 - sum(span[0] for span in found.values())
        found[base] = (max(low, 0.0), high) if method in ELECTING and normalize and scale[1] <= 1 else (low, high)
    return found


def _ordered(*values: float) -> Span:
    return min(values), max(values)


def _span(value: Any) -> Span | None:
    """Smallest and largest mean over the layers that a setting can stand for; None where it is not stated as numbers."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return (float(value), float(value)) if value == value and abs(value) < 1e6 else None
    if isinstance(value, list) and value:
        if all(isinstance(item, (int, float)) and not isinstance(item, bool) for item in value):
            mean = _mean(value)
            return mean, mean
        spans = [_span(item.get("value")) for item in value if isinstance(item, dict)]
        known = [span for span in spans if span]
        return _ordered(*(end for span in known for end in span)) if known and len(known) == len(spans) else None
    return None


def _mean(points: Iterable[float]) -> float:
    """Mean of a gradient: its points are joined by straight lines over the layers."""
    values = [float(point) for point in points]
    if len(values) == 1:
        return values[0]
    return (sum(values) - (values[0] + values[-1]) / 2) / (len(values) - 1)


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
