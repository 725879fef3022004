"""The fine-tuning Space: 50 rows against the labels of one trainer alone."""

from __future__ import annotations

import json
from collections.abc import Iterator

from shared.embedded_model import EMBEDDED_MODEL
from tests.bench.common import Row, timed

ROWS, RUNS, GOAL = 50, 5, 0.5


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
    detail = f"{seconds[0]:.2f} to {seconds[-1]:.2f}, n = {RUNS}, five trainers, tokenizer in memory"
    middle = seconds[RUNS // 2]
    yield Row(f"labels of {ROWS} conversations", middle, f"≤ {GOAL} s", middle <= GOAL, " s", detail)
