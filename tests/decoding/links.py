"""Links whose figures a second visit must give again, see `tests.browser.test_permalinks`."""

from __future__ import annotations

import json

LINKS = {
    "decoding": (
        "#figure",
        [
            ("prompt", "A short <b>walk</b> & back"),
            ("max_new_tokens", 6),
            ("seed", 3),
            ("strategies", json.dumps([{"do_sample": True, "top_p": 0.8}])),
            ("constraint", "regex"),
            ("constraint_text", "[a-z &<>]{8,40}[.]"),
        ],
    ),
    "two models": (
        "#pair-figure",
        [
            ("room", "pair"),
            ("prompt", "A short <b>walk</b> & back"),
            ("rounding", "Q4_0"),
            ("max_new_tokens", 5),
            ("strategy", json.dumps({"do_sample": True, "top_p": 0.8})),
        ],
    ),
    "speculative": (
        "#speculative-figure",
        [
            ("room", "speculative"),
            ("prompt", "One, two, three & one, two"),
            ("draft", "lookup"),
            ("draft_tokens", 3),
            ("temperature", 0.7),
            ("max_new_tokens", 6),
            ("seed", 3),
        ],
    ),
}
"""By name: the figure's place on the page, and the query."""
