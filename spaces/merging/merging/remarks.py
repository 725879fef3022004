"""What a recipe's models give to remark on, beside what mergekit's planner says."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator, Mapping
from typing import Any

from merging import recipe as recipes
from merging.finding import Finding, error, note, warning
from merging.keys import closest
from merging.methods import catalogue
from merging.sources import Source
from merging.vocabularies import first_model, has_tokenizer, vocabulary


def on_weights(recipe: dict[str, Any], sources: Mapping[str, Source]) -> list[Finding]:
    """Why the weights of a recipe's models cannot be merged as it says."""
    return [*_quantized(recipe, sources), *_experts(recipe, sources), *_ranges(recipe, sources)]


PACKED = ("U8", "I8", "F8_", "F6_", "F4")
"""What safetensors' names of dtypes that hold codes begin with."""


def _quantized(recipe: dict[str, Any], sources: Mapping[str, Source]) -> Iterator[Finding]:
    """Models whose tensors hold codes: mergekit would average the codes, or fail in the middle."""
    places = {holder[key]: where for holder, key, where in reversed(list(recipes.named(recipe)))}
    for name, source in sources.items():
        settings = source.config.get("quantization_config")
        method = settings.get("quant_method") if isinstance(settings, dict) else None
        packed = next((dtype for dtype, _ in source.tensors.values() if dtype.startswith(PACKED)), None)
        if isinstance(settings, dict) or packed:
            how = ", ".join(str(item)[:40] for item in (method, packed) if item) or "quantization_config"
            yield error(
                places.get(name, ""),
                f"{name} is quantized ({how}): its tensors hold codes, not weights.",
                "Merge the model that it was quantized from.",
            )


def _experts(recipe: dict[str, Any], sources: Mapping[str, Source]) -> Iterator[Finding]:
    """Experts whose layers are not the base's: mergekit-moe reads the base's layers of each."""
    base = sources.get(str(recipe.get("base_model")))
    if base is None or not recipes.is_moe(recipe):
        return
    if base.config.get("model_type") == "qwen2" and "sliding_attention" in (
        base.config.get("layer_types") or ()
    ):
        yield warning(
            "base_model",
            "mergekit keeps the base's sliding layers and drops their window: transformers cannot run the "
            "mixture.",
            "Choose a base without sliding windows, or set layer_types in the mixture's config.json.",
        )
    for key in ("experts", "shared_experts"):
        for where, expert in recipes.items(recipe.get(key), key):
            source = sources.get(str(expert.get("source_model")))
            if source is None:
                continue
            place = f"{where}.source_model"
            fix = "Choose an expert that was fine-tuned from the base."
            if source.layers != base.layers:
                what = f"{source.name} has {source.layers} layers, and the base {base.layers}."
                yield error(place, what, fix)
                continue
            for name, (_, shape) in base.tensors.items():
                other = source.tensors.get(name, ("", shape))[1]
                if ".mlp." in name and other != shape:
                    sizes = " and ".join("×".join(map(str, size)) for size in (other, shape))
                    yield error(place, f"{name} differs in shape from the base's: {sizes}.", fix)
                    break


def _ranges(recipe: dict[str, Any], sources: Mapping[str, Source]) -> Iterator[Finding]:
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
    return [
        *_licences(sources),
        *_tokenizers(recipe, sources),
        *_no_tokenizer(recipe, sources),
        *_template(recipe),
        *_tokens(recipe, sources),
        *_surprises(recipe, sources),
    ]


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
    vocabularies = {name: vocabulary(source.folder) for name, source in sources.items()}
    known = {name: vocabulary for name, vocabulary in vocabularies.items() if vocabulary}
    differing = [(a, b) for a in known for b in known if known[a] != known[b]]
    if differing:
        first, other = differing[0]
        yield warning(
            "tokenizer_source",
            f"{first} and {other} number their tokens differently, and row n is merged with row n.",
            "Add tokenizer_source: union, or base where the others only added tokens.",
        )


def _no_tokenizer(recipe: dict[str, Any], sources: Mapping[str, Source]) -> Iterator[Finding]:
    """A child without a tokenizer: mergekit logs that it could not copy one and says nothing else. Where rows
    are matched by tokens it reads the base's tokenizer in any case, and takes a model without one to number
    its tokens as the base does.
    """
    asked = recipe.get("tokenizer_source")
    tokenizer = recipe.get("tokenizer")
    if isinstance(tokenizer, dict):
        asked = tokenizer.get("source") or "union"
    first = first_model(recipe, sources)
    if not first:
        return
    named = [str(asked)] if asked not in (None, "union", "base") else []
    having = [name for name, source in sources.items() if has_tokenizer(source.folder)]
    lacking = [name for name in sources if name not in having]
    needed = [name for name in (first, *named) if name in lacking]
    if not needed:
        for name in lacking if asked else ():
            what = f"{name} has no tokenizer: mergekit takes it to number its tokens as {first} does."
            yield warning("tokenizer_source", what, "See that it does.")
        return
    reads = asked or recipes.is_moe(recipe)
    if reads:
        what = f"{needed[0]} has no tokenizer, and mergekit reads it."
    else:
        what = f"{needed[0]} has no tokenizer, so that the child would have none."
    if not having and not reads and not recipe.get("chat_template"):
        yield warning(
            "", "No model has a tokenizer: the child can read and write token ids only.", "Add one."
        )
    elif needed[0] != first:
        yield error(
            "tokenizer_source", what, f"Name {having[0]}." if having else "Name a model that has one."
        )
    else:
        where = "base_model" if recipe.get("base_model") else ""
        yield error(
            where,
            what,
            f"Put {having[0]}'s tokenizer into its folder, or choose another base."
            if having
            else "Choose a base that has one.",
        )


def _template(recipe: dict[str, Any]) -> Iterator[Finding]:
    """A chat_template that is neither a name that mergekit knows nor a template's text."""
    template = recipe.get("chat_template")
    if not isinstance(template, str) or template == "auto":
        return
    files = importlib.resources.files("mergekit._data.chat_templates").iterdir()
    names = sorted(file.name.removesuffix(".jinja") for file in files if file.name.endswith(".jinja"))
    if template not in names and (len(template) < 20 or "{" not in template):
        likely = closest(template, names)
        fix = f"Write {likely}." if likely else f"Write auto, {', '.join(names)}, or a whole Jinja template."
        yield error("chat_template", f"mergekit knows no chat template “{template[:40]}”.", fix)


def _tokens(recipe: dict[str, Any], sources: Mapping[str, Source]) -> Iterator[Finding]:
    """Tokens that are to come from a model that does not have them."""
    tokenizer = recipe.get("tokenizer")
    tokens = tokenizer.get("tokens") if isinstance(tokenizer, dict) else None
    for token, setting in tokens.items() if isinstance(tokens, dict) else ():
        source = setting.get("source") if isinstance(setting, dict) else None
        model, wanted = source, token
        if isinstance(source, dict):
            model, wanted = source.get("model"), source.get("token")
        numbers = vocabulary(sources[model].folder) if isinstance(model, str) and model in sources else None
        if numbers and isinstance(wanted, str) and wanted not in numbers:
            near = closest(wanted, numbers)
            yield error(
                f"tokenizer.tokens.{token}.source",
                f"{model} has no token “{wanted[:40]}”.",
                f"Write {near}." if near else "Name a model that has it, or a token of this one.",
            )


def _surprises(recipe: dict[str, Any], sources: Mapping[str, Source]) -> Iterator[Finding]:
    method = catalogue().get(str(recipe.get("merge_method")))
    if method is None:
        return
    several = len(sources) > 1 and method.name != "passthrough"
    if several and not recipe.get("base_model") and first_model(recipe, sources):
        yield note(
            "base_model",
            "Without base_model, mergekit copies the configuration and tokenizer of one of the models, "
            "whichever comes first by chance.",
            f"Here it is {first_model(recipe, sources)}; name a model as base_model to choose.",
        )
    if method.name.startswith("dare"):
        yield note(
            "parameters.density",
            "mergekit's DARE rescales what is kept so that the L1 norm stays the same, not by the paper's "
            "1/density.",
            "On large tensors the two are nearly equal, on small ones they are not.",
        )
