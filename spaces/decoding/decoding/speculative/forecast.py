"""How many passes a text would have taken with every number of draft tokens: exact, given the text.

A token x of the text was kept or replaced. It came out with p(x), and as a kept token with min(p(x), q(x)):
so, given that it stands there, it was kept with chance min(1, q(x)/p(x)), whatever stands elsewhere. From
these chances follows the expected number of rounds for any number of draft tokens, without the usual
assumption that all tokens are accepted equally often. For greedy search every chance is 0 or 1, and what
follows is no expectation but the number itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Kept = Callable[[int], list[float]]
"""From the place where a round begins to the chances with which the tokens of the text behind it are kept, as
far as the draft proposes.
"""


@dataclass(frozen=True)
class Forecast:
    """What a text costs with so many draft tokens a round, expected given the text.

    Args:
        draft_tokens: a round.
        passes: of the model.
        read: passes of the model by how many tokens each reads, the prompt left out.
        drafted: tokens that the draft proposes.
    """

    draft_tokens: int
    passes: float
    read: dict[int, float]
    drafted: float


def forecast(kept: Kept, length: int, new_tokens: int, draft_tokens: int) -> Forecast:
    """The expected passes of a text.

    Args:
        kept: see `Kept`.
        length: tokens of the text.
        new_tokens: that it might have had; a round proposes one less than are left.
        draft_tokens: that a round proposes at most.
    """
    begins = [0.0] * (length + 1)
    begins[0] = 1.0
    passes = drafted = 0.0
    read: dict[int, float] = {}
    for place in range(length):
        share = begins[place]
        if not share:
            continue
        chances = kept(place)[: min(draft_tokens, new_tokens - place - 1)]
        passes += share
        drafted += share * len(chances)
        read[len(chances) + 1] = read.get(len(chances) + 1, 0.0) + share
        going = share
        for at, chance in enumerate(chances):
            if place + at >= length:
                break
            begins[min(length, place + at + 1)] += going * (1 - chance)
            going *= chance
        begins[min(length, place + len(chances) + 1)] += going
    return Forecast(draft_tokens, passes, read, drafted)


def independent(acceptance: float, draft_tokens: int) -> float:
    """Tokens a pass where each draft token is kept with the same chance, whatever happens to the others:
    (1 − α^(γ+1)) / (1 − α), as in Leviathan et al. 2023.
    """
    return sum(acceptance**power for power in range(draft_tokens + 1))
