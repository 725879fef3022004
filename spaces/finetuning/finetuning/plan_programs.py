"""The formula of a plan as a program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from finetuning.plan import PlanRequest
from shared.jobs import FREE


def listings(request: PlanRequest, data: Mapping[str, Any]) -> dict[str, str]:
    """The program below a plan."""
    rows = "".join(
        f'    "{one["method"]}": ({one["weights"]}, {one["states"]}, {one["gradients"]}, {one["a_token"]}),\n'
        for one in data["methods"]
    )
    return {
        "The formula": (
            f"# {data['model']}: bytes of weights, states and gradients, and of activations for a token\n"
            f"methods = {{\n{rows}}}\n\n\n"
            "def peak(method, batch, length):\n"
            '    """Bytes at the peak of a step."""\n'
            "    weights, states, gradients, a_token = methods[method]\n"
            "    return weights + states + max(batch * length * a_token, gradients)\n\n\n"
            "for method in methods:\n"
            "    for card in (8, 16, 24, 80):\n"
            "        rows = 0\n"
            f"        while peak(method, rows + 1, 1024) <= {FREE} * card * 1e9:\n"
            "            rows += 1\n"
            '        print(f"{method}: {rows} rows of 1,024 tokens on {card} GB")\n'
        )
    }
