"""What items in several forms may claim, in sentences: the first one says whether they can decide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluation.finding import none_decided, p_words, percent, points
from shared.numbers import counted
from shared.paired import LEVEL

if TYPE_CHECKING:
    from evaluation.data import FormDifference, Fragile, Spread

ALL = -1
"""Stands for all forms together."""


def verdicts(data: Fragile) -> list[str]:
    """The sentences, those that decide something first.

    Args:
        data: with scores, differences and spreads with their p-values.
    """
    n = counted(len(data["items"]), "item")
    wholes = [one for one in data["differences"] if one["form"] == ALL]
    told = sorted(((one["p"] <= LEVEL, _against(data, one)) for one in wholes), key=lambda pair: not pair[0])
    said = [sentence for _, sentence in told]
    guessed = _guessed(data)
    if wholes and len(guessed) == len(data["forms"]) and not any(yes for yes, _ in told):
        said.insert(
            0,
            f"{n} cannot decide: in no form is any model above guessing ({percent(data['chance'])}).",
        )
        guessed = []
    elif len(wholes) > 1 and not any(yes for yes, _ in told):
        where = f"{n} in {len(data['forms'])} forms"
        said.insert(0, none_decided(where, data["models"][0]["name"], len(wholes)))
    for one in wholes:
        said += _claimed(data, one)
    said += [_spread(data, one) for one in data["spreads"]]
    if len(data["models"]) > 1:
        said.append(_ranks(data))
    if guessed:
        said.append(f"No model is above guessing ({percent(data['chance'])}) in {_listed(data, guessed)}.")
    return said


def _name(data: Fragile, model: int) -> str:
    return data["models"][model]["name"]


def _listed(data: Fragile, forms: list[int]) -> str:
    return ", ".join(data["forms"][form]["name"] for form in forms)


def _single(data: Fragile, model: int) -> list[FormDifference]:
    return [one for one in data["differences"] if one["model"] == model and one["form"] != ALL]


def _against(data: Fragile, one: FormDifference) -> str:
    """A model against the first over all forms."""
    first, second = _name(data, 0), _name(data, one["model"])
    some = _single(data, one["model"])
    where = f"{counted(len(data['items']), 'item')} in {counted(len(some), 'form')}"
    between = f"95 %: {points(one['low'])} to {points(one['high'])}"
    ahead, behind = (sum(sign * each["mean"] > 0 for each in some) for sign in (1, -1))
    if one["p"] > LEVEL:
        return (
            f"{where} cannot decide between {second} and {first}: {points(one['mean'])} points ({between}); "
            f"{second} is ahead in {ahead}, behind in {behind}."
        )
    same = ahead if one["mean"] > 0 else behind
    every = "in every form" if same == len(some) else f"but in {same} of {len(some)} forms only"
    which = "better" if one["mean"] > 0 else "worse"
    return (
        f"{second} is {which} than {first} by {points(one['mean'], signed=False)} points over {where} "
        f"({between}), p {p_words(one['p'])}: {every}."
    )


def _claimed(data: Fragile, whole: FormDifference) -> list[str]:
    """The claim of the first form alone, and whether another form turns it round."""
    some = _single(data, whole["model"])
    if not some:
        return []
    first, second = _name(data, 0), _name(data, whole["model"])
    claim = some[0]
    sure = "more" if claim["p"] <= LEVEL else "not more"
    said = [
        f"In the form {_listed(data, [claim['form']])} alone {second} is {points(claim['mean'])} points from "
        f"{first}, {sure} than chance (p {p_words(claim['p'])}, corrected for {len(some)} forms)."
    ]
    low, high = (pick(some, key=lambda one: one["mean"]) for pick in (min, max))
    if low["mean"] < 0 < high["mean"]:
        sure_ends = [one for one in (low, high) if one["p"] <= LEVEL]
        proven = {0: "neither", 1: "one of them", 2: "each"}[len(sure_ends)]
        said.append(
            f"Who picks the form picks the winner: {second} is {points(high['mean'])} points in "
            f"{_listed(data, [high['form']])} and {points(low['mean'])} in {_listed(data, [low['form']])}, "
            f"{proven} more than chance."
        )
    return said


def _spread(data: Fragile, one: Spread) -> str:
    name = _name(data, one["model"])
    shares = {
        score["form"]: score["count"] / score["of"]
        for score in data["scores"]
        if score["model"] == one["model"]
    }
    words = (
        f"{name} moves by {points(one['wide'], signed=False)} points from form to form: "
        f"{percent(shares[one['lowest']])} in {_listed(data, [one['lowest']])}, "
        f"{percent(shares[one['highest']])} in {_listed(data, [one['highest']])}"
    )
    if one["p"] is None:
        return f"{words}."
    if one["p"] <= LEVEL:
        return f"{words}; more than chance, p {p_words(one['p'])}."
    return f"{words}; chance alone could do that, p {p_words(one['p'])}."


def _ranks(data: Fragile) -> str:
    """In how many forms each model is first, and whether a form for each could make any of them win."""
    scores = {(score["model"], score["form"]): score["count"] / score["of"] for score in data["scores"]}
    models, forms = range(len(data["models"])), range(len(data["forms"]))
    firsts, level = dict.fromkeys(models, 0), 0
    shared = [form for form in forms if all((model, form) in scores for model in models)]
    for form in shared:
        best = max(scores[model, form] for model in models)
        winners = [model for model in models if scores[model, form] == best]
        if len(winners) == 1:
            firsts[winners[0]] += 1
        else:
            level += 1
    counts = [f"{_name(data, model)} in {count}" for model, count in firsts.items()]
    words = f"First of {counted(len(shared), 'form')}: {', '.join(counts)}"
    words += f", level in {level}." if level else "."
    ends = {model: [value for (of, _), value in scores.items() if of == model] for model in models}
    if all(max(ends[one]) > max(min(ends[other]) for other in models if other != one) for one in models):
        words += " With the best form for one and the worst for the others, each could be made the winner."
    return words


def _guessed(data: Fragile) -> list[int]:
    """The forms in which no model can be told from guessing."""
    return [
        form
        for form in range(len(data["forms"]))
        if all(score["low"] <= data["chance"] for score in data["scores"] if score["form"] == form)
    ]
