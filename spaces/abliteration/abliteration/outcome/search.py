"""A search for an edit and its kernel on the select split, and the best one measured on the report split."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from abliteration import causal, data, kernel, optimise, truth
from abliteration.nearness import nearness
from abliteration.numbers import short
from abliteration.outcome.measure import measurements, never_planted
from abliteration.outcome.run import ASIDE, Editing, complete, head, opened, stated, step
from abliteration.request import Request
from abliteration.study import Study, along, edit_of, leaving
from shared import experts
from shared.errors import VisitorError
from shared.models import Loaded

NEAREST = 16
"""Trials that remove the behaviour whose nearness is measured, where the truth is known."""


def search(request: Request, loaded: Loaded | None = None) -> Iterator[data.Optimise | data.Waiting]:
    """Try kernels, then measure the best.

    The layer is one of the things that are searched: the request's is left aside, so that the best of one
    search does not bind the next.
    """
    started = time.monotonic()
    aside = {"aside": ASIDE} if request.vector else {}
    request = replace(request, vector="")  # directions are searched here, not taken
    known = yield from opened("optimise", request, loaded)
    layers = upper(known, request.position)
    figure: data.Optimise = {
        **head(known, request),
        "kind": "optimise",
        "trials": [],
        "front": [],
        "best": None,
        "enough": optimise.ENOUGH,
        **aside,  # type: ignore[typeddict-item]  # that key
    }
    trials: list[optimise.Trial] = []
    for trial in tried(known, layers, request.position, request.trials, request.seed):
        trials.append(trial)
        figure["trials"] = [one.to_json() for one in trials]
        figure["front"], figure["best"] = optimise.front(trials), optimise.best(trials).number
        yield step(figure, f"Tried kernel {len(trials)}", len(trials), request.trials)
    best = optimise.best(trials)
    if known.loaded.id in experts.NAMES and known.base.scale.rule.kind == "refuses":
        for measured in _against_truth(known, trials, request):
            figure["trials"][measured.number]["truth"] = short(measured.truth, 4)
            best = measured if measured.truth < best.truth else best
            yield step(figure, "The model that it was never planted in", request.trials, request.trials)
        figure["best"] = best.number
    chosen = replace(
        request,
        layer=best.layer,
        projection=best.projection,
        kernel=best.kernel,
        method=best.method,
        strength=1.0,
    )
    work = Editing(known, chosen, edit_of(chosen, known, best.layer), best.layer)
    figure["chosen"], figure["query"] = stated(chosen), chosen.to_query() or ""
    figure["edit"] = work.to_json()
    for measures, progress in measurements(work):
        figure["measures"] = measures
        yield step(figure, *progress)
    yield complete(figure, started)


def tried(
    known: Study,
    layers: list[int],
    position: int,
    trials: int,
    seed: int,
    methods: Sequence[str] = optimise.METHODS,
) -> Iterator[optimise.Trial]:
    """Try kernels on a study's select split; no fitted edits where norms stand behind the matrices or
    experts write, no causal directions where the behaviour's score has no gradient.

    Args:
        known: the study.
        layers: where directions may be read.
        position: at which token.
        trials: how many kernels.
        seed: of the search.
        methods: of the edits.
    """
    if known.anatomy.family.post_norms is not None or known.anatomy.mixture:
        methods = [method for method in methods if method != "fitted"]
    graded = causal.available(known.base.scale)
    projections = [name for name in optimise.PROJECTIONS if graded or name != "causal"]
    yield from optimise.search(
        lambda method, rows, curve: leaving(known, along(known, method, rows, curve)),
        known.anatomy,
        known.rows,
        known.base,
        known.asked("select", "positive"),
        known.asked("select", "negative"),
        layers,
        position,
        trials,
        seed,
        methods,
        projections,
    )


def _against_truth(known: Study, trials: list[optimise.Trial], request: Request) -> Iterator[optimise.Trial]:
    """The trials that remove the behaviour, those of the least KL, with how near each is to the model that it
    was never planted in, on the select split: among kernels that remove alike, some leave worse answers.
    """
    never, base = never_planted(), known.loaded.model
    prompts = known.side("select", "positive")[: truth.PROMPTS]
    removing = [trial for trial in trials if trial.refusals <= optimise.ENOUGH]
    for trial in sorted(removing, key=lambda trial: trial.kl)[:NEAREST]:
        rows = known.rows(trial.layer, request.position, trial.projection)
        curve = kernel.resolve(trial.kernel, known.layers)
        edited = leaving(known, along(known, trial.method, rows, curve))
        near = nearness(never, base, edited, prompts, request.answer_tokens).to_json()
        if near is None:
            return
        yield replace(trial, truth=near["edited"]["mean"])


def upper(known: Study, position: int) -> list[int]:
    """The layers of the upper half: directions of the lower half are about the prompts' words."""
    half = range(known.layers // 2, known.layers)
    upper = [layer for layer in half if known.directions.differ(layer, position)]
    if not upper:
        raise VisitorError(
            "The two sets differ at no layer of the upper half.", "Choose another position, or other sets."
        )
    return upper
