"""Links whose figures a second visit must give again, see `tests.browser.test_permalinks`."""

from __future__ import annotations

LINKS = {
    "evaluation": (
        "#figure",
        [
            ("models", "HuggingFaceTB/SmolLM2-135M-Instruct"),
            ("models", "pirate"),
            ("tasks", "eldest"),
            ("limit", "3"),
            ("seed", "5"),
            ("metric", "acc_norm"),
        ],
    ),
}
"""By name: the figure's place on the page, and the query."""
