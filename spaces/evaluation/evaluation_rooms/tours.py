"""Show me: the steps through the Space's rooms, by the rooms' names in links."""

from __future__ import annotations

from typing import Any

from shared.numbers import counted
from shared.tour import Step


def _undecided(data: Any) -> str:
    return f"{data['verdicts'][0]} Look at the intervals, and at how many answers flipped each way."


def _judge(data: Any) -> str:
    return f"{data['verdicts'][0]} The intervals show what so few pairs can tell."


def _instructed(data: Any) -> str:
    loose = sum(one["other"] - one["count"] for one in data["scores"] if not one["task"])
    return f"{data['verdicts'][0]} The loose reading forgives {counted(loose, 'answer')} more."


def _tasked(data: Any) -> str:
    return f"{data['verdicts'][0]} Each metric has its interval and a paired test."


TOURS = {
    "compare": (
        Step("experts", _undecided),
        Step(
            "experts",
            "Item by item: where the two answers differ, who was right, and how sure each model was.",
            "items",
        ),
        Step(
            "experts",
            "Is a model right as often as it is sure? Below the diagonal it is surer than it should be.",
            "calibration",
        ),
    ),
    "fragile": (
        Step(
            "forms",
            "The same questions in nine forms: each model's score moves further from form to form than the "
            "two models lie apart.",
        ),
        Step(
            "forms",
            "One item in every form, with the answer that each model gave: press one to read its prompt.",
            "asked",
        ),
        Step("forms", "The numbers behind it: each form's difference with its interval.", "counted"),
    ),
    "task": (
        Step(
            "task",
            "A benchmark of a leaderboard in small: the model writes its working, a filter takes the number "
            "out of it. One filter is strict about the form, the other takes the last number.",
        ),
        Step("task", "Every prompt, what was written, what each filter took, what is right.", "documents"),
        Step("task", _tasked, "values"),
    ),
    "follow": (
        Step(
            "instructions",
            "A program checks whether an answer does what it was told: so many words, this case, JSON. "
            "Whoever begins with “Sure, here it is” fails strictly and may pass loosely.",
        ),
        Step("instructions", "Every answer with what was checked in it, one by one.", "checked"),
        Step("instructions", _instructed, "shares"),
    ),
    "judge": (
        Step(
            "pairs",
            "Two answers without names: vote before you look who wrote them. Your votes judge the judge.",
        ),
        Step("pairs", _judge, "standing"),
        Step("pairs", "Every pair with both verdicts: one for each order of the two answers.", "pairs"),
    ),
}
