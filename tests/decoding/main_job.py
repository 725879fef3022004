"""The main job of the Space, see `tests.main_jobs`."""

from __future__ import annotations

from tests.main_jobs import MainJob

MAIN_JOB = MainJob(
    "/decode",
    {"prompt": "Once", "max_new_tokens": 2},
    lambda trace: len(trace["runs"][0]["sequences"][0]["token_ids"]) == 2,
)
