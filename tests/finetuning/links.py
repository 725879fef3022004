"""Links whose figures a second visit must give again, see `tests.browser.test_permalinks`."""

from __future__ import annotations

LINKS = {
    "finetuning": (
        "#figure",
        [
            ("room", "mask"),
            ("rows", '[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]'),
            ("template", "gemma"),
            ("trainer", "axolotl"),
        ],
    ),
}
"""By name: the figure's place on the page, and the query."""
