"""The same model without a draft, one token a pass: what a speculative run is measured against."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from decoding.speculative.reader import Reader
from decoding.speculative.rounds import Plan


@dataclass(frozen=True)
class Alone:
    """How far the model has come without a draft.

    Args:
        ids: the tokens: of greedy search its own, of a draw those of the speculative text, read again.
        probabilities: of each, after the settings.
    """

    ids: tuple[int, ...]
    probabilities: tuple[float, ...]


def alone(plan: Plan, target: Reader, text: Sequence[int]) -> Iterator[Alone]:
    """Write as many tokens as a text has, one a pass.

    Greedy search writes a text of its own, which the rule says is the same. A draw would write another text;
    so the speculative one is read again, which takes the same passes and gives the same probabilities.

    Args:
        plan: of the run.
        target: reads for this alone.
        text: what the speculative run wrote.
    """
    ids: list[int] = []
    probabilities: list[float] = []
    while len(ids) < len(text) and not (ids and ids[-1] in plan.ends):
        before = [*plan.prompt, *ids]
        p = plan.warp.shown(target.read(before, 1)[0], before)
        token = int(p.argmax()) if plan.warp.greedy else text[len(ids)]
        ids.append(token)
        probabilities.append(float(p[token]))
        yield Alone(tuple(ids), tuple(probabilities))
