"""What a visitor does to a finished tree: grow a branch, remove one, name a run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from decoding.data import Run, Strategy, Trace
from decoding.request import Request
from decoding.strategy import NAME_LENGTH
from decoding.strategy import Strategy as Settings
from shared import limits
from shared.errors import VisitorError


def branched(tree: Trace, run: int, node: int, token_id: int) -> Request:
    """The tree's request with one more strategy: a branch from a candidate that was not taken, with the
    settings of the run it hangs on.

    Args:
        tree: a complete trace.
        run: whose candidate it is.
        node: the candidate's parent.
        token_id: the candidate.

    Raises:
        VisitorError: the tree can hold no further branch.
    """
    request, parent = Request.parse(**tree["request"]), tree["runs"][run]
    if sum(bool(strategy.prefix) for strategy in request.strategies) >= limits.MAX_BRANCHES:
        raise VisitorError(
            f"This tree has {limits.MAX_BRANCHES} branches already.", "Remove one, or decode again."
        )
    path, place = [token_id], parent["nodes"][node]
    while place["parent"] is not None and place["token_id"] is not None:
        path.insert(0, place["token_id"])
        place = parent["nodes"][place["parent"]]
    found = next(
        (one for one in parent["nodes"] if one["parent"] == node and one["token_id"] == token_id), None
    )
    text = found["text"] or found.get("bytes", "") if found else str(token_id)
    name = f"{parent['name'].split(' → ')[0][:24]} → {text.strip() or '␣'}"[:NAME_LENGTH]
    branch = Settings(name, cast("dict[str, Any]", parent["config"]), tuple(path))
    return replace(request, strategies=(*request.strategies, branch)).consistent()


def with_branch(tree: Trace, request: Request, trace: Trace) -> Trace:
    """The tree with one more run.

    Args:
        tree: a complete trace.
        request: the tree's with the branch, see `branched`.
        trace: of the branch alone, complete or not.
    """
    branch: Run = {**trace["runs"][0], "color": len(tree["runs"])}
    grown: Trace = {**tree, "example": False, "runs": [*tree["runs"], branch], "done": trace["done"]}
    grown["request"] = cast("Any", request.to_json())
    return grown


def without(tree: Trace, run: int) -> Trace:
    """The tree without one of its branches; a strategy's own run stays."""
    if not tree["runs"][run]["prefix"]:
        return tree
    keep = [index for index in range(len(tree["runs"])) if index != run]
    runs: list[Run] = [{**tree["runs"][index], "color": place} for place, index in enumerate(keep)]
    return _with_runs(tree, runs, [tree["request"]["strategies"][index] for index in keep])


def renamed(tree: Trace, run: int, name: str) -> Trace:
    """The tree with another name for one of its runs; as it is where the name is empty."""
    name = " ".join(name.split())[:NAME_LENGTH]
    if not name:
        return tree
    runs, strategies = list(tree["runs"]), list(tree["request"]["strategies"])
    runs[run] = {**runs[run], "name": name}
    strategies[run] = {**strategies[run], "name": name}
    return _with_runs(tree, runs, strategies)


def _with_runs(tree: Trace, runs: list[Run], strategies: list[Strategy]) -> Trace:
    return {**tree, "runs": runs, "request": {**tree["request"], "strategies": strategies}}
