"""Where the two sets differ, layer by layer, and which layer's direction to take."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from abliteration import chance, data, directions, given, select
from abliteration.outcome.run import (
    ASIDE,
    candidates,
    choice,
    complete,
    head,
    opened,
    refusal_of,
    ribbons,
    step,
)
from abliteration.request import Request
from abliteration.streams import Reading
from abliteration.study import Study
from shared.models import Loaded

if TYPE_CHECKING:
    from torch import Tensor


def find(request: Request, loaded: Loaded | None = None) -> Iterator[data.Find | data.Waiting]:
    """Separation of prompts that the directions were not made from, then every candidate as it is tried."""
    started = time.monotonic()
    vector = request.vector
    request = replace(request, vector="")  # a direction is found here, not taken
    pictures: list[data.Find] = []

    def first(read: Reading) -> data.Find:
        pictures.append(with_file(read, separated(read, request), vector))
        return step(pictures[0], "Asking the base model", 0, 1)

    known = yield from opened("find", request, loaded, first)
    figure = pictures[0] if pictures else with_file(known, separated(known, request), vector)
    figure["refusal"] = refusal_of(known)
    yield step(figure, "Trying candidates", 0, 1)
    tried: list[select.Candidate] = []
    for candidate, count in candidates(known, request):
        tried.append(candidate)
        figure["layers"][candidate.layer]["candidate"] = candidate.to_json()
        yield step(figure, f"Tried layer {candidate.layer}", len(tried), count)
    figure["choice"] = choice(tried, known, request).to_json()
    figure["chance_draws"] = {"edits": chance.EDITS, "steps": chance.STEPS, "prompts": chance.PROMPTS}
    for done, total, drawn, found in ribbons(known, request, tried):
        if drawn is not None and found is not None:
            row = figure["layers"][drawn.layer]["candidate"]
            row["ribbons"], row["chance"] = found.to_json(), found.medians()
        yield step(figure, "Random directions", done, total)
    yield complete(figure, started)


def with_file(known: Reading | Study, figure: data.Find, vector: str) -> data.Find:
    """A figure with the cosine of each layer's direction and a vector file's, where there is such a file."""
    if vector:
        width = known.anatomy.width
        file = given.opened(vector, known.anatomy.layers, width)
        figure["aside"] = ASIDE
        figure["given"] = {
            "name": vector,
            "cosines": given.cosines(file, known.directions, figure["position"]),
            "chance": round(1.96 / math.sqrt(width), 4),
        }
    return figure


def separated(known: Reading | Study, request: Request) -> data.Find:
    """How each layer's direction separates prompts that it was not made from: a figure without candidates."""

    def pair(part: str) -> tuple[Tensor, Tensor]:
        positive, negative = known.streams[part, "positive"], known.streams[part, "negative"]
        return positive[:, :, request.position], negative[:, :, request.position]

    return {
        **head(known, request),
        "kind": "find",
        "layers": directions.separation(pair("fit"), pair("select"), request.seed).layers(),
        "places": directions.places(
            known.directions, known.streams["select", "positive"], known.streams["select", "negative"]
        ),
        "draws": directions.RANDOM,
        "position": request.position,
        "limits": {"kl": select.MAX_KL, "induce": select.MIN_INDUCE, "deepest": select.DEEPEST},
        "choice": None,
    }
