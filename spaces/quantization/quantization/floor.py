"""The noise floor: how far the base model is from itself where nothing was quantized. Below it no difference
between formats is real.

Three things move a model that nobody quantized: the last bit of every weight, another number of threads,
which may add in another order, and the dtype that models are usually run in.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import TYPE_CHECKING

from quantization import data, heap, metrics
from quantization.comparison import Comparison
from shared.models import Loaded, twin

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

MOST_WINDOWS = 4
"""Windows of the text that are read: bfloat16 is slow on a processor that has no instructions for it."""

NOISES = {
    "rounding": "every weight moved to its neighbour in float32, up or down",
    "threads": "another number of threads",
    "bfloat16": "weights and arithmetic in bfloat16",
}
"""What is done to the base model."""

_counting = threading.Lock()
"""Held while the number of threads, which the whole process shares, is another."""


def measured(loaded: Loaded, base: metrics.Base, seed: int) -> Iterator[str | data.Floor]:
    """Hold the base model against itself; yields what it does, at the end the floor.

    Args:
        loaded: the base model.
        base: its pass.
        seed: of the weights that go up.

    Raises:
        VisitorError: as `metrics.score`.
    """
    base = beginning(base, MOST_WINDOWS)
    noises: list[data.Noise] = []
    for name in NOISES:
        if name == "threads" and loaded.device != "cpu":
            continue
        yield f"The base model against itself: {NOISES[name]}"
        if name == "threads":
            with _counting:
                scores = _with_one_thread_more(loaded.model, base)
        else:
            scores = _scored(
                rounded(loaded.model) if name == "bfloat16" else nudged(loaded.model, seed), base
            )
        noises.append({"name": name, "says": NOISES[name], **metrics.statistics(scores, base.scores)})
    yield {"windows": len(base.windows), "noises": noises}


def put(run: Comparison, step: int, steps: int) -> Iterator[Comparison]:
    """Put the floor into a comparison, which is yielded at each step."""
    assert run.base is not None
    for said in measured(run.loaded, run.base, run.request.seed):
        if isinstance(said, str):
            run.progress = (said, step, steps)
            yield run
        else:
            run.floor = said
    heap.trim()


def beginning(base: metrics.Base, most: int) -> metrics.Base:
    """A pass over the first windows alone."""
    scores = metrics.Scores(*(getattr(base.scores, one.name)[:most] for one in fields(metrics.Scores)))
    windows = replace(base.windows, ids=base.windows.ids[:most])
    return replace(base, windows=windows, scores=scores, kept=base.kept[:most])


def _scored(model: PreTrainedModel, base: metrics.Base) -> metrics.Scores:
    *_, scores = metrics.score(model, base)
    assert isinstance(scores, metrics.Scores)
    return scores


def _with_one_thread_more(model: PreTrainedModel, base: metrics.Base) -> metrics.Scores:
    """One more and not one less: what others compute meanwhile must not be slower for it."""
    import torch

    usual = torch.get_num_threads()
    torch.set_num_threads(usual + 1)
    try:
        return _scored(twin(model), base)
    finally:
        torch.set_num_threads(usual)


def nudged(model: PreTrainedModel, seed: int) -> PreTrainedModel:
    """A copy in which every weight is the next number of its dtype, above or below by chance."""
    import torch

    draws = torch.Generator().manual_seed(seed)

    def nudge(weight: Tensor) -> Tensor:
        up = torch.rand(weight.shape, generator=draws).lt(0.5).to(weight.device)
        end = torch.full_like(weight, torch.inf)
        return torch.nextafter(weight, torch.where(up, end, -end))

    return _changed(model, nudge)


def rounded(model: PreTrainedModel) -> PreTrainedModel:
    """A copy whose weights are in bfloat16, and which computes in it."""
    import torch

    return _changed(model, lambda weight: weight.to(torch.bfloat16) if weight.is_floating_point() else weight)


def _changed(model: PreTrainedModel, change: Callable[[Tensor], Tensor]) -> PreTrainedModel:
    """A copy whose parameters are others; tied ones stay tied."""
    from torch import nn

    model, made = twin(model), {}
    for module in model.modules():
        for key, weight in module._parameters.items():
            if weight is not None:
                if id(weight) not in made:
                    made[id(weight)] = nn.Parameter(change(weight.detach()), requires_grad=False)
                module._parameters[key] = made[id(weight)]
    return model
