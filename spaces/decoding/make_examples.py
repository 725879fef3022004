"""Compute the stored examples again, from the requests in `decoding.presets`, on the embedded model."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # the embedded copy, whatever else is on this machine
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from decoding.engine import decode
from decoding.presets import EXAMPLES, example_request
from shared import models


def main() -> None:
    """Write one JSON file an example."""
    folder = HERE / "examples"
    folder.mkdir(exist_ok=True)
    for name in EXAMPLES:
        request = example_request(name)
        *_, trace = decode(request, models.load(request.model, print))
        text = json.dumps(trace.to_json(), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        (folder / f"{name}.json").write_text(text, encoding="utf-8")
        print(f"{name}: {len(text.encode()) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
