"""A model's declared parents against its weights: which they are, where their weights lie, and whether the
coefficients that the recipe states are those that the weights hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from family_tree import published_recipe, replayed
from family_tree.paternity import paternity
from merging import data
from merging import recipe as recipes
from merging.check import Check
from merging.sources import Source, check_downloads, resolve
from shared.errors import VisitorError

TOLERANCE = 0.02
"""By how much a fitted coefficient may miss the stated one: what is rounded, and what a sample leaves out."""
MOST_TESTED = 8


def declared(tree: data.Tree, recipe: data.PublishedRecipe | None) -> tuple[str, list[str]]:
    """The base and the other declared parents: by the recipe, as it names them, else by the tree."""
    if recipe:
        with suppress(VisitorError):
            return published_recipe.parents(recipes.parse(recipe["text"]))
    mine = [edge for edge in tree["edges"] if edge["target"] == tree["start"]]
    names = [
        edge["source"]
        for edge in mine
        if edge["relation"] != "new_version" and edge["role"] not in ("tokenizer", "adapter")
    ]
    base = next((edge["source"] for edge in mine if edge["role"] == "base"), next(iter(names), ""))
    return base, [name for name in names if name != base][:MOST_TESTED]


def opened(
    weights: str,
    tree: data.Tree,
    recipe: data.PublishedRecipe | None,
    found: Check | None,
    published: Source,
) -> replayed.Opened:
    """The weights of a model that was not replayed, and of those of its declared parents that can be had.

    Args:
        weights: of the request.
        tree: of the model.
        recipe: that it publishes.
        found: the recipe's check.
        published: the model as a check resolves it.

    Raises:
        VisitorError: none are read, or that would be a large download.
    """
    if weights in ("none", "sample"):
        raise VisitorError("No weights were read to test the parents by.", "Read all weights.")
    base, others = declared(tree, recipe)
    known: dict[str, Source] = dict(found.sources) if found else {}
    for name in (base, *others):
        if name and name not in known:
            with suppress(VisitorError):
                known[name] = resolve(name, whole=False)
    named = [name for name in (base, *others) if name in known]
    if base not in known or len(named) < 2:
        raise VisitorError("Too few of its declared parents can be had to test them.", "Name another model.")
    size = sum(source.bytes for source in (published, *(known[name] for name in named)) if not source.here)
    if weights == "auto" and size > replayed.MOST_DOWNLOAD:
        raise VisitorError(
            f"The parents were not tested: that is a download of {size / 1e9:,.0f} GB.", "Read all weights."
        )
    check_downloads([*named, *([] if published.here else [published.name])])
    folder = published.folder if published.here else resolve(published.name, whole=True).folder
    sources = {name: resolve(name, whole=True) for name in named}
    folders = {name: source.folder for name, source in sources.items() if source.lora is None}
    return replayed.Opened(folder, folders)


def tested(
    tree: data.Tree, recipe: data.PublishedRecipe | None, weights: replayed.Opened
) -> tuple[data.Paternity, list[data.FittedParent]]:
    """Fit the model's task vector by those of its declared parents, and compare with what the recipe states.

    Args:
        tree: of the model.
        recipe: that it publishes.
        weights: of the model and its parents.

    Raises:
        VisitorError: why that cannot be done.
    """
    parsed = {}
    if recipe:
        with suppress(VisitorError):
            parsed = recipes.parse(recipe["text"])
    if not published_recipe.aligned(parsed):
        raise VisitorError(
            "Its tensors are not made of those of the same name, so no parent's change can be fitted.",
            "Look at the replay.",
        )
    base, others = declared(tree, recipe)
    folders = _folders(weights, base, others)
    parents = {name: folders[name] for name in others if name in folders}
    found = paternity(weights.child, folders[base], parents, weights.names).to_json(tree["start"])
    # with a parent that could not be had, the others' coefficients take a part of its own
    stated = published_recipe.stated_coefficients(parsed) if len(parents) == len(others) else {}
    return found, list(_fitted(found, stated))


def _folders(weights: replayed.Opened, base: str, others: list[str]) -> dict[str, Path]:
    """Folders of the base, and of those of the others that could be had."""
    for name in (base, *others):
        if "+" in name and name not in weights.folders:
            raise VisitorError(
                f"{name[:90]} has an adapter, which the test does not add.", "Look at the replay."
            )
    return {name: weights.folders[name] for name in (base, *others) if name in weights.folders}


def _fitted(found: data.Paternity, stated: Mapping[str, float]) -> Iterator[data.FittedParent]:
    for parent in found["parents"]:
        if parent["name"] in stated:
            said, fitted, sigma = stated[parent["name"]], parent["coefficient"], parent["sigma"]
            yield {
                "name": parent["name"],
                "declared": round(said, 5),
                "found": fitted,
                "sigma": sigma,
                "agrees": abs(said - fitted) <= max(TOLERANCE, 5 * sigma),
            }
