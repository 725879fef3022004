"""What an evaluation may claim, in sentences: the first one says whether it can decide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from evaluation.request import CompareRequest
from shared.embedded_model import EMBEDDED_SOURCE
from shared.numbers import counted
from shared.paired import LEVEL
from shared.power import smallest_difference
from shared.rounding import K_TYPES, described

if TYPE_CHECKING:
    from evaluation.data import Compare, Difference, Score, Side
    from shared.models import Loaded

WAITING = "Before the first item"


def points(share: float, signed: bool = True) -> str:
    """A share of the items as points, with a sign."""
    value = round(100 * share, 1)
    sign = ("+" if value > 0 else "−" if value < 0 else "") if signed else ""
    return f"{sign}{abs(value):g}"


def percent(share: float) -> str:
    """A share in whole percent."""
    return f"{round(100 * share)} %"


def chance_of(data: Compare) -> float:
    """The score of guessing at all items so far."""
    return sum(1 / len(item["choices"]) for item in data["items"]) / max(1, len(data["items"]))


def near_chance(score: Score, chance: float) -> bool:
    """Whether a score cannot be told from guessing, or is below it."""
    return score["low"] <= chance


def decided(data: Compare) -> str:
    """Why the run may stop at a planned look: every comparison crossed its boundary; "" while it may not."""
    crossed = []
    for looked in data["looks"]:
        stops = [one for one in looked["looks"] if one["stops"]]
        if not stops:
            return ""
        crossed.append(stops[0]["items"])
    if not crossed:
        return ""
    return (
        f"Stopped at a planned look: the difference crossed its boundary after {max(crossed)} of "
        f"{counted(data['planned'], 'item')}."
    )


def significant(data: Compare, one: Difference) -> bool:
    """Whether a difference over all items is more than chance: by the planned looks where the run could stop
    early, else by the exact test at its end.
    """
    if data["request"]["early"]:
        looked = next(each for each in data["looks"] if each["model"] == one["model"])
        return any(look["stops"] for look in looked["looks"])
    return one["p"] <= LEVEL


def verdicts(data: Compare, over: bool) -> list[str]:
    """The sentences, those that decide something first.

    Args:
        data: with scores and differences.
        over: whether all items were asked, or the run stopped at a planned look.
    """
    asked = len(data["items"])
    if not over:
        return [f"{asked} of {counted(data['planned'], 'item')}: no verdict before the end"]
    if len(data["models"]) == 1:
        return [_alone(data), *_contaminated(data)]
    whole = [one for one in data["differences"] if not one["task"]]
    told = [(significant(data, one), _against(data, one)) for one in whole]
    said = [sentence for yes, sentence in sorted(told, key=lambda pair: not pair[0])]
    low = [score for score in data["scores"] if not score["task"]]
    chance = chance_of(data)
    if len(whole) > 1 and any(yes for yes, _ in told):
        said.insert(0, _in_short(data, whole, [yes for yes, _ in told]))
    if len(whole) > 1 and not any(yes for yes, _ in told):
        said.insert(0, none_decided(counted(asked, "item"), data["models"][0]["name"], len(whole)))
    if not any(yes for yes, _ in told) and all(near_chance(score, chance) for score in low):
        said.insert(
            0, f"{counted(asked, 'item')} cannot decide: no model is above guessing ({percent(chance)})."
        )
    blind = [
        unseen(data["models"], one["model"], one["gained"] + one["lost"], one["of"], one["groups"], "item")
        for (yes, _), one in zip(told, whole, strict=True)
        if not yes
    ]
    return [*said, *blind, *_contaminated(data)]


def none_decided(where: str, base: str, others: int) -> str:
    """Of a base and two or three others, none of which is decided, the sentence that says so."""
    count = {2: "two", 3: "three"}[others]
    return f"{where} cannot decide between {base} and the {count} others."


def unseen(models: Sequence[Side], model: int, moved: int, of: int, groups: int, noun: str) -> str:
    """What an undecided comparison to the first model would not have seen.

    Args:
        models: all of the run, for whose number p-values are corrected.
        model: place of the one that is compared.
        moved: answers that changed sides.
        of: answers of each.
        groups: of these, those that do not share a passage.
        noun: what one that was asked is called.
    """
    words = f"{models[model]['name']}: with {moved} of {counted(of, noun)} changing sides"
    least = smallest_difference(groups, moved / of, LEVEL / max(1, len(models) - 1)) if moved else None
    if least is None:
        return f"{words} hardly any difference could have been seen."
    return f"{words} a difference below {points(least, signed=False)} points would mostly go unseen."


def cut_short(models: Sequence[Side], cut: Sequence[int], tokens: int) -> list[str]:
    """The models of whose answers some, `cut`, ended at the longest length."""
    return [
        f"{side['name']}: {counted(count, 'answer')} cut at {counted(tokens, 'token')}."
        for side, count in zip(models, cut, strict=True)
        if count
    ]


def _in_short(data: Compare, whole: Sequence[Difference], told: Sequence[bool]) -> str:
    """Of several comparisons, of which one at least is decided, what each says in a few words."""
    said = []
    for way, sign in (("Worse", -1), ("Better", 1)):
        some = [
            f"{data['models'][one['model']]['name']}, by {points(one['mean'], signed=False)} points"
            for yes, one in zip(told, whole, strict=True)
            if yes and one["mean"] * sign > 0
        ]
        if some:
            said.append(f"{way} than {data['models'][0]['name']}: {'; '.join(some)}.")
    left = len(told) - sum(told)
    if left:
        rest = {1: "the other", 2: "the two others"}[left]
        said.append(f"{counted(len(data['items']), 'item')} cannot decide about {rest}.")
    return " ".join(said)


def _contaminated(data: Compare) -> list[str]:
    """What a corpus holds of the items, and whether that moved the scores or the differences."""
    told = data["contamination"]
    if not told:
        return []
    asked = len(data["items"])
    count = sum(told["held"][:asked])
    of = counted(asked, "item")
    ngram = told["ngram"]
    if not count:
        return [f"None of {of} stands in {told['corpus']}: no {ngram} words in a row, no shorter item whole."]
    said = [
        f"{count} of {of} {'stands' if count == 1 else 'stand'} in {told['corpus']}: {ngram} words in a row, "
        "or a shorter item whole."
    ]
    for one in told["scores"]:
        (a, n), (b, m) = one["held"], one["clean"]
        if not n or not m:
            continue
        words = f"{data['models'][one['model']]['name']} is right on {percent(a / n)} of these and "
        words += f"{percent(b / m)} of the others"
        if one["p"] is None:
            said.append(f"{words}; they share passages, so that no test holds.")
        elif one["p"] <= LEVEL:
            said.append(f"{words}, more than chance (p {p_words(one['p'])}).")
        else:
            said.append(f"{words}: that cannot be told from chance (p {p_words(one['p'])}).")
    for each in told["differences"]:
        first, second = data["models"][0]["name"], data["models"][each["model"]]["name"]
        between = f"95 %: {points(each['low'])} to {points(each['high'])}"
        of = counted(each["of"], "other item")
        if each["p"] <= LEVEL:
            which = "better" if each["mean"] > 0 else "worse"
            said.append(
                f"On the {of} alone {second} is {which} than {first} by "
                f"{points(each['mean'], signed=False)} points ({between}), p {p_words(each['p'])}."
            )
        else:
            said.append(
                f"The {of} alone cannot decide between {second} and {first}: {points(each['mean'])} points "
                f"({between})."
            )
    return said


def _alone(data: Compare) -> str:
    score = next(one for one in data["scores"] if not one["task"])
    name, chance = data["models"][0]["name"], chance_of(data)
    share = (
        f"{percent(score['count'] / score['of'])} (95 %: {percent(score['low'])} to {percent(score['high'])})"
    )
    words = f"{name} is right on {score['count']} of {counted(score['of'], 'item')}, {share}"
    if near_chance(score, chance):
        return f"{words}: that cannot be told from guessing ({percent(chance)})."
    return f"{words}; guessing gives {percent(chance)}."


def _against(data: Compare, one: Difference) -> str:
    first, second = data["models"][0]["name"], data["models"][one["model"]]["name"]
    of = counted(one["of"], "item")
    flips = f"{one['gained']} gained, {one['lost']} lost"
    between = f"95 %: {points(one['low'])} to {points(one['high'])}"
    if significant(data, one):
        which = "better" if one["mean"] > 0 else "worse"
        how = "by the planned looks" if data["request"]["early"] else f"p {p_words(one['p'])}"
        size = points(one["mean"], signed=False)
        return f"{second} is {which} than {first} by {size} points of {of} ({between}), {how}: {flips}."
    return (
        f"{of} cannot decide between {second} and {first}: {points(one['mean'])} points ({between}), {flips}."
    )


def p_words(value: float) -> str:
    """A p-value behind the letter p."""
    return "< .0001" if value < 1e-4 else f"= {value:.2g}".replace("0.", ".")


def notes(request: CompareRequest, loaded: Sequence[Loaded]) -> Iterator[str]:
    """What a reader should know beside the numbers."""
    if any(
        side.rounding and EMBEDDED_SOURCE in one.source
        for side, one in zip(request.sides, loaded, strict=True)
    ):
        yield (
            "This copy of the embedded model was stored as Q4_1: rounding it anew loses less than rounding "
            "the original would."
        )
    for name, side, one in zip(request.names, request.sides, loaded, strict=True):
        if side.rounding in K_TYPES:
            yield f"{name}: {described(one.model, side.rounding)}, as llama.cpp chooses by shape."
    plain = [
        name
        for name, one in zip(request.names, loaded, strict=True)
        if not request.chat and one.tokenizer.chat_template
    ]
    if plain:
        yield (
            f"{', '.join(plain)} {'knows' if len(plain) == 1 else 'know'} a chat template, and the prompts "
            "are plain text, as lm-eval sends them by default."
        )
