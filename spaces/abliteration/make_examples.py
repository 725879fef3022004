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

from abliteration.outcome import features, find, remove, search, take
from abliteration.request import Request


def last(steps: Iterator[Any]) -> Any:
    """The complete result, with the progress printed on the way."""
    label, data = "", {}
    for data in steps:
        now = (data["progress"] or {"label": "done"})["label"]
        if now != label:
            print(now, flush=True)
        label = now
    return data


def write(name: str, data: Any) -> None:
    """Store a result."""
    (HERE / "examples").mkdir(exist_ok=True)
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    (HERE / "examples" / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """Write all of them; the edit that is shown is the one that the search found."""
    best = last(search.search(Request()))
    chosen = Request.parse(**best["chosen"])
    # a search leaves aside what it finds, so that the chosen settings ask for the same one
    best["request"] = best["chosen"]
    write("optimise", best)
    write("find", last(find.find(Request())))
    write("ablate", last(remove.ablate(chosen)))
    write("certificate", last(take.certificate(chosen)))
    folder = HERE / "examples" / "sae"
    shutil.rmtree(folder, ignore_errors=True)
    write("features", last(features.explain(chosen, folder)))


if __name__ == "__main__":
    main()
