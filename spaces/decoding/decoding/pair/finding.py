"""What a comparison found, in sentences that its numbers prove."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from decoding import data
from decoding.reasons import percent

NEAR, FAR = 2.0, 10.0
"""How many times as likely a model's own token is as the other's: less than the first in both models is a
near tie, the second or more in one of them a change of mind.
"""


@dataclass(frozen=True)
class Said:
    """A finding's first sentence, and what is to be known beside it."""

    finding: str
    meaning: tuple[str, ...]


NOTHING = Said("", ())


def verdict(tokens: Sequence[data.PartingToken]) -> data.Verdict | None:
    """How much the models differ over the tokens that they took, None where one of them is not known.

    Args:
        tokens: the first model's and the second's, with log-probabilities under both.
    """
    if len(tokens) != 2:
        return None
    margins = []
    for own in (0, 1):
        mine, other = (tokens[which]["logprobs"][own] for which in (own, 1 - own))
        margins.append(math.inf if other is None else (mine if mine is not None else -math.inf) - other)
    if max(margins) >= math.log(FAR):
        return "change of mind"
    return "near tie" if max(margins) < math.log(NEAR) else "shift"


def said(names: tuple[str, str], texts: Sequence[data.PairText], parting: data.Parting | None) -> Said:
    """The finding.

    Args:
        names: of the models.
        texts: one where both wrote the same, else two, read by both models.
        parting: where they part.
    """
    if parting is None:
        return _same(texts[0])
    meaning = [_ranks(names, parting)] if parting["tokens"] else []
    meaning += [_less_likely(names, text) for text in texts if text["steps"]]
    if parting["draws"] and parting["apart"] is not None:
        meaning.append(
            "Both draw with the same random numbers, so that equal odds always give equal tokens: where the "
            "texts part, the odds differ."
        )
    if parting["verdict"]:
        meaning.append(
            "At a near tie neither model finds its own token twice as likely as the other model's, at a "
            "change of mind one finds it ten times as likely or more; a shift lies between."
        )
    return Said(_parted(names, parting), (*filter(None, meaning), _scope(texts)))


def _same(text: data.PairText) -> Said:
    count, forward = len(text["token_ids"]), text["forward"]
    tokens = "token" if count == 1 else f"{count} tokens"
    if forward is None or not text["steps"]:
        return Said(f"The same {tokens}.", ())
    places = f"n = {len(text['steps'])} {'step' if len(text['steps']) == 1 else 'steps'} of one text"
    if not any(step["forward"] or step["backward"] or step["variation"] for step in text["steps"]):
        return Said(
            f"The same {tokens}, and exactly the same odds at every step: 0 nats apart ({places}).", ()
        )
    distances = [math.inf if step["forward"] is None else step["forward"] for step in text["steps"]]
    at = distances.index(max(distances))
    share = text["same_top"]
    agreed = (
        ""
        if share is None
        else f"Both find the same token likeliest at {share['count']} of {share['of']} steps. "
    )
    meaning = (
        f"{agreed}Most apart they are at token {at + 1}, {quoted(text['steps'][at]['texts'][0])}: "
        f"{nats(distances[at])} nats.",
        _scope([text]),
    )
    return Said(f"The same {tokens}, on average {nats(forward['mean'])} nats apart ({places}).", meaning)


def _parted(names: tuple[str, str], parting: data.Parting) -> str:
    start = f"They part at token {parting['step']}"
    if None in parting["ids"]:
        ended = parting["ids"].index(None)
        return f"{start}: the text of {names[ended]} has ended there, that of {names[1 - ended]} goes on."
    if not parting["tokens"]:
        return f"{start}, with a token that one of the models does not have."
    one, two = parting["tokens"]
    settings = ", settings applied" if parting["settings"] else ""
    odds = (
        f"{quoted(one['label'])} has {_odds(one, 0)} in {names[0]} and {_odds(one, 1)} in {names[1]}, "
        f"{quoted(two['label'])} {_odds(two, 0)} and {_odds(two, 1)}{settings}."
    )
    if not parting["draws"]:
        article = "" if parting["verdict"] is None else f", a {parting['verdict']}"
        return f"{start}{article}: {odds}"
    if parting["apart"] is None:
        return f"{start}: {odds}"
    chance = percent(parting["apart"])
    return f"{start}, where the same random numbers tell them apart in {chance} of draws: {odds}"


def _ranks(names: tuple[str, str], parting: data.Parting) -> str:
    one, two = parting["tokens"]
    return (
        f"There {names[1]} ranks {quoted(one['label'])} {ordinal(one['ranks'][1])}, and {names[0]} ranks "
        f"{quoted(two['label'])} {ordinal(two['ranks'][0])}."
    )


def _less_likely(names: tuple[str, str], text: data.PairText) -> str:
    own = text["of"]
    mine, other = text["logprob"][own], text["logprob"][1 - own]
    if mine is None or other is None:
        return ""
    gap = mine - other
    which = f"The whole text of {names[own]} is"
    if abs(gap) < math.log(1.05):
        return f"{which} about as likely in {names[1 - own]}."
    more, less = (own, 1 - own) if gap > 0 else (1 - own, own)
    return f"{which} {_times(abs(gap))} times as likely in {names[more]} as in {names[less]}."


def _times(gap: float) -> str:
    """e^gap in words."""
    if gap < math.log(1e6):
        factor = math.exp(gap)
        return f"{factor:,.0f}" if factor >= 10 else f"{factor:.2g}"
    power = str(round(gap / math.log(10)))
    return f"10{power.translate(_RAISED)}"


_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def _scope(texts: Sequence[data.PairText]) -> str:
    count = " and ".join(str(len(text["steps"])) for text in texts)
    many = "one text" if len(texts) == 1 else "two texts"
    return (
        f"All of this is of {many} after one prompt (n = {count} tokens, which depend on each other), not of "
        "the models in general."
    )


def quoted(label: str) -> str:
    """A token in a sentence, at most 24 characters of it."""
    return f"“{label if len(label) <= 24 else label[:23] + '…'}”"


def _odds(token: data.PartingToken, side: int) -> str:
    value = token["logprobs"][side]
    return "no chance" if value is None else percent(math.exp(value))


def nats(value: float) -> str:
    """A divergence with two digits."""
    if value == math.inf:
        return "infinitely many"
    return "0" if value == 0 else (f"{value:.2g}" if value >= 1e-4 else f"{value:.1e}")


def ordinal(rank: int) -> str:
    """1st, 2nd, 113th."""
    ending = "th" if rank % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(rank % 10, "th")
    return f"{rank:,}{ending}"
