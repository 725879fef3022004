"""The merge methods as mergekit registers them: what a form needs to know of each, and one sentence in plain
words.

Its registry imports torch, which a page that opens does not need. So what it holds is kept beside this file
and read from there, as long as the same mergekit is installed.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from merging import data

KEPT = Path(__file__).with_name("methods.json")

SENTENCES = {
    "linear": "The weighted mean of the weights.",
    "slerp": "Between two models along the arc of a sphere, not the chord; t=0 is the base, t=1 the other.",
    "nuslerp": "As slerp, with a weight for each model, whole or by rows; with a base, between task vectors.",
    "multislerp": "A weighted mean on the sphere for any number of models.",
    "karcher": "The Karcher mean: the point of the sphere with the least squared distance to all models.",
    "task_arithmetic": "The base plus the weighted sum of the task vectors: what each model changed in it.",
    "ties": "Task vectors trimmed to their largest entries; where signs disagree, the heavier one wins.",
    "dare_linear": "Task vectors with entries dropped at random and the rest rescaled, then added.",
    "dare_ties": "As dare_linear, with signs elected as in ties.",
    "della": "As ties, but entries are dropped at random, small ones more often.",
    "della_linear": "As della, without electing signs.",
    "breadcrumbs": "Task vectors without their smallest and their very largest entries, then added.",
    "breadcrumbs_ties": "As breadcrumbs, with signs elected as in ties.",
    "model_stock": "The mean of two models or more, drawn towards the base by the angle between them.",
    "nearswap": "The base, moved towards the other model where the two are nearly equal.",
    "arcee_fusion": "The other model's entries where they differ most in importance; the base's elsewhere.",
    "sce": "Task vectors weighted by their own variance, and minority signs erased.",
    "ram": "What one model alone changed is kept whole, what several changed is averaged.",
    "ramplus_tl": "As ram, with what one model alone changed made stronger.",
    "passthrough": "One model's tensors as they are; with slices, layers stacked into a deeper model.",
}
"""Every method of mergekit 0.1.5; a test holds the names to the registry."""

PARAMETERS = {
    "weight": "How much of the model goes in.",
    "density": "Share of the task vector's entries that is kept, from 0 to 1.",
    "t": "Place between the base (0) and the other model (1).",
    "lambda": "Factor on the sum of the task vectors.",
    "normalize": "Divide the weights by their sum.",
    "rescale": "Scale what is left after dropping so that the L1 norm stays the same.",
    "int8_mask": "Hold the sign votes as int8: less memory, the same result.",
    "gamma": "Share of the largest entries that is dropped.",
    "epsilon": "How far an entry's chance to be dropped depends on its size.",
    "normalize_weights": "Divide the weights by their sum.",
    "eps": "Below this sine of the angle, interpolate along the chord.",
    "nuslerp_row_wise": "Interpolate every row by itself.",
    "nuslerp_flatten": "Interpolate the whole tensor as one vector.",
    "select_topk": "Share of entries, those that vary most between models, that is kept.",
    "filter_wise": "One ratio for every row instead of one for the tensor.",
    "max_iter": "Steps of the iteration at most.",
    "tol": "Step length at which the iteration ends.",
    "scale": "Factor on the tensor.",
    "r": "How much stronger what one model alone changed becomes, at most.",
    "alpha": "How soon it becomes stronger.",
}


@dataclass(frozen=True)
class Parameter:
    """One parameter of a method.

    Args:
        name: in the recipe.
        kind: "float", "int" or "bool".
        each: whether every model has its own value; otherwise it is of the whole merge.
        on_base: whether the base model has a value too.
        required: whether the recipe must give it.
        default: where it does not.
    """

    name: str
    kind: data.Kind
    each: bool
    on_base: bool
    required: bool
    default: Any

    def to_json(self) -> data.Parameter:
        """The parameter as the form takes it."""
        return {
            "name": self.name,
            "kind": self.kind,
            "each": self.each,
            "on_base": self.on_base,
            "required": self.required,
            "default": self.default,
            "about": PARAMETERS.get(self.name, ""),
        }


@dataclass(frozen=True)
class Method:
    """One merge method.

    Args:
        name: `merge_method` in the recipe.
        title: its name for a reader.
        url: the paper or page that defines it, or None.
        base: "required", "optional", "forbidden" or "ignored".
        least: how many models at least, the base counted.
        most: how many at most, or None.
        parameters: those it knows.
        random: whether the seed matters.
    """

    name: str
    title: str
    url: str | None
    base: data.Base
    least: int
    most: int | None
    parameters: tuple[Parameter, ...]
    random: bool

    def to_json(self) -> data.Method:
        """The method as the form takes it."""
        return {
            "name": self.name,
            "title": self.title,
            "url": self.url,
            "base": self.base,
            "least": self.least,
            "most": self.most,
            "parameters": [item.to_json() for item in self.parameters],
            "random": self.random,
            "about": SENTENCES.get(self.name, ""),
        }


@cache
def catalogue() -> dict[str, Method]:
    """Every method that the installed mergekit registers, by name."""
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    if kept["mergekit"] != version("mergekit"):
        return registered()
    methods = (
        Method(**{**one, "parameters": tuple(Parameter(**item) for item in one["parameters"])})
        for one in kept["methods"]
    )
    return {method.name: method for method in methods}


def registered() -> dict[str, Method]:
    """The same from mergekit's registry."""
    from mergekit.merge_methods import registered_methods

    return {
        method.spec.name: _method(method.spec)
        for method in sorted(registered_methods(), key=lambda item: _rank(item.spec.name))
    }


def keep() -> None:
    """Write the file that `catalogue` reads."""
    kept = {"mergekit": version("mergekit"), "methods": [asdict(one) for one in registered().values()]}
    KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def _rank(name: str) -> tuple[int, str]:
    names = list(SENTENCES)
    return (names.index(name) if name in names else len(names), name)


def _method(spec: Any) -> Method:
    contract = spec.contract
    base = contract.base.value
    inside = base in ("required", "optional")
    least = max(contract.min_inputs, (contract.min_non_base or 0) + (base == "required"))
    most = contract.max_inputs
    if contract.max_non_base is not None:
        most = contract.max_non_base + inside if most is None else min(most, contract.max_non_base + inside)
    parameters = tuple(
        Parameter(
            item.name,
            _kind(item.value_type),
            item.scope.value != "shared",
            item.scope.value == "input",
            item.required,
            None if item.required else item.default,
        )
        for item in spec.parameters
    )
    chance = spec.name.startswith(("dare", "della"))
    return Method(
        spec.name, spec.pretty_name or spec.name, spec.reference_url, base, least, most, parameters, chance
    )


def _kind(value_type: Any) -> data.Kind:
    return "bool" if value_type is bool else "int" if value_type is int else "float"
