"""A merge from the request to everything that is shown of it: measurements, atlas, and the layers that carry
each parent.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from merging import measure, recipe
from merging.atlas import Atlas, atlas
from merging.card import title
from merging.carriers import carriers
from merging.request import validate
from merging.run import Report
from merging.sources import expert_of, split
from shared import embedded_model, models
from shared.errors import VisitorError
from shared.models import Loaded

MAX_COMPARED = 4
"""Parents that are loaded for the comparison; more would not fit in memory beside each other."""
SHOWN = (0, 1, 2)
"""Which of a kind's held-out prompts have their answers shown; the first of them also tell which layers carry
a parent.
"""


def roles(report: Report) -> list[tuple[str, str]]:
    """The parents to compare, with their role; the base first."""
    base = recipe.parse(report.recipe).get("base_model")
    named = list(report.sources)[:MAX_COMPARED]
    return [(name, "base" if name == base else "parent") for name in named]


def load(name: str, report: Report) -> Loaded:
    """A parent as the comparison runs it.

    Raises:
        VisitorError: as `models.load`.
    """
    model, revision, lora = split(name)
    if expert := expert_of(name):
        return models.load(expert)
    if lora is not None:
        raise VisitorError(
            f"{name} has an adapter, which the comparison does not add.",
            "Compare the child with the other parents.",
        )
    if revision is None:
        return models.load(model)
    source = report.sources[name]
    return models.open_folder(source.folder, name, source.revision, "from the Hub")


def look(report: Report, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Measure parents and child, draw the atlas, find the carriers; yields the growing JSON of the figure,
    `done` last.

    What cannot be measured is said in `skipped`: the merge is there whatever its comparison comes to.

    Args:
        report: of the merge; its folder holds the child.
        asked: the request's JSON.
    """
    request = validate(**asked)
    started = time.monotonic()
    data: dict[str, Any] = {
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
        "prompts": {
            "cooking": list(measure.COOKING),
            "other": list(measure.OTHER),
            "asked": list(request.prompts),
        },
        "text": {"name": "sample", "context": measure.CONTEXT, "windows": measure.WINDOWS},
    }
    loaded: dict[str, Loaded] = {}
    named = roles(report)
    for name, _ in named:
        yield {**data, "progress": {"label": f"Loading {name}", "value": len(loaded), "max": len(named) + 1}}
        try:
            loaded[name] = load(name, report)
        except VisitorError as error:
            data["skipped"].append(f"{name}: {error.what}")
    found: list[measure.Measured] = []
    try:
        child = models.on_device(
            models.open_folder(report.folder, "child", "this merge", "this merge"), keep=False
        )
        data["device"] = child.device
        steps = [(name, role, loaded[name]) for name, role in named if name in loaded] + [
            ("child", "child", child)
        ]
        total = 2 * len(steps)
        yield {**data, "progress": {"label": f"Asking {steps[0][0]}", "value": 0, "max": total}}
        for measured in measure.measure(steps, request.prompts):
            found.append(measured)
            data["models"] = [item.to_json() for item in found]
            ahead = steps[len(found)][0] if len(found) < len(steps) else "the layers"
            yield {**data, "progress": {"label": f"Asking {ahead}", "value": len(found), "max": total}}
        if report.kind == "merge":
            yield from _layers(data, report, loaded, found, total)
    except VisitorError as error:
        data["skipped"].append(error.what)
    seconds = round(time.monotonic() - started, 1) if found else None
    yield {**data, "done": True, "progress": None, "seconds": seconds, "measured": found}


def base_of(report: Report) -> str | None:
    """The model that task vectors are measured from: the base, or the embedded model where all parents are
    its experts.
    """
    base = recipe.parse(report.recipe).get("base_model")
    if isinstance(base, str) and not expert_of(base):
        return base
    if all(expert_of(name) or name == models.EMBEDDED_MODEL for name in report.sources):
        return models.EMBEDDED_MODEL
    return base if isinstance(base, str) else None


def _layers(
    data: dict[str, Any], report: Report, loaded: dict[str, Loaded], found: list[measure.Measured], total: int
) -> Iterator[dict[str, Any]]:
    base = base_of(report)
    if base is None:
        return
    parents = []
    for name, _ in roles(report):
        if report.sources[name].lora is not None:
            data["skipped"].append(f"atlas: {name} has an adapter, which the atlas does not add")
        elif name != base and name in loaded:
            parents.append(name)
    if not parents or (base in report.sources and report.sources[base].lora is not None):
        return
    done = len(found)
    folders = {name: source.folder for name, source in report.sources.items()}
    start = folders[base] if base in folders else embedded_model.base_folder()[0]
    for step in atlas((base, start), {name: folders[name] for name in parents}):
        if isinstance(step, Atlas):
            data["atlas"] = step.to_json()
        else:
            yield {
                **data,
                "progress": {"label": "Comparing task vectors", "value": done + step, "max": total},
            }
    origin = models.on_device(loaded[base] if base in loaded else models.load(base))
    known = {item.name: item for item in found}
    for number, name in enumerate(parents):
        chosen = [*SHOWN, *(len(measure.COOKING) + place for place in SHOWN)]
        prompts = [*measure.COOKING, *measure.OTHER]
        answers = [known[name].answers[place][0] for place in chosen]
        if not _alike(origin, loaded[name]):
            data["skipped"].append(f"layers of {name}: its shapes differ from those of {base}")
            continue
        for carried in carriers(
            origin, models.on_device(loaded[name]), [prompts[place] for place in chosen], answers
        ):
            data["carriers"] = [*data["carriers"][:number], carried.to_json()]
            share = len(carried.share["MLP"]) / max(1, len(carried.bands))
            yield {
                **data,
                "progress": {
                    "label": f"Which layers carry {name}",
                    "value": done + 1 + number + share,
                    "max": total,
                },
            }


def _alike(one: Loaded, other: Loaded) -> bool:
    shapes = {name: weight.shape for name, weight in one.model.named_parameters()}
    return all(shapes.get(name) == weight.shape for name, weight in other.model.named_parameters())
