"""The plane through three models, or the line through two: loss and behaviour at its points, from coarse to
fine; and a search for the best weights.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, Literal, cast

from merging import blend, data
from merging.blend import Blend, Point, Task
from merging.explore_request import ExploreRequest
from shared.errors import VisitorError
from shared.estimates import estimate, interval
from shared.models import Loaded

LEVELS = (1, 2, 4)
"""Steps from a corner to the next, level by level: 4, 9 and 25 points of a plane."""
LINE_LEVELS = (1, 2, 4, 8, 16)
GENERATIONS, POPULATION = 5, 6
MAX_WEIGHT = 1.0
"""Largest weight that the search tries."""


def grid(dimensions: int) -> Iterator[tuple[float, ...]]:
    """Points of a line or a plane with weights from 0 to 1, the coarse ones first and none twice."""
    seen: set[tuple[float, ...]] = set()
    for steps in LINE_LEVELS if dimensions == 1 else LEVELS:
        for place in product(range(steps + 1), repeat=dimensions):
            point = tuple(step / steps for step in place)
            if point not in seen:
                seen.add(point)
                yield point


def explore(request: ExploreRequest) -> Iterator[data.Explore | data.Waiting]:
    """Measure point after point; yields the growing figure, `done` last.

    Raises:
        VisitorError: a model cannot be loaded, or the shapes differ.
    """
    started = time.monotonic()
    yield _waiting("explore", request)
    origin, others = blend.family(request)
    blended = Blend(origin, others)
    task = blend.measured(origin, request.measured)
    points = list(grid(len(others)))
    figure: data.Explore = {"kind": "explore", **_empty(request, [origin, *others], task)}
    for number, weights in enumerate(points):
        label = f"Measuring point {number + 1} of {len(points)}"
        yield {**figure, "progress": {"label": label, "value": number, "max": len(points)}}
        point = blend.measure_point(blended.set(weights), weights, task)
        added: data.Point = {**point.to_json(), "recipe": blend.recipe_of(request, weights)}
        figure["points"] = [*figure["points"], added]
    seconds = round(time.monotonic() - started, 1)
    yield {**figure, "done": True, "seconds": seconds, "device": origin.device}


def _waiting(kind: Literal["explore", "evolve"], request: ExploreRequest) -> data.Waiting:
    return {
        "kind": kind,
        "run_id": str(time.time_ns()),
        "drawable": False,
        "done": False,
        "request": request.to_json(),
        "points": [],
        "search": None,
        "progress": {"label": "Loading the models", "value": 0, "max": 1},
    }


def _empty(request: ExploreRequest, models: Sequence[Loaded], task: Task) -> data.Between:
    """The figure before anything is measured."""
    return {
        "run_id": str(time.time_ns()),
        "drawable": True,
        "done": False,
        "request": request.to_json(),
        "points": [],
        "search": None,
        "models": [{"name": loaded.id, "revision": loaded.revision} for loaded in models],
        "behaviours": task.names,
        "each": task.each,
        "rules": {one.name: one.words for one in task.behaviours},
        "text": {"tokens": task.windows.targets.numel(), "windows": len(task.windows)},
        "progress": None,
    }


def _search(dimensions: int, seed: int) -> Any:
    """CMA-ES over weights (Hansen 2016, by its author's library); it wants two dimensions, so a line gets one
    that counts for nothing.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it misses matplotlib, which is not used
        import cma

    wide = max(2, dimensions)
    settings = {
        "bounds": [0.0, MAX_WEIGHT],
        "seed": seed % (2**32 - 1) + 1,  # the library takes a seed of 0 for none
        "popsize": POPULATION,
        "verbose": -9,
    }
    return cma.CMAEvolutionStrategy([0.5] * wide, 0.3, settings)


def score(point: Point, start: Point, goal: str) -> float:
    """What the search makes large.

    Args:
        point: the candidate.
        start: the origin, measured on the same text.
        goal: "loss": nats per token gained on the text; "behaviours": mean over the behaviours of the
            log-probability, in nats, of opening an answer as wanted, less every nat per token lost on the
            text.
    """
    gained = start.loss - point.loss
    if goal == "loss":
        return gained
    return sum(point.chances.values()) / len(point.chances) + min(0.0, gained)


def evolve(request: ExploreRequest) -> Iterator[data.Evolve | data.Waiting]:
    """Search the weights with CMA-ES on fit prompts, then measure the best on held-out ones; yields the
    growing figure, `done` last.

    Raises:
        VisitorError: the models have no behaviour to count, or as `explore`.
    """
    behaviours, goal = request.measured, cast(data.Goal, request.goal)
    if goal == "behaviours" and not behaviours:
        raise VisitorError(
            "None of these models is one of the experts, so there is no behaviour to count.",
            "Write a behaviour, or choose the goal loss.",
        )
    blend.check_searchable(behaviours)
    started = time.monotonic()
    yield _waiting("evolve", request)
    origin, others = blend.family(request)
    blended = Blend(origin, others)
    nothing = (0.0,) * len(others)

    def measured(weights: tuple[float, ...], task: Task, *, count: bool = False) -> Point:
        chance = goal == "behaviours"
        return blend.measure_point(blended.set(weights), weights, task, count=count, chance=chance)

    task = blend.fit(origin, behaviours)
    start = measured(nothing, task)
    search = _search(len(others), request.seed)
    figure: data.Evolve = {"kind": "evolve", **_empty(request, [origin, *others], task)}
    total = GENERATIONS * POPULATION + 2
    result: data.Search = {
        "goal": goal,
        "seed": request.seed,
        "candidates": [],
        "means": [[0.5] * len(others)],
        "best": None,
        "held_out": None,
    }
    candidates: list[tuple[float, Point]] = []
    for generation in range(1, GENERATIONS + 1):
        solutions = search.ask()
        scores = []
        for solution in solutions:
            label = f"Generation {generation} of {GENERATIONS}"
            progress: data.Progress = {"label": label, "value": len(candidates) + 1, "max": total}
            yield {**figure, "search": {**result}, "progress": progress}
            point = measured(_rounded(solution[: len(others)]), task)
            scores.append(score(point, start, goal))
            candidates.append((scores[-1], point))
            added: data.Candidate = {
                **point.to_json(),
                "score": round(scores[-1], 4),
                "generation": generation,
            }
            result["candidates"] = [*result["candidates"], added]
        search.tell(solutions, [-value for value in scores])
        result["means"] = [*result["means"], list(_rounded(search.result.xfavorite[: len(others)]))]
    value, best = max(candidates, key=lambda pair: pair[0])
    best = measured(best.weights, task, count=True)
    held = blend.held_out(origin, behaviours)
    origin_held, best_held = measured(nothing, held), measured(best.weights, held, count=True)
    recipe = blend.recipe_of(request, best.weights)
    result["best"] = {**best.to_json(), "score": round(value, 4), "recipe": recipe}
    result["held_out"] = {**best_held.to_json(), "score": round(score(best_held, origin_held, goal), 4)}
    result["warnings"] = overfitting(best, start, best_held, origin_held)
    seconds = round(time.monotonic() - started, 1)
    yield {**figure, "search": result, "done": True, "seconds": seconds, "device": origin.device}


def _rounded(weights: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(float(weight), 4) for weight in weights)


def overfitting(best: Point, start: Point, held: Point, origin: Point) -> list[str]:
    """Where the best candidate does worse on held-out prompts or text than chance explains, in sentences.

    Args:
        best: on the fit prompts and text.
        start: the origin on the same.
        held: the best on the held-out ones.
        origin: on the held-out ones.
    """
    sentences = []
    for name, share in best.shares.items():
        (low, high), other = share.interval, held.shares[name]
        if other.interval[1] < low or other.interval[0] > high:
            sentences.append(
                f"{name}: {share.count} of {share.of} on the fit prompts, {other.count} of {other.of} on the "
                "held-out ones: the search fitted its prompts."
            )
    fitted, kept = estimate(start.losses - best.losses), estimate(origin.losses - held.losses)
    if interval(fitted)[0] > interval(kept)[1]:
        sentences.append(
            f"The text's loss fell by {fitted.mean:.3f} nats on the fit text and by {kept.mean:.3f} on the "
            "held-out one."
        )
    return sentences
