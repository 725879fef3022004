"""A finished merge up to everything that is shown of it: measurements, atlas, and the layers that carry each
parent.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from merging import data
from merging import recipe as recipes
from merging.atlas import Atlas, atlas
from merging.card import title
from merging.carriers import carriers
from merging.comparison import CONTEXT, WINDOWS, Comparison, Measurements, asked
from merging.names import expert_of, split
from merging.report import Report
from merging.request import Request
from merging.sources import Source
from shared import models
from shared.embedded_model import EMBEDDED_MODEL, base_folder
from shared.errors import VisitorError
from shared.models import Loaded

MAX_COMPARED = 4
"""Parents that are loaded for the comparison; more would not fit in memory beside each other."""
SHOWN = (0, 1, 2)
"""Which of a set's prompts tell, by a parent's own answers to them, which layers carry it."""
MOST_CARRIED = 9
"""Prompts for that at most."""


def parents_of(report: Report) -> list[tuple[str, data.Role]]:
    """The parents to compare, with their role; the base first."""
    base = recipes.parse(report.recipe).get("base_model")
    names = list(report.sources)[:MAX_COMPARED]
    return [(name, "base" if name == base else "parent") for name in names]


def load(name: str, sources: Mapping[str, Source]) -> Loaded:
    """A parent as the comparison runs it.

    Args:
        name: in the recipe.
        sources: of the recipe's models.

    Raises:
        VisitorError: as `models.load`; or the name has an adapter.
    """
    model, revision, lora = split(name)
    if expert := expert_of(name):
        return models.load(expert, exact=True)
    if lora is not None:
        raise VisitorError(
            f"{name} has an adapter, which the comparison does not add.",
            "Compare the child with the other parents.",
        )
    if revision is None:
        return models.load(model, exact=True)
    source = sources[name]
    return models.open_folder(source.folder, name, source.revision, models.HUB_SOURCE, exact=True)


def compare(report: Report, request: Request) -> Iterator[data.Merge]:
    """Measure parents and child, draw the atlas, look for the carriers; yields the growing figure, `done`
    last.

    What cannot be measured is listed in `skipped`: the merge is there whatever its comparison comes to.

    Args:
        report: of the merge; its folder holds the child.
        request: that it was made from.
    """
    started = time.monotonic()
    figure = _empty(report, request)
    parents = parents_of(report)
    loaded: dict[str, Loaded] = {}
    for name, _ in parents:
        yield _at(figure, f"Loading {name}", len(loaded), len(parents) + 1)
        try:
            loaded[name] = load(name, report.sources)
        except VisitorError as error:
            figure["skipped"].append(f"{name}: {error.what}")
    measurements: dict[str, Measurements] = {}
    try:
        opened = models.open_folder(report.folder, "child", "this merge", "this merge", exact=True)
        loaded["child"] = models.on_device(opened, keep=False)
        figure["device"] = loaded["child"].device
        total = 2 * len(loaded)
        comparison = Comparison(request.prompts, request.measured, request.answer_tokens)
        roles: dict[str, data.Role] = {**dict(parents), "child": "child"}
        for name, model in loaded.items():
            yield _at(figure, f"Asking {name}", len(measurements), total)
            try:
                measurements[name] = comparison.measure(name, roles[name], model)
            except VisitorError as error:
                figure["skipped"].append(f"{name}: {error.what}")
            figure["models"] = [item.to_json() for item in measurements.values()]
        if child := measurements.get("child"):
            figure["text"] |= {"context": child.context, "windows": child.perplexity.clusters}
        yield _at(figure, "Asking the layers", len(measurements), total)
        if report.kind == "merge":
            yield from _layers(figure, report, loaded, measurements, total)
    except VisitorError as error:
        figure["skipped"].append(error.what)
    seconds = round(time.monotonic() - started, 1) if measurements else None
    yield {**figure, "done": True, "progress": None, "seconds": seconds}


def _empty(report: Report, request: Request) -> data.Merge:
    """The figure before anything is measured."""
    return {
        "kind": "merge",
        "run_id": str(time.time_ns()),
        "drawable": True,
        "done": False,
        "request": request.to_json(),
        "report": report.to_json(),
        "title": title(report),
        "models": [],
        "skipped": [],
        "atlas": None,
        "carriers": [],
        "prompts": asked(request.measured, request.prompts).to_json(),
        "rules": {one.name: one.words for one in request.measured},
        "text": {"name": "sample", "context": CONTEXT, "windows": WINDOWS},
        "progress": None,
    }


def _at(figure: data.Merge, label: str, value: float, total: float) -> data.Merge:
    """The figure with how far the run has come."""
    return {**figure, "progress": {"label": label, "value": value, "max": total}}


def base_of(report: Report) -> str | None:
    """The model that task vectors are measured from: the base, or the embedded model where all parents are
    its experts.
    """
    base = recipes.parse(report.recipe).get("base_model")
    if isinstance(base, str) and not expert_of(base):
        return base
    if all(expert_of(name) or name == EMBEDDED_MODEL for name in report.sources):
        return EMBEDDED_MODEL
    return base if isinstance(base, str) else None


def _layers(
    figure: data.Merge,
    report: Report,
    loaded: dict[str, Loaded],
    measurements: dict[str, Measurements],
    total: int,
) -> Iterator[data.Merge]:
    """Add the atlas, and what carries each parent."""
    base = base_of(report)
    if base is None:
        return
    parents = []
    for name, _ in parents_of(report):
        if report.sources[name].lora is not None:
            figure["skipped"].append(f"atlas: {name} has an adapter, which the atlas does not add")
        elif name != base and name in loaded:
            parents.append(name)
    if not parents or (base in report.sources and report.sources[base].lora is not None):
        return
    begun = len(measurements)
    folders = {name: source.folder for name, source in report.sources.items()}
    start = folders[base] if base in folders else base_folder()[0]
    for step in atlas((base, start), {name: folders[name] for name in parents}):
        if isinstance(step, Atlas):
            figure["atlas"] = step.to_json()
        else:
            yield _at(figure, "Comparing task vectors", begun + step, total)
    origin = models.on_device(loaded[base] if base in loaded else models.load(base, exact=True))
    for number, name in enumerate(parents):
        yield from _carriers(figure, origin, loaded[name], measurements.get(name), begun + 1 + number, total)


def _carriers(
    figure: data.Merge,
    origin: Loaded,
    parent: Loaded,
    measured: Measurements | None,
    begun: int,
    total: int,
) -> Iterator[data.Merge]:
    """Add which layers carry one parent."""
    prompts = figure["prompts"]
    questions = [*prompts["cooking"], *prompts["other"], *prompts.get("own", []), *prompts["asked"]]
    chosen = _shown(prompts)
    answers = [measured.answers[place].text for place in chosen] if measured else []
    if not any(answers):
        figure["skipped"].append(f"layers of {parent.id}: it gave no answers")
        return
    if not _alike(origin, parent):
        figure["skipped"].append(f"layers of {parent.id}: its shapes differ from those of {origin.id}")
        return
    earlier = figure["carriers"]
    for carried in carriers(origin, models.on_device(parent), [questions[n] for n in chosen], answers):
        figure["carriers"] = [*earlier, carried.to_json()]
        share = len(carried.share["MLP"]) / max(1, len(carried.bands))
        yield _at(figure, f"Which layers carry {parent.id}", begun + share, total)


def _shown(prompts: data.Prompts) -> list[int]:
    """Places of the first prompts of each set."""
    places, start = [], 0
    for group in (prompts["cooking"], prompts["other"], prompts.get("own", [])):
        places += [start + place for place in SHOWN if place < len(group)]
        start += len(group)
    return places[:MOST_CARRIED]


def _alike(one: Loaded, other: Loaded) -> bool:
    shapes = {name: weight.shape for name, weight in one.model.named_parameters()}
    return all(shapes.get(name) == weight.shape for name, weight in other.model.named_parameters())
