"""Links to a recipe's models under names that mergekit reads as plain folders."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from merging import recipe as recipes
from merging.names import split
from merging.sources import Source


def alias(name: str, index: int) -> str:
    """A model's folder name in a merge's work folder: readable, and free of what mergekit takes for a
    revision or adapter.
    """
    last = split(name)[0].split("/")[-1]
    readable = "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in last)
    return f"{index}-{readable[:60]}"


def relinked(
    recipe: dict[str, Any], sources: Mapping[str, Source], folder: Path, prefix: str
) -> dict[str, Any]:
    """Make a link for every model (and every adapter) in `folder` and name the links in a copy of the
    recipe.

    Args:
        recipe: as written.
        sources: its models by name.
        folder: is made where it is not there.
        prefix: of the links' names in the copy.
    """
    folder.mkdir(parents=True, exist_ok=True)
    copy: dict[str, Any] = json.loads(json.dumps(recipe))
    names: dict[str, str] = {}
    for index, (name, source) in enumerate(sources.items()):
        link = folder / alias(name, index)
        if not link.exists():
            link.symlink_to(source.folder.resolve(), target_is_directory=True)
        names[name] = f"{prefix}/{link.name}"
        if source.lora is not None:
            adapter = folder / f"{link.name}-adapter"
            if not adapter.exists():
                adapter.symlink_to(source.lora.resolve(), target_is_directory=True)
            names[name] += f"+{prefix}/{adapter.name}"
    for holder, key, _ in list(recipes.named(copy)):
        holder[key] = names[holder[key]]
    return copy


def in_own_names(text: str, recipe: dict[str, Any], linked: dict[str, Any]) -> str:
    """A text of mergekit's with the links of `linked` written as the recipe names them."""
    for (link, key, _), (holder, _, _) in zip(recipes.named(linked), recipes.named(recipe), strict=True):
        text = text.replace(link[key], holder[key])
    return text
