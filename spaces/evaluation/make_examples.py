"""Make the stored results again, on the embedded model."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # the embedded copy, whatever else is on this machine
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from evaluation.engine import compare, loading, plan, sides
from evaluation.examples import EXAMPLES, FOLDER
from evaluation.request import CompareRequest
from shared.steps import last


def main() -> None:
    """Write every stored result."""
    FOLDER.mkdir(exist_ok=True)
    for name in sys.argv[1:] or EXAMPLES:
        request = CompareRequest.parse(**EXAMPLES[name][1].to_json())
        last(loading(request))
        models = sides(request)
        data = last(compare(request, models, plan(request, models)))
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        (FOLDER / f"{name}.json").write_text(text, encoding="utf-8")
        print(f"{name}: {len(text.encode()) / 1000:.0f} kB, {data['seconds']:.0f} s")
        print(*data["verdicts"], sep="\n")


if __name__ == "__main__":
    main()
