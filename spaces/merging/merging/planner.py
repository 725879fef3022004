"""A recipe planned by mergekit itself on the weights' headers: what the merge writes, and what is wrong."""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from merging import recipe as recipes
from merging import values, written
from merging.explanation import explained
from merging.finding import Finding, error
from merging.held import Held
from merging.sources import Source
from merging.tensors import Headers

MAX_LAYERS = 512
"""Layers of a child: four times as many as the largest public models have."""
GATES = ("hidden", "cheap_embed", "random", "uniform_random")


@dataclass(frozen=True)
class Plan:
    """What a merge writes.

    Args:
        tensors: how many.
        layers: of the child.
        inputs: by name of a written tensor, of each model (by its name in the recipe) the tensor that goes
            in; empty for a mixture, whose tensors mergekit-moe does not plan.
        written: dtype and shape by name of all tensors, as the files will hold them.
    """

    tensors: int
    layers: int
    inputs: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict, compare=False)
    written: Headers = field(default_factory=dict, compare=False)


def plan(
    recipe: dict[str, Any], linked: dict[str, Any], sources: Mapping[str, Source]
) -> tuple[Plan | None, list[Finding]]:
    """Let mergekit plan a merge; it uses settings of the whole process, so one at a time.

    Args:
        recipe: as written.
        linked: the same with links to its models; adapters are taken out of it.
        sources: the models by their names in `recipe`.
    """
    return (_mixture if recipes.is_moe(recipe) else _merge)(recipe, linked, sources)


def _merge(
    recipe: dict[str, Any], linked: dict[str, Any], sources: Mapping[str, Source]
) -> tuple[Plan | None, list[Finding]]:
    from mergekit.architecture import get_architecture_info
    from mergekit.config import MergeConfiguration
    from mergekit.io.tasks import LoaderCache
    from mergekit.merge import _model_out_config
    from mergekit.options import MergeOptions
    from mergekit.plan import MergePlanner

    LoaderCache().loaders.clear()  # mergekit keeps loaders for the life of the process
    scratch = tempfile.mkdtemp(prefix="lora-")
    # An adapter does not change names and shapes: plan without it, which spares adding it.
    for holder, key, _ in list(recipes.named(linked)):
        holder[key] = holder[key].split("+")[0]
    try:
        logging.disable(logging.WARNING)
        options = MergeOptions(lora_merge_cache=scratch, quiet=True)
        config = MergeConfiguration.model_validate(linked)
        if stray := stray_model(config, linked):
            return None, [stray]
        architecture = get_architecture_info(config, options)
        out = _model_out_config(config, architecture)
        planner = MergePlanner(config, architecture, options, out)
        planner.normalize_config()
        if (depth := _depth(planner.config)) > MAX_LAYERS:
            deep = f"The child would have {depth:,} layers."
            return None, [error("", deep, f"Stack at most {MAX_LAYERS} here.")]
        planner._plan()
        names = {
            link[key]: holder[key]
            for (link, key, _), (holder, _, _) in zip(
                recipes.named(linked), recipes.named(recipe), strict=True
            )
        }
        held = {name: Held(source) for name, source in sources.items()}
        reads = [list(_read(task, held, names)) for _, task in planner._tensors]
        headers, wrong = written.of_merge(planner, recipe, reads, sources, names, held)
        problems = [
            *_shapes(planner, reads, held),
            *wrong,
            *values.problems(planner, recipe, names),
        ]
        layers = int(getattr(out, "num_hidden_layers", 0) or 0)
        return Plan(len(headers), layers, _inputs(planner, reads, headers, held), headers), problems
    except Exception as problem:  # noqa: BLE001  whatever mergekit raises, the merge would raise
        return None, [explained(problem, recipe, sources, linked)]
    finally:
        logging.disable(logging.NOTSET)
        LoaderCache().loaders.clear()
        MergePlanner._model_arch.cache_clear()  # it holds whole planners, of the last 64 checks
        shutil.rmtree(scratch, ignore_errors=True)


def _depth(config: Any) -> int:
    """Layers that all slices stack."""
    stacks = [output.sources for module in config.modules.values() for output in module.slices]
    return sum(
        max((source.layer_range[1] - source.layer_range[0] for source in stack), default=0)
        for stack in stacks
    )


def _mixture(
    recipe: dict[str, Any], linked: dict[str, Any], sources: Mapping[str, Source]
) -> tuple[Plan | None, list[Finding]]:
    from mergekit.moe.config import MoEMergeConfig, is_bad_config
    from mergekit.options import MergeOptions
    from mergekit.scripts.moe import select_output_arch

    listener = _Listener()
    logging.getLogger().addHandler(listener)
    try:
        config = MoEMergeConfig.model_validate(linked)
        if stray := stray_model(config, linked):
            return None, [stray]
        bad = is_bad_config(config)
        if not bad:
            if config.gate_mode not in GATES:
                mode = f"gate_mode is “{config.gate_mode[:40]}”."
                return None, [error("gate_mode", mode, f"Use {' or '.join(GATES)}.")]
            kind = select_output_arch(config, MergeOptions(quiet=True)).name()
    except SystemExit:
        bad = True
    except Exception as problem:  # noqa: BLE001  as `_merge`
        return None, [explained(problem, recipe, sources, linked)]
    finally:
        logging.getLogger().removeHandler(listener)
    if bad:
        reason = listener.messages[0] if listener.messages else "mergekit-moe refuses the recipe"
        return None, [error("experts", reason.rstrip(".") + ".", "Change the experts accordingly.")]
    headers = written.of_mixture(recipe, sources, kind)
    return Plan(len(headers), sources[recipe["base_model"]].layers, written=headers), []


def stray_model(config: Any, linked: dict[str, Any]) -> Finding | None:
    """What mergekit read as a model and was not resolved here; it would be looked for on this machine and
    then downloaded.
    """
    known = {part for name in recipes.models_of(linked) for part in name.split("+")}
    if set(_paths(config)) <= known:
        return None
    what = "The recipe names a model in a way that is not understood."
    return error("", what, "Write every model as owner/name.")


def _paths(value: Any) -> Iterator[str]:
    """The paths of all models in a configuration that mergekit has read."""
    from mergekit.common import ModelPath
    from pydantic import BaseModel

    if isinstance(value, ModelPath):
        yield value.path
    elif isinstance(value, BaseModel):
        yield from _paths([getattr(value, name) for name in type(value).model_fields])
    elif isinstance(value, (dict, list, tuple)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _paths(item)


class _Listener(logging.Handler):
    """Keeps what mergekit-moe logs as errors in this thread: it says nothing else before it gives up."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []
        self.thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self.thread:
            self.messages.append(record.getMessage()[:300])


def _inputs(
    planner: Any, reads: Sequence[written.Reads], headers: Headers, held: Mapping[str, Held]
) -> dict[str, tuple[tuple[str, str], ...]]:
    """Model and tensor of everything that goes into each tensor of the child."""
    return {
        weight.name: tuple(
            (name, piece)
            for name, known, _ in parts
            if known is not None
            for piece in held[name].pieces(known)
        )
        for (weight, _), parts in zip(planner._tensors, reads, strict=True)
        if weight.name in headers
    }


def _read(
    task: Any, held: Mapping[str, Held], names: Mapping[str, str]
) -> Iterator[tuple[str, str | None, Any]]:
    """What a task reads of each model: its name, the tensor's there (None where it lacks it), and mergekit's
    word for it. A tied output matrix is the embedding.
    """
    gather = task.gather_tensors
    gather = getattr(gather, "gather_tensors", gather)
    for model, info in gather.weight_info.items():
        name = names[str(model)]
        likely = [info.name, *(info.aliases or []), *(info.tied_names or [])]
        known = next((tensor for tensor in likely if tensor in held[name].tensors), None)
        yield name, known or held[name].joined(likely[: 1 + len(info.aliases or [])]), info


def _shapes(planner: Any, reads: Sequence[written.Reads], held: Mapping[str, Held]) -> Iterator[Finding]:
    """Tensors that are missing or of different shapes: what mergekit finds only when it gets to them."""
    rule = bool(planner.config.tokenizer_source or planner.config.tokenizer)
    missing: dict[str, list[str]] = {}
    for (weight, _), parts in zip(planner._tensors, reads, strict=True):
        shapes: dict[str, tuple[int, ...]] = {}
        for name, known, info in parts:
            if known is not None:
                shapes[name] = held[name].tensors[known][1]
            elif not (info.optional or weight.optional):
                missing.setdefault(name, []).append(info.name)
        if len(set(shapes.values())) > 1:
            yield from _different(weight, shapes, rule)
            if weight.vocabulary_axis is None:
                return
    for name, lacking in missing.items():
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        yield error(
            name,
            f"{name} has no tensor {lacking[0]}{more}.",
            "Choose a model of the same architecture with whole weights.",
        )


def _different(weight: Any, shapes: dict[str, tuple[int, ...]], rule: bool) -> Iterator[Finding]:
    sizes = ", ".join(f"{name} {'×'.join(map(str, shape))}" for name, shape in shapes.items())
    axis = weight.vocabulary_axis
    others = {tuple(size for place, size in enumerate(shape) if place != axis) for shape in shapes.values()}
    if axis is None or len(others) > 1:
        yield error(weight.name, f"The shapes differ: {sizes}.", "Merge models of one architecture and size.")
    elif not rule:
        yield error(
            weight.name,
            f"The vocabularies differ in size: {sizes}.",
            "Add tokenizer_source: union (or base), so that rows are matched by their tokens.",
        )
