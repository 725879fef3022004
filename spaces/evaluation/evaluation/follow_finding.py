"""What followed instructions may claim, in sentences: the first one says whether the prompts can decide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluation.finding import cut_short, none_decided, p_words, percent, points, unseen
from shared.numbers import counted
from shared.paired import LEVEL

if TYPE_CHECKING:
    from evaluation.data import Difference, Follow


def verdicts(data: Follow, over: bool) -> list[str]:
    """The sentences, those that decide something first.

    Args:
        data: with scores and differences.
        over: whether all prompts were answered, or the run was ended.
    """
    asked = len(data["prompts"])
    if not over:
        return [f"{asked} of {counted(data['planned'], 'prompt')}: no verdict before the end"]
    whole = [one for one in data["differences"] if not one["task"]]
    told = [(one["p"] <= LEVEL, _against(data, one)) for one in whole]
    said = [words for _, words in sorted(told, key=lambda pair: not pair[0])]
    if len(whole) > 1 and not any(yes for yes, _ in told):
        said.insert(0, none_decided(counted(asked, "prompt"), data["models"][0]["name"], len(whole)))
    blind = [
        unseen(data["models"], one["model"], one["gained"] + one["lost"], one["of"], one["groups"], "prompt")
        for (yes, _), one in zip(told, whole, strict=True)
        if not yes
    ]
    cut = [
        sum(not one["answers"][place]["ended"] for one in data["prompts"])
        for place in range(len(data["models"]))
    ]
    return [*said, *_alone(data), *blind, *cut_short(data["models"], cut, data["request"]["tokens"])]


def _alone(data: Follow) -> list[str]:
    """Every model's share, and what the other reading makes of it."""
    reading = data["request"]["reading"]
    other = "loosely" if reading == "strict" else "strictly"
    found = []
    for one in data["scores"]:
        if not one["task"]:
            share = (
                f"{percent(one['count'] / one['of'])} (95 %: {percent(one['low'])} to {percent(one['high'])})"
            )
            found.append(
                f"{data['models'][one['model']]['name']} does all that {one['count']} of "
                f"{counted(one['of'], 'prompt')} ask, {share}; {other} {one['other']}."
            )
    return found


def _against(data: Follow, one: Difference) -> str:
    first, second = data["models"][0]["name"], data["models"][one["model"]]["name"]
    of, flips = counted(one["of"], "prompt"), f"{one['gained']} gained, {one['lost']} lost"
    between = f"95 %: {points(one['low'])} to {points(one['high'])}"
    if one["p"] <= LEVEL:
        which = "better" if one["mean"] > 0 else "worse"
        size = points(one["mean"], signed=False)
        return (
            f"{second} follows instructions {which} than {first}, by {size} points of {of} ({between}), "
            f"p {p_words(one['p'])}: {flips}."
        )
    return (
        f"{of} cannot decide between {second} and {first}: {points(one['mean'])} points ({between}), {flips}."
    )
