"""A published recipe merged again by mergekit and compared with the published weights, in full or in a
sample.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from family_tree import sample
from family_tree.differences import by_header, differences
from merging import data
from merging import recipe as recipes
from merging.check import Check
from merging.held import Held, Joined
from merging.names import split
from merging.planner import Plan
from merging.report import Progress, Report
from merging.request import Request
from merging.run import merge, merge_tensors
from merging.sources import Source, check_downloads, resolve
from merging.tensors import Headers, Weights, place, read_headers
from merging.written import stated
from shared import models
from shared.errors import VisitorError
from shared.numbers import counted

MOST_DOWNLOAD = 8_000_000_000
"""Bytes that are downloaded for a report unless all weights are asked for."""
MOST_LISTED = 50
_COMMIT = re.compile("[0-9a-f]{40}")


@dataclass(frozen=True)
class Opened:
    """Models whose weights, all or some, lie in folders.

    Args:
        child: folder of the published model.
        folders: of the parents, by their names in the recipe.
        names: of the tensors that are there; None for all.
    """

    child: Path
    folders: Mapping[str, Path]
    names: Sequence[str] | None = None


@dataclass(frozen=True)
class Outcome:
    """A replay that is over.

    Args:
        replay: what it found.
        opened: the weights that it read; None where it read none.
        versions: of the libraries.
    """

    replay: data.ReplayedModel
    opened: Opened | None = None
    versions: Mapping[str, str] = field(default_factory=dict)


def none(reason: str, tensors: int = 0) -> Outcome:
    """The outcome where nothing was merged."""
    return Outcome(
        {
            "how": "none",
            "says": reason,
            "tensors": tensors,
            "compared": 0,
            "weights": 0,
            "compared_weights": 0,
            "counts": {},
            "differing": [],
            "map": None,
            "limits": [],
        }
    )


def replay(
    recipe: data.PublishedRecipe, found: Check, child: Source, weights: str, scratch: Path
) -> Iterator[Progress | Outcome]:
    """Merge again and compare; the last item is the outcome.

    Args:
        recipe: as published.
        found: its check, which found no mistake.
        child: the published model as a check resolves it.
        weights: "auto", "all", "sample" or "none".
        scratch: a folder for what is made; the outcome's weights lie there.

    Raises:
        VisitorError: a download broke off, or mergekit stopped.
    """
    parsed = recipes.parse(recipe["text"])
    plan = found.plan
    assert plan is not None
    if weights == "none":
        yield _by_headers("No weights were read, as you chose.", parsed, found, child)
        return
    obstacle = _obstacle(found, child)
    large = _download(found, child) > MOST_DOWNLOAD
    if weights == "all" and obstacle:
        raise VisitorError(obstacle, "Choose a sample.")
    if weights == "all" or (weights == "auto" and not obstacle and not large):
        yield from _whole(recipe, parsed, found, child, scratch)
    elif not plan.inputs:
        yield none(
            "A mixture of experts is replayed as a whole, and this one is too large for that here: run the "
            "recipe with mergekit-moe at home."
        )
    elif recipe["draws"]:
        method = recipe["method"]
        reason = f"{method} draws by chance, each tensor after all before it: a sample cannot tell."
        yield _by_headers(reason, parsed, found, child)
    else:
        yield from _sample(recipe, parsed, found, child, scratch)


def _by_headers(reason: str, recipe: dict[str, Any], found: Check, child: Source) -> Outcome:
    """What the headers alone tell: whether the model has the tensors that the recipe gives."""
    plan = found.plan
    assert plan is not None
    if not plan.inputs:
        return none(reason, plan.tensors)
    given = _planned(recipe, plan, child.tensors)
    told = _told(given, Held(child).like(given))
    outcome: data.ReplayedModel = {
        "how": "headers",
        "says": reason,
        "tensors": len(given),
        "compared": 0,
        "weights": sum(_entries(shape) for _, shape in given.values()),
        "compared_weights": 0,
        "counts": _counts(told),
        "differing": [one for one in told.values() if one][:MOST_LISTED],
        "map": _map(told),
        "limits": ["Names and shapes of the tensors were compared, and no weight."],
    }
    fits = f"Its {len(given)} tensors have the names and shapes that the recipe gives."
    outcome["says"] = f"{reason} {_says(outcome, told) if outcome['differing'] else fits}"
    return Outcome(outcome)


def _obstacle(found: Check, child: Source) -> str:
    """Why this machine cannot merge again as a whole; "" where it can."""
    if found.limits:
        return found.limits[0].message
    most = models.largest_model(exact=True)
    largest = max((child, *found.sources.values()), key=lambda source: source.parameters)
    if not largest.here and largest.parameters > most:
        return (
            f"{largest.name[:80]} has {largest.parameters / 1e9:.1f} billion weights; the limit here is "
            f"{most / 1e9:.1f} billion."
        )
    return ""


def _download(found: Check, child: Source) -> int:
    """Bytes that are not here yet."""
    return sum(source.bytes for source in (child, *found.sources.values()) if not source.here)


def _whole(
    recipe: data.PublishedRecipe, parsed: dict[str, Any], found: Check, child: Source, scratch: Path
) -> Iterator[Progress | Outcome]:
    names = list(found.sources)
    check_downloads([*names, *([] if child.here else [child.name])])
    folder = child.folder
    if not child.here:
        yield Progress(f"Fetching {split(child.name)[0]}")
        folder = resolve(child.name, whole=True).folder
    report = None
    for step in merge(Request(recipe["text"], recipe["seed"]), scratch):
        if isinstance(step, Progress):
            yield step
        else:
            report = step
    assert isinstance(report, Report)
    given = read_headers(report.folder)
    yield from _compared(recipe, parsed, found, child, given, None, (report, folder))


def _sample(
    recipe: data.PublishedRecipe, parsed: dict[str, Any], found: Check, child: Source, scratch: Path
) -> Iterator[Progress | Outcome]:
    assert found.plan is not None
    inputs, sources = found.plan.inputs, found.sources
    headers = {name: source.tensors for name, source in sources.items()}
    given = _planned(parsed, found.plan, child.tensors)
    held = Held(child)
    published = held.like(given)
    fitting = {
        name: parts
        for name, parts in inputs.items()
        if name in published and by_header(name, given[name], published) is None
    }
    names = sample.sampled(fitting, headers, published)
    if not names:
        reason = "No tensor of the recipe is in the published model with its shape."
        yield _by_headers(reason, parsed, found, child)
        return
    wanted = sample.needed(names, inputs)
    parents: dict[str, Source] = {}
    for at, (name, source) in enumerate(sources.items()):
        yield Progress(f"Reading {len(wanted.get(name, []))} tensors of {split(name)[0]}", at, len(sources))
        parents[name] = sample.partly(source, wanted.get(name, []), scratch / "sample" / str(at))
    yield Progress(
        f"Reading {counted(len(names), 'tensor')} of {split(child.name)[0]}", len(sources), len(sources)
    )
    pieces = [piece for name in names for piece in held.pieces(name)]
    theirs = sample.partly(child, pieces, scratch / "sample" / "child").folder
    report = None
    for step in merge_tensors(parsed, recipe["seed"], parents, names, scratch):
        if isinstance(step, Progress):
            yield step
        else:
            report = step
    assert isinstance(report, Report)
    yield from _compared(recipe, parsed, found, child, given, names, (report, theirs), parents)


def _planned(recipe: dict[str, Any], plan: Plan, child: Headers) -> Headers:
    """Dtype and shape of every tensor that a recipe gives, the dtype "" where it states none; rows that are
    matched by tokens count as the model has them.
    """
    dtype = stated(recipe.get("out_dtype")) or stated(recipe.get("dtype"))
    matched = recipe.get("tokenizer_source") or recipe.get("tokenizer")
    return {
        name: (dtype, child[name][1] if matched and place(name) is None and name in child else shape)
        for name, (_, shape) in plan.written.items()
    }


def _told(given: Headers, published: Headers) -> dict[str, data.ReplayedTensor | None]:
    """What the headers tell of every tensor, None where they leave it open."""
    every = sorted({*given, *published}, key=_order)
    return {name: by_header(name, given.get(name), published) for name in every}


def _compared(
    recipe: data.PublishedRecipe,
    parsed: dict[str, Any],
    found: Check,
    child: Source,
    given: Headers,
    names: Sequence[str] | None,
    made: tuple[Report, Path],
    parents: Mapping[str, Source] | None = None,
) -> Iterator[Progress | Outcome]:
    """Compare what was merged with what is published: the headers of all tensors, and the values of those of
    `names`.
    """
    report, folder = made
    held = Held(child if names is not None else replace(child, tensors=read_headers(folder)))
    published = held.like(given)
    mine, theirs = Weights(report.folder), Joined(folder, held)
    told = _told(given, published)
    wanted = [
        name
        for name, known in told.items()
        if known is None and name in published and (names is None or name in names)
    ]
    for at, compared in enumerate(differences(mine, theirs, wanted)):
        told[compared["name"]] = compared
        yield Progress("Comparing the weights", at, len(wanted))
    sources = parents or {name: resolve(name, whole=True) for name in found.sources}
    outcome: data.ReplayedModel = {
        "how": "all" if names is None else "sample",
        "says": "",
        "tensors": len(given),
        "compared": len(wanted),
        "weights": sum(_entries(shape) for _, shape in given.values()),
        "compared_weights": sum(_entries(given[name][1]) for name in wanted),
        "counts": _counts(told),
        "differing": [one for one in told.values() if one and one["state"] != "same"][:MOST_LISTED],
        "map": _map(told),
        "limits": list(_limits(recipe, parsed, found, names is not None, told)),
    }
    outcome["says"] = _says(outcome, told)
    folders = {name: source.folder for name, source in sources.items() if source.lora is None}
    yield Outcome(outcome, Opened(folder, folders, names), report.versions)


def _entries(shape: Sequence[int]) -> int:
    count = 1
    for length in shape:
        count *= length
    return count


def _order(name: str) -> tuple[int, str]:
    spot = place(name)
    return (spot[0] if spot else -1, name)


Told = Mapping[str, data.ReplayedTensor | None]


def _counts(told: Told) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in told.values():
        state = one["state"] if one else "open"
        counts[state] = counts.get(state, 0) + 1
    return counts


def _map(told: Told) -> data.ReplayMap:
    """States by layer and module, those outside of the layers beside them."""
    states: dict[str, data.TensorState] = {
        name: one["state"] if one else "open" for name, one in told.items()
    }
    modules: list[str] = []
    cells: dict[tuple[int, str], data.TensorState] = {}
    outside: list[tuple[str, data.TensorState]] = []
    for name, state in states.items():
        spot = place(name)
        if spot is None:
            outside.append((name, state))
            continue
        cells[spot] = state
        if spot[1] not in modules:
            modules.append(spot[1])
    depth = 1 + max((layer for layer, _ in cells), default=-1)
    return {
        "modules": modules,
        "layers": [[cells.get((layer, module)) for module in modules] for layer in range(depth)],
        "outside": outside,
    }


def _says(found: data.ReplayedModel, told: Told) -> str:
    """The outcome in a sentence."""
    compared, tensors = found["compared"], found["tensors"]
    by_state: dict[str, list[data.ReplayedTensor]] = {}
    for tensor in filter(None, told.values()):
        by_state.setdefault(tensor["state"], []).append(tensor)
    part = f"{100 * found['compared_weights'] / max(1, found['weights']):.2g} % of the weights"
    parts = []
    if wrong := by_state.get("different"):
        known = [one["largest"] for one in wrong if one["largest"] is not None]
        far = f", by {max(known):.2g} at most" if len(known) == len(wrong) else ""
        parts.append(
            f"{len(wrong)} of {compared} compared tensors have other values{far}, first {wrong[0]['name']} "
            f"in {wrong[0]['different']:,} of {wrong[0]['entries']:,} entries"
        )
    for state, words in (
        ("shape", "of another shape"),
        ("missing", "missing in the model"),
        ("extra", "in the model alone"),
    ):
        if some := by_state.get(state):
            parts.append(f"{len(some)} {words}, first {some[0]['name']}")
    if parts:
        return f"The recipe does not give the published weights: {'; '.join(parts)}."
    if some := by_state.get("rounded"):
        kinds = f"{some[0]['stored']} where the recipe gives {some[0]['given']}"
        where = "All tensors" if found["how"] == "all" else f"All {compared} tensors of a sample"
        return f"{where} have the recipe's values, {len(some)} of them in other bytes: {kinds}."
    if found["how"] == "all":
        return (
            f"The recipe reproduces the published weights byte for byte: all {tensors} tensors, "
            f"{found['weights']:,} weights."
        )
    return f"All tensors of a sample have the bytes that the recipe gives: {compared} of {tensors}, {part}."


def _limits(
    recipe: data.PublishedRecipe, parsed: dict[str, Any], found: Check, sampled: bool, told: Told
) -> Iterator[str]:
    """What the comparison cannot tell."""
    if sampled:
        yield "A change outside of the sample would not be seen: of other tensors only the headers were read."
    yield "Weights alone were compared, not config.json and not the tokenizer."
    if recipe["draws"]:
        whence = {
            "you": "as you said",
            "the card": "as the card says",
            "default": "since the card states none",
        }[recipe["seed_from"]]
        yield f"{recipe['method']} draws by chance; seed {recipe['seed']} was taken, {whence}."
    loose = [
        f"{name} ({source.revision[:7]})"
        for name, source in found.sources.items()
        if split(name)[1] is None and _COMMIT.fullmatch(source.revision)
    ]
    if loose:
        more = f" and {len(loose) - 3} more" if len(loose) > 3 else ""
        named = ", ".join(loose[:3])
        yield f"The recipe pins no revision of {named}{more}: they were read as they are today."
    wrong = [one for one in told.values() if one and one["state"] == "different"]
    kinds = {(one["given"], one["stored"]) for one in wrong if one["given"] != one["stored"]}
    if kinds and all(one["given"] != one["stored"] for one in wrong):
        given, stored = sorted(kinds)[0]
        yield f"The model is stored as {stored} and the recipe gives {given}: another dtype was used."
