"""The recipe that a model publishes, with what its card says of it: the seed, and where the two disagree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from family_tree.contributions import contributions, source_name
from family_tree.facts import Facts
from family_tree.parents import CARD, RECIPES, Files, Published, card_recipes, recipes_of
from merging import data
from merging import recipe as recipes
from merging.finding import Finding, warning
from merging.methods import catalogue
from shared.checks import SEED
from shared.errors import VisitorError

_SEED = re.compile(r"(?:--random-seed[ =]|\brandom_seed:? |, seed )(\d{1,10})\b")
MOST_NAMED = 16
"""Models that are named of a recipe which can be chosen."""
CONSTANT = ("linear", "task_arithmetic")
"""Methods whose coefficients are the same in every entry, and follow from the weights alone."""


def published(facts: Facts, files: Files, used: str, seed: int | None) -> data.PublishedRecipe | None:
    """The recipe of a model; None where it publishes none.

    Args:
        facts: of the model.
        files: its small files.
        used: the recipe by which the family tree went, "" where it found none that can be read.
        seed: that the visitor names, or None.
    """
    every = recipes_of(files.texts)
    number = next((place for place, one in enumerate(every, 1) if one.text == used), 0)
    if not used and every:
        number = 1
    text = used
    if number:
        text = every[number - 1].text
        source = _named(every[number - 1].source)
    else:
        text, source = _unread(files) if not used else (used, "its card")
    if not text:
        return None
    stated = _stated_seed(files.texts.get(CARD, ""))
    told: data.PublishedRecipe = {
        "text": text,
        "source": source,
        "method": "",
        "seed": seed if seed is not None else stated if stated is not None else 0,
        "seed_from": "you" if seed is not None else "the card" if stated is not None else "default",
        "draws": False,
        "number": number,
        "choices": [_choice(place, one) for place, one in enumerate(every, 1)],
    }
    try:
        recipe = recipes.parse(text)
    except VisitorError:
        return told
    method = str(recipe.get("merge_method") or "")
    if recipes.is_moe(recipe):
        modes = ("random", "uniform_random")
        draws = recipe.get("gate_mode") in modes or bool(recipe.get("experts_noise"))
        return {**told, "method": "mixture of experts", "draws": draws}
    known = catalogue().get(method)
    return {**told, "method": method[:40], "draws": bool(known and known.random)}


def _named(source: str) -> str:
    return "its card" if source == CARD else source


def _unread(files: Files) -> tuple[str, str]:
    """What stands where a recipe should, and cannot be read as one."""
    for name in RECIPES:
        if files.texts.get(name):
            return files.texts[name], name
    blocks = card_recipes(files.texts.get(CARD, ""))
    return (blocks[0], "its card") if blocks else ("", "")


def _choice(number: int, one: Published) -> data.RecipeChoice:
    recipe = recipes.parse(one.text)
    moe = recipes.is_moe(recipe)
    return {
        "number": number,
        "source": _named(one.source),
        "method": "mixture of experts" if moe else str(recipe.get("merge_method") or "")[:40],
        "models": [source_name(name)[:96] for name in recipes.models_of(recipe)[:MOST_NAMED]],
    }


def _stated_seed(card: str) -> int | None:
    found = {int(number) for number in _SEED.findall(card)}
    try:
        return SEED("seed", found.pop()) if len(found) == 1 else None
    except VisitorError:
        return None


def disagreement(recipe: data.PublishedRecipe, files: Files) -> Iterator[Finding]:
    """A warning where the card shows another recipe than the one that was used."""
    if recipe["source"] not in RECIPES:
        return
    shown = []
    for block in card_recipes(files.texts.get(CARD, "")):
        try:
            shown.append(recipes.parse(block))
        except VisitorError:
            continue
    try:
        used = recipes.parse(recipe["text"])
    except VisitorError:
        return
    if not shown or used in shown:
        return
    where, one, other = min((_first(used, block, "") for block in shown), key=lambda found: len(found[0]))
    yield warning(
        where,
        f"Its card shows another recipe than {recipe['source']}: {_short(other)} where that has "
        f"{_short(one)}.",
        f"Correct the one that is wrong; {recipe['source']} is what is replayed.",
    )


_NOTHING = object()


def _first(one: Any, other: Any, where: str) -> tuple[str, Any, Any]:
    """The first place in which two recipes differ, and what stands there in each."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in dict.fromkeys((*one, *other)):
            mine, theirs = one.get(key, _NOTHING), other.get(key, _NOTHING)
            if mine != theirs:
                return _first(mine, theirs, f"{where}.{key}".lstrip("."))
    if isinstance(one, list) and isinstance(other, list):
        for place in range(max(len(one), len(other))):
            mine, theirs = (items[place] if place < len(items) else _NOTHING for items in (one, other))
            if mine != theirs:
                return _first(mine, theirs, f"{where}[{place}]")
    return where, one, other


def _short(value: Any) -> str:
    return "nothing" if value is _NOTHING else f"“{str(value)[:40]}”"


def aligned(recipe: dict[str, Any]) -> bool:
    """Whether every tensor of the child is made of those of the same name."""
    if recipes.is_moe(recipe) or isinstance(recipe.get("modules"), dict):
        return False
    at = 0
    for _, output in recipes.slices(recipe):
        spans = [source.get("layer_range") for _, source in recipes.items(output.get("sources"), "")]
        if not spans or any(span != spans[0] for span in spans) or not isinstance(spans[0], list):
            return False
        if len(spans[0]) != 2 or spans[0][0] != at:
            return False
        at = spans[0][1]
    return True


def parents(recipe: dict[str, Any]) -> tuple[str, list[str]]:
    """The base and the other models whose weights are merged, as the recipe names them; the first of the
    others is the base where none is named.
    """
    parts = contributions(recipe)
    names: dict[str, str] = {}
    for name in recipes.models_of(recipe):
        if parts[source_name(name)].role in ("contributor", "base"):
            names.setdefault(source_name(name), name)
    stated = recipe.get("base_model")
    base = names.get(source_name(stated)) if isinstance(stated, str) else None
    base = base or next(iter(names.values()), "")
    return base, [name for name in names.values() if name != base]


def stated_coefficients(recipe: dict[str, Any]) -> dict[str, float]:
    """The coefficient of each model by its name in the recipe, where the method has one for all entries."""
    if str(recipe.get("merge_method")) not in CONSTANT or recipe.get("slices") or recipe.get("modules"):
        return {}
    settings = [recipe.get("parameters")]
    settings += [entry.get("parameters") for _, entry in recipes.items(recipe.get("models"), "")]
    varying = any(isinstance(v, (list, dict)) for s in settings if isinstance(s, dict) for v in s.values())
    if varying:
        return {}
    parts = contributions(recipe)
    found = {}
    for name in recipes.models_of(recipe):
        low, high = parts[source_name(name)].part
        if high - low < 1e-6:
            found[name] = low
    return found
