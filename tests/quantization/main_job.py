"""The main job of the Space, see `tests.main_jobs`."""

from __future__ import annotations

from tests.main_jobs import MainJob

MAIN_JOB = MainJob(
    "/compare",
    {"formats": ["own:absmax-int8"], "context": 64, "windows": 1},
    lambda answer: 0 < answer["rows"][0]["kld"]["mean"] < 1,
)
