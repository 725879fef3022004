"""A growing tree on its way to the browser: every step carries what is new, the complete one everything.

Whole, the steps of four strategies over 64 tokens were 22 MB.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import cast

from decoding.data import Run, Trace


def growth(traces: Iterable[Trace]) -> Iterator[tuple[Trace, Trace]]:
    """Each trace of a run, and what of it the ones before had not; `grown` in js/growth.js puts it together.

    Args:
        traces: the growing trace, the complete one last.
    """
    run_id = str(time.time_ns())
    before: list[Run] = []
    for version, trace in enumerate(traces, 1):
        if trace["done"]:
            yield trace, trace
            return
        runs = [
            _news(run, before[place] if place < len(before) else None)
            for place, run in enumerate(trace["runs"])
        ]
        news: Trace = {**trace, "runs": runs, "growth": {"run_id": run_id, "version": version}}
        before = trace["runs"]
        yield trace, news


def _news(run: Run, before: Run | None) -> Run:
    if before is None:
        return run
    known = before["nodes"]
    fresh = [node for place, node in enumerate(run["nodes"]) if place >= len(known) or known[place] != node]
    decisions = {key: one for key, one in run["decisions"].items() if before["decisions"].get(key) != one}
    return cast("Run", {**run, "nodes": fresh, "decisions": decisions})
