"""Run the lines that Share prints, with lm-eval 0.4.13 as their command, and compare item by item: without a
template, in a chat template, and there with a description and examples as a conversation.

lm-eval is no part of the suite's environment: install it into a folder of its own by `pip install --target
FOLDER lm-eval==0.4.13`; then `LM_EVAL=FOLDER python -m tests.evaluation.check_command`. Its start alone takes
a minute each time: it reads every task that comes with it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests import conftest, zoo  # the first puts the Spaces on the path

CHANGES = {
    "num_fewshot": "2",
    "description": '"Answer {{choices[0]}} or {{choices[1]}}. "',
    "target_delimiter": '"\\n"',
    "doc_to_text": '"{{question|trim}}"',
}


def main() -> None:
    """Ask one model of the zoo in three ways."""
    assert conftest.ROOT.is_dir()
    from evaluation.task_file import TaskRequest, read
    from shared.item_sets import drawn
    from tests.evaluation.tasks import ROWS, TALKS, text_of

    some = read(TaskRequest.parse(yaml=text_of(CHANGES), rows=ROWS))["items"]
    short = [item.to_json() for task in ("past", "sums") for item in drawn(task, 3, 6)]
    ways = {"plain": (short + some, False), "chat": (short, True), "chat with turns": (some, True)}
    for way, (items, chat) in ways.items():
        print(way, ask(zoo.folder(TALKS), items, chat), flush=True)


def ask(folder: Path, items: list[dict[str, Any]], chat: bool) -> str:
    """How many items were asked and right; raises AssertionError where lm-eval says otherwise."""
    from evaluation import share
    from evaluation.engine import compare, plan
    from evaluation.request import CompareRequest
    from shared import models
    from shared.choices import scored
    from shared.items import items_of
    from shared.steps import last

    request = CompareRequest.parse(models=[str(folder)], items=items, chat=chat)
    loaded = [models.open_folder(folder, "model", "zoo", "zoo")]
    planned = plan(request, loaded)
    data = last(compare(request, loaded, planned))
    told = samples(share.command(data, 0).replace("pretrained=FOLDER", f"pretrained={folder}"), data["items"])
    mine = scored(loaded[0].model, planned.items, planned.rows[0])
    assert len(told) == len(mine) == len(items_of(items)), (len(told), len(mine))
    for one in mine:
        key = (one.item.task, one.item.id)
        sums = [float(resp[0]) for resp in told[key]["filtered_resps"]]
        assert max(abs(a - b) for a, b in zip(one.sums, sums, strict=True)) <= 1e-4, (key, one.sums, sums)
        for metric in ("acc", "acc_norm"):
            assert one.right(metric) == (told[key][metric] == 1), (key, metric)
    right = sum(one.right() for one in mine)
    assert sum(one["count"] for one in data["scores"] if not one["task"]) == right
    return f"{right} of {len(mine)} right, as lm-eval says"


def samples(script: str, items: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """What lm-eval's command logs of every item, by task and id."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        lines = "\n".join(json.dumps(one, ensure_ascii=False) for one in items)
        (place / "items.jsonl").write_text(f"{lines}\n", encoding="utf-8")
        for program, starts in {"lm_eval": "-m lm_eval", "python": ""}.items():
            (place / program).write_text(
                f'#!/bin/sh\nexec {sys.executable} {starts} "$@"\n', encoding="utf-8"
            )
            (place / program).chmod(0o755)
        paths = {
            "PATH": f"{place}:{os.environ['PATH']}",
            "PYTHONPATH": os.environ.get("LM_EVAL", ""),
            "HF_HUB_OFFLINE": "1",
        }
        subprocess.run(
            ["bash", "-eu"], input=script, text=True, check=True, cwd=place, env=os.environ | paths
        )
        logged = [
            json.loads(line)
            for file in (place / "results").rglob("samples_*.jsonl")
            for line in file.read_text(encoding="utf-8").splitlines()
        ]
    return {(one["doc"]["task"], one["doc"]["id"]): one for one in logged}


if __name__ == "__main__":
    main()
