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
    "finetuning labels": (
        "#train",
        [
            ("room", "train"),
            ("model", "zoo:qwen3"),
            ("objective", "kto"),
            ("rows", '{"prompt": "a", "chosen": " b", "rejected": " c"}'),
            ("layers", "1"),
            ("steps", "1"),
            ("batch", "2"),
            ("desirable_weight", "2"),
            ("undesirable_weight", "1.5"),
            ("answers", "1"),
        ],
    ),
    "finetuning odds": (
        "#train",
        [
            ("room", "train"),
            ("model", "zoo:qwen3"),
            ("objective", "orpo"),
            ("rows", '{"prompt": "a", "chosen": " b", "rejected": " c"}'),
            ("layers", "1"),
            ("steps", "1"),
            ("batch", "1"),
            ("beta", "0.5"),
            ("answers", "1"),
        ],
    ),
    "finetuning training": (
        "#train",
        [
            ("room", "train"),
            ("model", "zoo:qwen3"),
            ("objective", "dpo"),
            ("rows", '{"prompt": "a", "chosen": " b", "rejected": " c"}'),
            ("layers", "1"),
            ("steps", "2"),
            ("batch", "1"),
            ("answers", "1"),
        ],
    ),
}
"""By name: the figure's place on the page, and the query."""
LINKS["finetuning rewards"] = (
    "#grpo",
    [
        ("room", "grpo"),
        ("model", "zoo:qwen3"),
        ("reward", "about 9 characters\n0.5 * likelihood"),
        ("rows", "What is a verb?"),
        ("group", "2"),
        ("tokens", "4"),
        ("steps", "1"),
        ("layers", "1"),
        ("answers", "1"),
    ],
)
LINKS["finetuning plan"] = ("#plan", [("room", "plan"), ("model", "zoo:qwen3"), ("rank", "4")])
