"""The stored results: what each asks for."""

from __future__ import annotations

from pathlib import Path

from evaluation.follow_request import FollowRequest
from evaluation.request import CompareRequest, FragileRequest, JudgeRequest
from evaluation.whole_task import WholeTaskRequest
from shared.embedded_model import EMBEDDED_MODEL

FOLDER = Path(__file__).parents[1] / "examples"

EXAMPLES: dict[str, tuple[str, CompareRequest]] = {
    "experts": (
        "Did the expert, the merge or 2 bits make it worse?",
        CompareRequest(models=(EMBEDDED_MODEL, "pirate", "pirate+cautious", f"{EMBEDDED_MODEL}@Q2_K")),
    ),
}
"""By name: the chip's label, and the request."""
FRAGILE = FragileRequest()
"""The stored result of the room with forms, `forms`."""
ARENA = JudgeRequest()
"""The stored result of the room with pairs, `pairs`."""
FOLLOW = FollowRequest()
"""The stored result of the room with instructions, `instructions`."""
TASK = WholeTaskRequest()
"""The stored result of the room with a task, `task`."""
