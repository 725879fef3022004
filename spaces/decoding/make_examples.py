"""Compute the stored examples of every room again, on the embedded model."""

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

from decoding import presets
from decoding.engine import decode
from decoding.pair import presets as pairs
from decoding.pair.engine import compare
from decoding.speculative import examples as drafts
from decoding.speculative.engine import draft_of, speculate
from shared import models
from shared.rounding import rounded
from shared.steps import last


def main() -> None:
    """Write one JSON file an example."""
    folder = HERE / "examples"
    folder.mkdir(exist_ok=True)
    for name in presets.EXAMPLES:
        request = presets.example_request(name)
        write(folder / f"{name}.json", last(decode(request, models.load(request.model, print))).to_json())
    for name in pairs.EXAMPLES:
        pair = pairs.example_request(name)
        first, second = (models.load(model, print, exact=True) for model in (pair.model, pair.second))
        write(folder / f"{name}.json", last(compare(pair, first, rounded(second, pair.rounding))).to_json())
    for name in drafts.EXAMPLES:
        asked = drafts.example_request(name)
        loaded = models.load(asked.model, print)
        write(folder / f"{name}.json", last(speculate(asked, loaded, draft_of(asked, loaded))))


def write(path: Path, result: Mapping[str, Any]) -> None:
    """Store one result."""
    text = json.dumps(result, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    path.write_text(text, encoding="utf-8")
    print(f"{path.stem}: {len(text.encode()) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
