"""What every room's run has: how it begins, how far it is, what stands above its views, and the edit.

A run yields `Waiting` until there is something to draw, then copies of the figure's growing data.
"""

from __future__ import annotations

import copy
import platform
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from abliteration import answers, autoencoder, bake, chance, data, directions, given, select, sets
from abliteration.architecture import inspect
from abliteration.edit import Edit
from abliteration.request import Request
from abliteration.streams import SIDES, Reading
from abliteration.study import Study, check, edit_of, leaving, spread, study
from shared import experts, hub, models
from shared.data import Progress
from shared.errors import VisitorError
from shared.models import Loaded

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

MARK = "edited model"
"""What every output of an edited model carries."""
EXACT: tuple[data.Kind, ...] = ("certificate", "export")
"""What is published is computed in float32 also on a GPU: bfloat16 hides what hooks and weights differ by."""
MEASURED: tuple[data.Kind, ...] = ("ablate", "measure", "optimise", "export")
"""What an expert is compared with the model that its behaviour was never planted in for."""
TAKING: tuple[data.Kind, ...] = ("find", "ablate", "measure", "features", "certificate", "export", "chat")
"""What takes the direction of a vector file, or holds it against the one that is found."""
EDITING: tuple[data.Kind, ...] = ("find", "ablate", "measure", "certificate", "export", "chat")
"""What makes the edit that the request describes."""
ASIDE = (
    "This is found from the two sets: the vector file that is set counts in Remove, Measure, Features, "
    "Take home and Chat."
)
PROBES = 3
"""Prompts that hook and weights are compared on, and that the re-emergence curve averages over."""
Figure = TypeVar("Figure", bound=data.Head | data.Bench | data.Chat)


def waiting(kind: data.Kind, label: str, value: float = 0, most: float = 1) -> data.Waiting:
    """A run that has nothing to draw yet, and what it does."""
    progress: Progress = {"label": label, "value": value, "max": most}
    return {"kind": kind, "drawable": False, "done": False, "progress": progress}


def step(figure: Figure, label: str, value: float, most: float) -> Figure:
    """A figure that grows, with how far its run is."""
    figure["progress"] = {"label": label, "value": value, "max": most}
    return copy.copy(figure)


def complete(figure: Figure, started: float) -> Figure:
    """A figure that is done.

    Args:
        figure: its data.
        started: `time.monotonic()` of the run's begin.
    """
    figure["done"], figure["progress"] = True, None
    figure["seconds"] = round(time.monotonic() - started, 1)
    return copy.copy(figure)


def prepare(kind: data.Kind, request: Request, folder: Path | None = None) -> Iterator[data.Waiting]:
    """What a room needs and no GPU is needed for.

    A run on ZeroGPU is a forked process: what it loads is lost with it, and takes seconds of the GPU. So it
    must find model, datasets and libraries in memory, and what can be refused is refused before.

    Args:
        kind: of the room's figure.
        request: of the run.
        folder: of the autoencoder that the request's features were trained in, if any.

    Raises:
        VisitorError: model, datasets or autoencoder cannot be had, the model cannot be edited, or the request
            does not fit it.
    """
    if kind in ("features", "feature") and request.sae and not hub.is_local_path(request.sae):
        autoencoder.check_name(request.sae)
    yield waiting(kind, f"Loading {request.model}")
    loaded = models.load(request.model, exact=kind in EXACT)
    anatomy = inspect(loaded.model)
    check(request, anatomy)
    if kind in EDITING:
        anatomy.check_method(request.method)
    if request.vector and kind in TAKING:
        given.opened(request.vector, anatomy.layers, anatomy.width).layer(anatomy.layers, request.layer)
    if kind in MEASURED and request.model in experts.NAMES:
        yield waiting(kind, f"Loading {models.EMBEDDED_MODEL}")
        models.load(models.EMBEDDED_MODEL, exact=kind in EXACT)
    if request.pair().remote:
        yield waiting(kind, "Reading the datasets")
        sets.resolved(request.pair())
    if kind in ("features", "feature"):
        yield waiting(kind, "Loading sae-lens")
        autoencoder.import_sae_lens()
        if request.sae:
            autoencoder.load(sae_source(request, folder), loaded.model, anatomy, request.sae_layer)


def sae_source(request: Request, folder: Path | None) -> Path | str:
    """The autoencoder of a request, for `autoencoder.load`: a local folder, a name of the registry, or the
    one that was trained into `folder`.
    """
    if request.sae:
        return hub.local_folder(request.sae) if hub.is_local_path(request.sae) else request.sae
    assert folder is not None
    return folder


def opened(
    kind: data.Kind,
    request: Request,
    loaded: Loaded | None,
    first: Callable[[Reading], Figure] | None = None,
) -> Generator[data.Waiting | Figure, None, Study]:
    """Make or recall the study of a run; yields its progress, returns the study.

    Args:
        first: draws what is known before the model is asked, where something is.
    """
    steps = study(request, loaded, exact=kind in EXACT)
    while True:
        try:
            progress = next(steps)
        except StopIteration as end:
            known: Study = end.value
            return known
        if not isinstance(progress, Reading):
            yield waiting(kind, *progress)
        elif first is not None:
            yield first(progress)


def stated(request: Request) -> data.Request:
    """A request as a figure states it."""
    return cast(data.Request, request.to_json())


def head(known: Study | Reading, request: Request) -> data.Head:
    """What stands above every room's views."""
    loaded, anatomy = known.loaded, known.anatomy
    return {
        "run_id": str(time.time_ns()),
        "drawable": True,
        "title": f"{loaded.id.split('/')[-1]}: {request.contrast}",
        "done": False,
        "request": stated(request),
        "mark": MARK,
        "model": {
            "id": loaded.id,
            "source": loaded.source,
            "revision": loaded.revision,
            "family": anatomy.family.name,
            "types": list(anatomy.family.types),
            "verdict": anatomy.family.verdict,
            "reason": anatomy.family.reason,
            "layers": anatomy.layers,
            "width": anatomy.width,
            "tied": anatomy.tied,
            "matrices": len(anatomy.writes),
        },
        "split": known.split.to_json(),
        "positions": list(known.directions.positions),
        "refusal": refusal_of(known) if isinstance(known, Study) else copy.copy(UNASKED),
        "provenance": provenance(known, request),
        "progress": None,
    }


UNASKED: data.Refusal = {"tokens": [], "ids": [], "from": "", "positive": 0, "negative": 0, "nothing": ""}
"""Before the model is asked."""


def refusal_of(known: Study) -> data.Refusal:
    """How the model shows the behaviour, untouched."""
    positive, negative = known.base.scores()
    loaded = known.loaded
    return {
        "tokens": [loaded.tokenizer.decode([token]) for token in known.base.tokens],
        "ids": known.base.tokens,
        "from": known.tokens_from,
        "opening": str(loaded.tokenizer.decode(list(known.opening))) if known.opening else "",
        "refused": answers.share(known.refused),
        "shown": answers.share(known.shown),
        "rule": known.base.scale.rule.kind,
        "words": _words(known),
        "nothing": known.nothing,
        "positive": round(positive, 4),
        "negative": round(negative, 4),
    }


def _words(known: Study) -> str:
    """When an answer shows the behaviour; "" for a refusal by the graded rule."""
    rule = known.base.scale.rule
    return "" if rule.kind == "refuses" else rule.words


def provenance(known: Study | Reading, request: Request) -> data.Provenance:
    """What pins the numbers."""
    import torch
    import transformers

    loaded = known.loaded
    return {
        **loaded.origin,
        "device": loaded.device,
        "machine": platform.machine(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "seed": request.seed,
        "rule": answers.RULE,
        "datasets": list(known.sources),
    }


def candidates(known: Study, request: Request) -> Iterator[tuple[select.Candidate, int]]:
    """The layers that the choice tries, one after the other, and how many there are."""
    by_hand = [] if request.layer is None else [request.layer]
    places = [
        (layer, request.position) for layer in sorted({*spread(known.layers, request.candidates), *by_hand})
    ]
    for candidate in select.candidates(known, places, partial(_edited, known, request)):
        yield candidate, len(places)


def _edited(
    known: Study, request: Request, layer: int, position: int, other: Tensor | None
) -> PreTrainedModel:
    """The model with the request's edit, made with the direction of a layer and position, or another one."""
    return leaving(known, edit_of(replace(request, position=position), known, layer, other))


def ribbons(
    known: Study, request: Request, tried: list[select.Candidate]
) -> Iterator[tuple[int, int, select.Candidate | None, chance.Ribbons | None]]:
    """What random directions give behind each candidate, see `chance.ribbons`."""

    def edit(layer: int, position: int, other: Tensor) -> Edit:
        return edit_of(replace(request, position=position), known, layer, other)

    yield from chance.ribbons(known, tried, edit, alike=request.method != "add", seed=request.seed)


def choice(tried: list[select.Candidate], known: Study, request: Request) -> select.Choice:
    """The layer that the request names, or that its rule chooses.

    Raises:
        VisitorError: the two sets do not differ there.
    """
    if not tried:
        raise VisitorError(
            "The two sets differ at none of the layers that were tried.",
            "Choose another position, or other sets.",
        )
    separation = None
    nothing = known.nothing
    if nothing:
        sides = (known.streams["select", side] for side in SIDES)
        separation = directions.places(known.directions, *sides)[request.position]
    threshold = known.base.scale.threshold
    ruled = select.choose(tried, known.layers, request.rule, separation, nothing, threshold)
    if request.layer is None:
        return ruled
    for candidate in tried:
        if candidate.layer == request.layer:
            other = ruled.candidate.layer
            said = "" if other == request.layer else f"The rule “{ruled.rule}” would choose layer {other}."
            return select.Choice(candidate, "hand", said)
    raise VisitorError(f"The two sets do not differ at layer {request.layer}.", "Choose a later layer.")


@dataclass(frozen=True)
class Editing:
    """A study and the edit that a request makes of its model.

    Args:
        known: the study.
        request: of the run.
        edit: with the direction of `layer`.
        layer: that the direction is read at: the request's, or the rule's choice.
    """

    known: Study
    request: Request
    edit: Edit
    layer: int

    def side(self, side: data.Side) -> list[list[int]]:
        """Tokens of the report split's prompts."""
        return self.known.side("report", side)

    def asked(self, side: data.Side) -> list[list[int]]:
        """The same with the opening that all answers share."""
        return self.known.asked("report", side)

    @property
    def probes(self) -> list[list[int]]:
        """A few prompts of both sides."""
        return [*self.side("positive")[:PROBES], *self.side("negative")[:PROBES]]

    @property
    def asked_again(self) -> Request:
        """The request with the layer that was chosen; of a vector file every layer may have its own."""
        return self.request if self.request.vector else replace(self.request, layer=self.layer)

    def to_json(self) -> data.Edit:
        """The edit as the page and the card state it."""
        return {
            "method": self.edit.method,
            "projection": given.FROM_FILE if self.request.vector else self.request.projection,
            "layer": self.layer,
            "position": self.request.position,
            "strength": self.request.strength,
            "kernel": self.edit.kernel.to_json(),
            "bakeable": bake.bakeable(self.edit),
        }


def editing(
    kind: data.Kind, request: Request, loaded: Loaded | None
) -> Generator[data.Waiting, None, Editing]:
    """Make or recall the study and choose the layer; yields its progress, returns the edit."""
    known = yield from opened(kind, request, loaded)
    layer = request.layer
    if request.vector:
        file = given.opened(request.vector, known.layers, known.anatomy.width)
        layer = file.layer(known.layers, layer)
    if layer is None:
        tried = []
        for candidate, count in candidates(known, request):
            tried.append(candidate)
            yield waiting(kind, f"Choosing the layer: tried {candidate.layer}", len(tried), count)
        layer = choice(tried, known, request).candidate.layer
    return Editing(known, request, edit_of(request, known, layer), layer)
