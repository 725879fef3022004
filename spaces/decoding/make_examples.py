"""Compute the stored examples again, from the requests in `decoding.presets`, on the embedded model."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"  # the embedded copy, whatever else is on this machine
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from decoding.engine import decode
from decoding.presets import EXAMPLES, example_request
from decoding.speculative import examples
from decoding.speculative.engine import draft_of, speculate
from shared import models
from shared.steps import last


def main() -> None:
    """Write one JSON file an example."""
    folder = HERE / "examples"
    folder.mkdir(exist_ok=True)
    for name in EXAMPLES:
        request = example_request(name)
        *_, trace = decode(request, models.load(request.model, print))
        write(folder / f"{name}.json", trace.to_json())
    for name in examples.EXAMPLES:
        asked = examples.example_request(name)
        loaded = models.load(asked.model, print)
        write(folder / f"{name}.json", last(speculate(asked, loaded, draft_of(asked, loaded))))


def write(path: Path, result: Mapping[str, Any]) -> None:
    """Store one result."""
    text = json.dumps(result, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    path.write_text(text, encoding="utf-8")
    print(f"{path.stem}: {len(text.encode()) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
