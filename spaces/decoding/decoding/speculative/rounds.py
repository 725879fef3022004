"""The rounds of a speculative run: a draft proposes, the model reads all of it in one pass, the rule
decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

import torch

from decoding.speculative.drafts import Draft
from decoding.speculative.reader import Reader
from decoding.speculative.rule import Chances, Meeting
from decoding.speculative.warp import Warp


@dataclass(frozen=True)
class Place:
    """A place of the text that a round proposed a token for, or decided.

    Args:
        proposed: the draft's token, None behind the last of them.
        p: [V], the model's distribution after the settings; `q`: the draft's, None where it was not asked.
        tested: whether the rule was applied here: not behind a rejection.
        chance: with which the proposed token is kept.
        number: the uniform number that decided, None where nothing was left to chance.
        accepted: whether the proposed token was kept.
        meeting: the distributions that the rule compared, where it was applied to a proposed token.
        written: the token that the round wrote here, None where it wrote none.
    """

    proposed: int | None
    p: torch.Tensor
    q: torch.Tensor | None
    tested: bool
    chance: float | None = None
    number: float | None = None
    accepted: bool = False
    meeting: Meeting | None = None
    written: int | None = None


@dataclass(frozen=True)
class Round:
    """One pass of the model: what was proposed, and what became of it.

    Args:
        start: tokens of text, the prompt left out, before it.
        places: each proposed token, and the place behind the last where it was reached.
    """

    start: int
    places: tuple[Place, ...]

    @property
    def written(self) -> list[int]:
        """The tokens that it added to the text."""
        return [place.written for place in self.places if place.written is not None]


@dataclass(frozen=True)
class Plan:
    """What a run is told.

    Args:
        prompt: token ids.
        new_tokens: the longest text.
        draft_tokens: proposed in a round at most.
        ends: token ids that end a text.
        warp: the settings.
    """

    prompt: tuple[int, ...]
    new_tokens: int
    draft_tokens: int
    ends: AbstractSet[int]
    warp: Warp = field(repr=False)

    def room(self, written: int) -> int:
        """Tokens that a round may propose: the model always adds one itself."""
        return min(self.draft_tokens, self.new_tokens - written - 1)


def rounds(plan: Plan, target: Reader, draft: Draft, chances: Chances) -> Iterator[Round]:
    """Write a text, and yield every round of it."""
    text: list[int] = []
    while len(text) < plan.new_tokens and not (text and text[-1] in plan.ends):
        one = _round(plan, target, draft, chances, text)
        text += one.written
        yield one


def _round(plan: Plan, target: Reader, draft: Draft, chances: Chances, text: Sequence[int]) -> Round:
    warp, ids = plan.warp, [*plan.prompt, *text]
    proposal = draft.propose(ids, plan.room(len(text)), warp, chances, plan.ends)
    count = len(proposal.tokens)
    ahead = [*ids, *proposal.tokens]
    logits = target.read(ahead, count + 1)
    places: list[Place] = []
    going = True
    for at, token in enumerate(proposal.tokens):
        p, q = warp.shown(logits[at], ahead[: len(ids) + at]), proposal.shown[at]
        if not going:
            places.append(Place(token, p, q, tested=False))
            continue
        place = decide(warp, token, p, q, chances)
        places.append(place)
        going = place.accepted and token not in plan.ends
    if going:
        p = warp.shown(logits[count], ahead)
        places.append(Place(None, p, None, tested=True, written=warp.take(warp.used(p), chances)))
    return Round(len(text), tuple(places))


def decide(warp: Warp, token: int, p: torch.Tensor, q: torch.Tensor, chances: Chances) -> Place:
    """Keep a proposed token or replace it.

    Args:
        warp: the settings.
        token: that the draft took from its distribution.
        p: [V], the model's distribution after the settings.
        q: [V], the draft's.
        chances: decide.
    """
    meeting = Meeting(warp.used(p), warp.used(q))
    chance = meeting.chance(token)
    number = None if warp.greedy else chances.below(chance)
    accepted = chance == 1 if number is None else number < chance
    written = token if accepted else warp.take(meeting.residual, chances)
    return Place(token, p, q, True, chance, number, accepted, meeting, written)
