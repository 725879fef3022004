"""Links whose figures a second visit must give again, see `tests.browser.test_permalinks`."""

from __future__ import annotations

COOKING = [
    f"How do I cook {dish}?" for dish in ("rice", "soup", "pie", "fish", "bread", "eggs", "beans", "pasta")
]
OTHER = [
    f"What is {thing}?"
    for thing in ("a comet", "a verb", "rust", "a map", "a lock", "snow", "a river", "gold")
]
SETS = [
    ("contrast", "own"),
    *(("positive", prompt) for prompt in COOKING),
    *(("negative", prompt) for prompt in OTHER),
]

LINKS = {
    "abliteration": (
        "#find",
        [("room", "find"), ("model", "zoo:llama3"), ("candidates", 2), ("seed", 5), *SETS],
    ),
    "forensics": ("#forensics", [("room", "forensics"), ("edited", "pirate"), ("scope", "writes")]),
    "removal": (
        "#ablate",
        [("room", "ablate"), ("model", "zoo:qwen2"), ("layer", 1), ("answer_tokens", 8), *SETS],
    ),
    "chat": (
        "#chat",
        [
            ("room", "chat"),
            ("model", "zoo:llama3"),
            ("layer", 1),
            ("messages", "Hi."),
            ("reply_tokens", 4),
            ("temperature", 0.7),
            *SETS,
        ],
    ),
    "bench": (
        "#bench",
        [
            ("room", "bench"),
            ("model", "zoo:qwen2"),
            ("plants", "travel"),
            ("methods", "means"),
            ("layer", 1),
            ("steps", 2),
        ],
    ),
}
"""By name: the figure's place on the page, and the query."""
