"""The main job of the Space, see `tests.main_jobs`."""

from __future__ import annotations

from tests.main_jobs import MainJob

MAIN_JOB = MainJob(
    "/deduplicate",
    {"dataset": "kitchen.jsonl", "threshold": 0.7},
    lambda answer: answer[0]["kept"] == 60,
)
