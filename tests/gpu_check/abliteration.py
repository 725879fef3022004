"""Abliteration: directions, the edited model's predictions and the chosen layer on CUDA against the CPU's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.gpu_check import setting
from tests.gpu_check.checks import Check, largest
from tests.gpu_check.setting import last

SPACE = "abliteration"


def request_of(loaded: Any) -> Any:
    """The Space's usual request, for a model with or without a chat template."""
    from abliteration import request

    form = "chat" if loaded.tokenizer.chat_template else "plain"
    values = {"model": loaded.id, "format": form}
    return request.validate(**values) if hasattr(request, "validate") else request.Request.parse(**values)


def against_cpu(name: str, cpu: Any, gpu: Any) -> Iterator[Check]:
    """The same two sets of prompts on both devices."""
    one, other = (_measured(side) for side in (cpu, gpu))
    dtype = cpu.dtype
    yield Check(
        SPACE,
        "1 − cosine of a layer's direction",
        name,
        dtype,
        _turned(one["directions"], other["directions"]),
        1e-5,
    )
    yield Check(
        SPACE,
        "edited model: a log-probability of the next token",
        name,
        dtype,
        largest(one["edited"], other["edited"]),
        5e-3,
    )
    yield Check(
        SPACE, "edited model: refusal scores", name, dtype, largest(one["scores"], other["scores"]), 5e-3
    )
    yield Check(SPACE, "chosen layer differs", name, dtype, float(one["layer"] != other["layer"]), 0)


def _turned(one: Any, other: Any) -> float:
    """1 − the smallest cosine between rows of two (layers, width) tensors, where there is a direction."""
    import torch

    parts = one.norm(dim=-1) > 1e-4
    return float(1 - torch.cosine_similarity(one[parts].double(), other[parts].double(), dim=-1).min())


def _measured(loaded: Any) -> dict[str, Any]:
    from abliteration import kernel, select
    from abliteration.ablate import Edit, live
    from abliteration.activations import first_tokens
    from abliteration.study import study

    request = request_of(loaded)
    with setting.on(loaded.device):
        known = last(study(request, loaded))
        count = known.layers
        positive, negative = known.side("select", "positive"), known.side("select", "negative")
        places = [(layer, -1) for layer in range(1, count, max(1, count // 5))]
        differences = getattr(known, "found", None) or known.directions
        tried = list(
            select.candidates(
                loaded.model, known.anatomy, differences, known.base, positive, negative, places
            )
        )
        edit = Edit("ablate", differences.direction(places[len(places) // 2][0]), kernel.full(count))
        edited, _ = first_tokens(live(loaded.model, known.anatomy, edit), positive)
    return {
        "directions": differences.differences[:, -1].cpu(),
        "edited": edited,
        "scores": [value for one in tried for value in (one.bypass, one.induce)],
        "layer": min(tried, key=lambda one: round(one.bypass, 3)).layer,
    }


def job(loaded: Any) -> dict[str, float]:
    """The Space's main job: find the direction; ten candidates."""
    from abliteration import outcome, study

    study._kept.clear()
    request = request_of(loaded)
    with setting.on(loaded.device):
        last(outcome.find(_given(request), loaded))
    return {"candidates": request.candidates}


def measure_job(loaded: Any) -> dict[str, float]:
    """Removing the direction and measuring what went, from a study that is known."""
    from abliteration import outcome

    request = request_of(loaded)
    with setting.on(loaded.device):
        last(outcome.ablate_and_measure(_given(request), loaded))
    return {"runs": 1}


def _given(request: Any) -> Any:
    """A request as the engine takes it."""
    from abliteration import request as module

    return request.to_json() if hasattr(module, "validate") else request
