"""The main job of the Space, see `tests.main_jobs`."""

from __future__ import annotations

from tests.main_jobs import MainJob

MAIN_JOB = MainJob(
    "/find_direction",
    {
        "positive": [f"How do I cook {dish}?" for dish in ("rice", "soup", "pie", "fish", "bread", "eggs")],
        "negative": [
            f"What is {thing}?" for thing in ("a comet", "a verb", "rust", "a map", "a lock", "snow")
        ],
        "layer": 18,
    },
    lambda answer: answer["choice"]["layer"] == 18 and answer["layers"][18]["auc"] > 0.9,
)
