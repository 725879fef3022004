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
    "evaluation forms": (
        "#fragile-figure",
        [
            ("room", "fragile"),
            ("models", "zoo:llama3"),
            ("models", "zoo:qwen2"),
            ("variants", "listed"),
            ("variants", "few-shot"),
            ("tasks", "past"),
            ("limit", "3"),
            ("shots", "1"),
        ],
    ),
    "evaluation instructions": (
        "#follow-figure",
        [
            ("room", "follow"),
            ("models", "zoo:llama3"),
            ("models", "zoo:qwen2"),
            ("prompts", "Name two, or three. => at most 3 words; leaves out: sea"),
            ("reading", "loose"),
            ("tokens", "5"),
        ],
    ),
    "evaluation task": (
        "#task-figure",
        [
            ("room", "task"),
            ("models", "zoo:llama3"),
            ("models", "zoo:qwen2"),
            ("own", "last words"),
            ("limit", "3"),
            ("tokens", "5"),
        ],
    ),
    "evaluation pairs": (
        "#judge-figure",
        [
            ("room", "judge"),
            ("models", "zoo:llama3"),
            ("models", "zoo:qwen2"),
            ("judge", "zoo:qwen2"),
            ("prompts", "Say one thing, or two. => one"),
            ("tokens", "5"),
        ],
    ),
}
"""By name: the figure's place on the page, and the query."""
