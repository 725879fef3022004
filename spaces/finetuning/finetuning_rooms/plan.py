"""What `/plan` answers; it has no room of its own."""

from __future__ import annotations

from typing import Any

from finetuning import plan as planning
from finetuning.plan import PlanRequest


def plan(request: PlanRequest) -> dict[str, Any]:
    """What memory training a model takes by full training, LoRA and QLoRA, by a stated formula, and the
    largest batch that fits on GPUs of 8, 16, 24 and 80 GB by length of rows.

    Returns:
        methods with bytes of weights, states, gradients and activations a token, and fits by card and length;
        formula and what it assumes.
    """
    return dict(planning.plan(request))
