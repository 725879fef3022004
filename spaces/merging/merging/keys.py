"""The keys that a recipe may have, and the misspelt ones: mergekit ignores both without a word."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from merging.finding import Finding, error, warning
from merging.methods import Method, catalogue
from merging.recipe import is_moe, items, parts

PARAMETERS = "parameters"
RETIRED = {"union_tokenizer", "name", "description", "tags"}
"""Keys of notes that people leave in recipes; they change nothing."""


@cache
def known_keys() -> dict[str, tuple[str, ...]]:
    """Keys by the part of a recipe they belong to, from mergekit's own models."""
    from mergekit import config
    from mergekit.moe.config import Expert, MoEMergeConfig
    from mergekit.tokenizer.config import TokenEmbeddingConfig, TokenizerConfig

    kinds = {
        "recipe": config.MergeConfiguration,
        "model": config.InputModelDefinition,
        "source": config.InputSliceDefinition,
        "slice": config.OutputSliceDefinition,
        "module": config.OutputModuleDefinition,
        "tokenizer": TokenizerConfig,
        "token": TokenEmbeddingConfig,
        "moe": MoEMergeConfig,
        "expert": Expert,
        "filter": config.ConditionalParameter,
    }
    return {name: tuple(part.model_fields) for name, part in kinds.items()}


def find_unknown(recipe: dict[str, Any]) -> Iterator[Finding]:
    """Keys and parameters that mergekit would ignore: an error where one is likely misspelt, else a
    warning.
    """
    if is_moe(recipe):
        yield from _keys(recipe, "moe", "")
        for key in ("experts", "shared_experts"):
            for where, expert in items(recipe.get(key), key):
                yield from _keys(expert, "expert", where)
        return
    name = str(recipe.get("merge_method"))
    method = catalogue().get(name) or catalogue().get(closest(name, catalogue()) or "")
    yield from _keys(recipe, "recipe", "")
    tokenizer = recipe.get("tokenizer")
    if isinstance(tokenizer, dict):
        yield from _keys(tokenizer, "tokenizer", "tokenizer")
        tokens = tokenizer.get("tokens")
        for token, setting in tokens.items() if isinstance(tokens, dict) else ():
            if isinstance(setting, dict):
                yield from _keys(setting, "token", f"tokenizer.tokens.{token}")
    for path, part in parts(recipe):
        where = path.removesuffix(".")
        yield from _keys(part, "module", where) if where else ()
        yield from _parameters(part, method, where, shared=True)
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
    near = difflib.get_close_matches(name.lower(), list(folded), n=1, cutoff=0.72)
    return same or (folded[near[0]] if near else None)


_NAMES = {
    "recipe": "a recipe",
    "model": "a model",
    "source": "a slice's source",
    "slice": "a slice",
    "module": "a module",
    "tokenizer": "a tokenizer",
    "token": "a token",
    "moe": "a mixture of experts",
    "expert": "an expert",
    "filter": "a filter",
}


def _keys(part: dict[str, Any], kind: str, where: str) -> Iterator[Finding]:
    known = known_keys()[kind]
    for key in part:
        if key in known:
            continue
        path = f"{where}.{key}" if where else str(key)
        likely = None if key in RETIRED else closest(str(key), known)
        what = f"“{_short(key)}” is not a key of {_NAMES[kind]}"
        if likely and likely not in part:
            yield error(path, f"{what}; mergekit would ignore it.", f"Write {likely}.")
        else:
            others = [name for name, keys in known_keys().items() if key in keys]
            elsewhere = f"It belongs to {_NAMES[others[0]]}." if others else ""
            fix = elsewhere or "Remove it, or write it as a comment."
            yield warning(path, f"{what}; mergekit ignores it.", fix)


def _parameters(
    part: dict[str, Any], method: Method | None, where: str, *, shared: bool
) -> Iterator[Finding]:
    stated = part.get(PARAMETERS)
    if not isinstance(stated, dict) or method is None:
        return
    known = {item.name: item for item in method.parameters}
    all_methods = {item.name for other in catalogue().values() for item in other.parameters}
    for name, value in stated.items():
        path = f"{where}.{PARAMETERS}.{name}" if where else f"{PARAMETERS}.{name}"
        what = f"{method.name} has no parameter “{_short(name)}”"
        likely = closest(str(name), known)
        if name in known:
            if not shared and not known[name].each:
                yield warning(
                    path,
                    f"{name} is a parameter of the whole merge; below a model mergekit ignores it.",
                    "Move it to the recipe's own parameters.",
                )
            yield from _filters(value, path)
        elif likely and likely not in stated and name not in all_methods:
            yield error(path, f"{what}; mergekit would ignore it.", f"Write {likely}.")
        else:
            takes = f"{method.name} takes {', '.join(known) or 'no parameters'}."
            yield warning(path, f"{what}; mergekit ignores it.", takes)


def _filters(value: Any, where: str) -> Iterator[Finding]:
    if isinstance(value, dict):
        yield from _keys(value, "filter", where)
    entries = list(items(value, where))
    for path, entry in entries:
        yield from _keys(entry, "filter", path)
    for number, (_, entry) in enumerate(entries[:-1], 1):
        if entry.get("filter") in (None, "*"):
            what = f"Entry {number} fits every tensor; the entries after it are never used."
            yield warning(where, what, "Put it last.")
            break


def _short(name: Any) -> str:
    return str(name)[:40]
