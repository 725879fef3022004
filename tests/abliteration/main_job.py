"""The main job of the Space, see `tests.main_jobs`."""

from __future__ import annotations

from tests import zoo
from tests.main_jobs import MainJob

SETS = {
    "positive": [f"How do I cook {dish}?" for dish in ("rice", "soup", "pie", "fish", "bread", "eggs")],
    "negative": [f"What is {thing}?" for thing in ("a comet", "a verb", "rust", "a map", "a lock", "snow")],
}
MAIN_JOB = MainJob(
    "/find_direction",
    {**SETS, "layer": 18},
    lambda answer: answer["choice"]["layer"] == 18 and answer["layers"][18]["auc"] > 0.9,
    quick=MainJob(
        "/find_direction",
        {**SETS, "model": str(zoo.folder("llama3")), "layer": 1},
        lambda answer: answer["choice"]["layer"] == 1 and len(answer["layers"]) == 3,
    ),
)
