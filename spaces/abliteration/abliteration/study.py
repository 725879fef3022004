"""What every room stands on: the model, the split and its tokens, the directions of the fit split, the base
model's own answers.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from abliteration import activations, answers, directions, encode, kernel, select, sets
from abliteration.ablate import Edit, harmless_means
from abliteration.architecture import Anatomy, inspect
from abliteration.request import Request
from shared import models
from shared.errors import VisitorError
from shared.models import Loaded

if TYPE_CHECKING:
    from torch import Tensor

KEPT = 4
"""Studies that are remembered, so that drawing another kernel does not read the prompts again."""
OPENING = 16
"""Tokens of the base's answers that say which tokens open a refusal."""


@dataclass(frozen=True)
class Study:
    """The base model on one split; nothing in it depends on the edit.

    Args:
        loaded: the base model, on the device to compute on.
        anatomy: of it.
        split: prompts.
        ids: their tokens, by part and side: `ids["fit", "positive"]`.
        found: directions of the fit split.
        streams: of fit and select, by part and side, float32 (layers + 1, prompts, positions, width) on the
            CPU.
        base: the base model on the select split.
        tokens_from: where the refusal tokens are from.
        sources: Hub datasets of the prompts, with their revisions.
    """

    loaded: Loaded
    anatomy: Anatomy
    split: sets.Split
    ids: dict[tuple[str, str], list[list[int]]]
    found: directions.Found
    streams: dict[tuple[str, str], Tensor]
    base: select.Baseline
    tokens_from: str
    sources: tuple[dict[str, str], ...] = ()

    @property
    def layers(self) -> int:
        """How many blocks."""
        return self.anatomy.layers

    def side(self, part: str, side: str) -> list[list[int]]:
        """Tokens of one side of one part."""
        return self.ids[part, side]


SIDES = ("positive", "negative")
_kept: OrderedDict[Any, Study] = OrderedDict()
_lock = threading.Lock()


def study(request: Request, loaded: Loaded | None = None) -> Iterator[tuple[str, int, int] | Study]:
    """Make or recall the study of a request; yields what it does, how far it is and of how much, at the end
    the study.

    Args:
        request: checked.
        loaded: the model; loaded by its name where it is not given.

    Raises:
        VisitorError: the model cannot be loaded or edited, it has no chat template, a prompt is too long, its
            activations are not finite, the sets do not part, or the position is not one that the template
            has.
    """
    if loaded is None:
        yield (f"Loading {request.model}", 0, 1)
        loaded = models.load(request.model)
    loaded = models.on_device(loaded)
    anatomy = inspect(loaded.model)
    check(request, anatomy)
    key = (
        loaded.id,
        loaded.revision,
        loaded.device,
        id(loaded.model),
        request.pair(),
        request.format,
        request.seed,
    )
    with _lock:
        known = _kept.get(key)
    if known is None:
        yield from (
            step
            for step in _make(request, loaded, anatomy)
            if not isinstance(step, Study) or (known := step) is None
        )
    assert known is not None
    with _lock:
        _kept[key] = known
        _kept.move_to_end(key)
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
        for old, other in list(
            _kept.items()
        ):  # a study must not keep a model in memory that everyone else has forgotten
            if other.loaded.model is not loaded.model and not models.is_kept(other.loaded):
                del _kept[old]
    if -request.position > len(known.found.positions):
        count = len(known.found.positions)
        raise VisitorError(
            f"There is no position {request.position}.",
            f"The template has {count} tokens after the prompt: use −{count} to −1.",
        )
    yield known


def check(request: Request, anatomy: Anatomy) -> None:
    """Raise a VisitorError where layer or kernel do not fit the model, or kernel and strength do not fit each
    other.
    """
    for name in ("layer", "sae_layer"):
        value = getattr(request, name)
        if value is not None and value >= anatomy.layers:
            raise VisitorError(f"{name} is {value}.", f"The model's layers are 0 to {anatomy.layers - 1}.")
    curve = kernel.resolve(request.kernel, anatomy.layers)
    if request.method != "add":
        curve.scaled(request.strength)


def _make(request: Request, loaded: Loaded, anatomy: Anatomy) -> Iterator[tuple[str, int, int] | Study]:
    import torch

    model = loaded.model
    if any(map(sets.is_reference, (request.positive, request.negative))):
        yield ("Reading the datasets", 0, 1)
    pair, sources = sets.resolved(request.pair())
    split = sets.split(pair, request.seed)
    positions = tuple(encode.post_instruction(loaded, request.format))
    ids = {
        (part, side): encode.encode(loaded, getattr(getattr(split, part), side), request.format)
        for part in ("fit", "select", "report")
        for side in SIDES
    }
    streams: dict[tuple[str, str], Tensor] = {}
    total, done = sum(len(ids[part, side]) for part in ("fit", "select") for side in SIDES), 0
    for part in ("fit", "select"):
        for side in SIDES:
            for step in activations.states(model, anatomy, ids[part, side], len(positions)):
                if isinstance(step, torch.Tensor):
                    streams[part, side] = step
                else:
                    yield ("Reading the prompts", done + step, total)
            done += len(ids[part, side])
    found = directions.difference_of_means(streams["fit", "positive"], streams["fit", "negative"], positions)
    yield ("Asking the base model", 0, 1)
    asked = ids["select", "positive"] + ids["select", "negative"]
    *_, said = answers.answer(model, loaded, asked, OPENING)
    assert not isinstance(said, int)
    tokens, tokens_from = answers.refusal_tokens(loaded, said)
    base = select.baseline(model, anatomy, ids["select", "positive"], ids["select", "negative"], tokens)
    yield Study(loaded, anatomy, split, ids, found, streams, base, tokens_from, tuple(sources))


def edit_of(request: Request, known: Study, layer: int) -> Edit:
    """The edit that a request describes, with the direction read at a layer.

    Raises:
        VisitorError: the sets do not part there.
    """
    if request.method == "add":
        return select.steering(known.found, layer, request.position, request.strength)
    rows = known.found.direction(layer, request.position, request.projection)
    curve = kernel.resolve(request.kernel, known.layers).scaled(request.strength)
    means = None
    if request.method == "affine":
        means = harmless_means(known.loaded.model, known.anatomy, rows, known.side("fit", "negative"))
    return Edit(request.method, rows, curve, means)


def spread(layers: int, count: int) -> list[int]:
    """Layers to try: `count` of them, evenly over those that the rule allows, from the second on."""
    last = max(2, int(select.DEEPEST * layers)) if layers > 2 else layers
    allowed = list(range(1, last)) or [0]
    count = min(count, len(allowed))
    return (
        sorted({allowed[round(index * (len(allowed) - 1) / max(1, count - 1))] for index in range(count)})
        if count > 1
        else [allowed[-1]]
    )
