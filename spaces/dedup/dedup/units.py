"""Which units a run compares where the visitor leaves it open: words, or words and symbols.

Words are right for prose, where punctuation comes and goes. In maths and code the signs carry the meaning:
by words alone `12 + 5` and `12 - 5` are one.
"""

from __future__ import annotations

import re

from dedup.shingles import parted, to_arrow, words

NAMES = {
    "word": ("word", "words"),
    "symbol": ("word or symbol", "words and symbols"),
    "code": ("token of code", "tokens of code"),
    "whitespace": ("piece between spaces", "pieces between spaces"),
    "character": ("character", "characters"),
    "turn": ("turn", "turns"),
}
"""One unit, and several."""

SAMPLE = 2_000
"""Rows by which the units are chosen, evenly spaced."""

CHARACTERS = 2_000
"""Of each of them."""

SIGNED_SHARE = 0.2
"""Share of rows full of operators from which a column counts as maths or code."""

DENSITY = 150
"""Characters of a row for each of its operators, at most."""

CONFUSED_SHARE = 0.005
"""Share of rows that only signs tell apart from which signs have to count; two rows at least."""

_OPERATOR = re.compile(
    r"[\w)\]]\s*(?:[=!<>+*/%^|&:-]=|&&|\|\||->|=>|::|\+\+|--|\*\*|<<|>>)"  # of programs
    r"|[\w)\]]\s+[+*=<>^]\s+[\w(\[\\-]"  # between spaces; a dash or a slash there may be prose
    r"|\d\s*[+*/=<>^-]\s*\(?-?\d"  # between numbers
    r"|\w=\w|\b[A-Z]\+\+|\b[CF]#"
    r"|\\(?:frac|sqrt|begin|left|cdot|sum|int|times)\b|\$[^$\n]{0,80}[\\^_=+][^$\n]{0,80}\$"  # of LaTeX
    r"|\b\w+\([^()\n]*\)\s*[:;{]|[;{]\s*$"
    r"|^\s*(?:def|class|import|return|#include|public|const|let|var|function)\b",
    re.MULTILINE,
)

_SIGN = re.compile(
    r"[^\w\s.,;:!?'\"“”‘’«»()…–—\-`\u0300-\u036f\ufe00-\ufe0f"  # what prose does not sprinkle over itself
    r"\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]"  # and what cannot be seen
    r"|(?<=\d)[.,:]?(?=\s*\d)|(?<!\w)-(?=\s*[\w(])|(?<=\d)-(?=\d)|!(?==)"
)


def unit_name(unit: str, count: int) -> str:
    """A unit's name for so many of them."""
    return NAMES[unit][count != 1]


def chosen_unit(texts: list[str]) -> str:
    """The units to compare texts by: "symbol" where the column looks like maths or code, or where its rows
    hold pairs that signs alone tell apart; else "word".
    """
    step = max(1, len(texts) // SAMPLE)
    rows = [said[:CHARACTERS] for _, said in map(parted, texts[::step]) if said.strip()]
    if not rows:
        return "word"
    signed = sum(DENSITY * len(_OPERATOR.findall(text)) >= len(text) for text in rows)
    if signed >= SIGNED_SHARE * len(rows):
        return "symbol"
    return "symbol" if _confused(rows) >= max(2, CONFUSED_SHARE * len(rows)) else "word"


def _confused(rows: list[str]) -> int:
    """How many rows have the words of another row and other signs."""
    groups: dict[str, list[str]] = {}
    for text, key in zip(rows, words(to_arrow(rows)).to_pylist(), strict=True):
        if key := key.strip():
            groups.setdefault(" ".join(key.split()), []).append(text)
    alike = [group for group in groups.values() if len(group) > 1]
    return sum(len(group) for group in alike if len({signs(text) for text in group}) > 1)


def signs(text: str) -> str:
    """The signs of a text that carry meaning, in order: operators, symbols, emoji; no punctuation, and
    nothing that cannot be seen, such as the joiners of Persian or the marks of a direction.
    """
    return " ".join(_SIGN.findall(text))


def same_words(texts: list[str]) -> list[int]:
    """Numbers for texts, equal where their words are the same in the same order."""
    keys = words(to_arrow([parted(text)[1] for text in texts])).to_pylist()
    known: dict[str, int] = {}
    return [known.setdefault(" ".join(filter(None, key.split(" "))), len(known)) for key in keys]
