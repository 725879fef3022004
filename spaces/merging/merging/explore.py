"""The plane through three models, or the line through two: loss and behaviour at its points, from coarse to
fine.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any
from urllib.parse import parse_qs, urlencode

from merging import blend
from merging.sources import check_name
from shared import models
from shared.errors import VisitorError

LEVELS = (1, 2, 4)
"""Steps from a corner to the next, level by level: 4, 9 and 25 points of a plane."""
LINE_LEVELS = (1, 2, 4, 8, 16)
GENERATIONS, POPULATION = 5, 6
MAX_WEIGHT = 1.0
"""Largest weight that the search tries."""
GOALS = ("behaviours", "loss")


@dataclass(frozen=True)
class Explore:
    """What is explored.

    Args:
        origin: the model at the corner where every weight is 0.
        others: one or two fine-tunes of it; a weight of 1 is that model.
    """

    origin: str = models.EMBEDDED_MODEL
    others: tuple[str, ...] = ("pirate", "cautious")

    def to_json(self) -> dict[str, Any]:
        """The values as the API and the figure have them."""
        return {"origin": self.origin, "others": list(self.others)}

    def to_query(self) -> str:
        """The values as the query of a URL."""
        return urlencode([("origin", self.origin), *(("with", name) for name in self.others)])

    @classmethod
    def from_query(cls, query: str) -> Explore:
        """What a URL's query describes.

        Raises:
            VisitorError: as `validate`.
        """
        given = parse_qs(query.removeprefix("?"))
        return validate(given.get("origin", [cls.origin])[-1], given.get("with", []))


def validate(origin: Any, others: Any) -> Explore:
    """Check the names.

    Raises:
        VisitorError: there is no list of names, or a name is missing, twice there, or names no model.
    """
    if not isinstance(others or (), (list, tuple)):
        raise VisitorError(f"The fine-tunes are {str(others)[:40]}.", "Give a list of one or two names.")
    named = tuple(str(name).strip() for name in others or () if name and str(name).strip())
    if not 1 <= len(named) <= blend.MAX_OTHERS:
        raise VisitorError(f"{len(named)} fine-tunes were given.", "Name one for a line, or two for a plane.")
    first = str(origin or "").strip()
    if len({first, *named}) != 1 + len(named):
        raise VisitorError("A model is named twice.", "Choose different models for the corners.")
    for name in (first, *named):
        check_name(name)
    return Explore(first, named)


def check_goal(goal: Any) -> str:
    """The goal, if there is one of that name.

    Raises:
        VisitorError: there is none.
    """
    if goal not in GOALS:
        raise VisitorError(f"There is no goal {str(goal)[:40]}.", f"Use one of {', '.join(GOALS)}.")
    return str(goal)


def grid(dimensions: int) -> Iterator[tuple[float, ...]]:
    """Points of a line or a plane with weights from 0 to 1, the coarse ones first and none twice."""
    seen: set[tuple[float, ...]] = set()
    for steps in LINE_LEVELS if dimensions == 1 else LEVELS:
        for place in product(range(steps + 1), repeat=dimensions):
            point = tuple(step / steps for step in place)
            if point not in seen:
                seen.add(point)
                yield point


def explore(asked: Explore) -> Iterator[dict[str, Any]]:
    """Measure point after point; yields the growing JSON of the figure, `done` last.

    Raises:
        VisitorError: a model cannot be loaded, or the shapes differ.
    """
    started = time.monotonic()
    yield {**_head(asked), "progress": {"label": "Loading the models", "value": 0, "max": 1}}
    origin, others = blend.family(asked.origin, asked.others)
    blended = blend.Blend(origin, others)
    task = blend.held_out(origin.tokenizer, blend.names_of(asked.origin, asked.others))
    points = list(grid(len(others)))
    data = {**_head(asked), **_facts(origin, others, task), "drawable": True}
    for number, weights in enumerate(points):
        label = f"Measuring point {number + 1} of {len(points)}"
        yield {**data, "progress": {"label": label, "value": number, "max": len(points)}}
        point = blend.measure_point(blended.set(weights), weights, task)
        data["points"] = [
            *data["points"],
            {**point.to_json(), "recipe": blend.recipe_of(asked.origin, asked.others, weights)},
        ]
    yield {
        **data,
        "done": True,
        "progress": None,
        "seconds": round(time.monotonic() - started, 1),
        "device": origin.device,
    }


def _head(asked: Explore) -> dict[str, Any]:
    return {
        "kind": "explore",
        "run_id": str(time.time_ns()),
        "done": False,
        "request": asked.to_json(),
        "points": [],
        "search": None,
    }


def _facts(origin: Any, others: list[Any], task: blend.Task) -> dict[str, Any]:
    return {
        "models": [{"name": loaded.id, "revision": loaded.revision} for loaded in (origin, *others)],
        "behaviours": list(task.behaviours),
        "each": len(task.other),
        "text": {"tokens": int(task.windows.shape[0] * (task.windows.shape[1] // 2 - 1))},
    }


def _search(dimensions: int, seed: int) -> Any:
    """CMA-ES over weights (Hansen 2016, by its author's library); it wants two dimensions, so a line gets one
    that counts for nothing.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it misses matplotlib, which is not used
        import cma

    wide = max(2, dimensions)
    return cma.CMAEvolutionStrategy(
        [0.5] * wide,
        0.3,
        {"bounds": [0.0, MAX_WEIGHT], "seed": seed % (2**32 - 1) + 1, "popsize": POPULATION, "verbose": -9},
    )  # the library takes a seed of 0 for none


def score(point: blend.Point, start: blend.Point, goal: str) -> float:
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


def evolve(asked: Explore, goal: str, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Search the weights with CMA-ES on fit prompts, then measure the best on held-out ones; yields growing
    JSON, `done` last.

    Args:
        asked: the models.
        goal: one of GOALS.
        seed: of the search.

    Raises:
        VisitorError: the models have no behaviour to count, or as `explore`.
    """
    if goal == "behaviours" and not blend.behaviours_of(blend.names_of(asked.origin, asked.others)):
        raise VisitorError(
            "None of these models is one of the experts, so there is no behaviour to count.",
            "Choose the goal loss.",
        )
    started = time.monotonic()
    yield {**_head(asked), "progress": {"label": "Loading the models", "value": 0, "max": 1}}
    origin, others = blend.family(asked.origin, asked.others)
    blended = blend.Blend(origin, others)
    names = blend.names_of(asked.origin, asked.others)
    task = blend.fit(origin.tokenizer, names)
    nothing = (0.0,) * len(others)
    seen = {"count": False, "chance": goal == "behaviours"}
    start = blend.measure_point(blended.set(nothing), nothing, task, **seen)
    search = _search(len(others), seed)
    data = {**_head(asked), **_facts(origin, others, task), "drawable": True}
    total = GENERATIONS * POPULATION + 2
    tried: list[tuple[float, blend.Point]] = []
    found: dict[str, Any] = {
        "goal": goal,
        "seed": seed,
        "candidates": [],
        "means": [[0.5] * len(others)],
        "best": None,
        "held_out": None,
    }
    for generation in range(GENERATIONS):
        asked_for = search.ask()
        scores = []
        for candidate in asked_for:
            weights = tuple(round(float(value), 4) for value in candidate[: len(others)])
            label = f"Generation {generation + 1} of {GENERATIONS}"
            yield {
                **data,
                "search": dict(found),
                "progress": {"label": label, "value": len(tried) + 1, "max": total},
            }
            point = blend.measure_point(blended.set(weights), weights, task, **seen)
            scores.append(score(point, start, goal))
            tried.append((scores[-1], point))
            found["candidates"] = [
                *found["candidates"],
                {**point.to_json(), "score": round(scores[-1], 4), "generation": generation + 1},
            ]
        search.tell(asked_for, [-value for value in scores])
        found["means"] = [
            *found["means"],
            [round(float(value), 4) for value in search.result.xfavorite[: len(others)]],
        ]
    best_score, best = max(tried, key=lambda pair: pair[0])
    held = blend.held_out(origin.tokenizer, names)
    both = seen | {"count": True}
    best = blend.measure_point(blended.set(best.weights), best.weights, task, **both)
    origin_held = blend.measure_point(blended.set(nothing), nothing, held, **seen)
    best_held = blend.measure_point(blended.set(best.weights), best.weights, held, **both)
    found |= {
        "best": {
            **best.to_json(),
            "score": round(best_score, 4),
            "recipe": blend.recipe_of(asked.origin, asked.others, best.weights),
        },
        "held_out": {**best_held.to_json(), "score": round(score(best_held, origin_held, goal), 4)},
        "warnings": parted(best, start, best_held, origin_held),
    }
    seconds = round(time.monotonic() - started, 1)
    yield {
        **data,
        "search": found,
        "done": True,
        "progress": None,
        "seconds": seconds,
        "device": origin.device,
    }


def parted(best: blend.Point, start: blend.Point, held: blend.Point, origin: blend.Point) -> list[str]:
    """Where the best candidate does worse on held-out prompts or text than chance explains, in sentences."""
    from merging.measure import mean_and_sigma

    said = []
    for name, share in best.shares.items():
        interval, other = share.to_json(), held.shares[name].to_json()
        if other["high"] < interval["low"] or other["low"] > interval["high"]:
            said.append(
                f"{name}: {share.count} of {share.of} on the fit prompts, {other['count']} of {other['of']} on the held-out ones: "
                "the search fitted its prompts."
            )
    fitted, fitted_sigma = mean_and_sigma(start.losses - best.losses)
    kept, kept_sigma = mean_and_sigma(origin.losses - held.losses)
    if fitted - kept > 2 * (fitted_sigma**2 + kept_sigma**2) ** 0.5:
        said.append(
            f"The text's loss fell by {fitted:.3f} nats on the fit text and by {kept:.3f} on the held-out one."
        )
    return said
