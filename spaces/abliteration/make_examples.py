"""Compute the stored examples again: the cautious expert's direction found, removed, measured, searched for a
kernel, taken apart.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from abliteration import outcome
from abliteration.request import Request

FILES = ("find", "optimise", "ablate", "features", "certificate")


def last(steps: Iterator[dict[str, Any]]) -> dict[str, Any]:
    """The complete result, with the progress printed on the way."""
    said = ""
    data: dict[str, Any] = {}
    for data in steps:
        label = (data.get("progress") or {"label": "done"})["label"]
        if label != said:
            print(label, flush=True)
        said = label
    return data


def write(name: str, data: dict[str, Any]) -> None:
    """Store a result."""
    (HERE / "examples").mkdir(exist_ok=True)
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    (HERE / "examples" / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """Write all of them; the edit that is shown is the one that the search found."""
    asked = Request().to_json()
    write("find", last(outcome.find(asked)))
    found = last(outcome.optimised(asked))
    write("optimise", found)
    write("ablate", last(outcome.ablate(found["chosen"])))
    write("certificate", last(outcome.certified(found["chosen"])))
    folder = HERE / "examples" / "sae"
    shutil.rmtree(folder, ignore_errors=True)
    write("features", last(outcome.explained(found["chosen"], folder)))


if __name__ == "__main__":
    main()
