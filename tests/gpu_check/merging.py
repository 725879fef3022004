"""Merging: what a model and points between models are measured to be, on CUDA against the CPU's numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from shared.steps import last
from tests.gpu_check import setting
from tests.gpu_check.checks import Check, largest, relative, unequal

SPACE = "merging"
ANSWERS = 2
"""Of 80 greedy answers of 36 tokens, how many may differ: a near tie turns one."""
NATS = 1e-3
"""Largest difference of a loss or a log-chance."""


def relatives(loaded: Any) -> list[Any]:
    """Two models beside a model: its weights with a little noise, the same on every device."""
    import copy

    import torch

    made = []
    for seed in (1, 2):
        model = copy.deepcopy(loaded.model)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in model.parameters():
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.add_(0.02 * float(parameter.float().std()) * noise.to(parameter))
        made.append(replace(loaded, model=model, id=f"{loaded.id}-{seed}"))
    return made


def against_cpu(name: str, family: list[Any], device: str) -> Iterator[Check]:
    """An origin and two relatives, measured on both devices."""
    one, other = (
        _measured(members) for members in (family, [setting.moved(member, device) for member in family])
    )
    dtype = family[0].dtype
    for what, key, most in (
        ("points between models: a token's loss, nats", "losses", NATS),
        ("points between models: a behaviour's log-chance, nats", "chances", NATS),
        ("points between models: a count of a behaviour", "counts", 1),
    ):
        yield Check(SPACE, what, name, dtype, largest(one[key], other[key]), most)
    gap = relative(other["ppl"], one["ppl"])
    yield Check(SPACE, "parent and child: perplexity, relative", name, dtype, gap, 1e-4)
    gap = relative(other["kl"], one["kl"])
    yield Check(SPACE, "parent and child: KL divergence, relative", name, dtype, gap, 1e-3)
    gap = unequal(one["answers"], other["answers"])
    yield Check(SPACE, f"answers that differ, of {len(one['answers'])}", name, dtype, gap, ANSWERS)


def _measured(family: list[Any]) -> dict[str, Any]:
    import torch

    from merging import blend, comparison
    from merging.explore_request import ExploreRequest

    origin, *others = family
    with setting.on(origin.device):
        mixed = blend.Blend(origin, others)
        task = blend.held_out(origin, ExploreRequest().measured)
        points = [
            blend.measure_point(mixed.set(weights), weights, task, count=True, chance=True)
            for weights in ((0.5, 0.5), (1.0, 0.25))
        ]
        comparison._answers.clear()
        held = comparison.Comparison()
        parent = held.measure("parent", "parent", origin)
        child = held.measure("child", "child", mixed.loaded)
    return {
        "losses": torch.cat([point.losses for point in points]),
        "chances": [chance for point in points for chance in point.chances.values()],
        "counts": [float(share.count) for point in points for share in point.shares.values()],
        "ppl": child.perplexity.mean,
        "kl": child.kl["parent"].mean,
        "answers": [said.text for said in (*parent.answers, *child.answers)],
    }


def job(loaded: Any) -> dict[str, float]:
    """The Space's main job, for one model: 40 answers of 36 tokens, and the text's windows."""
    from merging import comparison

    comparison._answers.clear()
    with setting.on(loaded.device):
        comparison.Comparison().measure("parent", "parent", loaded)
    return {"models": 1}


def point_job(loaded: Any) -> dict[str, float]:
    """One point between two models: weights, losses, 20 short answers."""
    from merging import blend
    from merging.explore_request import ExploreRequest

    task = blend.held_out(loaded, ExploreRequest().measured)
    blend.measure_point(blend.Blend(loaded, [loaded]).set((0.5,)), (0.5,), task)
    return {"points": 1}


def layers_job(loaded: Any) -> dict[str, float]:
    """Which layers carry one parent: ten bands, attention and MLP."""
    from merging.carriers import carriers

    parent = replace(loaded, model=_other(loaded.model))
    questions = ["Why do dogs bark?", "How is bread made?", "What is rust?"] * 2
    last(carriers(loaded, parent, questions, ["Arr, because the sea is wide and the wind is fair."] * 6))
    return {"parents": 1}


def _other(model: Any) -> Any:
    """A twin whose first MLP is another, so that there is something to carry; the rest is shared."""
    import torch

    from shared.models import twin

    made = twin(model)
    layer = made.model.layers[0].mlp
    layer.down_proj.weight = torch.nn.Parameter(2 * layer.down_proj.weight.data, requires_grad=False)
    return made
