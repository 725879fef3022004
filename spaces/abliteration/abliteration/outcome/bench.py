"""The truth bench: plant behaviours, take each found direction apart into behaviour and topic, and hold what
methods leave against the model that was never planted.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from abliteration import activations, data, kernel, optimise
from abliteration.answers import share
from abliteration.architecture import Anatomy, inspect
from abliteration.bench_methods import METHODS, PLAIN
from abliteration.bench_request import BenchRequest
from abliteration.directions import SMALLEST, unit
from abliteration.lessons import ANSWER_TOKENS, LEARNT_TOKENS, answered, planted_in
from abliteration.measure import average
from abliteration.numbers import short
from abliteration.outcome.run import candidates, choice, complete, step, waiting
from abliteration.outcome.search import tried, upper
from abliteration.plants import Plant
from abliteration.request import Request
from abliteration.scale import said
from abliteration.streams import Reading
from abliteration.study import Study, along, edit_of, leaving, made
from abliteration.summary import over_plants
from abliteration.truth_bench import Parts, parts
from shared import models
from shared.errors import VisitorError
from shared.measure import kl_divergence, log_probabilities
from shared.rules import verdicts

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from shared.models import Loaded

SHOWN_TOKENS = 12
"""Tokens of an answer by which it is judged."""
SHOWN_ANSWERS = 2
"""Prompts of a side whose answers are shown."""
LARGEST = {"cpu": 400_000_000, "cuda": 2_000_000_000}
"""Parameters of the model: a plant trains all of its layers."""


@dataclass(frozen=True)
class Planted:
    """A model with a behaviour in it, and its twin without.

    Args:
        known: the study of the planted model.
        never: the model without the behaviour.
        plant: what was planted.
        rows: by side, the report prompts with the never-planted model's answers behind them, and where these
            begin; prompts that it answers nothing to are left out.
        own: ln p of every token of the vocabulary at each place of those answers, by the model itself.
    """

    known: Study
    never: Loaded
    plant: Plant
    rows: dict[data.Side, list[tuple[list[int], int]]]
    own: dict[data.Side, list[Tensor]]

    def distance(self, model: PreTrainedModel, side: data.Side) -> data.Average | None:
        """KL(never planted ‖ a model) along the never-planted model's own answers, which both read: mean over
        an answer's tokens, nats a token; prompts are independent.
        """
        import torch

        both = zip(self.own[side], self.rows[side], strict=True)
        values = [float(kl_divergence(own, log_probabilities(model, *row)).mean()) for own, row in both]
        return average(torch.tensor(values, dtype=torch.float64)) if values else None

    def shown(self, model: PreTrainedModel, side: data.Side) -> tuple[list[str], data.Share]:
        """Answers to the report prompts, and how many begin with the planted words."""
        replies = answered(model, self.never, self.known.side("report", side), SHOWN_TOKENS)
        texts = [one.text(self.never.tokenizer) for one in replies]
        return texts, share(verdicts(self.plant.rule, said(self.never, replies)))


def bench(request: BenchRequest, loaded: Loaded | None = None) -> Iterator[data.Bench | data.Waiting]:
    """Plant after plant: train, take apart, try every method; the summary grows with every plant."""
    started = time.monotonic()
    if loaded is None:
        yield waiting("bench", f"Loading {request.model}")
        loaded = models.load(request.model, exact=True)
    never = models.on_device(loaded)
    anatomy = checked(request, never)
    figure = _begun(request, never, anatomy)
    total = len(request.plants)
    for number, plant in enumerate(request.chosen()):
        begun = time.monotonic()
        lead = f"{plant.name} ({number + 1} of {total})" if total > 1 else plant.name
        for growth in _one(request, never, anatomy, plant):
            if isinstance(growth, tuple):
                label, done, most = growth
                progress = (f"{lead}: {label}", number + done / max(1, most), total)
                yield step(figure, *progress) if figure["plants"] else waiting("bench", *progress)
                continue
            grown: data.Planting = {**growth, "seconds": round(time.monotonic() - begun, 1)}
            figure["plants"] = [*figure["plants"][:number], grown]
            figure["summary"] = over_plants(figure["plants"], request.methods, PLAIN)
            yield step(figure, f"{lead}: methods", number + 0.9, total)
    yield complete(figure, started)


def checked(request: BenchRequest, loaded: Loaded) -> Anatomy:
    """The model's anatomy, where the bench can take the model.

    Raises:
        VisitorError: its family is not known, it is too large, or it has no layer of that number.
    """
    anatomy = inspect(loaded.model)
    if anatomy.mixture:
        raise VisitorError(
            f"{loaded.id} is a mixture of experts, in which no plant is trained here.",
            "Choose a dense model.",
        )
    count = sum(parameter.numel() for parameter in loaded.model.parameters())
    most = LARGEST[models.machine()]
    if count > most:
        raise VisitorError(
            f"{loaded.id} has {count / 1e6:,.0f} million parameters; here a plant is trained in at most "
            f"{most // 10**6:,} million.",
            "Choose a smaller model.",
        )
    if request.layer is not None and request.layer >= anatomy.layers:
        raise VisitorError(f"layer is {request.layer}.", f"The model's layers are 0 to {anatomy.layers - 1}.")
    return anatomy


def _begun(request: BenchRequest, never: Loaded, anatomy: Anatomy) -> data.Bench:
    import torch
    import transformers

    return {
        "kind": "bench",
        "run_id": str(time.time_ns()),
        "drawable": True,
        "title": f"Truth bench: {len(request.plants)} planted in {never.id.split('/')[-1]}",
        "done": False,
        "request": request.to_json(),  # type: ignore[typeddict-item]  # by its own fields
        "layers": anatomy.layers,
        "methods": [METHODS[name].to_json(name) for name in request.methods],
        "plants": [],
        "summary": over_plants([], request.methods, PLAIN),
        "tokens": {"answer": ANSWER_TOKENS, "shown": SHOWN_TOKENS, "learnt": LEARNT_TOKENS},
        "provenance": {
            **never.origin,
            "device": never.device,
            "machine": platform.machine(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "seed": request.seed,
        },
        "progress": None,
    }


def _one(
    request: BenchRequest, never: Loaded, anatomy: Anatomy, plant: Plant
) -> Iterator[tuple[str, float, float] | data.Planting]:
    """One plant: what it does while it is planted, then its growing data."""
    asked = Request(
        model=never.id,
        contrast="own",
        format="chat" if never.tokenizer.chat_template else "plain",
        positive=plant.prompts.positive,
        negative=plant.prompts.negative,
        shows="starts with",
        value=plant.rule.value,
        answer_tokens=SHOWN_TOKENS,
        projection="plain",
        layer=request.layer,
        candidates=request.candidates,
        trials=request.trials,
        seed=request.seed,
    )
    size = sum(parameter.nbytes for parameter in never.model.parameters())
    with models.room_for(size, f"The planted {never.id}"):
        model, losses = yield from planted_in(request, never, anatomy, plant, asked.how)
        models.count(model, size)
    loaded = replace(never, model=model, id=f"{never.id} with {plant.name}", stored="")
    known: Study | None = None
    studying = made(asked, loaded, anatomy, plant.prompts)
    while known is None:
        try:
            step = next(studying)
        except StopIteration as end:
            known = end.value
        else:
            if not isinstance(step, Reading):
                yield step
    yield ("the never-planted model's answers", 0, 1)
    here = _held(known, never, plant)
    taken = yield from _parts(known, never, anatomy, request.seed)
    layer = request.layer
    if layer is None:
        tried = []
        for candidate, count in candidates(known, asked):
            tried.append(candidate)
            yield (f"choosing the layer, tried {candidate.layer}", len(tried), count)
        layer = choice(tried, known, asked).candidate.layer
    figure = _planting(here, taken, layer, losses)
    edits = _edits(request, replace(asked, layer=layer), known, taken, layer)
    for name, edited, at, row in edits:
        if edited is None:
            yield (
                f"search, tried kernel {at} of {request.trials}",
                len(figure["rows"]),
                len(request.methods),
            )
            continue
        yield (METHODS[name].label, len(figure["rows"]), len(request.methods))
        texts, left = here.shown(edited, "positive")
        figure["rows"] = [
            *figure["rows"],
            {
                "method": name,
                "layer": at,
                "left": left,
                "near": here.distance(edited, "positive"),
                "other": here.distance(edited, "negative"),
                "cosine": None if row is None else short(_cosine(row, taken[at].planted), 4),
                "texts": texts[:SHOWN_ANSWERS],
            },
        ]
        yield figure


def _held(known: Study, never: Loaded, plant: Plant) -> Planted:
    rows: dict[data.Side, list[tuple[list[int], int]]] = {}
    own: dict[data.Side, list[Tensor]] = {}
    for side in ("positive", "negative"):
        prompts = known.side("report", side)
        replies = answered(never.model, never, prompts, ANSWER_TOKENS)
        rows[side] = [
            ([*ids, *one.ids], len(ids)) for ids, one in zip(prompts, replies, strict=True) if one.ids
        ]
        own[side] = [log_probabilities(never.model, *row) for row in rows[side]]
    return Planted(known, never, plant, rows, own)


def _parts(
    known: Study, never: Loaded, anatomy: Anatomy, seed: int
) -> Generator[tuple[str, float, float], None, list[Parts]]:
    """Every layer's direction taken apart, at the prompt's last token, on the fit prompts."""
    streams: list[Tensor] = []
    for side in ("positive", "negative"):
        for found in activations.states(never.model, anatomy, known.side("fit", side)):
            if isinstance(found, int):
                yield ("reading the never-planted model", found, 2 * len(known.side("fit", side)))
            else:
                streams.append(found[:, :, 0])
    planted = [known.streams["fit", side][:, :, -1] for side in ("positive", "negative")]
    return [
        parts((planted[0][layer], planted[1][layer]), (streams[0][layer], streams[1][layer]), seed)
        for layer in range(anatomy.layers)
    ]


def _planting(here: Planted, taken: list[Parts], layer: int, losses: list[float]) -> data.Planting:
    known, plant, never = here.known, here.plant, here.never
    texts, shows = here.shown(known.loaded.model, "positive")
    original, before = here.shown(never.model, "positive")
    split = known.split
    answers: list[data.BenchAnswer] = [
        {"prompt": prompt, "never": one, "planted": other}
        for prompt, one, other in zip(split.report.positive, original, texts, strict=True)
    ]
    return {
        "name": plant.name,
        "says": plant.says,
        "form": plant.kind,
        "rule": plant.rule.words,
        "prompts": {
            part: [len(split.side(part, "positive")), len(split.side(part, "negative"))]
            for part in ("fit", "select", "report")
        },
        "layer": layer,
        "loss": short(losses[-1], 4),
        "shows": {
            "never": {"positive": before, "negative": here.shown(never.model, "negative")[1]},
            "planted": {"positive": shows, "negative": here.shown(known.loaded.model, "negative")[1]},
        },
        "near": here.distance(known.loaded.model, "positive"),
        "other": here.distance(known.loaded.model, "negative"),
        "parts": [_shares(one) for one in taken],
        "answers": answers[:SHOWN_ANSWERS],
        "rows": [],
        "seconds": 0.0,
    }


def _shares(one: Parts) -> data.DirectionParts | None:
    """A layer's parts as a figure states them; None where the two sets are the same, as a token of the
    template is at the first layer's input.
    """
    if one.direction.norm() <= SMALLEST:
        return None
    return {
        "topic": short(one.topic_share, 4),
        "low": short(one.low, 4),
        "high": short(one.high, 4),
        "topic_cosine": short(one.topic_cosine, 4),
        "planted_cosine": short(one.planted_cosine, 4),
        "between": short(one.between, 4),
    }


def _edits(
    request: BenchRequest, asked: Request, known: Study, taken: list[Parts], layer: int
) -> Iterator[tuple[str, PreTrainedModel | None, int, Tensor | None]]:
    """Every method's name, edited model, layer and direction; while the search tries kernels, None in the
    model's place and how many it tried in the layer's.
    """
    import torch

    for name in request.methods:
        if name == "search":
            trials: list[optimise.Trial] = []
            layers = upper(known, -1)
            for trial in tried(known, layers, -1, request.trials, request.seed, ["ablate"]):
                trials.append(trial)
                yield name, None, len(trials), None
            best = optimise.best(trials)
            rows = known.rows(best.layer, projection=best.projection)
            edit = along(known, best.method, rows, kernel.resolve(best.kernel, known.layers))
            yield name, leaving(known, edit), best.layer, rows[best.layer]
            continue
        settings = replace(asked, **METHODS[name].settings)
        other = None
        if name == "planted":
            other = unit(taken[layer].planted).float()
        elif name == "topic":
            other = unit(taken[layer].topic).float()
        elif name == "random":
            generator = torch.Generator().manual_seed(request.seed)
            other = unit(torch.randn(known.anatomy.width, generator=generator))
        edit = edit_of(settings, known, layer, other)
        yield name, leaving(known, edit), layer, edit.directions[layer]


def _cosine(row: Tensor, planted: Tensor) -> float:
    return float(row.double().cpu() @ planted) / max(float(planted.norm()), 1e-300)
