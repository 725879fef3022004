"""Show me: the steps through the Space's rooms, by the rooms' names in links."""

from __future__ import annotations

from typing import Any

from shared.tour import Step


def _rows(data: Any) -> str:
    return (
        f"{data['removed']} of {data['rows']} rows go at the threshold {data['threshold']:g}: the curve says "
        "how many would stay at any other."
    )


def _leaks(data: Any) -> str:
    rows = data["matrix"][1][0]["rows"]
    return (
        f"{rows} rows of the test split stand in the train split too: a model that learned them is not "
        "tested by them."
    )


TOURS = {
    "duplicates": (
        Step("kitchen", _rows),
        Step(
            "kitchen",
            "The line stands at 0.9 now: only copies with few other words join, and more rows stay. "
            "The lists below show the pairs nearest to the line, on both sides.",
            "threshold",
            {"threshold": 0.9},
        ),
        Step(
            "statements",
            "Here rows are compared by what they say: vectors propose the pairs, and a language model reads "
            "them. It errs, so look at the pairs of a cluster before you believe it.",
            "clusters",
        ),
    ),
    "contamination": (
        Step("quiz", _leaks),
        Step(
            "quiz",
            "The cell is pressed: below it stand the rows that it counts. Unfold one to see its match beside "
            "it.",
        ),
        Step(
            "quiz", "The same as a table: which row of which split, its match, and how much of it.", "leaks"
        ),
    ),
}
