"""Show me: the steps through the Space's rooms, by the rooms' names in links."""

from __future__ import annotations

from typing import Any

from shared.tour import Step


def _direction(data: Any) -> str:
    layer = data["choice"]["layer"]
    auc = next(one["auc"] for one in data["layers"] if one["layer"] == layer)
    return (
        f"Two sets of prompts, one direction: at layer {layer} it tells them apart with an AUC of {auc:.2f}. "
        "The curves show where in the model that begins."
    )


def _answers(data: Any) -> str:
    grades = [(pair["base"]["grade"], pair["edited"]["grade"]) for pair in data["pairs"]]
    declined = sum(base == "refused" for base, _ in grades)
    still = sum(edited == "refused" for _, edited in grades)
    return (
        f"Side by side: of {len(grades)} questions the model declines {declined}, the edited one {still}. "
        "The shade shows where its words move."
    )


def _trials(data: Any) -> str:
    return (
        f"{len(data['trials'])} kernels were tried: each dot is what one removes and what it "
        "moves beside that. "
        "On the front none is better in both."
    )


def _talk(data: Any) -> str:
    turns = data["turns"]
    grades = [turns[0][side]["grade"] for side in ("base", "edited")]
    return (
        f"“{turns[0]['message']}” to both: the model as it is {_did(grades[0])}, the edited one "
        f"{_did(grades[1])}. Each goes on with its own answers, {len(turns)} messages long."
    )


def _did(grade: str) -> str:
    return {"refused": "declines", "complied": "answers", "hedged": "hedges"}.get(grade, f"is {grade}")


def _bench(data: Any) -> str:
    return (
        f"{len(data['methods'])} methods against {len(data['plants'])} behaviours that were planted, so that "
        "the truth is known: how much of it each one removed."
    )


TOURS = {
    "find": (
        Step("find", _direction),
        Step(
            "find",
            "The first layer instead: there the two sets look the same, and no direction tells them apart.",
            "layers",
            {"layer": 0},
        ),
        Step(
            "find",
            "Every candidate was tried on prompts it was not made from: what it removes, what it moves.",
            "candidates",
        ),
    ),
    "ablate": (
        Step("ablate", _answers),
        Step(
            "ablate",
            "Inside: the component along the direction, token by token and layer by layer, before and after.",
            "xray",
        ),
        Step(
            "ablate",
            "Taken out at one layer alone, the direction is written again by the layers behind "
            "it: the curves rise.",
            "return",
        ),
    ),
    "measure": (
        Step("optimise", _trials),
        Step("optimise", "What was removed, and what else moved, with intervals.", "damage"),
        Step("optimise", "The answers themselves, each as it was judged.", "judged"),
    ),
    "features": (
        Step(
            "features",
            "The direction as a sum of a sparse autoencoder's features: the grey band is what "
            "random features "
            "would explain.",
        ),
        Step("features", "Where the features fire in a prompt, token by token.", "tokens"),
        Step("features", "Back to the features: the words under each say on what it fires.", "atoms"),
    ),
    "certificate": (
        Step(
            "certificate",
            lambda data: (
                f"The verdict first: {data['certificate']['verdict']}. {data['certificate']['reason']}"
            ),
        ),
        Step(
            "certificate",
            "Hook against weights: the edit as a change of the weights gives what the same edit gives while "
            "the model runs.",
        ),
        Step(
            "certificate",
            "Below, matrix by matrix: how much of each pointed along the direction before the "
            "edit, and after.",
        ),
    ),
    "chat": (
        Step("chat", _talk),
        Step(
            "chat",
            "In the orange boxes a frame is around the first token that the unedited model did not write.",
        ),
        Step(
            "chat",
            "KL says how far the first token's odds moved: an edit can leave the words and move the odds, "
            "or the other way round.",
        ),
    ),
    "forensics": (
        Step("forensics", lambda data: f"{data['verdict']['words']} The weights alone tell that."),
        Step(
            "forensics",
            "The singular values of the difference: one stands out, all others are rounding.",
            "spectrum",
        ),
        Step("forensics", "What the model's record states, against what its weights say.", "record"),
    ),
    "bench": (
        Step("bench", _bench),
        Step(
            "bench",
            "Behaviour or topic? A method that finds the topic removes talk of it, not the refusal.",
            "topic",
        ),
        Step(
            "bench", "The plants themselves: what each model was taught, and what the methods left.", "plants"
        ),
    ),
}
