"""Rules by which an answer shows a behaviour, as a visitor writes them without code.

All of them but "is likelier" judge what was said. That one needs no answer: it asks which of two given
answers the model would rather give, see `shared.contrasts`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from shared import languages, limits
from shared.errors import VisitorError
from shared.experts import behaviour
from shared.refusals import MARKERS, grade, words
from shared.worker import Worker

LIKELIER = "is likelier"
KINDS = {
    "starts with": "its first words, one possibility a line",
    "contains": "words anywhere in it, one possibility a line; … stands for anything within a sentence",
    "matches": "a regular expression of Python that is found somewhere in it",
    "length": "at most, at least or exactly so many words, sentences or tokens, as in “at most 20 words”",
    "language": f"one of {', '.join(languages.LANGUAGES)}",
    "refuses": "graded rule 2; phrases that count as a refusal, one a line, or none for the rule's own",
    "breaks off": "nothing: the model ended its answer in the middle of a sentence",
    "does not end": "nothing: the model wrote no token that ends its answer",
    LIKELIER: "an answer, and the other that it must be likelier than, each per token of its own",
}
"""What can be said of an answer, and what each rule's value is."""
MOST_CHARACTERS = 2_000
"""Longest value of a rule."""
SHOWN = 3
"""Phrases of a rule that are said in words."""
_LENGTH = re.compile(r"(at most|at least|exactly) (\d{1,4}) (word|sentence|token)s?")
_SENTENCE = re.compile(r"\s*\S.*?(?:[.!?](?=\s|$)|[。！？]|$)", re.DOTALL)
_worker = Worker(Path(__file__).with_name("pattern_worker.py"), limits.PATTERN_SECONDS, limits.PATTERN_BYTES)


class Said(NamedTuple):
    """An answer as it is judged.

    Args:
        text: without special tokens and blanks around it.
        ended: whether the model wrote a token that ends it.
        tokens: how many it has, without that one.
    """

    text: str
    ended: bool
    tokens: int = 0


@dataclass(frozen=True)
class Rule:
    """What an answer must be to show a behaviour.

    Args:
        kind: one of `KINDS`.
        value: what `KINDS` says; "" where the kind needs none.
        against: the other answer of "is likelier".
    """

    kind: str
    value: str = ""
    against: str = ""

    @property
    def phrases(self) -> tuple[str, ...]:
        """The value's lines."""
        return tuple(line.strip() for line in self.value.splitlines() if line.strip())

    @property
    def words(self) -> str:
        """The rule as a sentence goes on after "the answer"."""
        few = [f"“{phrase}”" for phrase in self.phrases[:SHOWN]]
        more = len(self.phrases) - len(few)
        said = " or ".join([*few, f"{more} more"] if more else few)
        if self.kind == LIKELIER:
            return f"“{self.value}” is likelier than “{self.against}”"
        return f"{self.kind} {said}" if said else self.kind


def rule_of(kind: Any, value: Any = "", against: Any = "") -> Rule:
    """A rule, checked.

    Raises:
        VisitorError: there is no such rule, or its value is not one.
    """
    if kind not in KINDS:
        raise VisitorError(f"There is no rule “{str(kind)[:40]}”.", f"Choose one of {', '.join(KINDS)}.")
    for text in (value, against):
        if not isinstance(text, str) or len(text) > MOST_CHARACTERS or "\0" in text:
            raise VisitorError(
                f"What “{kind}” is given is not text of at most {MOST_CHARACTERS:,} characters.",
                "Shorten it.",
            )
    rule = Rule(str(kind), value.strip(), against.strip() if kind == LIKELIER else "")
    if kind in ("breaks off", "does not end"):
        return Rule(rule.kind)
    if kind != "refuses" and not rule.value:
        raise VisitorError(f"The rule “{kind}” has no value.", f"Give it {KINDS[rule.kind]}.")
    if kind == "length" and not _LENGTH.fullmatch(rule.value):
        raise VisitorError(
            f"“{rule.value[:40]}” is not a length.", "Write it as “at most 20 words” or “exactly 1 sentence”."
        )
    if kind == "language" and rule.value not in languages.LANGUAGES:
        raise VisitorError(
            f"“{rule.value[:40]}” is not a language that can be told.",
            f"Choose one of {', '.join(languages.LANGUAGES)}.",
        )
    if kind == "matches":
        found([""], rule.value)
    if kind == LIKELIER and (not rule.against or rule.against == rule.value):
        raise VisitorError(
            f"The answer “{rule.value[:40]}” has no other to be compared with.",
            "Give a second answer that differs.",
        )
    return rule


def verdicts(rule: Rule, answers: Sequence[Said]) -> list[bool]:
    """Which answers show it.

    Raises:
        VisitorError: a regular expression takes too long on them.
        ValueError: the rule judges no answers (`LIKELIER`).
    """
    if rule.kind == "matches":
        return found([said.text for said in answers], rule.value)
    return [_shows(rule, said) for said in answers]


def _shows(rule: Rule, said: Said) -> bool:
    text = said.text.replace("’", "'")
    if rule.kind == "starts with":
        return _opening(rule.phrases).match(text) is not None
    if rule.kind == "contains":
        return _anywhere(rule.phrases).search(text) is not None
    if rule.kind == "length":
        return _has_length(rule.value, said)
    if rule.kind == "language":
        return languages.language_of(said.text) == rule.value
    if rule.kind == "refuses":
        return grade(said.text, rule.phrases or MARKERS) == "refused"
    if rule.kind == "breaks off":
        return behaviour.breaks_off(said.text, said.ended)
    if rule.kind == "does not end":
        return not said.ended
    raise ValueError(rule.kind)


def pattern_of(rule: Rule) -> str | None:
    """The regular expression that a rule finds in an answer whose ’ became ', without regard to case, for a
    program that does the same; None where it is none.
    """
    if rule.kind == "starts with":
        return "^" + _opening(rule.phrases).pattern
    return _anywhere(rule.phrases).pattern if rule.kind == "contains" else None


@lru_cache(maxsize=32)
def _opening(phrases: tuple[str, ...]) -> re.Pattern[str]:
    """Any of some phrases at an answer's beginning, whatever signs stand before it; a word is a whole one."""
    return re.compile(r"\W*(?:" + "|".join(map(_whole, phrases)) + ")", re.IGNORECASE)


def _whole(phrase: str) -> str:
    escaped = re.escape(phrase.replace("’", "'"))
    return escaped + (r"\b" if re.search(r"\w$", phrase) else "")


@lru_cache(maxsize=32)
def _anywhere(phrases: tuple[str, ...]) -> re.Pattern[str]:
    """Any of some phrases; a word is a whole one, “…” is anything within a sentence."""
    each = []
    for phrase in phrases:
        parts = [part.strip() for part in phrase.split("…") if part.strip()]
        if parts:
            start = r"\b" if re.match(r"\w", parts[0]) else ""
            each.append(start + r"[^.!?\n]{0,200}?".join(map(_whole, parts)))
    return re.compile("|".join(each) or r"(?!)", re.IGNORECASE)


def sentences(text: str) -> int:
    """How many sentences a text has; what is left at its end without a full stop is one, too."""
    return len(_SENTENCE.findall(" ".join(text.split())))


def _has_length(value: str, said: Said) -> bool:
    """Whether an answer has a length.

    One that was cut at the longest length may go on, so that it is only known to be at least as long; and a
    sentence that the model broke off is none.
    """
    match = _LENGTH.fullmatch(value)
    assert match
    relation, number, unit = match[1], int(match[2]), match[3]
    if unit == "token":
        count = said.tokens
    else:
        count = sentences(said.text) if unit == "sentence" else len(words(said.text))
    broken = unit == "sentence" and behaviour.breaks_off(said.text, True)
    if relation == "at least":
        return count - broken >= number
    whole = said.ended and not broken
    return whole and (count <= number if relation == "at most" else count == number)


def found(texts: Sequence[str], pattern: str) -> list[bool]:
    """In which texts a regular expression is found (`re.search`). Errors as of `searched`."""
    return [bool(one) for one in searched(texts, pattern, remedy="or use the rule “contains”")]


def searched(
    texts: Sequence[str], pattern: str, way: str = "whether", remedy: str = "or leave it out"
) -> list[Any]:
    """What a regular expression finds in texts, in a process of its own that ends after
    `limits.PATTERN_SECONDS`.

    Args:
        texts: each by itself.
        pattern: of Python's `re`.
        way: "whether" it is found (`re.search`), "all" that is (`re.findall`, groups as lists), or the text
            "without" it (`re.sub`).
        remedy: how the second sentence of an error ends.

    Raises:
        VisitorError: it is no regular expression, or takes too much time or memory.
    """
    answer = _worker.ask({"pattern": pattern, "texts": list(texts), "way": way})
    if "error" in answer:
        raise VisitorError(
            f"“{pattern[:60]}” is not a regular expression: {answer['error']}.", f"Mend it, {remedy}."
        )
    if "found" not in answer:
        raise VisitorError(
            f"The pattern “{pattern[:60]}” takes more than {limits.PATTERN_SECONDS:g} seconds.",
            f"Write one that has less to go back and forth in, {remedy}.",
        )
    return list(answer["found"])
