"""The main job of the Space, see `tests.main_jobs`."""

from __future__ import annotations

from tests.main_jobs import MainJob

MAIN_JOB = MainJob(
    "/mask",
    {
        "rows": '[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]',
        "template": "chatml-stop-outside",
        "trainer": "trl_assistant",
    },
    lambda answer: "<|im_end|> is never trained on" in answer["verdict"],
)
