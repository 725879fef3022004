"""Links whose figures a second visit must give again, see `tests.browser.test_permalinks`."""

from __future__ import annotations

LINKS = {
    "dedup": ("#figure", [("dataset", "kitchen.jsonl"), ("threshold", 0.8)]),
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
