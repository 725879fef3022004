"""What a recipe's models give to remark on, beside what mergekit's planner says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from merging import recipe as recipes
from merging.finding import Finding, error, note, warning
from merging.methods import catalogue
from merging.sources import Source


def on_ranges(recipe: dict[str, Any], sources: Mapping[str, Source]) -> Iterator[Finding]:
    """Layer ranges that a model does not have."""
    for where, output in recipes.slices(recipe):
        for inner, entry in recipes.items(output.get("sources"), f"{where}.sources"):
            source, span = sources.get(str(entry.get("model"))), entry.get("layer_range")
            if source is None or not isinstance(span, list) or len(span) != 2:
                continue
            layers = source.layers
            if all(isinstance(end, int) for end in span) and not 0 <= span[0] < span[1] <= layers:
                yield error(
                    f"{inner}.layer_range",
                    f"layer_range {span} is not within {entry['model']}, which has layers 0 to {layers - 1}.",
                    f"Use [from, to] with 0 ≤ from < to ≤ {layers}; layer to is not included.",
                )


def on_models(recipe: dict[str, Any], sources: Mapping[str, Source]) -> list[Finding]:
    """What licences and tokenizers say, and what surprises people."""
    return [*_licences(sources), *_tokenizers(recipe, sources), *_surprises(recipe, sources)]


def _licences(sources: Mapping[str, Source]) -> Iterator[Finding]:
    stated = {name: source.licence for name, source in sources.items() if source.licence}
    unknown = [name for name in sources if name not in stated]
    if len(set(stated.values())) > 1:
        pairs = ", ".join(f"{name}: {licence}" for name, licence in stated.items())
        yield warning(
            "",
            f"The parents have different licences ({pairs}).",
            "Read them: the child is bound by all of them.",
        )
    if unknown:
        what = f"The licence of {', '.join(unknown)} is unknown."
        yield note("", what, "Look it up before you share the child.")


def _tokenizers(recipe: dict[str, Any], sources: Mapping[str, Source]) -> Iterator[Finding]:
    """A warning where the models number their tokens differently and no rule says what to do."""
    if recipe.get("tokenizer_source") or recipe.get("tokenizer") or recipes.is_moe(recipe):
        return
    vocabularies = {name: _vocabulary(source.folder) for name, source in sources.items()}
    known = {name: vocabulary for name, vocabulary in vocabularies.items() if vocabulary}
    if len(set(known.values())) > 1:
        first, other = next((a, b) for a in known for b in known if known[a] != known[b])
        yield warning(
            "tokenizer_source",
            f"{first} and {other} number their tokens differently, and row n is merged with row n.",
            "Add tokenizer_source: union, or base where the others only added tokens.",
        )


def _vocabulary(folder: Path) -> int | None:
    """A hash of the pairs of token and number; None where the file cannot be read."""
    try:
        parsed = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        vocabulary = parsed["model"]["vocab"]
        if isinstance(vocabulary, dict):
            return hash(frozenset(vocabulary.items()))
        return hash(frozenset((item[0], number) for number, item in enumerate(vocabulary)))
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def _surprises(recipe: dict[str, Any], sources: Mapping[str, Source]) -> Iterator[Finding]:
    method = catalogue().get(str(recipe.get("merge_method")))
    if method is None:
        return
    if not recipe.get("base_model") and len(sources) > 1 and method.name != "passthrough":
        yield note(
            "base_model",
            "Without base_model, mergekit copies the configuration and tokenizer of one of the models, "
            "whichever comes first by chance.",
            "Here chance is fixed; name one of the models as base_model to choose.",
        )
    if method.name.startswith("dare"):
        yield note(
            "parameters.density",
            "mergekit's DARE rescales what is kept so that the L1 norm stays the same, not by the paper's "
            "1/density.",
            "On large tensors the two are nearly equal, on small ones they are not.",
        )
