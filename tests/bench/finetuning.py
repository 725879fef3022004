"""The fine-tuning Space: the labels of 50 rows, and a training step with its measures against a plain one."""

from __future__ import annotations

import json
from collections.abc import Iterator

from shared.embedded_model import EMBEDDED_MODEL
from tests.bench.common import Row, timed

ROWS, RUNS, GOAL = 50, 11, 0.1
STEP_GOAL = 1.15


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


def _step() -> Row:
    """A run of the stored pirates, measures and all but written answers, against the same steps of the whole
    model alone: forward, back, clip and AdamW. TRL's trainer does no less in a step.
    """
    import torch

    from finetuning import losses, sets
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
        for batch in training.order(len(rows.train), request):
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
