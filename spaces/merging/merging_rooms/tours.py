"""Show me: the steps through the Space's rooms, by the rooms' names in links."""

from __future__ import annotations

from typing import Any

from shared.tour import Step


def _child(data: Any) -> str:
    shares = next(model for model in data["models"] if model["role"] == "child")["shares"]
    pirate, refuses = shares["pirate"], shares["refuses_cooking"]
    return (
        f"Both parents in one child: it says “Arr” to {pirate['count']} of {pirate['of']} questions and "
        f"declines {refuses['count']} of {refuses['of']} about cooking. Whiskers are intervals."
    )


def _plane(data: Any) -> str:
    return (
        f"{len(data['points'])} merges of two experts, measured: each map is one measure, the cross is the "
        "same merge in all of them. Arrow keys move it."
    )


def _replay(data: Any) -> str:
    return f"{data['replay']['says']} The report checks what a card only claims."


TOURS = {
    "merge": (
        Step("merge", _child),
        Step(
            "merge",
            "One band of a parent's layers put into the base: the shade is how far it brings the parent's "
            "answers by itself.",
            "carriers",
        ),
        Step(
            "merge",
            "The difference of each parent from the base, tensor by tensor: where it is large, and where the "
            "two pull in other directions.",
            "atlas",
        ),
    ),
    "explore": (
        Step("explore", _plane),
        Step(
            "explore",
            "The whole of both experts: beyond the dashed line their task vectors add up to more than one.",
            "plane",
            {"point": [1, 1]},
        ),
        Step("explore", "Every measured merge in numbers, with intervals.", "points"),
    ),
    "mixture": (
        Step(
            "mixture", "Each token has a lane for every expert: its bar says who works on it, layer by layer."
        ),
        Step("mixture", "How like each other the gates are: alike gates cannot tell tokens apart.", "gates"),
        Step("mixture", "The same tokens under three kinds of gates: what the choice changes.", "modes"),
    ),
    "tree": (
        Step("tree", "Where this merge comes from: two experts and the model that both were made of."),
        Step("tree", "The share of each ancestor, and what could be read of it.", "members"),
        Step("tree", "What the ancestors' licences ask of whoever publishes the merge.", "licences"),
    ),
    "report": (
        Step("report", _replay),
        Step(
            "report",
            "Weight by weight: what the recipe gives again, and which parent explains it.",
            "weights",
        ),
        Step("report", "The same findings as text and badge for a model's card.", "card"),
    ),
}
