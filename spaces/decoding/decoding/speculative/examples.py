"""The stored examples of the room."""

from __future__ import annotations

from typing import Any

from decoding.speculative.request import Request

EXAMPLES: dict[str, dict[str, Any]] = {
    "speculative_rounded": {
        "label": "A draft in 4 bits, sampling",
        "prompt": "The lighthouse keeper opened the door and",
        "draft": "rounded",
        "rounding": "Q4_0",
        "temperature": 0.8,
        "max_new_tokens": 40,
        "seed": 2,
    },
    "speculative_lookup": {
        "label": "Prompt lookup on a text that repeats",
        "prompt": (
            "def area(width, height):\n    return width * height\n\n"
            "def volume(width, height, depth):\n    return width * height * depth\n\n"
            "def surface(width, height, depth):\n    return"
        ),
        "draft": "lookup",
        "draft_tokens": 6,
        "max_new_tokens": 48,
    },
    "speculative_layers": {
        "label": "27 of 30 layers as a draft",
        "prompt": "The best thing about music is that",
        "draft": "layers",
        "layers": 27,
        "draft_tokens": 3,
        "max_new_tokens": 32,
    },
}
"""Requests whose results are stored in the repository; `make examples` computes them."""


def example_request(name: str) -> Request:
    """The request of an example."""
    return Request.parse(**{key: value for key, value in EXAMPLES[name].items() if key != "label"})
