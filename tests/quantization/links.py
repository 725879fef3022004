"""Links whose figures a second visit must give again, see `tests.browser.test_permalinks`."""

from __future__ import annotations

LINKS = {
    "quantization": (
        "#figure",
        [
            ("room", "compare"),
            ("context", 64),
            ("windows", 1),
            ("prompt", "Hi"),
            ("formats", "own:absmax-int8"),
            ("formats", "own:rtn-int2-g32"),
        ],
    ),
    "weight lab": (
        "#lab-figure",
        [
            ("room", "lab"),
            ("model", "zoo:llama3"),
            ("tensor", "model.layers.1.mlp.down_proj.weight"),
            ("method", "Q4_K"),
            ("compare", 0),  # ggml needs 20 seconds for the tables of its smallest types, once a process
        ],
    ),
    "several files": (
        "#set-figure",
        [
            ("room", "set"),
            ("model", "zoo:llama3"),
            ("formats", "gguf:Q8_0"),
            ("context", 64),
            ("windows", 1),
        ],
    ),
    "take home": ("#take-figure", [("room", "take"), ("format", "script:awq")]),
}
"""By name: the figure's place on the page, and the query."""
