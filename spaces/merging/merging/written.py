"""The tensors that a merge writes, as its files will hold them: names, dtypes and shapes, from mergekit's
plan and the models' headers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from merging.finding import Finding, error, warning
from merging.held import Held
from merging.sources import Source
from merging.tensors import Headers, place, promoted
from merging.vocabularies import first_model, rows_of

Reads = Sequence[tuple[str, str | None, Any]]
"""Of what a task reads: each model's name, its tensor's (None where it lacks it), and mergekit's word for it.
"""

SAFETENSORS = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16"}
"""safetensors' names of the dtypes that a recipe may state."""


def stated(value: Any) -> str:
    """Safetensors' name of a recipe's dtype, "" where none is stated."""
    return SAFETENSORS.get(str(value or "").removeprefix("torch."), "")


def of_merge(
    planner: Any,
    recipe: Mapping[str, Any],
    reads: Sequence[Reads],
    sources: Mapping[str, Source],
    names: Mapping[str, str],
    held: Mapping[str, Held],
) -> tuple[Headers, list[Finding]]:
    """Every tensor of a child, in mergekit's order, and what is wrong with some of them.

    Args:
        planner: of mergekit, that has planned.
        recipe: as written.
        reads: of each of its tensors.
        sources: the recipe's models by name.
        names: the models' names by mergekit's.
        held: their tensors as mergekit reads them.
    """
    wanted, kept = stated(planner.config.out_dtype), stated(planner.config.dtype)
    first = first_model(recipe, sources)
    rows = rows_of(planner, sources, names, first)
    headers: Headers = {}
    findings: list[Finding] = []
    for (weight, task), parts in zip(planner._tensors, reads, strict=True):
        here = {name: known for name, known, _ in parts if known is not None}
        if not here:
            continue
        joined, wrong = _joined(planner, weight, task, here, names)
        findings += wrong
        if not joined:
            continue
        dtype = promoted([kept or held[name].tensors[here[name]][0] for name in joined])
        shape = held[joined[0]].tensors[here[joined[0]]][1]
        if weight.vocabulary_axis is not None and rows is not None:
            shape = tuple(rows if axis == weight.vocabulary_axis else size for axis, size in enumerate(shape))
        headers[weight.name] = (stated(weight.force_dtype) or wanted or dtype, shape)
        if weight.name.endswith("lm_head.weight"):
            configs = {names[str(model)]: model for model in planner.config.referenced_models()}
            tied = bool(getattr(configs[first].config(), "tie_word_embeddings", False))
            findings += _tied_and_not(weight.name, parts, first, tied)
    return headers, findings


def _joined(
    planner: Any, weight: Any, task: Any, here: Mapping[str, str], names: Mapping[str, str]
) -> tuple[list[str], list[Finding]]:
    """The models that a tensor is made of, none where mergekit leaves it out, and why it would fail:
    mergekit's own rules for a tensor that some of the models lack.
    """
    from mergekit.merge_methods.base import OptionalTensorPolicy as Policy

    present = [model for model in task.model_order if names[str(model)] in here]
    joined = [names[str(model)] for model in present]
    if not weight.optional or len(present) == len(task.model_order):
        return joined, []
    spec = planner._method.spec
    alone = len(present) == 1
    based = alone and present[0] == task.base_model
    if alone and (
        spec.optional_tensor_policy == Policy.PASSTHROUGH_SINGLETON
        or (spec.optional_tensor_policy == Policy.PASSTHROUGH_BASE_SINGLETON and based)
    ):
        return joined, []
    if spec.optional_tensor_policy == Policy.BASE_OR_SKIP and len(present) < spec.contract.min_inputs:
        return (joined if based else []), []
    try:
        planner._method.validate_inputs(present, task.base_model, group_name=weight.name)
    except ValueError:
        lacking = ", ".join(names[str(model)] for model in task.model_order if model not in present)
        what = f"{lacking} has no {weight.name}, and {spec.name} cannot merge it without."
        return joined, [error(weight.name, what, "Choose models that all have it, or use linear.")]
    return joined, []


def _tied_and_not(name: str, parts: Reads, first: str, tied: bool) -> Iterator[Finding]:
    """Parents of which some have an output matrix of their own and others use the embedding for it.

    Args:
        name: of the output matrix.
        parts: what mergekit reads for it.
        first: the model whose configuration the child gets.
        tied: whether that ties both matrices.
    """
    own = [model for model, known, _ in parts if known == name]
    others = [model for model, known, _ in parts if known != name]
    if own and others:
        into = any(known is not None for _, known, _ in parts if known != name)
        how = "whose embedding goes into it" if into else "which takes no part in it"
        what = f"{', '.join(own)} has an output matrix of its own, unlike {', '.join(others)}, {how}."
        fix = "Merge models that all have one, or none."
        if tied:
            what += f" By {first}'s configuration transformers uses the embedding instead of it."
            fix = "Set tie_word_embeddings: false in the child's config.json, or merge models of one kind."
        yield warning(name, what, fix)


def of_mixture(recipe: Mapping[str, Any], sources: Mapping[str, Source], kind: str) -> Headers:
    """Every tensor of a mixture.

    Args:
        recipe: of mergekit-moe, checked.
        sources: its models by name.
        kind: the architecture that mergekit chose, by its name of it.
    """
    base = sources[str(recipe["base_model"])]
    config = base.config
    given = stated(recipe.get("dtype")) or stated(config.get("dtype") or config.get("torch_dtype"))
    experts = len(recipe["experts"])
    shared = len(recipe.get("shared_experts") or ())
    hidden = int(config.get("hidden_size", 0))
    headers: Headers = {}
    for name, (dtype, shape) in base.tensors.items():
        spot, dtype = place(name), given or dtype
        if spot is None or ".mlp." not in name:
            if not name.endswith("rotary_emb.inv_freq"):
                headers[name] = (dtype, shape)
            continue
        layer = name.split(".mlp.")[0] + ".mlp."
        headers[f"{layer}gate.weight"] = (given or "F32", (experts, hidden))
        part = name.split(".mlp.")[1]
        if kind in ("Mixtral", "Qwen3 MoE"):
            if part == "gate_proj.weight":
                headers[f"{layer}experts.gate_up_proj"] = (dtype, (experts, 2 * shape[0], *shape[1:]))
            elif part == "down_proj.weight":
                headers[f"{layer}experts.down_proj"] = (dtype, (experts, *shape))
            continue
        headers |= {f"{layer}experts.{number}.{part}": (dtype, shape) for number in range(experts)}
        if shared:
            own = "shared_expert" if kind == "Qwen MoE" else "shared_experts"
            headers[f"{layer}{own}.{part}"] = (dtype, shape)
            if kind == "Qwen MoE":
                headers[f"{layer}shared_expert_gate.weight"] = (given or "F32", (1, hidden))
    if kind == "Qwen MoE":
        headers |= _biases(headers, given)
    return headers


def _biases(headers: Headers, given: str) -> Headers:
    """What mergekit adds to a base without them: Qwen's mixture wants biases on three of its projections."""
    return {
        f"{name.removesuffix('weight')}bias": (given or dtype, shape[:1])
        for name, (dtype, shape) in headers.items()
        if name.endswith(("q_proj.weight", "k_proj.weight", "v_proj.weight"))
        and f"{name.removesuffix('weight')}bias" not in headers
    }
