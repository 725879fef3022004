"""The keys that a recipe may have, and the misspelt ones: mergekit ignores both without a word."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from merging.methods import Method, catalogue
from merging.recipe import Finding, items

PARAMETERS = "parameters"
RETIRED = {"union_tokenizer", "name", "description", "tags"}
"""Keys of notes that people leave in recipes; they change nothing."""


@cache
def known_keys() -> dict[str, tuple[str, ...]]:
    """Keys by the part of a recipe they belong to, from mergekit's own models."""
    from mergekit import config
    from mergekit.moe.config import Expert, MoEMergeConfig
    from mergekit.tokenizer.config import TokenizerConfig

    parts = {
        "recipe": config.MergeConfiguration,
        "model": config.InputModelDefinition,
        "source": config.InputSliceDefinition,
        "slice": config.OutputSliceDefinition,
        "module": config.OutputModuleDefinition,
        "tokenizer": TokenizerConfig,
        "moe": MoEMergeConfig,
        "expert": Expert,
        "filter": config.ConditionalParameter,
    }
    return {name: tuple(part.model_fields) for name, part in parts.items()}


def find_unknown(recipe: dict[str, Any]) -> Iterator[Finding]:
    """Keys and parameters that mergekit would ignore: an error where one is likely misspelt, else a
    warning.
    """
    if "experts" in recipe:
        yield from _keys(recipe, "moe", "")
        for key in ("experts", "shared_experts"):
            for where, expert in items(recipe.get(key), key):
                yield from _keys(expert, "expert", where)
        return
    method = catalogue().get(str(recipe.get("merge_method")))
    yield from _keys(recipe, "recipe", "")
    yield from _parameters(recipe, method, "", shared=True)
    if isinstance(recipe.get("tokenizer"), dict):
        yield from _keys(recipe["tokenizer"], "tokenizer", "tokenizer")
    modules = recipe.get("modules")
    parts = [("", recipe)]
    if isinstance(modules, dict):
        for name, module in modules.items():
            if isinstance(module, dict):
                yield from _keys(module, "module", f"modules.{name}")
                yield from _parameters(module, method, f"modules.{name}", shared=True)
                parts.append((f"modules.{name}.", module))
    for path, part in parts:
        for where, model in items(part.get("models"), f"{path}models"):
            yield from _keys(model, "model", where)
            yield from _parameters(model, method, where, shared=False)
        for where, output in items(part.get("slices"), f"{path}slices"):
            yield from _keys(output, "slice", where)
            yield from _parameters(output, method, where, shared=True)
            for inner, source in items(output.get("sources"), f"{where}.sources"):
                yield from _keys(source, "source", inner)
                yield from _parameters(source, method, inner, shared=False)


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` most likely stands for, or None."""
    names = list(known)
    folded = {item.replace("-", "_").lower(): item for item in names}
    same = folded.get(name.replace("-", "_").replace(" ", "_").lower())
    found = difflib.get_close_matches(name.lower(), list(folded), n=1, cutoff=0.72)
    return same or (folded[found[0]] if found else None)


def _keys(part: dict[str, Any], kind: str, where: str) -> Iterator[Finding]:
    known = known_keys()[kind]
    for key in part:
        if key in known:
            continue
        path = f"{where}.{key}" if where else str(key)
        likely = None if key in RETIRED else closest(str(key), known)
        if likely and likely not in part:
            yield Finding(
                "error",
                path,
                f"“{_short(key)}” is no key of a {_NAMES[kind]}; mergekit would ignore it.",
                f"Write {likely}.",
            )
        else:
            others = [name for name, keys in known_keys().items() if key in keys]
            hint = (
                f"It belongs to a {_NAMES[others[0]]}." if others else "Remove it, or write it as a comment."
            )
            yield Finding(
                "warning", path, f"“{_short(key)}” is no key of a {_NAMES[kind]}; mergekit ignores it.", hint
            )


_NAMES = {
    "recipe": "recipe",
    "model": "model",
    "source": "slice's source",
    "slice": "slice",
    "module": "module",
    "tokenizer": "tokenizer",
    "moe": "mixture of experts",
    "expert": "expert",
    "filter": "filter",
}


def _parameters(
    part: dict[str, Any], method: Method | None, where: str, *, shared: bool
) -> Iterator[Finding]:
    given = part.get(PARAMETERS)
    if not isinstance(given, dict) or method is None:
        return
    known = {item.name: item for item in method.parameters}
    for name, value in given.items():
        path = f"{where}.{PARAMETERS}.{name}" if where else f"{PARAMETERS}.{name}"
        if name in known:
            if not shared and not known[name].each:
                yield Finding(
                    "warning",
                    path,
                    f"{name} is a parameter of the whole merge; below a model mergekit ignores it.",
                    "Move it to the recipe's own parameters.",
                )
            yield from _filters(value, path)
            continue
        likely = closest(str(name), known)
        elsewhere = next(
            (other for other in catalogue().values() if name in {item.name for item in other.parameters}),
            None,
        )
        if likely and likely not in given and elsewhere is None:
            yield Finding(
                "error",
                path,
                f"{method.name} has no parameter “{_short(name)}”; mergekit would ignore it.",
                f"Write {likely}.",
            )
        else:
            take = f"{method.name} takes {', '.join(known) or 'no parameters'}."
            yield Finding(
                "warning",
                path,
                f"{method.name} has no parameter “{_short(name)}”; mergekit ignores it.",
                take,
            )


def _filters(value: Any, where: str) -> Iterator[Finding]:
    items = (
        [(where, value)]
        if isinstance(value, dict)
        else [(f"{where}[{i}]", item) for i, item in enumerate(value)]
        if isinstance(value, list)
        else []
    )
    for path, item in items:
        if isinstance(item, dict):
            yield from _keys(item, "filter", path)
    mappings = [item for _, item in items if isinstance(item, dict)]
    for index, item in enumerate(mappings[:-1]):
        if item.get("filter") in (None, "*"):
            yield Finding(
                "warning",
                where,
                f"Entry {index + 1} fits every tensor; the entries after it are never used.",
                "Put it last.",
            )
            break


def _short(name: Any) -> str:
    return str(name)[:40]
