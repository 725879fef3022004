"""Show me: the steps through the Space's rooms, by the rooms' names in links."""

from __future__ import annotations

import math
from typing import Any

from shared.tour import Step


def _likelihood(run: Any) -> float:
    end = run["sequences"][0]["node"]
    return float(next(node["cumulative_logprob"] for node in run["nodes"] if node["id"] == end))


def _beams(data: Any) -> str:
    greedy, beams = (next(run for run in data["runs"] if run["kind"] == kind) for kind in ("greedy", "beam"))
    times = math.exp(_likelihood(beams) - _likelihood(greedy))
    return (
        "Follow the lines: greedy search takes the likeliest token every time, yet beam search ends with a "
        f"text {times:.0f} times as likely, through a token that is not the likeliest one."
    )


def _parting(data: Any) -> str:
    one, other = data["parting"]["tokens"]
    return (
        f"The two models part at token {data['parting']['step']}: one goes on with “{one['label'].strip()}”, "
        f"the other with “{other['label'].strip()}”. The strip below the tree says how far apart they are "
        "at every token."
    )


def _accepted(data: Any) -> str:
    return (
        f"A round is a row: the small draft guesses, the model keeps or refuses. Of {data['tested']} guesses "
        f"{data['accepted']} were kept, and the text has the model's own odds all the same."
    )


TOURS = {
    "decode": (
        Step("lighthouse", _beams),
        Step(
            "lighthouse",
            "Every box is as high as its text is likely: sampling wanders into thin stripes, and that is how "
            "it finds what nobody expects.",
            "area",
        ),
        Step(
            "chat",
            "One prompt at four settings: read the warm run, where the tail of rare tokens is "
            "drawn so often that words fall apart. Min-p cuts that tail.",
            "text",
        ),
    ),
    "pair": (
        Step("pair_rounded", _parting),
        Step(
            "pair_rounded",
            "The darker a token, the further apart the two distributions are there, also where both models "
            "take the same token.",
            "texts",
        ),
        Step("pair_expert", _parting),
    ),
    "speculative": (
        Step("speculative_rounded", _accepted),
        Step(
            "speculative_lookup",
            "In code the draft needs no model: it looks up what followed the last tokens before, and whole "
            "rounds are kept.",
        ),
        Step(
            "speculative_lookup",
            "How many tokens should the draft guess? Long guesses are kept less often, and each costs.",
            "lengths",
        ),
    ),
}
