"""Show me: the steps through the Space's rooms, by the rooms' names in links."""

from __future__ import annotations

from typing import Any

from shared.tour import Step


def _masked(data: Any) -> str:
    totals = data["totals"][data["trainer"]]
    return (
        f"{totals['trained']} of {totals['kept']} tokens are trained on: the filled ones. The "
        "token that ends each answer is not among them, so this model will never learn to stop."
    )


def _rates(data: Any) -> str:
    fast, again, slow = (run["marks"][-1]["held_out"]["mean"] for run in data["runs"])
    return (
        f"The same rows and as many steps: {fast:.2f} nats a token on unseen answers, {again:.2f} with "
        f"another seed, {slow:.2f} at a fortieth of the rate. A difference counts against that of seeds."
    )


def _reward(data: Any) -> str:
    return f"{data['verdict']}. The reward says nothing of what else changes."


TOURS = {
    "mask": (
        Step("never_stops", _masked),
        Step(
            "never_stops", "The findings say what is wrong and why, with the lines that mend it.", "findings"
        ),
        Step(
            "right", "Mended: every answer is trained on with its stop token, and no question is.", "tokens"
        ),
    ),
    "train": (
        Step(
            "pirate",
            "The text cools down: each bar is how surprised the model is by a token. Move the slider from "
            "before the training to its end.",
        ),
        Step("rates", _rates, "curves"),
        Step(
            "broken",
            "A learning rate that is far too high: the loss on unseen answers climbs instead of falling.",
            "curves",
        ),
    ),
    "grpo": (
        Step(
            "length",
            "One prompt, a group of answers: what earns more than its group is made likelier, what earns "
            "less is made less likely.",
        ),
        Step("length", _reward, "costs"),
        Step("rots", _reward, "costs"),
    ),
    "plan": (
        Step("embedded", "Memory by its parts: LoRA saves the optimizer's states, and the activations stay."),
        Step(
            "embedded",
            "Rows are long now: the activations grow with the tokens, and soon they are what fills the card.",
            "memory",
            {"set": {"tokens of a row": "5"}},
        ),
        Step(
            "embedded",
            "Eight rows a step instead of four: only the activations move. Gradient checkpointing trades "
            "them for time.",
            "memory",
            {"set": {"rows of a step": "3"}},
        ),
    ),
}
