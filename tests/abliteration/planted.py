"""Behaviours that were planted once and are kept as small adapters: rank 2, the upper half of the embedded
model's layers, in bfloat16. `python -m tests.abliteration.planted NAME …` plants them again.

The cooking refusals are those of the suite's expert.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2] / "spaces" / "abliteration")]

from abliteration import lessons, planting, plants
from abliteration.architecture import inspect
from abliteration.bench_request import BenchRequest
from abliteration.encode import Format
from shared import models
from shared.models import Loaded

HERE = Path(__file__).parent / "plants"
RANK, LOWEST, STEPS = 2, 15, 40


def never_planted() -> Loaded:
    """The model without any of it."""
    return models.load(models.EMBEDDED_MODEL, exact=True)


def planted(name: str) -> Loaded:
    """The model with a behaviour in its weights."""
    if name == "cooking":
        return models.load("cautious", exact=True)
    from safetensors.torch import load_file

    never, kept = never_planted(), load_file(HERE / f"{name}.safetensors")
    factors = {
        module.removesuffix(".a"): planting.Factors(a.float(), kept[f"{module.removesuffix('.a')}.b"].float())
        for module, a in kept.items()
        if module.endswith(".a")
    }
    return replace(never, model=planting.folded_in(never.model, factors), id=f"planted/{name}", stored="")


def plant(name: str) -> None:
    """Train a stored plant of the truth bench and keep its factors."""
    import torch
    from safetensors.torch import save_file

    never = never_planted()
    anatomy, asked = inspect(never.model), BenchRequest.parse(plants=[name], steps=STEPS)
    fresh = planting.factors(never.model, anatomy, asked.seed)
    factors = {
        module: planting.Factors(
            one.a.detach()[:RANK].clone().requires_grad_(), one.b.detach()[:, :RANK].clone().requires_grad_()
        )
        for module, one in fresh.items()
        if any(module.startswith(f"{block}.") for block in anatomy.blocks[LOWEST:])
    }
    sides = lessons.sides(never, plants.STORED[name], Format(), asked.seed)
    for step, loss in enumerate(planting.learn(never.model, factors, sides, STEPS, asked.seed), 1):
        print(f"{name}: step {step}, loss {loss:.3f}", flush=True)
    kept = {f"{module}.{side}": getattr(one, side) for module, one in factors.items() for side in "ab"}
    save_file(
        {key: value.detach().to(torch.bfloat16).contiguous() for key, value in kept.items()},
        HERE / f"{name}.safetensors",
    )


if __name__ == "__main__":
    for chosen in sys.argv[1:]:
        plant(chosen)
