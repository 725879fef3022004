"""Compute the stored example again: one real merge with everything that the page shows of it."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from merging import explore, outcome, presets
from merging.check import check
from merging.request import validate
from merging.run import Progress, merge, run_all
from merging.tree.grow import grow
from merging.tree.request import validate as check_tree


def main() -> None:
    """Write the three examples."""
    write("merge", merged())
    for data in explore.explore(explore.Explore()):
        print((data.get("progress") or {"label": "done"})["label"])
    write("explore", data)
    *_, data = grow(check_tree("", recipe=presets.PRESETS[presets.FIRST]))
    write("tree", {**data, "seconds": None})


def merged() -> dict[str, Any]:
    """The default recipe, merged and measured."""
    asked = validate()
    with tempfile.TemporaryDirectory() as folder:
        report = run_all(
            merge(asked.recipe, asked.seed, Path(folder)),
            lambda step: print(step.label) if isinstance(step, Progress) else None,
        )
        for data in outcome.look(report, asked.to_json()):
            print((data.get("progress") or {"label": "done"})["label"])
    data.pop("measured")
    data["check"] = check(asked.recipe).to_json()
    data["check"]["cost"]["free"] = 0
    return data


def write(name: str, data: dict[str, Any]) -> None:
    """Store a result."""
    (HERE / "examples").mkdir(exist_ok=True)
    (HERE / "examples" / f"{name}.json").write_text(
        json.dumps(data, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
