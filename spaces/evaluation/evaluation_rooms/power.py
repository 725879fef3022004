"""What a comparison could see, before it is run: an endpoint, and a sentence for the page."""

from __future__ import annotations

from typing import Any

from evaluation.finding import points
from evaluation.numbers import power_before
from evaluation.request import MOST_OF_A_SET, CompareRequest, PowerRequest
from shared.item_sets import SETS
from shared.items import clusters_of
from shared.numbers import counted
from shared.paired import LEVEL
from shared.power import items_needed, smallest_difference
from shared.power import power as power_of


def power(request: PowerRequest) -> dict[str, Any]:
    """What a comparison of two models on the same items could see, by McNemar's exact test and without
    approximation; items count as independent.

    Returns:
        sentence; power of the stated difference with so many items; smallest, the difference that so many
            items will show (null where they show none); needed, the items that the stated difference takes
            (null where there is no such number).
    """
    smallest = smallest_difference(request.items, request.discordant, request.level, request.power)
    needed = items_needed(request.difference, request.discordant, request.level, request.power)
    share = power_of(
        request.items, min(request.difference, request.discordant), request.discordant, request.level
    )
    asked = f"With {counted(request.items, 'item')} of which {100 * request.discordant:g} % change sides"
    if smallest is None:
        sentence = f"{asked}, no difference will be seen in {100 * request.power:g} % of runs."
    else:
        sentence = (
            f"{asked}, differences from {points(smallest, signed=False)} points up will be seen in "
            f"{100 * request.power:g} % of runs."
        )
    return {
        "sentence": sentence,
        "power": round(share, 4),
        "smallest": None if smallest is None else round(smallest, 4),
        "needed": needed,
        "request": request.to_json(),
    }


def before(request: CompareRequest) -> str:
    """What the run that the controls describe will show, in one sentence."""
    items = request.planned()
    groups = max(clusters_of(items)) + 1
    of = counted(len(items), "item")
    if groups < len(items):
        of += f" in {counted(groups, 'group')}"
    if len(request.models) < 2:
        return f"{of}. Name a second model to compare."
    seen = power_before(groups, LEVEL / (len(request.models) - 1))
    known = [(one["discordant"], one["smallest"]) for one in seen[1:] if one["smallest"] is not None]
    if not known or known[0][0] > seen[2]["discordant"]:
        most = seen[2 if known else -1]["discordant"]
        only = (
            f" From {points(known[0][1], signed=False)} points up one will be seen, 4 runs in 5, where "
            f"{100 * known[0][0]:g} % do."
            if known
            else ""
        )
        few = f"{of}: too few to see a difference where {100 * most:g} % of answers or less change sides."
        return f"{few}{only} {_more_items(request)}"
    (share, smallest), *more = [one for one in known if one[0] <= seen[2]["discordant"]]
    words = (
        f"{of}: differences from {points(smallest, signed=False)} points up will be seen, 4 runs in 5, where "
        f"{100 * share:g} % of answers change sides"
    )
    return "".join(
        [words, *(f", from {points(d, signed=False)} where {100 * p:g} % do" for p, d in more), "."]
    )


def _more_items(request: CompareRequest) -> str:
    """How a visitor gets more items, by the names of the fields."""
    if request.items.strip():
        return "Give more items of your own."
    ways = []
    if request.limit < MOST_OF_A_SET:
        ways.append("raise “items of a set”")
    if len(request.tasks) < len(SETS):
        ways.append("choose more Sets under Advanced")
    ways.append("give items of your own there" if len(ways) > 1 else "give items of your own under Advanced")
    words = f"{', '.join(ways[:-1])} or {ways[-1]}" if len(ways) > 1 else ways[0]
    return f"{words[0].upper()}{words[1:]}."
