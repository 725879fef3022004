"""A search for a kernel on the select split, and the best one measured on the report split."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from abliteration import data, optimise
from abliteration.outcome.measure import measurements
from abliteration.outcome.run import Editing, complete, head, opened, stated, step
from abliteration.request import Request
from abliteration.study import Study, edit_of, folded, leaving
from shared.errors import VisitorError
from shared.models import Loaded


def search(request: Request, loaded: Loaded | None = None) -> Iterator[data.Optimise | data.Waiting]:
    """Try kernels, then measure the best.

    The layer is one of the things that are searched: the request's is left aside, so that the best of one
    search does not bind the next.
    """
    started = time.monotonic()
    known = yield from opened("optimise", request, loaded)
    layers = _upper(known, request.position)
    figure: data.Optimise = {
        **head(known, request),
        "kind": "optimise",
        "trials": [],
        "front": [],
        "best": None,
        "enough": optimise.ENOUGH,
    }
    trials: list[optimise.Trial] = []
    for trial in optimise.search(
        lambda edit: leaving(known, folded(known, edit)),
        known.anatomy,
        known.directions,
        known.base,
        known.asked("select", "positive"),
        known.asked("select", "negative"),
        layers,
        request.position,
        request.trials,
        request.seed,
    ):
        trials.append(trial)
        figure["trials"] = [one.to_json() for one in trials]
        figure["front"], figure["best"] = optimise.front(trials), optimise.best(trials).number
        yield step(figure, f"Tried kernel {len(trials)}", len(trials), request.trials)
    best = optimise.best(trials)
    chosen = replace(
        request,
        layer=best.layer,
        projection=best.projection,
        kernel=best.kernel,
        method="ablate",
        strength=1.0,
    )
    work = Editing(known, chosen, edit_of(chosen, known, best.layer), best.layer)
    figure["chosen"], figure["query"] = stated(chosen), chosen.to_query() or ""
    figure["edit"] = work.to_json()
    for measures, progress in measurements(work):
        figure["measures"] = measures
        yield step(figure, *progress)
    yield complete(figure, started)


def _upper(known: Study, position: int) -> list[int]:
    """The layers of the upper half: directions of the lower half are about the prompts' words."""
    half = range(known.layers // 2, known.layers)
    upper = [layer for layer in half if known.directions.differ(layer, position)]
    if not upper:
        raise VisitorError(
            "The two sets differ at no layer of the upper half.", "Choose another position, or other sets."
        )
    return upper
