"""Make the stored results again, on the embedded model."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"  # the embedded copy, whatever else is on this machine
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from evaluation.arena import judged
from evaluation.arena import plan as plan_arena
from evaluation.engine import compare, loading, plan, sides
from evaluation.examples import ARENA, EXAMPLES, FOLDER, FOLLOW, FRAGILE, TASK
from evaluation.follow import follow
from evaluation.follow import plan as plan_follow
from evaluation.follow_request import FollowRequest
from evaluation.fragile import fragile
from evaluation.fragile import plan as plan_forms
from evaluation.request import CompareRequest, FragileRequest, JudgeRequest
from evaluation.task_run import plan as plan_task
from evaluation.task_run import run as run_task
from evaluation.whole_task import WholeTaskRequest, whole_task
from shared.steps import last


def made(name: str) -> Any:
    """A stored result by its name."""
    if name == "forms":
        request = FragileRequest.parse(**FRAGILE.to_json())
        last(loading(request))
        return last(fragile(request, sides(request), plan_forms(request, sides(request))))
    if name == "pairs":
        arena = JudgeRequest.parse(**ARENA.to_json())
        last(loading(arena))
        return last(judged(arena, sides(arena), plan_arena(arena, sides(arena))))
    if name == "instructions":
        told = FollowRequest.parse(**FOLLOW.to_json())
        last(loading(told))
        return last(follow(told, sides(told), plan_follow(told, sides(told))))
    if name == "task":
        whole = WholeTaskRequest.parse(**TASK.to_json())
        last(loading(whole))
        return last(run_task(whole, sides(whole), plan_task(whole, sides(whole), whole_task(whole))))
    asked = CompareRequest.parse(**EXAMPLES[name][1].to_json())
    last(loading(asked))
    return last(compare(asked, sides(asked), plan(asked, sides(asked))))


def main() -> None:
    """Write every stored result."""
    FOLDER.mkdir(exist_ok=True)
    for name in sys.argv[1:] or [*EXAMPLES, "forms", "pairs", "instructions", "task"]:
        data = made(name)
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        (FOLDER / f"{name}.json").write_text(text, encoding="utf-8")
        print(f"{name}: {len(text.encode()) / 1000:.0f} kB, {data['seconds']:.0f} s")
        print(*data["verdicts"], sep="\n")


if __name__ == "__main__":
    main()
