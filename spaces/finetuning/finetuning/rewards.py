"""What an answer is paid by: parts that a visitor writes without code, one a line, each with a weight.

about 50 characters
0.5 * contains sea | ocean
-1 * does not end
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from shared import rules
from shared.errors import VisitorError
from shared.refusals import words
from shared.rules import LIKELIER, Rule, Said, rule_of

MOST = 6
"""Parts of one reward."""
KINDS = {
    "about N characters": "−|n − N| / N, of characters, words, sentences or tokens",
    "at most N words": "1 or 0; also at least and exactly, and words, sentences or tokens",
    "starts with …": "1 or 0; several possibilities with | between",
    "contains …": "1 or 0; several possibilities with | between",
    "matches …": "1 or 0: a regular expression is found",
    "language …": "1 or 0: the answer is in that language",
    "refuses": "1 or 0",
    "breaks off": "1 or 0: it ends in the middle of a sentence",
    "does not end": "1 or 0: it has no token that ends it",
    "answer": "1 or 0: it contains the row's own answer, in whole words",
    "likelihood": "ln p a token under the model before training, nats",
}
"""What a line may be, and what it pays."""
_WEIGHT = re.compile(r"([+\-−]?\d{1,3}(?:\.\d{1,4})?)\s*[*×]\s*")
_ABOUT = re.compile(r"about (\d{1,4}) (character|word|sentence|token)s?")
_LENGTH = re.compile(r"(at most|at least|exactly) \d{1,4} (word|sentence|token)s?")
_LISTED = ("starts with", "contains")


class Written(NamedTuple):
    """An answer as it is paid.

    Args:
        text: without special tokens and blanks around it.
        ended: whether the model wrote a token that ends it.
        tokens: how many it has, without that one.
        answer: what the row's own answer is; "" where it states none.
        likelihood: mean ln p of its tokens under the model before training, nats.
    """

    text: str
    ended: bool
    tokens: int
    answer: str = ""
    likelihood: float = 0.0


@dataclass(frozen=True)
class Part:
    """A part of a reward.

    Args:
        words: its line, without the weight.
        weight: by which it counts.
        kind: "about", "answer", "likelihood" or "rule".
        number: N of "about".
        unit: of that.
        rule: of "rule", which pays 1 where an answer shows it.
    """

    words: str
    weight: float
    kind: str
    number: int = 0
    unit: str = ""
    rule: Rule | None = None

    @property
    def line(self) -> str:
        """As a visitor writes it."""
        return self.words if self.weight == 1 else f"{self.weight:g} * {self.words}"


def parts_of(value: Any) -> tuple[Part, ...]:
    """Parts from text with one a line, or from a list of such lines.

    Raises:
        VisitorError: there is none, there are too many, or one is no part.
    """
    lines = value.splitlines() if isinstance(value, str) else value
    if not isinstance(lines, (list, tuple)) or not all(isinstance(line, (str, Part)) for line in lines):
        raise VisitorError("The reward is no text.", "Write one part a line, such as “about 50 characters”.")
    found = [
        line if isinstance(line, Part) else _part(line.strip())
        for line in lines
        if isinstance(line, Part) or line.strip()
    ]
    if not found:
        raise VisitorError("The reward has no part.", "Write one a line, such as “about 50 characters”.")
    if len(found) > MOST:
        raise VisitorError(f"The reward has {len(found)} parts.", f"Use at most {MOST}.")
    named = [part.words for part in found]
    if twice := sorted({one for one in named if named.count(one) > 1}):
        raise VisitorError(f"“{twice[0][:60]}” stands there twice.", "Write it once, with a weight.")
    return tuple(found)


def text_of(parts: Sequence[Part]) -> str:
    """Parts as a text field shows them."""
    return "\n".join(part.line for part in parts)


def _part(line: str) -> Part:
    weight, says = 1.0, " ".join(line.split())
    if match := _WEIGHT.match(says):
        weight, says = float(match[1].replace("−", "-")), says[match.end() :]
        if not weight:
            raise VisitorError(
                f"“{line[:60]}” counts for nothing.", "Give it another weight, or leave it out."
            )
    if match := _ABOUT.fullmatch(says):
        if not int(match[1]):
            raise VisitorError(f"“{says}” is no length to aim at.", "Use a number above 0.")
        return Part(says, weight, "about", int(match[1]), match[2])
    if says in ("answer", "likelihood"):
        return Part(says, weight, says)
    return Part(says, weight, "rule", rule=_rule(says))


def _rule(says: str) -> Rule:
    if _LENGTH.fullmatch(says):
        return rule_of("length", says)
    for kind in rules.KINDS:
        if kind not in ("length", LIKELIER) and (says == kind or says.startswith(f"{kind} ")):
            value = says[len(kind) :].strip()
            if kind in _LISTED:
                value = "\n".join(one.strip() for one in value.split("|") if one.strip())
            elif value and kind not in ("matches", "language"):
                break
            return rule_of(kind, value)
    raise VisitorError(
        f"“{says[:60]}” is no part of a reward.",
        "Write lines such as “about 50 characters”, “contains sea | ocean”, “at most 20 words”, “answer” or "
        "“0.5 * likelihood”.",
    )


def paid(parts: Sequence[Part], answers: Sequence[Written]) -> list[list[float]]:
    """What each part pays for each answer, without its weight.

    Raises:
        VisitorError: a regular expression takes too long on them.
    """
    columns = [_column(part, answers) for part in parts]
    return [list(row) for row in zip(*columns, strict=True)]


def total(parts: Sequence[Part], row: Sequence[float]) -> float:
    """The reward of an answer from what its parts pay."""
    return sum(part.weight * value for part, value in zip(parts, row, strict=True))


def _column(part: Part, answers: Sequence[Written]) -> list[float]:
    if part.kind == "likelihood":
        return [one.likelihood for one in answers]
    if part.kind == "answer":
        return [float(_has(one)) for one in answers]
    if part.kind == "about":
        return [-abs(_length(one, part.unit) - part.number) / part.number for one in answers]
    assert part.rule
    said = [Said(one.text, one.ended, one.tokens) for one in answers]
    return [float(shown) for shown in rules.verdicts(part.rule, said)]


def _has(one: Written) -> bool:
    """Whether an answer contains the row's own, as whole words."""
    wanted = " ".join(one.answer.split())
    found = re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", " ".join(one.text.split()), re.IGNORECASE)
    return bool(wanted) and found is not None


def _length(one: Written, unit: str) -> int:
    if unit == "token":
        return one.tokens
    if unit == "character":
        return len(one.text)
    return rules.sentences(one.text) if unit == "sentence" else len(words(one.text))
