"""Compute the stored examples again: one real merge with everything that the page shows of it, the plane
between three models, the merge's family tree, and a report on it. How long this machine took is left out.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"  # the embedded copy, whatever else is on this machine
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from family_tree.grow import grow
from family_tree.model_report import report
from family_tree.report_request import ReportRequest
from family_tree.request import TreeRequest
from merging import explore, methods, mixture, outcome, presets
from merging.check import check
from merging.child import child_of
from merging.explore_request import ExploreRequest
from merging.mixture_request import MixtureRequest
from merging.report import Progress
from merging.request import Request
from merging.run import finished, merge
from shared.steps import last


def main(*names: str) -> None:
    """Write the examples of these names, all by default, and the methods of the installed mergekit."""
    methods.keep()
    for name, compute in (
        ("merge", merged),
        ("explore", explored),
        ("tree", tree),
        ("mixture", mixed),
        ("report", reported),
    ):
        if name in names or not names:
            write(name, compute())


def merged() -> dict[str, Any]:
    """The first recipe, merged and measured."""
    request = Request.parse(recipe=presets.PRESETS[presets.FIRST])
    with tempfile.TemporaryDirectory() as folder:
        for step in merge(request, Path(folder)):
            if isinstance(step, Progress):
                print(step.label)
            else:
                report = step
        for figure in outcome.compare(report, request):
            print((figure["progress"] or {"label": "done"})["label"])
    return {**figure, "check": checked(request.recipe), "seconds": None}


def explored() -> dict[str, Any]:
    """The plane between the embedded model and two of its experts."""
    for figure in explore.explore(ExploreRequest()):
        print((figure["progress"] or {"label": "done"})["label"])
    return {name: value for name, value in figure.items() if name != "seconds"}


def mixed() -> dict[str, Any]:
    """The first mixture: its gates, and where they send two texts."""
    request = MixtureRequest.parse(recipe=presets.MIXTURES[presets.FIRST_MIXTURE])
    found, figure = mixture.begun(request)
    with tempfile.TemporaryDirectory() as folder:
        report = finished(mixture.merge(request, Path(folder)))
        figure = last(mixture.routed(request, figure, found, report))
    return {**figure, "check": checked(request.recipe), "seconds": None}


def checked(recipe: str) -> dict[str, Any]:
    """What the check says of a recipe."""
    result = check(recipe).to_json()
    if result["cost"]:
        result["cost"]["free"] = 0
    return dict(result)


def tree() -> dict[str, Any]:
    """The family tree of the merge of two experts in full."""
    return {**last(grow(TreeRequest())), "seconds": None}


def reported() -> dict[str, Any]:
    """The report on the merge of two experts in full, which is made, then made again from its card."""
    request = Request.parse(recipe=presets.PRESETS[presets.IN_FULL])
    with tempfile.TemporaryDirectory() as folder:
        child = child_of(finished(merge(request, Path(folder))))
        return {**last(report(ReportRequest(), child)), "seconds": None}


def write(name: str, figure: Mapping[str, Any]) -> None:
    """Store a result."""
    (HERE / "examples").mkdir(exist_ok=True)
    text = json.dumps(figure, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    (HERE / "examples" / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
