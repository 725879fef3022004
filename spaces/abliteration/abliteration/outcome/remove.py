"""Base and edited answers side by side as they grow, then KL per token, the X-ray, the re-emergence curve."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from abliteration import data
from abliteration.nearness import nearness
from abliteration.numbers import lists
from abliteration.outcome.measure import measure, never_planted
from abliteration.outcome.pairs import SHOWN, add_divergence, answer_both, pairs, pieces, prompts_of
from abliteration.outcome.run import PROBES, Editing, complete, editing, head, step, waiting
from abliteration.request import Request
from abliteration.study import leaving, spread
from abliteration.xray import re_emergence, xray
from shared import experts
from shared.models import Loaded
from shared.talk import Answer

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def ablate(request: Request, loaded: Loaded | None = None) -> Iterator[data.Ablate | data.Waiting]:
    """Answer the prompts with and without the edit, then look inside."""
    started = time.monotonic()
    work = yield from editing("ablate", request, loaded)
    known, edit = work.known, work.edit
    model, edited = known.loaded.model, leaving(known, edit)
    near, places = None, []
    if known.loaded.id in experts.NAMES and not request.prompts:
        yield waiting("ablate", "The model that it was never planted in")
        rows = work.side("positive")
        near = nearness(never_planted(), model, edited, rows, request.answer_tokens)
        places = near.spread(SHOWN)
    prompts, rows = prompts_of(request, known, places)
    figure: data.Ablate = {**head(known, request), "kind": "ablate", "edit": work.to_json(), "pairs": []}
    if near:
        figure["nearness"] = near.to_json()
    for number, both in enumerate(answer_both(known, edited, rows, request.answer_tokens), 1):
        figure["pairs"] = pairs(request, known, prompts, both)
        for pair, place in zip(figure["pairs"], places, strict=False):
            assert near is not None
            near.add_to(pair, place, request.refusal_markers)
        yield step(figure, "Answering", number, request.answer_tokens)
    answered = zip(figure["pairs"], rows, *both, strict=True)
    for number, (pair, row, base, other) in enumerate(answered, 1):
        add_divergence(pair, known, edited, row, base)
        pair["xray"] = {"base": _ray(work, model, row, base), "edited": _ray(work, edited, row, other)}
        yield step(figure, "Looking inside", number, len(rows))
    figure["re_emergence"] = []
    if edit.method != "add":
        layers = sorted({*spread(known.layers, 5), work.layer})
        probes = work.side("positive")[:PROBES]
        for curve in re_emergence(model, known.anatomy, edit.directions[work.layer], probes, layers):
            figure["re_emergence"].append(curve)
            yield step(figure, "Does it come back?", len(figure["re_emergence"]), len(layers) + 1)
    yield complete(figure, started)


def _ray(work: Editing, model: PreTrainedModel, prompt: list[int], answer: Answer) -> data.Ray:
    """The direction's component at every token and layer while a model reads a prompt and its own answer."""
    ids = [*prompt, *answer.ids]
    components = xray(model, work.known.anatomy, work.edit.directions, ids)
    return {"tokens": pieces(work.known, ids), "prompt": len(prompt), "layers": lists(components, 4)}


def ablate_and_measure(
    request: Request, loaded: Loaded | None = None
) -> Iterator[data.Ablate | data.Waiting]:
    """`ablate` and then `measure` as one run, which ZeroGPU lends a GPU for once; both in the last figure."""
    started = time.monotonic()
    for figure in ablate(request, loaded):
        if figure["done"]:
            break
        yield figure
    assert figure["kind"] == "ablate" and figure["drawable"]
    figure["done"] = False
    for growth in measure(request, loaded):
        if "measures" in growth:
            figure["measures"] = growth["measures"]  # type: ignore[typeddict-item]  # only one kind has it
        if progress := growth["progress"]:
            yield step(figure, progress["label"], progress["value"], progress["max"])
    yield complete(figure, started)
