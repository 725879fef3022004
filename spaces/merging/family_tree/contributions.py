"""Every model that a recipe names, with its part in the merge: what it is used for, its weight, and bounds of
its coefficient.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from family_tree.coefficients import LINEAR, bounds_of, mean_span
from family_tree.facts import is_id
from merging import data
from merging import recipe as recipes
from merging.data import Span
from merging.names import expert_of
from shared import experts
from shared.errors import VisitorError


@dataclass(frozen=True)
class Contribution:
    """One parent's part in a recipe; see `parents.Edge` for the fields."""

    role: data.Part
    weight: float | None = None
    density: float | None = None
    layers: tuple[tuple[int, int], ...] = ()
    part: Span = (0.0, 1.0)
    revision: str = ""


MAX_PATH = 200
"""Longest path of a folder that is kept, in characters."""

Source = tuple[str, dict[str, Any], tuple[int, int] | None]
"""A model's name, its own parameters, and the layers that are taken of it."""


def hub_name(name: str) -> str:
    """A recipe's name for a model as a node's id: without revision and adapter; an expert stays itself; ""
    where it is none.
    """
    model = name.split("+")[0].split("@")[0].strip()
    with suppress(VisitorError):
        model = expert_of(name) or model
    return model if model in experts.NAMES or is_id(model) else ""


def source_name(name: str) -> str:
    """A recipe's name for a model: its node's id, the path of a folder as it stands there, or "" where it
    names none.
    """
    return hub_name(name) or name.split("+")[0].strip()[:MAX_PATH]


def contributions(recipe: dict[str, Any]) -> dict[str, Contribution]:
    """Every model that a recipe names, with its part; {} where it names none.

    Args:
        recipe: parsed, not checked: values of wrong types count as not stated.
    """
    parts: dict[str, Contribution] = {}
    if recipes.is_moe(recipe):
        for _, expert in recipes.items(recipe.get("experts"), "experts"):
            _put(parts, expert.get("source_model"), Contribution("contributor"))
        _put(parts, recipe.get("base_model"), Contribution("contributor"))
    else:
        for name, contribution in _weighted(recipe).items():
            _put(parts, name, contribution)
    for holder, key, where in recipes.named(recipe):
        name = source_name(holder[key])
        if name and name not in parts:
            _put(parts, holder[key], _unweighted(where))
        adapter = holder[key].partition("+")[2]
        if hub_name(adapter) not in ("", name, *parts):
            # what it changed counts as its model's, as a fine-tune's training does
            _put(parts, adapter, Contribution("adapter", part=(0.0, 0.0)))
    return parts


def _unweighted(where: str) -> Contribution:
    """The part of a model that is named beside those whose weights are merged."""
    if "token" in where:
        return Contribution("tokenizer", part=(0.0, 0.0))
    return Contribution("base" if where.endswith("base_model") else "contributor")


def _put(parts: dict[str, Contribution], name: Any, new: Contribution) -> None:
    """Add a parent; one that comes twice keeps its first role and gets the sum."""
    key = source_name(name) if isinstance(name, str) else ""
    if not key:
        return
    revision = str(name).split("+")[0].partition("@")[2].strip()[:64] if hub_name(key) else ""
    known = parts.get(key)
    if known is None:
        parts[key] = replace(new, revision=revision or new.revision)
        return
    parts[key] = Contribution(
        role="contributor" if "contributor" in (known.role, new.role) else known.role,
        weight=known.weight if known.weight is not None else new.weight,
        density=known.density if known.density is not None else new.density,
        layers=known.layers + new.layers,
        part=_sum(known.part, new.part),
        revision=known.revision or revision,
    )


def _sum(one: Span, other: Span) -> Span:
    return one[0] + other[0], one[1] + other[1]


def _weighted(recipe: dict[str, Any]) -> dict[str, Contribution]:
    """The models whose weights are merged, by name as written."""
    method = str(recipe.get("merge_method") or "")
    base = recipe.get("base_model") if isinstance(recipe.get("base_model"), str) else None
    shared = _mapping(recipe.get("parameters"))
    if isinstance(recipe.get("modules"), dict):
        return {}  # parts of several models side by side: named, and nothing is claimed of their shares
    if not isinstance(recipe.get("slices"), list):
        models = _sources(recipe.get("models"))
        return _stack(method, base, [(name, own, None) for name, own, _ in models], shared, 1.0)
    outputs = [output for _, output in recipes.items(recipe["slices"], "")]
    slices = [_sources(output.get("sources")) for output in outputs]
    depth = [max((span[1] - span[0] for _, _, span in sources if span), default=0) for sources in slices]
    total = sum(depth)
    parts: dict[str, Contribution] = {}
    for output, sources, layers in zip(outputs, slices, depth, strict=True):
        share = layers / total if total else 0.0
        own = {**shared, **_mapping(output.get("parameters"))}
        for name, contribution in _stack(method, base, sources, own, share).items():
            known = parts.get(name)
            parts[name] = _joined(known, contribution) if known else contribution
    return parts if total else {name: Contribution(one.role) for name, one in parts.items()}


def _joined(one: Contribution, other: Contribution) -> Contribution:
    """A model's parts in two slices, together."""
    return replace(
        one,
        role=one.role if one.role == "contributor" else other.role,
        weight=one.weight if one.weight is not None else other.weight,
        layers=one.layers + other.layers,
        part=_sum(one.part, other.part),
    )


def _sources(value: Any) -> list[Source]:
    """The models of a list, those that are named as text."""
    key = "model"
    return [
        (str(entry[key]), _mapping(entry.get("parameters")), _range(entry.get("layer_range")))
        for _, entry in recipes.items(value, "")
        if isinstance(entry.get(key), str)
    ]


def _stack(
    method: str, base: str | None, models: list[Source], shared: dict[str, Any], scale: float
) -> dict[str, Contribution]:
    """The parts in one stack of layers, their bounds times the stack's share of all layers."""
    named = [source for source in models if source[0]]
    others = [source for source in named if source[0] != base]
    settings = {name: {**shared, **own} for name, own, _ in named}
    bounds = bounds_of(method, base, settings, shared)
    parts: dict[str, Contribution] = {}
    for name, _, span in named:
        low, high = bounds.get(name, (0.0, 1.0))
        weight, density = (_middle(mean_span(settings[name].get(key))) for key in ("weight", "density"))
        parts[name] = Contribution(
            "contributor" if name != base or method in (*LINEAR, "passthrough") else "base",
            weight,
            density,
            (span,) if span else (),
            (scale * low, scale * high),
        )
    if base and base not in parts and (others or named):
        low, high = bounds.get(base, (0.0, 1.0))
        spare = method in ("linear", "karcher", "passthrough")  # they pass the base over
        parts[base] = Contribution("base", part=(0.0, 0.0) if spare else (scale * low, scale * high))
    return parts


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
