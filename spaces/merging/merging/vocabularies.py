"""The tokens that models number, from their tokenizer files: how many rows a merge's vocabulary will have,
and which model a recipe without a base takes first.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from merging import recipe as recipes
from merging.model_links import alias
from merging.sources import Source

FILES = ("tokenizer.json", "tokenizer.model", "vocab.json")


def has_tokenizer(folder: Path) -> bool:
    """Whether a model's folder holds a tokenizer, without which mergekit's own reading of it fails."""
    return any((folder / name).is_file() for name in FILES)


def vocabulary(folder: Path) -> dict[str, int] | None:
    """Numbers by token, the added ones among them; None where the file cannot be read."""
    try:
        parsed = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        found = parsed["model"]["vocab"]
        if not isinstance(found, dict):
            found = {item[0]: number for number, item in enumerate(found)}
        return {**found, **{item["content"]: item["id"] for item in parsed.get("added_tokens", ())}}
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def _used(source: Source) -> set[str] | None:
    """The tokens of a model that have a row of its embedding."""
    numbers = vocabulary(source.folder)
    rows = source.config.get("vocab_size")
    if numbers is None or not isinstance(rows, int):
        return None
    return {token for token, number in numbers.items() if number < rows}


def rows_of(planner: Any, sources: Mapping[str, Source], names: Mapping[str, str], first: str) -> int | None:
    """Rows of a child's embedding where a recipe matches tokens: as many as its tokenizer has tokens.

    Args:
        planner: of mergekit.
        sources: the recipe's models by name.
        names: the models' names by mergekit's.
        first: the model whose tokenizer mergekit reads as the base's.

    Returns:
        None where the recipe does not, or a tokenizer is in a form that is not read here.
    """
    task = planner._tokenizer_task
    if task is None:
        return None
    asked = [names[str(model)] for model in task.referenced_models]
    tokens: set[str] | None
    if task.tokenizer_source == "union":
        parts = [
            _used(sources[name]) for name in asked if name == first or has_tokenizer(sources[name].folder)
        ]
        known = [part for part in parts if part is not None]
        tokens = {token for part in known for token in part} if len(known) == len(parts) else None
    elif task.tokenizer_source == "base":
        tokens = _used(sources[first])
    else:
        source = sources[names[str(task.tokenizer_source)]]
        numbers = vocabulary(source.folder)
        tokens = None if numbers is None else set(numbers)
    if tokens is None:
        return None
    rows = len(tokens | set(task.add_tokens or ()))
    tokenizer = planner.config.tokenizer
    multiple = tokenizer.pad_to_multiple_of if tokenizer is not None else None
    return -(-rows // multiple) * multiple if multiple else rows


def first_model(recipe: Mapping[str, Any], sources: Mapping[str, Source]) -> str:
    """The model that a child has its configuration from, and its tokenizer where the recipe asks for none; ""
    where a model that it may be is not there.
    """
    if base := recipe.get("base_model"):
        return base if isinstance(base, str) and base in sources else ""
    asked = [
        holder[key]
        for holder, key, where in recipes.named(dict(recipe))
        if not where.startswith("tokenizer") and not where.endswith("base_model")
    ]
    return donor(list(dict.fromkeys(asked)), sources) if all(name in sources for name in asked) else ""


def donor(names: Sequence[str], sources: Mapping[str, Source]) -> str:
    """Which of a recipe's models mergekit takes first here, where the recipe names no base: it draws from a
    set, whose order follows from Python's hashes of the names, and a merge here runs with the seed 0.
    """
    if len(names) < 2:
        return names[0] if names else ""
    places = list(sources)
    links = []
    for name in names:
        link = f"models/{alias(name, places.index(name))}"
        lora = (f"{link}-adapter", None) if sources[name].lora is not None else None
        links.append(((link, None), lora, None))
    return names[_first(tuple(links))]


@lru_cache(maxsize=256)
def _first(references: tuple[Any, ...]) -> int:
    """Place of the first of a set of references with the seed 0: a tuple has the hash of mergekit's class."""
    program = f"given = {references!r}\nprint(given.index(list(set(given))[0]))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return int(done.stdout)
