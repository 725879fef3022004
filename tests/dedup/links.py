"""Links whose figures a second visit must give again, see `tests.browser.test_permalinks`."""

from __future__ import annotations

LINKS = {
    "dedup": ("#figure", [("dataset", "kitchen.jsonl"), ("threshold", 0.8)]),
    "dedup spared": (
        "#figure",
        [("dataset", "kitchen.jsonl"), ("threshold", 0.6), ("spare", "form"), ("spare", "other")],
    ),
    "contamination": (
        "#contamination",
        [
            ("room", "contamination"),
            ("dataset", "quiz"),
            ("splits", "train"),
            ("splits", "test"),
            ("threshold", 0.6),
        ],
    ),
}
"""By name: the figure's place on the page, and the query."""
