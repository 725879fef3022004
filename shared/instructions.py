"""Instructions that a program can check: length, words, case, form. A visitor writes each in a few words,
such as “at most 20 words” or “contains: sea, salt”; an answer follows it or does not.

Checked twice, as IFEval does (Zhou et al. 2023, arXiv 2311.07911): strictly, the answer as it is; loosely, if
it follows without its first line, its last line, both, or the asterisks of Markdown, since many models begin
with “Sure, here it is:”. Nothing of an answer is run.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from shared.errors import VisitorError
from shared.refusals import words
from shared.rules import sentences

MOST = 6
"""Instructions of one prompt."""
LONGEST = 200
"""Characters of one."""
MOST_COUNTED = 1_000
UNITS = ("word", "sentence", "paragraph", "line", "bullet")
ONE_EACH = (
    "at most 20 words",
    "exactly 3 bullets",
    "contains: sea, salt",
    "leaves out: water",
    "starts with: Yes",
    "ends with: Thank you.",
    "upper case",
    "lower case",
    "no commas",
    "in quotation marks",
    "JSON",
)
"""One of each kind, as they are written."""
EXAMPLES = (*ONE_EACH, "contains 2 times: sea", "JSON with keys: name, age")
GROUPS = {
    "length": "length",
    "contains": "words in it",
    "leaves out": "words in it",
    "starts with": "start, end",
    "ends with": "start, end",
    "upper case": "case, signs",
    "lower case": "case, signs",
    "no commas": "case, signs",
    "in quotation marks": "case, signs",
    "JSON": "JSON",
}
"""Of every kind what a table calls it and its like."""
_LENGTH = re.compile(r"(at most|at least|exactly) (\d{1,4}) (word|sentence|paragraph|line|bullet)s?", re.I)
_TIMES = re.compile(r"contains (\d{1,3}) times?: *(.+)", re.I)
_NAMED = re.compile(r"(contains|leaves out|starts with|ends with|JSON with keys): *(.+)", re.I)
_ALONE = {
    kind.lower(): kind for kind in ("upper case", "lower case", "no commas", "in quotation marks", "JSON")
}
_BULLET = re.compile(r"\s*(?:[-*•]|\d{1,3}[.)])\s+\S")
_QUOTES = (('"', '"'), ("“", "”"), ("«", "»"), ("„", "“"))


@dataclass(frozen=True)
class Instruction:
    """Something that an answer is to do.

    Args:
        kind: one of `GROUPS`.
        text: as it is written.
        relation: of a length "at most", "at least" or "exactly".
        count: of a length its number; of "contains" how often at least.
        unit: of a length one of `UNITS`.
        values: words, the text at an end, or the keys of a JSON object.
    """

    kind: str
    text: str
    relation: str = ""
    count: int = 1
    unit: str = ""
    values: tuple[str, ...] = ()

    def follows(self, answer: str) -> bool:
        """Whether an answer does it, as it is; an empty one does nothing."""
        text = answer.strip()
        return bool(text) and _follows(self, text)

    def follows_loosely(self, answer: str) -> bool:
        """Whether the answer does it without its first line, its last one, both, or asterisks."""
        return any(self.follows(one) for one in _variants(answer))


def instruction_of(text: str) -> Instruction:
    """An instruction from its words, in any case: a line of its own begins with a capital for many.

    Raises:
        VisitorError: nobody could check it.
    """
    text = " ".join(text.split())
    if len(text) > LONGEST:
        raise VisitorError(
            f"The instruction “{text[:40]}…” has {len(text)} characters.", f"Use at most {LONGEST}."
        )
    if match := _LENGTH.fullmatch(text):
        if int(match[2]) > MOST_COUNTED or int(match[2]) + (match[1].lower() != "at most") < 1:
            raise VisitorError(f"“{text[:40]}” counts to {match[2]}.", f"Use 1 to {MOST_COUNTED:,}.")
        return Instruction("length", text, match[1].lower(), int(match[2]), match[3].lower())
    if match := _TIMES.fullmatch(text):
        return Instruction("contains", text, count=max(1, int(match[1])), values=_listed(match[2]))
    if match := _NAMED.fullmatch(text):
        kind, said = match[1].lower(), match[2]
        if kind.startswith("json"):
            return Instruction("JSON", text, values=_listed(said))
        values = _listed(said) if kind in ("contains", "leaves out") else (said.strip(),)
        return Instruction(kind, text, values=values)
    if kind := _ALONE.get(text.lower(), ""):
        return Instruction(kind, text)
    raise VisitorError(
        f"“{text[:40]}” is no instruction that can be checked.",
        f"Write it as one of these: {'; '.join(ONE_EACH)}.",
    )


def _listed(text: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(one.strip() for one in text.split(",") if one.strip()))
    if not found:
        raise VisitorError(f"“{text[:40]}” names no word.", "Write words with commas between.")
    return found


def _follows(asked: Instruction, text: str) -> bool:
    kind = asked.kind
    if kind == "length":
        count = counted(text, asked.unit)
        if asked.relation == "exactly":
            return count == asked.count
        return count <= asked.count if asked.relation == "at most" else count >= asked.count
    if kind == "contains":
        return all(_times(text, word) >= asked.count for word in asked.values)
    if kind == "leaves out":
        return not any(_times(text, word) for word in asked.values)
    if kind == "starts with":
        return text.casefold().startswith(asked.values[0].casefold())
    if kind == "ends with":
        return text.casefold().endswith(asked.values[0].casefold())
    if kind in ("upper case", "lower case"):
        same = text.upper() if kind == "upper case" else text.lower()
        return text == same and any(letter.isalpha() for letter in text)
    if kind == "no commas":
        return not any(sign in text for sign in ",،，、")
    if kind == "in quotation marks":
        return len(text) > 2 and any(text.startswith(a) and text.endswith(b) for a, b in _QUOTES)
    return _is_json(text, asked.values)


def counted(text: str, unit: str) -> int:
    """How many of one of `UNITS` a text has. Paragraphs stand between empty lines; a bullet is a line that
    begins with -, *, • or a number.
    """
    if unit == "word":
        return len(words(text))
    if unit == "sentence":
        return sentences(text)
    if unit == "paragraph":
        return len([one for one in re.split(r"\n\s*\n", text) if one.strip()])
    lines = [line for line in text.splitlines() if line.strip()]
    return sum(bool(_BULLET.match(line)) for line in lines) if unit == "bullet" else len(lines)


def _times(text: str, word: str) -> int:
    """How often a text has a word, or some in a row, as words of their own and in any case."""
    before = r"(?<!\w)" if re.match(r"\w", word) else ""
    behind = r"(?!\w)" if re.search(r"\w$", word) else ""
    return len(re.findall(before + re.escape(word) + behind, text, re.IGNORECASE))


def _is_json(text: str, keys: tuple[str, ...]) -> bool:
    """Whether the whole text is a JSON object or list, in a Markdown fence or not; with keys, an object that
    has them all.
    """
    fenced = re.fullmatch(r"```(?:json|JSON)?\s*\n(.*)\n\s*```", text, re.DOTALL)
    try:
        found = json.loads(fenced[1] if fenced else text)
    except (ValueError, RecursionError):
        return False
    if keys:
        return isinstance(found, dict) and set(keys) <= set(found)
    return isinstance(found, (dict, list))


def _variants(answer: str) -> list[str]:
    """The answer, and what it is without its first line, its last one, or both; each with and without *."""
    lines = answer.strip().split("\n")
    parts = [lines, lines[1:], lines[:-1], lines[1:-1]]
    found = ["\n".join(part).strip() for part in parts]
    return list(dict.fromkeys([*found, *(one.replace("*", "") for one in found)]))
