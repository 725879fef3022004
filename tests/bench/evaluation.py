"""The evaluation Space: items read packed against row by row, the time to first intervals and to the end, and
a comparison against as many runs of lm-eval.

lm-eval 0.4.13 is no part of the suite's environment: install it into a folder of its own by `pip install
--target FOLDER lm-eval==0.4.13`, and name the folder in LM_EVAL, else its line is left out. The folder comes
last on the path, so that torch and transformers are the suite's.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from shared.embedded_model import EMBEDDED_MODEL
from tests.bench.common import Row, timed

ITEMS, RUNS = 200, 3


def rows() -> Iterator[Row]:
    """The table's lines."""
    from evaluation.engine import compare, plan
    from evaluation.request import CompareRequest
    from shared import models
    from shared.choices import packable, scored

    request = CompareRequest(models=(EMBEDDED_MODEL, "pirate"), limit=24)
    loaded = [models.load(name, exact=True) for name in request.models]
    planned = plan(request, loaded)
    packable(loaded[0].model)
    some, read = planned.items[:ITEMS], planned.rows[0][:ITEMS]
    ratios = []
    for _ in range(RUNS):
        alone = timed(lambda: scored(loaded[0].model, some, read, packed=False))
        ratios.append(alone / timed(lambda: scored(loaded[0].model, some, read)))
    ratios.sort()
    detail = f"{ratios[0]:.2f} to {ratios[-1]:.2f}, n = {RUNS}, {ITEMS} items"
    yield Row("every choice in a row of its own ÷ packed", ratios[1], "≥ 3", ratios[1] >= 3, "×", detail)
    began, spent = time.monotonic(), time.process_time()
    first = 0.0
    for data in compare(request, loaded, planned):
        if data["scores"] and not first:
            first = time.monotonic() - began
    whole, spent = time.monotonic() - began, time.process_time() - spent
    words = f"{len(planned.items)} items, two models of 135M, {spent:.0f} processor seconds"
    yield Row("first intervals", first, "≤ 5 s", first <= 5, " s", words)
    yield Row("a whole comparison", whole, "≤ 60 s", whole <= 60, " s", words)
    yield from against_lm_eval(replace(request, limit=8), loaded)


def against_lm_eval(request: Any, loaded: Sequence[Any]) -> Iterator[Row]:
    """A comparison against one run of lm-eval a model, in processor seconds, where lm-eval is."""
    from evaluation.engine import compare, plan
    from shared.steps import last

    items = plan(request, loaded).items
    ask = lm_eval_run(items)
    if ask is None:
        return
    theirs, right = [], []
    for one in loaded:
        seconds, count = worked(lambda one=one: ask(one))
        theirs.append(seconds)
        right.append(count)
    mine, data = worked(lambda: last(compare(request, loaded, plan(request, loaded))))
    assert right == [score["count"] for score in data["scores"] if not score["task"]], right
    value = mine / sum(theirs)
    detail = (
        f"{mine:.1f} of {sum(theirs):.1f} processor seconds; {right[0]} and {right[1]} of {len(items)} right"
    )
    yield Row("two models ÷ two runs of lm-eval without its start", value, "≤ 1.1", value <= 1.1, "×", detail)


def worked(function: Callable[[], Any]) -> tuple[float, Any]:
    """Processor seconds of one call, and what it returns."""
    began = time.process_time()
    found = function()
    return time.process_time() - began, found


def lm_eval_run(items: Sequence[Any]) -> Callable[[Any], int] | None:
    """A function that asks a model all items as one task of lm-eval and counts the right answers; None where
    lm-eval cannot be found.
    """
    if folder := os.environ.get("LM_EVAL"):
        sys.path.append(folder)
    if not importlib.util.find_spec("lm_eval"):
        print("lm-eval is not here: see LM_EVAL in tests/bench/evaluation.py", file=sys.stderr)
        return None
    import lm_eval
    import lm_eval.evaluator
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    lm_eval.evaluator.add_env_info = lambda _: None  # asks pip for every package
    rows = [{"prompt": one.prompt, "choices": list(one.choices), "gold": one.gold} for one in items]
    file = Path(tempfile.mkdtemp()) / "items.json"
    file.write_text(json.dumps(rows), encoding="utf-8")
    task = {
        "task": "items",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(file)}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "{{prompt}}",
        "doc_to_choice": "{{choices}}",
        "doc_to_target": "{{gold}}",
        "metric_list": [{"metric": "acc"}],
    }
    manager = TaskManager(include_defaults=False)

    def run(loaded: Any) -> int:
        asked = HFLM(pretrained=loaded.model, tokenizer=loaded.tokenizer, batch_size=8)
        found = lm_eval.simple_evaluate(asked, tasks=[task], task_manager=manager, log_samples=True)
        return sum(sample["acc"] == 1 for sample in found["samples"]["items"])

    return run
