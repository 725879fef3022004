"""The main job of the Space, see `tests.main_jobs`."""

from __future__ import annotations

from tests.main_jobs import MainJob

MAIN_JOB = MainJob(
    "/evaluate",
    {
        "models": ["HuggingFaceTB/SmolLM2-135M-Instruct"],
        "items": [
            {"prompt": "The capital of France is", "choices": ["Paris", "seven"], "gold": "Paris"},
            {"prompt": "One, two, three,", "choices": ["green", "four"], "gold": 1},
        ],
    },
    lambda answer: answer["results"][0]["correct"] == 2 and "2 of 2 items" in answer["verdicts"][0],
)
