"""Compute the stored examples again, on the embedded model: the requests of `decoding.presets` and of
`decoding.pair.presets`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"  # the embedded copy, whatever else is on this machine
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from decoding.engine import decode
from decoding.pair.engine import compare
from decoding.pair.presets import EXAMPLES as PAIRS
from decoding.pair.presets import example_request as pair_request
from decoding.presets import EXAMPLES, example_request
from decoding.rounding import rounded
from shared import models


def main() -> None:
    """Write one JSON file an example."""
    folder = HERE / "examples"
    folder.mkdir(exist_ok=True)
    for name in EXAMPLES:
        request = example_request(name)
        *_, trace = decode(request, models.load(request.model, print))
        write(folder, name, trace.to_json())
    for name in PAIRS:
        asked = pair_request(name)
        first, second = (models.load(model, print, exact=True) for model in (asked.model, asked.second))
        *_, pair = compare(asked, first, rounded(second, asked.rounding))
        write(folder, name, pair.to_json())


def write(folder: Path, name: str, figure: Any) -> None:
    """One stored figure."""
    text = json.dumps(figure, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    (folder / f"{name}.json").write_text(text, encoding="utf-8")
    print(f"{name}: {len(text.encode()) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
