"""The comparisons that the page offers."""

from __future__ import annotations

from typing import Any

from decoding.pair.request import PairRequest

EXAMPLES: dict[str, dict[str, Any]] = {
    "pair_rounded": {
        "label": "The same model in 4 bits",
        "prompt": "What is a good breakfast?",
        "rounding": "Q4_0",
        "max_new_tokens": 32,
        "chat": True,
    },
    "pair_expert": {
        "label": "A pirate and the model that it was",
        "prompt": "What is the sea?",
        "other": "pirate",
        "max_new_tokens": 32,
        "chat": True,
    },
}
"""Requests whose results are stored in the repository; `make examples` computes them."""


def example_request(name: str) -> PairRequest:
    """The request of an example."""
    return PairRequest.parse(**{key: value for key, value in EXAMPLES[name].items() if key != "label"})
