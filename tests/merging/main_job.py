"""The main job of the Space, see `tests.main_jobs`."""

from __future__ import annotations

from tests.main_jobs import MainJob

MAIN_JOB = MainJob(
    "/check",
    {"recipe": "merge_method: passthrough\nmodels:\n- model: pirate\n"},
    lambda answer: answer["ok"] and answer["tensors"] == 272,
)
