"""How much of a reference an answer has in common with it: the counts that BLEU and chrF add up over a set.

Both are those of sacrebleu 2.6 with its defaults, as lm-eval asks for them: BLEU (Papineni et al. 2002) by
the tokens of mteval-v13a with exponential smoothing, chrF (Popović 2015) by runs of 1 to 6 characters without
blanks and β = 2.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

WORDS = 4
"""Longest run of words that BLEU counts."""
CHARACTERS = 6
"""Longest run of characters that chrF counts."""
BETA2 = 4.0
"""β² of chrF: recall counts twice as much as precision."""
_ENTITIES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))
_APART = (
    (re.compile(r"([\{-\~\[-\` -\&\(-\+\:-\@\/])"), r" \1 "),
    (re.compile(r"([^0-9])([\.,])"), r"\1 \2 "),
    (re.compile(r"([\.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)
"""What mteval-v13a takes apart: signs; points and commas but between digits; dashes behind digits."""


def words(text: str) -> list[str]:
    """A text's tokens by mteval-v13a."""
    text = text.rstrip().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for written, sign in _ENTITIES:
        text = text.replace(written, sign)
    text = f" {text} "
    for pattern, apart in _APART:
        text = pattern.sub(apart, text)
    return text.split()


def _runs(parts: Sequence[str], length: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(parts[at : at + length]) for at in range(len(parts) - length + 1))


def bleu_counts(reference: str, answer: str) -> list[float]:
    """Runs of 1 to 4 words that both have, those of the answer, and both lengths in words."""
    said, wanted = words(answer), words(reference)
    common, all_ = [], []
    for length in range(1, WORDS + 1):
        some = _runs(said, length)
        common.append(float((some & _runs(wanted, length)).total()))
        all_.append(float(some.total()))
    return [*common, *all_, float(len(said)), float(len(wanted))]


def bleu(sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """BLEU, 0 to 100, of counts that were added up, (…, 10)."""
    common, all_ = sums[..., :WORDS], sums[..., WORDS : 2 * WORDS]
    said, wanted = sums[..., -2], sums[..., -1]
    logs, halved = np.zeros(said.shape), np.zeros(said.shape)
    for at in range(WORDS):
        none = common[..., at] == 0
        halved = halved + none
        counted = np.where(none, 0.5**halved, common[..., at])
        logs = logs + np.log(counted / np.maximum(all_[..., at], 1e-300)) / WORDS
    short = np.where(said < wanted, np.exp(1 - wanted / np.maximum(said, 1e-300)), 1.0)
    empty = (all_.min(-1) == 0) | (common.max(-1) == 0)
    return np.where(empty, 0.0, 100 * short * np.exp(np.where(empty, 0.0, logs)))


def chrf_counts(reference: str, answer: str) -> list[float]:
    """For runs of 1 to 6 characters: those of the answer where the reference has such runs, those of the
    reference, those of both.
    """
    said, wanted = list("".join(answer.split())), list("".join(reference.split()))
    found: list[float] = []
    for length in range(1, CHARACTERS + 1):
        some, other = _runs(said, length), _runs(wanted, length)
        found += [some.total() if other else 0, other.total(), (some & other).total()]
    return list(map(float, found))


def chrf(sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """chrF, 0 to 100, of counts that were added up, (…, 18): of precision and recall the mean over the
    lengths that both have.
    """
    said, wanted, common = (sums[..., at::3] for at in range(3))
    both = (said > 0) & (wanted > 0)
    lengths = np.maximum(both.sum(-1), 1)
    precision = (np.where(both, common / np.maximum(said, 1), 0)).sum(-1) / lengths
    recall = (np.where(both, common / np.maximum(wanted, 1), 0)).sum(-1) / lengths
    below = BETA2 * precision + recall
    return np.where(below > 0, 100 * (1 + BETA2) * precision * recall / np.where(below > 0, below, 1), 0.0)
