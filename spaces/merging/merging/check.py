"""Check a recipe in seconds, from its text and the safetensors headers alone, by mergekit's own planner."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merging import recipe as recipes
from merging.costs import Cost, cost_of
from merging.keys import closest, find_unknown
from merging.methods import catalogue
from merging.recipe import Finding
from merging.sources import Source, resolve, split
from shared.errors import VisitorError

MAX_MODELS = 16
"""Models in one recipe."""
MAX_LAYERS = 512
"""Layers of a child: four times as many as the largest public models have."""
LARGEST = 1e30
"""Numbers beyond it are infinite once they meet a weight in float32."""
GATES = ("hidden", "cheap_embed", "random", "uniform_random")
DTYPES = ("float32", "bfloat16", "float16", "float64")


@dataclass(frozen=True)
class Check:
    """What a check found.

    Args:
        findings: errors first.
        sources: the models by name, those that were found.
        tensors: how many tensors the merge writes, None where it cannot be planned.
        layers: how many layers the child has, None where it cannot be planned.
        cost: what the merge takes, or None.
    """

    findings: tuple[Finding, ...]
    sources: dict[str, Source]
    tensors: int | None
    layers: int | None
    cost: Cost | None

    @property
    def ok(self) -> bool:
        """Whether the merge can run."""
        return not any(finding.level == "error" for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """What the API returns."""
        return {
            "ok": self.ok,
            "findings": [finding.to_json() for finding in self.findings],
            "tensors": self.tensors,
            "layers": self.layers,
            "models": [
                {
                    "name": source.name,
                    "revision": source.revision,
                    "parameters": source.parameters,
                    "bytes": source.bytes,
                    "dtype": source.dtype,
                    "licence": source.licence,
                    "here": source.here,
                }
                for source in self.sources.values()
            ],
            "cost": self.cost.to_json() if self.cost else None,
        }


_lock = threading.Lock()


def check(text: str, report: Callable[[str], None] = lambda _: None) -> Check:
    """Check a recipe. Nothing is raised for a bad recipe: what is wrong with it is the result.

    Args:
        text: YAML, of mergekit-yaml or of mergekit-moe.
        report: called with a sentence before a long step.
    """
    try:
        recipe = recipes.parse(text)
    except VisitorError as error:
        return Check((Finding("error", "", error.what, error.remedy),), {}, None, None, None)
    findings = [*_forms(recipe), *find_unknown(recipe)]
    with tempfile.TemporaryDirectory(prefix="check-") as scratch:
        sources, missing = _sources(recipe, report)
        findings += [*missing, *_ranges(recipe, sources)]
        planned = None
        if not any(finding.level == "error" for finding in findings):
            folder = Path(scratch) / "models"
            with _lock:
                planned, wrong = _plan(recipe, relinked(recipe, sources, folder, str(folder)), sources)
            findings += wrong
        if sources:
            findings += [*_licences(sources), *_tokenizers(recipe, sources), *_remarks(recipe, sources)]
        bad = any(finding.level == "error" for finding in findings)
        cost = cost_of(recipe, sources, planned) if planned and not bad else None
        if cost:
            findings += cost.findings()
    rank = {"error": 0, "warning": 1, "note": 2}
    findings.sort(key=lambda finding: rank[finding.level])
    return Check(
        tuple(dict.fromkeys(findings)),
        sources,
        planned[0] if planned else None,
        planned[1] if planned else None,
        cost,
    )


def _forms(recipe: dict[str, Any]) -> Iterator[Finding]:
    """What can be said of a recipe's shape before mergekit reads it, in better words than its own."""
    for holder, key, where in recipes.places(recipe):
        if not isinstance(holder.get(key), str):
            yield Finding("error", where, "This entry names no model as text.", f"Write {key}: owner/name.")
    if recipes.is_moe(recipe):
        return
    method = recipe.get("merge_method")
    if method is None:
        likely = closest(
            "merge_method", [key for key in recipe if key not in ("models", "slices", "modules")]
        )
        if likely is None:
            yield Finding(
                "error",
                "merge_method",
                "The recipe names no merge_method.",
                f"Choose one of {', '.join(catalogue())}.",
            )
    elif not isinstance(method, str) or method not in catalogue():
        likely = closest(str(method), catalogue())
        fix = f"Write {likely}." if likely else f"Choose one of {', '.join(catalogue())}."
        yield Finding("error", "merge_method", f"mergekit has no method “{str(method)[:40]}”.", fix)
    given = [key for key in ("models", "slices", "modules") if recipe.get(key)]
    if len(given) != 1:
        what = (
            "The recipe has neither models nor slices nor modules."
            if not given
            else f"The recipe has both {given[0]} and {given[1]}."
        )
        yield Finding("error", given[1] if given else "models", what, "Give exactly one of the three.")
    for key in ("dtype", "out_dtype"):
        if recipe.get(key) is not None and str(recipe[key]).removeprefix("torch.") not in DTYPES:
            likely = closest(str(recipe[key]), DTYPES)
            yield Finding(
                "error",
                key,
                f"{key} is “{str(recipe[key])[:40]}”.",
                f"Write {likely or ' or '.join(DTYPES)}.",
            )


def _sources(
    recipe: dict[str, Any], report: Callable[[str], None]
) -> tuple[dict[str, Source], list[Finding]]:
    """Every model of a recipe, and what is wrong with those that cannot be had."""
    names = recipes.models_of(recipe)
    if len(names) > MAX_MODELS:
        return {}, [
            Finding(
                "error",
                "",
                f"The recipe names {len(names)} models.",
                f"Merge at most {MAX_MODELS} at once here.",
            )
        ]
    found: dict[str, Source] = {}
    wrong: list[Finding] = []
    places = {holder[key]: where for holder, key, where in reversed(list(recipes.named(recipe)))}
    for name in names:
        try:
            found[name] = resolve(name, whole=False, report=report)
        except VisitorError as error:
            wrong.append(Finding("error", places[name], error.what, error.remedy))
    return found, wrong


def alias(name: str, index: int) -> str:
    """A model's folder name in a merge's work folder: readable, and free of what mergekit takes for a
    revision or adapter.
    """
    readable = "".join(
        character if character.isalnum() or character in "._-" else "-"
        for character in split(name)[0].split("/")[-1]
    )
    return f"{index}-{readable[:60]}"


def relinked(recipe: dict[str, Any], sources: dict[str, Source], folder: Path, prefix: str) -> dict[str, Any]:
    """Make a link for every model (and every adapter) in `folder` and name the links in a copy of the
    recipe.
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


def _plan(
    recipe: dict[str, Any], named: dict[str, Any], sources: dict[str, Source]
) -> tuple[tuple[int, int] | None, list[Finding]]:
    """Let mergekit plan the merge: how many tensors and layers it writes, and what is wrong."""
    if recipes.is_moe(recipe):
        return _plan_moe(recipe, named, sources)
    from mergekit.architecture import get_architecture_info
    from mergekit.config import MergeConfiguration
    from mergekit.io.tasks import LoaderCache
    from mergekit.merge import _model_out_config
    from mergekit.options import MergeOptions
    from mergekit.plan import MergePlanner

    LoaderCache().loaders.clear()  # mergekit keeps loaders for the life of the process
    scratch = tempfile.mkdtemp(prefix="lora-")
    # An adapter does not change names and shapes: plan without it, which spares adding it.
    for holder, key, _ in list(recipes.named(named)):
        holder[key] = holder[key].split("+")[0]
    try:
        logging.disable(logging.WARNING)
        options = MergeOptions(lora_merge_cache=scratch, quiet=True)
        config = MergeConfiguration.model_validate(named)
        if stray := _strays(config, named):
            return None, [stray]
        architecture = get_architecture_info(config, options)
        out = _model_out_config(config, architecture)
        planner = MergePlanner(config, architecture, options, out)
        planner.normalize_config()
        stacked = [output.sources for module in planner.config.modules.values() for output in module.slices]
        depth = sum(
            max((source.layer_range[1] - source.layer_range[0] for source in sources), default=0)
            for sources in stacked
        )
        if depth > MAX_LAYERS:
            return None, [
                Finding(
                    "error",
                    "",
                    f"The child would have {depth:,} layers.",
                    f"Stack at most {MAX_LAYERS} here.",
                )
            ]
        planner._plan()
        wrong = [*_shapes(planner, config, sources, named, recipe), *_numbers(planner)]
        layers = int(getattr(out, "num_hidden_layers", 0) or 0)
        return (len(planner._tensors), layers), wrong
    except Exception as error:  # noqa: BLE001  whatever mergekit raises, the merge would raise
        return None, [_explained(error, recipe, sources, named)]
    finally:
        logging.disable(logging.NOTSET)
        LoaderCache().loaders.clear()
        shutil.rmtree(scratch, ignore_errors=True)


def _plan_moe(
    recipe: dict[str, Any], named: dict[str, Any], sources: dict[str, Source]
) -> tuple[tuple[int, int] | None, list[Finding]]:
    from mergekit.moe.config import MoEMergeConfig, is_bad_config
    from mergekit.options import MergeOptions
    from mergekit.scripts.moe import select_output_arch

    heard = _Listener()
    logging.getLogger().addHandler(heard)
    try:
        config = MoEMergeConfig.model_validate(named)
        if stray := _strays(config, named):
            return None, [stray]
        bad = is_bad_config(config)
        if not bad:
            if config.gate_mode not in GATES:
                return None, [
                    Finding(
                        "error",
                        "gate_mode",
                        f"gate_mode is “{config.gate_mode[:40]}”.",
                        f"Use {' or '.join(GATES)}.",
                    )
                ]
            select_output_arch(config, MergeOptions(quiet=True))
    except SystemExit:
        bad = True
    except Exception as error:  # noqa: BLE001  as `_plan`
        return None, [_explained(error, recipe, sources, named)]
    finally:
        logging.getLogger().removeHandler(heard)
    if bad:
        said = heard.said[0] if heard.said else "mergekit-moe refuses the recipe"
        return None, [Finding("error", "experts", said.rstrip(".") + ".", "Change the experts so.")]
    some = next(iter(sources.values()))
    return (len(some.tensors) + some.layers * 3 * (len(named["experts"]) - 1) + some.layers, some.layers), []


def _strays(config: Any, named: dict[str, Any]) -> Finding | None:
    """What mergekit read as a model and was not resolved here; it would be looked for on this machine and
    then downloaded.
    """
    known = {part for name in recipes.models_of(named) for part in name.split("+")}
    if set(_paths(config)) <= known:
        return None
    return Finding(
        "error",
        "",
        "The recipe names a model in a way that is not understood.",
        "Write every model as owner/name.",
    )


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
        self.said: list[str] = []
        self.mine = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self.mine:
            self.said.append(record.getMessage()[:300])


def _shapes(
    planner: Any, config: Any, sources: dict[str, Source], named: dict[str, Any], recipe: dict[str, Any]
) -> Iterator[Finding]:
    """Tensors that are missing or of different shapes: what mergekit finds only when it gets to them."""
    folders = {
        link[key]: holder[key]
        for (link, key, _), (holder, _, _) in zip(recipes.named(named), recipes.named(recipe), strict=True)
    }
    rule = bool(config.tokenizer_source or config.tokenizer)
    missing: dict[str, list[str]] = {}
    for weight, task in planner._tensors:
        gather = task.gather_tensors
        gather = getattr(gather, "gather_tensors", gather)
        shapes: dict[str, tuple[int, ...]] = {}
        for model, info in gather.weight_info.items():
            name = folders[str(model)]
            found = next(
                (
                    sources[name].tensors[n]
                    for n in [info.name, *(info.aliases or [])]
                    if n in sources[name].tensors
                ),
                None,
            )
            if found is not None:
                shapes[name] = found[1]
            elif not (info.optional or weight.optional):
                missing.setdefault(name, []).append(info.name)
        if len(set(shapes.values())) > 1:
            yield from _different(weight, shapes, rule)
            if weight.vocabulary_axis is None:
                return
    for name, tensors in missing.items():
        more = f" and {len(tensors) - 1} more" if len(tensors) > 1 else ""
        yield Finding(
            "error",
            name,
            f"{name} has no tensor {tensors[0]}{more}.",
            "Choose a model of the same architecture with whole weights.",
        )


def _numbers(planner: Any) -> Iterator[Finding]:
    """The first setting, as mergekit resolved it for a tensor, that gives no numbers: not finite, or divided
    by weights that sum to 0.
    """
    for tensor, task in planner._tensors:
        shared = dict(task.parameters)
        each = [dict(settings) for settings in task.input_parameters.values()]
        for name, value in (pair for settings in (shared, *each) for pair in settings.items()):
            if isinstance(value, float) and not abs(value) < LARGEST:  # true of NaN as well
                yield Finding(
                    "error",
                    "parameters",
                    f"{name} is {value:g} for {tensor.name}.",
                    "Write a number of usual size.",
                )
                return
        divides = {"linear": "normalize", "multislerp": "normalize_weights"}.get(task.method_name, "")
        if shared.get(divides) and abs(sum(settings.get("weight", 0.0) for settings in each)) < 1e-6:
            yield Finding(
                "error",
                "parameters",
                f"The weights of {tensor.name} sum to 0, and {task.method_name} divides by their sum.",
                f"Change a weight, or set {divides}: false.",
            )
            return


def _ranges(recipe: dict[str, Any], sources: dict[str, Source]) -> Iterator[Finding]:
    """Layer ranges that a model does not have."""
    for where, output in recipes.slices(recipe):
        for inner, entry in recipes.items(output.get("sources"), f"{where}.sources"):
            source = sources.get(str(entry.get("model")))
            given = entry.get("layer_range")
            if (
                source is None
                or not isinstance(given, list)
                or len(given) != 2
                or not all(isinstance(end, int) for end in given)
            ):
                continue
            layers = source.layers
            if not 0 <= given[0] < given[1] <= layers:
                yield Finding(
                    "error",
                    f"{inner}.layer_range",
                    f"layer_range {given} is not within {entry['model']}, which has layers 0 to {layers - 1}.",
                    f"Use [from, to] with 0 ≤ from < to ≤ {layers}; layer to is not included.",
                )


def _different(weight: Any, shapes: dict[str, tuple[int, ...]], rule: bool) -> Iterator[Finding]:
    sizes = ", ".join(f"{name} {'×'.join(map(str, shape))}" for name, shape in shapes.items())
    axis = weight.vocabulary_axis
    others = {tuple(size for place, size in enumerate(shape) if place != axis) for shape in shapes.values()}
    if axis is not None and len(others) == 1:
        if not rule:
            yield Finding(
                "error",
                weight.name,
                f"The vocabularies differ in size: {sizes}.",
                "Add tokenizer_source: union (or base), so that rows are matched by their tokens.",
            )
        return
    yield Finding(
        "error", weight.name, f"The shapes differ: {sizes}.", "Merge models of one architecture and size."
    )


def _explained(
    error: Exception, recipe: dict[str, Any], sources: dict[str, Source], named: dict[str, Any]
) -> Finding:
    """Mergekit's exception as a finding: with the recipe's names, a place and a remedy where the case is
    known.
    """
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        first = error.errors()[0]
        where = "".join(
            f"[{part}]" if isinstance(part, int) else f".{part}"
            for part in first["loc"]
            if not _is_branch(part)
        ).lstrip(".")
        given = _in_its_names(str(first.get("input")), recipe, named)[:60]
        return Finding("error", where, f"{first['msg'].rstrip('.')} (given: {given}).", "Correct this value.")
    text = _in_its_names(_first(error), recipe, named)
    method = recipe.get("merge_method")
    known = catalogue().get(str(method))
    if "Missing required parameter" in text and known:
        parameter = text.split("Missing required parameter ")[1].split(" for ")[0]
        return Finding(
            "error",
            "parameters",
            f"{method} needs a {parameter} for {text.split(' for ', 1)[1]}.",
            f"Add {parameter} to {'every model' if any(p.name == parameter and p.each for p in known.parameters) else 'parameters'}.",
        )
    if "base input" in text and known:
        fix = (
            "Add base_model: the model that the others were fine-tuned from."
            if known.base == "required"
            else "Remove base_model."
        )
        return Finding(
            "error",
            "base_model",
            f"{method} {'needs' if known.base == 'required' else 'takes no'} base_model.",
            fix,
        )
    if "inputs" in text and "requires" in text and known:
        most = "" if known.most is None else f" and at most {known.most}"
        return Finding(
            "error",
            "models",
            f"{text.rstrip('.').replace('Merge method', str(method))}.",
            f"Give at least {known.least}{most}, the base counted.",
        )
    if "different architectures" in text:
        kinds = ", ".join(
            f"{name}: {str(source.config.get('architectures'))[:60]}" for name, source in sources.items()
        )
        return Finding(
            "error",
            "",
            f"The models have different architectures ({kinds}).",
            "Merge models of one architecture.",
        )
    if "same number of layers" in text:
        return Finding(
            "error",
            "slices",
            "The sources of a slice cover different numbers of layers.",
            "Give them layer_range of one length.",
        )
    if "Duplicate merge inputs" in text:
        return Finding(
            "error", "models", "A model is named twice in one merge.", "Name it once and add the weights."
        )
    return Finding("error", "", f"mergekit refuses the recipe: {text.rstrip('.')}.", "Change the recipe so.")


def _in_its_names(text: str, recipe: dict[str, Any], named: dict[str, Any]) -> str:
    """A text of mergekit's with the links of `named` written as the recipe names them."""
    for (link, key, _), (holder, _, _) in zip(recipes.named(named), recipes.named(recipe), strict=True):
        text = text.replace(link[key], holder[key])
    return text


def _is_branch(part: Any) -> bool:
    """Whether a part of pydantic's path names a branch of a union and not a key."""
    return isinstance(part, str) and (
        part[:1].isupper()
        or "[" in part
        or part in ("bool", "int", "float", "str")
        or part.startswith("list")
    )


def _first(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:300]


def _licences(sources: dict[str, Source]) -> Iterator[Finding]:
    stated = {source.licence for source in sources.values() if source.licence}
    unknown = [name for name, source in sources.items() if not source.licence]
    if len(stated) > 1:
        pairs = ", ".join(f"{name}: {source.licence}" for name, source in sources.items() if source.licence)
        yield Finding(
            "warning",
            "",
            f"The parents have different licences ({pairs}).",
            "Read them: the child is bound by all of them.",
        )
    if unknown:
        yield Finding(
            "note",
            "",
            f"The licence of {', '.join(unknown)} is unknown.",
            "Look it up before you share the child.",
        )


def _tokenizers(recipe: dict[str, Any], sources: dict[str, Source]) -> Iterator[Finding]:
    """A warning where the models number their tokens differently and no rule says what to do."""
    if recipe.get("tokenizer_source") or recipe.get("tokenizer") or recipes.is_moe(recipe):
        return
    vocabularies = {name: _vocabulary(source.folder) for name, source in sources.items()}
    known = {name: vocabulary for name, vocabulary in vocabularies.items() if vocabulary}
    if len(set(known.values())) > 1:
        first, other = next((a, b) for a in known for b in known if known[a] != known[b])
        yield Finding(
            "warning",
            "tokenizer_source",
            f"{first} and {other} number their tokens differently, and row n is merged with row n.",
            "Add tokenizer_source: union, or base where the others only added tokens.",
        )


def _vocabulary(folder: Path) -> int | None:
    try:
        parsed = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        vocabulary = parsed["model"]["vocab"]
        pairs = (
            vocabulary.items()
            if isinstance(vocabulary, dict)
            else ((item[0], i) for i, item in enumerate(vocabulary))
        )
        return hash(frozenset((token, number) for token, number in pairs))
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def _remarks(recipe: dict[str, Any], sources: dict[str, Source]) -> Iterator[Finding]:
    """What surprises people, and is no mistake."""
    method = catalogue().get(str(recipe.get("merge_method")))
    if method is None:
        return
    if not recipe.get("base_model") and len(sources) > 1 and method.name != "passthrough":
        yield Finding(
            "note",
            "base_model",
            "Without base_model mergekit copies configuration and tokenizer from one of the models, whichever comes first by chance.",
            "Here chance is fixed; name one of the models as base_model to choose.",
        )
    if method.name.startswith("dare"):
        yield Finding(
            "note",
            "parameters.density",
            "mergekit's DARE rescales what is kept so that the L1 norm stays the same, not by the paper's 1/density.",
            "On large tensors the two are nearly equal, on small ones not.",
        )
