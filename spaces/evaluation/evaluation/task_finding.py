"""What a task's run may claim, in sentences: the first one says whether its documents can decide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluation.finding import cut_short, none_decided, p_words, percent, points, unseen
from shared.numbers import counted
from shared.paired import LEVEL

if TYPE_CHECKING:
    from evaluation.data import MeasureDifference, MeasureScore, TaskMeasure, WholeTaskRun

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def label(measure: TaskMeasure) -> str:
    """A metric with its filter."""
    plain = measure["filter"] in ("", "none")
    return measure["name"] if plain else f"{measure['name']} by {measure['filter']}"


def worded(measure: TaskMeasure, value: float, signed: bool = False) -> str:
    """A metric's value, or a difference of two: shares in percent or points, others to three digits."""
    if measure["share"]:
        return points(value) if signed else percent(value)
    size = f"{abs(value):,.0f}" if 999.5 <= abs(value) < 1_000_000 else f"{abs(value):.3g}"
    if "e" in size:
        head, power = size.split("e")
        size = f"{head}·10{str(int(power)).translate(_RAISED)}"
    sign = ("+" if value > 0 else "−" if value < 0 else "") if signed else "−" if value < 0 else ""
    return sign + size


def verdicts(data: WholeTaskRun, over: bool) -> list[str]:
    """The sentences, those that decide something first.

    Args:
        data: with scores and differences.
        over: whether all documents were answered, or the run was ended.
    """
    asked = len(data["documents"])
    of = counted(asked, "document")
    if not over:
        return [f"{asked} of {counted(data['planned'], 'document')}: no verdict before the end"]
    if not asked:
        return ["No documents were answered by all models in time: lower the longest answer, or name fewer."]
    first = [one for one in data["differences"] if not one["measure"]]
    told = [(one["p"] <= LEVEL, _against(data, one)) for one in first]
    said = [words for _, words in sorted(told, key=lambda pair: not pair[0])]
    if len(first) > 1 and not any(yes for yes, _ in told):
        said.insert(0, none_decided(of, data["models"][0]["name"], len(first)))
    blind = [
        unseen(data["models"], one["model"], one["gained"] + one["lost"], one["of"], one["of"], "document")
        for (yes, _), one in zip(told, first, strict=True)
        if not yes and one["gained"] is not None and one["lost"] is not None
    ]
    cut = [
        sum(one["answers"][place].get("ended") == "length" for one in data["documents"])
        for place in range(len(data["models"]))
    ]
    ends = cut_short(data["models"], cut, data["provenance"]["tokens"])
    return [*said, *_scores(data), *_others(data), *blind, *ends]


def _against(data: WholeTaskRun, one: MeasureDifference) -> str:
    measure = data["measures"][one["measure"]]
    base, other = data["models"][0]["name"], data["models"][one["model"]]["name"]
    of = counted(one["of"], "document")
    tail = "" if one["gained"] is None else f": {one['gained']} gained, {one['lost']} lost"
    between = _between(measure, one["low"], one["high"], True)
    moved = worded(measure, one["value"], True) + (" points" if measure["share"] else "")
    if one["p"] <= LEVEL:
        which = "better" if (one["value"] > 0) == measure["higher"] else "worse"
        return (
            f"{other} is {which} than {base}: {moved} of {label(measure)} on {of}{between}, "
            f"p {p_words(one['p'])}{tail}."
        )
    return f"{of} cannot decide between {other} and {base}: {moved} of {label(measure)}{between}{tail}."


def _between(measure: TaskMeasure, low: float | None, high: float | None, signed: bool) -> str:
    if low is None or high is None:
        return ""
    return f" (95 %: {worded(measure, low, signed)} to {worded(measure, high, signed)})"


def _scores(data: WholeTaskRun) -> list[str]:
    measure = data["measures"][0]
    return [_score(data, measure, one) for one in data["scores"] if not one["measure"]]


def _score(data: WholeTaskRun, measure: TaskMeasure, one: MeasureScore) -> str:
    name = data["models"][one["model"]]["name"]
    between = _between(measure, one["low"], one["high"], False)
    if one["count"] is None:
        return f"{name}: {label(measure)} {worded(measure, one['value'])}{between}."
    of = counted(one["of"], "document")
    return f"{name}: {label(measure)} {one['count']} of {of}, {worded(measure, one['value'])}{between}."


def _others(data: WholeTaskRun) -> list[str]:
    """What the other metrics decide, where they do."""
    found = []
    for one in data["differences"]:
        if one["measure"] and one["p"] <= LEVEL:
            measure = data["measures"][one["measure"]]
            which = "better" if (one["value"] > 0) == measure["higher"] else "worse"
            found.append(
                f"By {label(measure)} {data['models'][one['model']]['name']} is {which} than "
                f"{data['models'][0]['name']}, p {p_words(one['p'])}."
            )
    return found
