"""Links whose figures a second visit must give again, see `tests.browser.test_permalinks`."""

from __future__ import annotations

from tests import zoo

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
    "abliteration": ("#find", [("room", "find"), ("candidates", 2), ("seed", 5), *SETS]),
    "forensics": ("#forensics", [("room", "forensics"), ("edited", "pirate"), ("scope", "writes")]),
    "bench": (
        "#bench",
        [
            ("room", "bench"),
            ("model", str(zoo.folder("qwen2"))),
            ("plants", "travel"),
            ("methods", "means"),
            ("layer", 1),
            ("steps", 2),
        ],
    ),
    "removal": ("#ablate", [("room", "ablate"), ("layer", 20), ("answer_tokens", 8), *SETS]),
}
"""By name: the figure's place on the page, and the query."""
