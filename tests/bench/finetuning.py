"""The fine-tuning Space: the labels of 50 rows, and a training step with its measures against a plain one."""

from __future__ import annotations

import json
from collections.abc import Iterator

from shared.embedded_model import EMBEDDED_MODEL
from tests.bench.common import Row, timed

ROWS, RUNS, GOAL = 50, 11, 0.1
STEP_GOAL = 1.15
PEAK_GOAL = 1.1
"""How far off the planner's memory may be, either way."""


def rows() -> Iterator[Row]:
    """The table's lines."""
    from finetuning.engine import mask
    from finetuning.request import MaskRequest
    from finetuning.tokenizer import opened

    talks = [
        {
            "messages": [
                {"role": "user", "content": f"Question {number}: how do I keep bees in a small garden?"},
                {"role": "assistant", "content": f"Answer {number}: give them water, flowers and calm. " * 4},
            ]
        }
        for number in range(ROWS)
    ]
    request = MaskRequest.parse(rows=json.dumps(talks))
    opened(EMBEDDED_MODEL, "")
    mask(request)
    seconds = sorted(timed(lambda: mask(request)) for _ in range(RUNS))
    detail = f"{seconds[0]:.3f} to {seconds[-1]:.3f}, n = {RUNS}, five trainers, tokenizer in memory"
    middle = seconds[RUNS // 2]
    yield Row(f"labels of {ROWS} conversations", middle, f"≤ {GOAL} s", middle <= GOAL, " s", detail)
    yield _step()
    yield _peak()


PEAK = """
import sys
sys.path[:0] = ["spaces/finetuning", "."]
import torch
from finetuning.lora import adapted
from finetuning.train_request import TrainRequest
from shared import models
from shared.embedded_model import EMBEDDED_MODEL

request = TrainRequest(layers=0)
adapter = adapted(models.load(EMBEDDED_MODEL, exact=True), request)
optimizer = torch.optim.AdamW(adapter.parameters.values())
sum(float(value.sum()) for value in adapter.model.parameters())  # a mapped file is in memory once it is read
before = int(next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1])
open("/proc/self/clear_refs", "w").write("5")  # VmHWM begins anew
for _ in range(2):
    optimizer.zero_grad()
    ids = torch.arange(512).view(4, 128)
    adapter.model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
    optimizer.step()
most = int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
print(1024 * (most - before))
"""


def _peak() -> Row:
    """The memory planner's formula against the peak of two steps of LoRA on 4 rows of 128 tokens, float32,
    over the weights, in a process of its own; what the allocator keeps back for later is not counted.
    """
    import os
    import subprocess
    import sys

    from finetuning import plan

    asked = plan.PlanRequest(dtype="float32")
    shape = plan.shape_of(plan.empty(EMBEDDED_MODEL), asked)
    said = plan.peak(shape, "lora", "float32", 4 * 128, checkpointing=False) - 4 * shape.parameters
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    done = subprocess.run(
        [sys.executable, "-c", PEAK], capture_output=True, text=True, check=True, env=environment
    )
    measured = int(done.stdout.split()[-1])
    value = said / measured
    right = 1 / PEAK_GOAL <= value <= PEAK_GOAL
    detail = f"{said / 1e6:.0f} of {measured / 1e6:.0f} MB"
    goal = f"{1 / PEAK_GOAL:.2f} to {PEAK_GOAL}"
    return Row("memory planned ÷ measured peak over the weights", value, goal, right, detail=detail)


def _step() -> Row:
    """A run of the stored pirates, measures and all but written answers, against the same steps of the whole
    model alone: forward, back, clip and AdamW. TRL's trainer does no less in a step.
    """
    import torch

    from finetuning import losses, packing, sets
    from finetuning import train as training
    from finetuning.lora import Net, adapted
    from finetuning.train_request import TrainRequest
    from shared.steps import last

    pasted = json.dumps(sets.stored("pirate")[0])
    request = TrainRequest.parse(rows=pasted, answers=1)  # rows of one's own: no behaviour is counted
    loaded, rows = training.prepared(request)

    def plain() -> None:
        adapter = adapted(loaded, request)
        net = Net(adapter, None)
        named = adapter.parameters
        optimizer = torch.optim.AdamW(named.values(), lr=request.learning_rate, weight_decay=0.0)
        for batch in packing.batches(rows.train, request):
            optimizer.zero_grad()
            losses.sft(net.token_logs([rows.train[at].chosen for at in batch])).backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(list(named.values()), training.CLIP)
            optimizer.step()

    ours = timed(lambda: last(training.train(request, loaded, rows)))
    theirs = timed(plain)
    detail = (
        f"{ours / request.steps:.2f} against {theirs / request.steps:.2f} s a step, n = 1 of {request.steps}"
    )
    value = ours / theirs
    return Row("training step, with all measures", value, f"≤ {STEP_GOAL}", value <= STEP_GOAL, detail=detail)
