"""Abliteration: directions, the edited model's predictions and the chosen layer on CUDA against the CPU's."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import Any

from shared.steps import last
from tests.gpu_check import setting
from tests.gpu_check.checks import Check, largest

SPACE = "abliteration"
LOG_P = 2e-3
"""Largest difference of a log-probability, and of a refusal score, which is one of two such."""


def request_of(loaded: Any) -> Any:
    """The Space's usual request, for a model with or without a chat template."""
    from abliteration.request import Request

    return Request.parse(model=loaded.id, format="chat" if loaded.tokenizer.chat_template else "plain")


def against_cpu(name: str, cpu: Any, gpu: Any) -> Iterator[Check]:
    """The same two sets of prompts on both devices."""
    one, other = (_measured(side) for side in (cpu, gpu))
    dtype = cpu.dtype
    gap = _angle(one["directions"], other["directions"])
    yield Check(SPACE, "1 − cosine of a layer's direction", name, dtype, gap, 1e-6)
    gap = largest(one["edited"], other["edited"])
    yield Check(SPACE, "edited model: a log-probability of the next token", name, dtype, gap, LOG_P)
    gap = largest(one["scores"], other["scores"])
    yield Check(SPACE, "edited model: a refusal score", name, dtype, gap, LOG_P)
    gap = float(one["layer"] != other["layer"])
    yield Check(SPACE, "chosen layers that differ", name, dtype, gap, 0)


def _angle(one: Any, other: Any) -> float:
    """1 − the smallest cosine between rows of two (layers, width) tensors, where there is a direction."""
    import torch

    known = one.norm(dim=-1) > 1e-4
    return float(1 - torch.cosine_similarity(one[known].double(), other[known].double(), dim=-1).min())


def _measured(loaded: Any) -> dict[str, Any]:
    from abliteration import kernel, select
    from abliteration.ablate import live
    from abliteration.activations import first_tokens
    from abliteration.edit import Edit
    from abliteration.study import edit_of, study

    request = request_of(loaded)
    with setting.on(loaded.device):
        known = _returned(study(request, loaded))
        count, directions, positive = known.layers, known.directions, known.side("select", "positive")
        places = [(layer, -1) for layer in range(1, count, max(1, count // 5))]

        def edited_at(layer: int, position: int, other: Any) -> Any:
            edit = edit_of(replace(request, position=position), known, layer, other)
            return live(loaded.model, known.anatomy, edit)

        tried = list(select.candidates(known, places, edited_at))
        edit = Edit("ablate", directions.direction(places[len(places) // 2][0]), kernel.full(count))
        edited, _ = first_tokens(live(loaded.model, known.anatomy, edit), positive)
    return {
        "directions": directions.differences[:, -1].cpu(),
        "edited": edited,
        "scores": [value for one in tried for value in (one.bypass, one.induce)],
        "layer": min(tried, key=lambda one: round(one.bypass, 3)).layer,
    }


def _returned(steps: Generator[Any, None, Any]) -> Any:
    """What a generator returns."""
    try:
        while True:
            next(steps)
    except StopIteration as end:
        return end.value


def job(loaded: Any) -> dict[str, float]:
    """The Space's main job: find the direction; ten candidates."""
    from abliteration import study
    from abliteration.outcome.find import find

    study._kept.forget()
    request = request_of(loaded)
    with setting.on(loaded.device):
        last(find(request, loaded))
    return {"candidates": request.candidates}


def measure_job(loaded: Any) -> dict[str, float]:
    """Removing the direction and measuring what went, from a study that is known."""
    from abliteration.outcome.remove import ablate_and_measure

    with setting.on(loaded.device):
        last(ablate_and_measure(request_of(loaded), loaded))
    return {"runs": 1}
