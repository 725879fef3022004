"""Make the stored results again."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from finetuning import grpo
from finetuning.engine import mask
from finetuning.examples import EXAMPLES, FOLDER, PLANS, REWARDED, RUNS
from finetuning.grpo_request import GrpoRequest
from finetuning.plan import plan
from finetuning.request import MaskRequest
from finetuning.train import prepared, train
from finetuning.train_request import TrainRequest
from shared.steps import last


def main() -> None:
    """Write every stored result."""
    FOLDER.mkdir(exist_ok=True)
    wanted = sys.argv[1:] or [*EXAMPLES, *RUNS, *REWARDED, *PLANS]
    for name in wanted:
        data = _made(name)
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        (FOLDER / f"{name}.json").write_text(text, encoding="utf-8")
        print(f"{name}: {len(text.encode()) / 1000:.0f} kB: {data.get('verdict', '')}")


def _made(name: str) -> dict[str, Any]:
    if name in EXAMPLES:
        return dict(mask(MaskRequest.parse(**EXAMPLES[name][1].to_json())))
    if name in PLANS:
        return dict(plan(PLANS[name][1]))
    if name in REWARDED:
        asked = GrpoRequest.parse(**REWARDED[name][1].to_json())
        rewarded, _ = last(grpo.train(asked, *grpo.prepared(asked)))
        return dict(rewarded)
    request = TrainRequest.parse(**RUNS[name][1].to_json())
    data, _ = last(train(request, *prepared(request)))
    return dict(data)


if __name__ == "__main__":
    main()
