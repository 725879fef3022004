"""mergekit's exceptions in words for a visitor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from merging.finding import Finding, error
from merging.methods import Method, catalogue
from merging.model_links import in_own_names
from merging.sources import Source


def explained(
    problem: Exception, recipe: dict[str, Any], sources: Mapping[str, Source], linked: dict[str, Any]
) -> Finding:
    """An exception of mergekit's as a finding: with the recipe's names, and a place and a remedy where the
    case is known.

    Args:
        problem: what mergekit raised.
        recipe: as written.
        sources: its models by name.
        linked: the recipe that mergekit read, with links in place of the names.
    """
    from pydantic import ValidationError

    if isinstance(problem, ValidationError):
        first = problem.errors()[0]
        value = in_own_names(str(first.get("input")), recipe, linked)[:60]
        what = f"{first['msg'].rstrip('.')} (given: {value})."
        return error(_where(first["loc"]), what, "Correct this value.")
    text = in_own_names(_first_line(problem), recipe, linked)
    method = catalogue().get(str(recipe.get("merge_method")))
    return (
        (_of_method(text, method, str(recipe.get("base_model") or "")) if method else None)
        or _of_models(text, sources)
        or error("", f"mergekit refuses the recipe: {text.rstrip('.')}.", "Change the recipe accordingly.")
    )


def _of_method(text: str, method: Method, base: str) -> Finding | None:
    """What a method does not accept."""
    if "Missing required parameter" in text:
        name = text.split("Missing required parameter ")[1].split(" for ")[0]
        each = any(parameter.name == name and parameter.each for parameter in method.parameters)
        place = text.split(" for ", 1)[1]
        fix = f"Add {name} to {'every model' if each else 'parameters'}."
        if base and place.startswith(f"{base}."):
            fix = f"base_model takes part in it: list {base} among the models with a {name}, or remove it."
        return error("parameters", f"{method.name} needs a {name} for {place}.", fix)
    if "base input" in text and method.base == "required":
        return error(
            "base_model",
            f"{method.name} needs base_model.",
            "Add base_model: the model that the others were fine-tuned from.",
        )
    if "base input" in text and "not accept" in text:
        return error("base_model", f"{method.name} takes no base_model.", "Remove base_model.")
    if "non-base inputs" in text and "requires" in text:
        wanted, count = text.split("requires ")[1].split(" non-base inputs")[0], text.rsplit(" ", 1)[1]
        return error(
            "models",
            f"{method.name} takes {wanted} models beside base_model; the recipe has {count}.",
            "Name as many, or choose another method.",
        )
    if "inputs" in text and "requires" in text:
        most = "" if method.most is None else f" and at most {method.most}"
        return error(
            "models",
            f"{text.rstrip('.').replace('Merge method', method.name)}.",
            f"Give at least {method.least}{most}, the base counted.",
        )
    return None


def _of_models(text: str, sources: Mapping[str, Source]) -> Finding | None:
    """What does not fit together."""
    if "different architectures" in text:
        kinds = ", ".join(
            f"{name}: {str(source.config.get('architectures'))[:60]}" for name, source in sources.items()
        )
        return error(
            "", f"The models have different architectures ({kinds}).", "Merge models of one architecture."
        )
    if "same number of layers" in text:
        return error(
            "slices",
            "The sources of a slice cover different numbers of layers.",
            "Give them layer_range of one length.",
        )
    if "Duplicate merge inputs" in text:
        return error("models", "A model is named twice in one merge.", "Name it once and add the weights.")
    return None


def _where(path: tuple[int | str, ...]) -> str:
    """A path of pydantic's, such as `models[1].parameters.weight`, without the branches of unions."""
    parts = [part for part in path if not _is_branch(part)]
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).lstrip(".")


def _is_branch(part: int | str) -> bool:
    """Whether a part of pydantic's path names a branch of a union and not a key."""
    if isinstance(part, int):
        return False
    kinds = ("bool", "int", "float", "str")
    return part[:1].isupper() or "[" in part or part in kinds or part.startswith("list")


def _first_line(problem: BaseException) -> str:
    lines = str(problem).strip().splitlines()
    return (lines[0] if lines else type(problem).__name__)[:300]
