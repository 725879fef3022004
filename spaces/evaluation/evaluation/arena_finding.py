"""What pairs of answers may claim, in sentences: the first one says whether the judge can decide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluation.finding import p_words, percent
from evaluation.strengths import TIE
from shared.numbers import counted
from shared.paired import LEVEL, exchange_p, holm

if TYPE_CHECKING:
    from evaluation.data import Arena, Pair


def verdicts(data: Arena) -> list[str]:
    """The sentences, those that decide something first.

    Args:
        data: complete, but for these.
    """
    pairs = data["pairs"]
    of = f"{counted(len(pairs), 'pair')} of {counted(len(data['prompts']), 'prompt')}"
    same = sum(one["same"] for one in pairs)
    alike = [f"In {counted(same, 'pair')} both answers are the same text: ties that nobody is asked about."]
    if not data["judge"]:
        return [f"{of} wait for your votes; no model judges them.", *(alike if same else [])]
    said = []
    others = range(1, len(data["models"]))
    records = {other: _record(pairs, other) for other in others}
    ps = holm([_p(*records[other]) for other in others])
    told = []
    first = data["models"][0]["name"]
    for other, p in zip(others, ps, strict=True):
        won, lost, tied = records[other]
        second = data["models"][other]["name"]
        score = f"{won} won, {lost} lost, {tied} tied"
        if p <= LEVEL:
            how = "better" if won > lost else "worse"
            words = f"{data['judge']} finds {second} {how} than {first}: {score}, p {p_words(p)}."
        else:
            words = f"{data['judge']} cannot decide between {second} and {first}: {score}, p {p_words(p)}."
        told.append((p <= LEVEL, words))
    if len(told) > 1 and not any(yes for yes, _ in told):
        rest = {2: "two", 3: "three"}[len(told)]
        said.append(f"{data['judge']} cannot decide between {first} and the {rest} others by {of}.")
    said += [words for _, words in sorted(told, key=lambda pair: not pair[0])]
    flips, first_side = data["flips"], data["first"]
    if flips and flips["of"]:
        share = f"{flips['count']} of {counted(flips['of'], 'pair')}"
        words = (
            f"its verdict changes when the two answers change places on {share} (95 %: "
            f"{percent(flips['low'])} to {percent(flips['high'])}), which count as ties"
        )
        if flips["low"] > 0.5:
            said.insert(0, f"{data['judge']} is no judge of these answers: {words}.")
        else:
            said.append(f"{data['judge']}: {words}.")
    if first_side and first_side["of"]:
        said.append(
            f"It prefers the answer that stands first in {first_side['count']} of {first_side['of']} "
            "readings; a judge without a bias does in half."
        )
    if data["judge"] in {side["name"] for side in data["models"]}:
        said.append(f"{data['judge']} judges answers of its own among them.")
    said += alike if same else []
    said += _known(data)
    return said


def _record(pairs: list[Pair], other: int) -> tuple[int, int, int]:
    """Pairs of a model and the first that the judge lets it win, lose, and neither."""
    some = [one for one in pairs if {one["left"], one["right"]} == {0, other}]
    winners = [one["judge"]["winner"] if one["judge"] else TIE for one in some]
    return winners.count(other), winners.count(0), winners.count(TIE)


def _p(won: int, lost: int, _: int) -> float:
    """The exact sign test's p: a prompt gives one such pair, so that pairs are independent."""
    return exchange_p([1] * won + [-1] * lost)


def _known(data: Arena) -> list[str]:
    """What the expected words say, and whether the judge agrees."""
    if not data["known"] or not data["known"][0]["of"]:
        return []
    counts = [
        f"{side['name']} {known['count']}" for side, known in zip(data["models"], data["known"], strict=True)
    ]
    asked = counted(data["known"][0]["of"], "prompt")
    said = [f"Of {asked} with a known answer it stands in: {', '.join(counts)}."]
    agreed = data["agreed"]
    if agreed and agreed["of"]:
        words = f"On these the judge says the same for {agreed['same']} of {counted(agreed['of'], 'pair')}"
        if agreed["kappa"] is None:
            said.append(f"{words}; κ is not defined, since each says one thing alone.")
        else:
            kappa, low, high = (
                f"{value:.2f}".replace("-", "−") for value in (agreed["kappa"], agreed["low"], agreed["high"])
            )
            said.append(f"{words}: κ = {kappa} (95 %: {low} to {high}).")
    return said
