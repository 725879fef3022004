"""A mixture of experts from its recipe to the picture of its routing: gates, mergekit's own run, and where
each gate mode sends the tokens of some texts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merging import data, gates, routing
from merging import run as merging_run
from merging.check import check
from merging.mixture_request import MixtureRequest
from merging.names import split
from merging.outcome import load
from merging.report import Progress, Report
from merging.request import Request
from merging.sources import Source, weights_of
from shared import models
from shared.errors import VisitorError
from shared.talk import check_length, check_vocabulary, prompt_ids

if TYPE_CHECKING:
    from torch import Tensor

    from shared.models import Loaded

Gated = dict[str, "Tensor"]
"""Gates by mode, the recipe's own first."""
MAX_TOKENS = 96
"""Tokens of one text."""
OWN = 3
"""Prompts of every expert that are routed to see whether they find it."""


def checked(request: MixtureRequest) -> dict[str, Source]:
    """The models of a mixture that can be made.

    Raises:
        VisitorError: the check has an error.
    """
    if not isinstance(request.parsed.get("base_model"), str):
        raise VisitorError("The recipe names no base_model.", "Name the model that the experts came from.")
    result = check(request.recipe)
    if not result.ok:
        raise result.refusal()
    return result.sources


def gates_of(request: MixtureRequest) -> data.Gates:
    """The gates of a mixture whose base is on this machine; nothing is downloaded.

    Raises:
        VisitorError: the check has an error, the base is not here, or a prompt is too long.
    """
    sources = checked(request)
    base = request.parsed["base_model"]
    weights_of(base, whole=False)
    _, shown = _gates(request, load(base, sources))
    return {
        "kind": "gates",
        "drawable": True,
        "done": True,
        "run_id": str(time.time_ns()),
        "request": request.to_json(),
        "gates": shown,
    }


def _gates(request: MixtureRequest, base: Loaded) -> tuple[Gated, data.GateVectors]:
    """The gates of all modes; those that prompts do not allow are left out and named."""
    recipe = request.parsed
    found: Gated = {}
    skipped: list[str] = []
    for mode, gate in gates.all_modes(recipe, base, request.seed):
        if not isinstance(gate, VisitorError):
            found[mode] = gate
        elif not found:  # the recipe's own
            raise gate
        else:
            skipped.append(f"{mode}: {gate.what}")
    return found, gates.described(recipe, base, found, skipped)


def begun(request: MixtureRequest) -> tuple[Gated, data.Mixture]:
    """The gates, and the figure that shows them; the base is downloaded where it is not here.

    Raises:
        VisitorError: the check has an error, a prompt or a text is too long, or the base cannot be loaded.
    """
    sources = checked(request)
    base = load(request.parsed["base_model"], sources)
    for text in request.texts:
        _ids(base, text, request.form)
    found, shown = _gates(request, base)
    names = [split(name)[0].split("/")[-1] for name in shown["experts"][: shown["routed"]]]
    figure: data.Mixture = {
        "kind": "mixture",
        "drawable": True,
        "done": False,
        "run_id": str(time.time_ns()),
        "request": request.to_json(),
        "title": f"Mixture of {', '.join(names)}",
        "gates": shown,
        "per_token": int(request.parsed.get("experts_per_token") or 2),
        "tokens": [],
        "routed": [],
        "report": None,
        "skipped": list(shown["skipped"]),
        "progress": _at("Starting mergekit", 0, 1),
        "seconds": None,
    }
    return found, figure


def merge(request: MixtureRequest, folder: Path) -> Iterator[Progress | Report]:
    """Make the mixture by mergekit, as `run.merge`."""
    yield from merging_run.merge(Request(request.recipe, request.seed), folder)


def routed(
    request: MixtureRequest, figure: data.Mixture, found: Gated, report: Report
) -> Iterator[data.Mixture]:
    """Route the texts through the finished mixture, with the gates of every mode; yields the growing figure,
    `done` last.

    What cannot be run is listed in `skipped`: the mixture is there whatever its picture comes to.

    Args:
        request: that the mixture was made from.
        figure: with the gates.
        found: the gates.
        report: of the run; its folder holds the mixture.
    """
    import torch

    started = time.monotonic()
    figure = {**figure, "report": report.to_json(), "progress": _at("Opening the mixture", 0, len(found))}
    yield figure
    try:
        opened = models.open_folder(report.folder, "child", "this merge", "this merge", exact=True)
        child = models.on_device(opened, keep=False)
        if not routing.routers(child.model):
            raise VisitorError("This kind of mixture has routers that are not understood.", "Use Mixtral's.")
        figure["device"] = child.device
        texts = [_ids(child, text, request.form) for text in request.texts]
        figure["tokens"] = [
            {"text": child.tokenizer.decode([token]), "of": place}
            for place, ids in enumerate(texts)
            for token in ids
        ]
        first: Tensor | None = None
        stored = getattr(torch, child.stored or "float32")
        for number, (mode, gate) in enumerate(found.items()):
            yield {**figure, "progress": _at(f"Routing with {mode}", number, len(found))}
            experts = figure["gates"]["routed"]
            model = routing.with_gates(child.model, gate[:, :experts], stored)
            whole = _joined([routing.route(model, ids) for ids in texts])
            first = whole.logits if first is None else first
            figure["routed"] = [*figure["routed"], _mode(mode, whole, first, _own(request, child, model))]
    except VisitorError as error:
        figure["skipped"] = [*figure["skipped"], f"routing: {error.what}"]
    except RuntimeError as error:  # a model that mergekit writes and transformers cannot run
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
        figure["skipped"] = [*figure["skipped"], f"routing: transformers cannot run this mixture ({reason})"]
    yield {**figure, "done": True, "progress": None, "seconds": round(time.monotonic() - started, 1)}


def _ids(loaded: Loaded, text: str, form: str) -> list[int]:
    ids = prompt_ids(loaded, text, form)
    check_length(text, ids, MAX_TOKENS)
    check_vocabulary(loaded.model, ids)
    return ids


def _joined(parts: Sequence[routing.Routed]) -> routing.Routed:
    import torch

    return routing.Routed(
        torch.cat([part.logits for part in parts]),
        torch.cat([part.weights for part in parts]),
        torch.cat([part.taken for part in parts]),
    )


def _mode(mode: str, whole: routing.Routed, first: Tensor, own: list[data.OwnPrompts]) -> data.RoutedMode:
    return {
        "mode": mode,
        "weights": [
            [[round(float(weight), 3) for weight in layer] for layer in token] for token in whole.weights
        ],
        "load": routing.load(whole.taken),
        "entropy": routing.entropy(whole.logits),
        "own": own,
        "agreement": routing.agreement(whole.logits, first),
    }


def _own(request: MixtureRequest, child: Loaded, model: Any) -> list[data.OwnPrompts]:
    """Where the tokens of every expert's own prompts go."""
    rows: list[data.OwnPrompts] = []
    for place, expert in enumerate(request.parsed["experts"]):
        prompts = (expert.get("positive_prompts") or [])[:OWN]
        parts = [routing.route(model, gates.prompt_tokens(child, prompt)) for prompt in prompts]
        if parts:
            taken = _joined(parts).taken.double().sum((0, 1))
            load = [round(float(share), 4) for share in taken / taken.sum()]
            rows.append({"expert": place, "tokens": sum(len(part.taken) for part in parts), "load": load})
    return rows


def _at(label: str, value: float, most: float) -> data.Progress:
    return {"label": label, "value": value, "max": most}
