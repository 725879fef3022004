"""In what two similar texts differ: in a number, a sign, a name, a negation and the like.

What is left when the common words are taken away decides. It is a rule of thumb on tokens, not a reading: it
names what to look at, and `other` is an honest answer.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import get_args

from dedup.data import Kind
from dedup.shingles import BORDER, parted
from dedup.units import signs as signs_of

KINDS: tuple[Kind, ...] = get_args(Kind)
"""What may differ: case, spaces or punctuation; numbers; signs that carry meaning, like operators; a “not”;
emoji; names and identifiers; the arguments of a tool call; words in the same places of the same text;
anything else.
"""

MOST_TOKENS = 1_500
"""Tokens of the differing middles of two texts that are aligned; with more the kind is `other`."""

SLOT = 6
"""Tokens of a place in a template, at most."""

SHARED = 0.4
"""Share of the tokens that two texts of one template have in common, at least."""

_TOKEN = re.compile(
    r"\d+(?:[.,:/]\d+)*"  # numbers, times, fractions
    r"|[^\W\d_](?:['’]?\w)*|_\w*|\w"  # words and identifiers
    r"|[\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\u231a-\u23ff](?:[\ufe0f\u200d\U0001f3fb-\U0001f3ff"
    r"\u2640\u2642]|(?<=\u200d)[\U0001f000-\U0001faff\u2764])*"  # emoji, joined ones whole
    r"|[^\w\s]"
)
_EMOJI = re.compile(r"[\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\u231a-\u23ff]")
_CJK = re.compile(r"([\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f])")
_CALL = re.compile(
    r'"(?:arguments|parameters|args|kwargs|tool_input)"\s*:\s*(?:"(?:[^"\\]|\\.)*"|\{[^{}]*\}|\[[^\[\]]*\])'
    r"|(?<=<parameter=)[^<]*|^\s*[A-Za-z_][\w.]*\([^()]*\)\s*$",
    re.MULTILINE,
)


def _listed(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NEGATIONS = _listed(
    "not no never none nobody nothing neither nor without cannot "
    "nicht kein keine keinen keinem keiner nie niemals niemand nichts ohne "
    "ne pas jamais aucun aucune rien sans "
    "nunca jamás nadie ningún ninguna sin "
    "non mai nessuno senza "
    "não nem "
    "не нет никогда ни без "
    "nigdy niet geen nooit inte aldrig ikke değil yok "
    "không tidak bukan لا ليس لم لن नहीं 不 没 沒 無 无 未"
)
"""Of the languages that most datasets are in."""

_AUXILIARIES = _listed("do does did is are was were be am has have had will would can could should to it")
_NUMBER_WORDS = _listed(
    "zero one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty hundred "
    "thousand first second third null eins zwei drei vier fünf sechs sieben acht neun zehn "
    "deux trois quatre cinq sept huit neuf dix dos tres cuatro cinco seis siete ocho nueve diez "
    "один два три четыре пять шесть семь восемь девять десять 一 二 三 四 五 六 七 八 九 十 百 千"
)
_NO_NAMES = _listed(
    "the a an this that these those he she it we you they i his her its our your their there here what when "
    "where who why how which is are was were do does did if in on at by for from to of and or but not no "
    "some any all every each write give list name explain tell describe say find show make add use try please"
)
_CAPITALS = 0.4
"""Share of capitals among a text's words from which on they tell nothing: headlines, German nouns."""


def kind_of(one: str, other: str) -> str:
    """In what two texts differ; one of `KINDS`, the same whichever comes first."""
    if _folded(one) == _folded(other):
        return "form"
    if _CALL.search(one) and _CALL.sub("()", one) == _CALL.sub("()", other):
        return "tool argument"
    left, right = _tokens(one), _tokens(other)
    slots = _slots(left, right)
    if slots is None:
        return "other"
    gone = [token for begin, end, _, _ in slots for token in left[begin:end]]
    come = [token for _, _, begin, end in slots for token in right[begin:end]]
    differing = {token.casefold() for token in (*gone, *come)}
    if not any(any(map(str.isalnum, token)) for token in differing):
        return _of_signs(one, other, differing)
    worded = {token for token in differing if any(map(str.isalnum, token))}
    bare = _signs(" ".join(sorted(differing - worded))) == ""
    if bare and _negated(gone, come):
        return "negation"
    if bare and all(_is_number(token) for token in worded):
        return "number"
    if bare and _are_names(
        [(left, slot[0], slot[1]) for slot in slots] + [(right, slot[2], slot[3]) for slot in slots]
    ):
        return "name"
    shared = 2 * (len(left) - len(gone)) / max(1, len(left) + len(right))
    replaced = all(0 < end - begin <= SLOT and 0 < stop - start <= SLOT for begin, end, start, stop in slots)
    return "template" if replaced and shared >= SHARED else "other"


_PUNCTUATION = re.compile(
    r"[\u3001-\u3003\u3008-\u3011\u3014-\u301f\u30fb\uff01-\uff0f\uff1a-\uff20"
    r"¿¡؟،؛।‹›„‚‐‑\u00ad\u200b-\u200f\u2060\ufeff]"
)
"""Of scripts that `dedup.units` does not speak of, and what cannot be seen."""


def _signs(text: str) -> str:
    """The signs that carry meaning, in order."""
    return signs_of(_PUNCTUATION.sub(" ", text))


def kinds_of(pairs: Iterable[tuple[str, str]], most: int | None = None) -> list[int]:
    """The place in `KINDS` of each pair of texts; -1 once those before have `most` characters together."""
    found, read = [], 0
    for one, other in pairs:
        read += len(one) + len(other)
        looked = most is None or read <= most
        found.append(KINDS.index(kind_of(parted(one)[1], parted(other)[1])) if looked else -1)
    return found


def _folded(text: str) -> str:
    """A text without what carries no meaning: case, spaces, compatible forms, invisible characters, and
    punctuation that is no sign.
    """
    plain = unicodedata.normalize("NFC", text).casefold()
    kept = (sign for sign in _TOKEN.findall(plain) if any(map(str.isalnum, sign)))
    return "\x00".join((*kept, _signs(plain)))


def _tokens(text: str) -> list[str]:
    """Words, numbers and signs; of scripts without spaces, characters."""
    normal = (
        unicodedata.normalize("NFC", text.replace(BORDER, "\n")).replace("n't", " not").replace("n’t", " not")
    )
    return _TOKEN.findall(_CJK.sub(r" \1 ", normal.replace("cannot", "can not")))


def _slots(left: list[str], right: list[str]) -> list[tuple[int, int, int, int]] | None:
    """Where two texts differ: begin and end in each; None where that is too much to align."""
    before, most = 0, min(len(left), len(right))
    while before < most and left[before] == right[before]:
        before += 1
    after = 0
    while after < most - before and left[-1 - after] == right[-1 - after]:
        after += 1
    one, other = left[before : len(left) - after], right[before : len(right) - after]
    if len(one) + len(other) > MOST_TOKENS:
        return None
    swapped = (len(one), one) > (len(other), other)  # the alignment must not depend on which comes first
    pair = (other, one) if swapped else (one, other)
    found = []
    for kind, a, b, c, d in SequenceMatcher(None, *pair, autojunk=False).get_opcodes():
        if kind != "equal":
            place = (c, d, a, b) if swapped else (a, b, c, d)
            begin, end, start, stop = (before + value for value in place)
            if [token.casefold() for token in left[begin:end]] != [
                token.casefold() for token in right[start:stop]
            ]:
                found.append((begin, end, start, stop))
    return found


def _of_signs(one: str, other: str, differing: Iterable[str]) -> str:
    if _signs(one) == _signs(other):
        return "form"
    return (
        "emoji" if all(_EMOJI.match(token) or not _signs(f"a {token} b") for token in differing) else "sign"
    )


def _is_number(token: str) -> bool:
    return token[0].isdecimal() or unicodedata.category(token[0]) in ("No", "Nl") or token in _NUMBER_WORDS


def _negated(gone: list[str], come: list[str]) -> bool:
    """Whether one side denies what the other says, and little else differs."""
    one, other = (
        [token.casefold() for token in side if any(map(str.isalnum, token))] for side in (gone, come)
    )
    if sum(token in _NEGATIONS for token in one) == sum(token in _NEGATIONS for token in other):
        return False
    rest = [token for token in (*one, *other) if token not in _NEGATIONS and token not in _AUXILIARIES]
    # “like” and “likes”, “go” and “goes” come and go with “does not”
    stems = {token.rstrip("s").rstrip("e") for token in rest}
    return len(stems) <= 1


def _are_names(places: list[tuple[list[str], int, int]]) -> bool:
    """Whether words stand there that names are written like: with a capital where few words have one, or as
    an identifier.
    """
    found = False
    for tokens, begin, end in places:
        words = [token for token in tokens if token[0].isalpha()]
        capitals = sum(token[0].isupper() for token in words)
        for place in range(begin, end):
            token = tokens[place]
            if not any(map(str.isalnum, token)):
                continue
            identifier = "_" in token or (not token.isupper() and any(map(str.isupper, token[1:])))
            opens = place == 0 or tokens[place - 1] in ".!?:;\n"
            capital = token[0].isupper() and token.casefold() not in _NO_NAMES
            if not identifier and not (capital and (opens or capitals < _CAPITALS * len(words) + 1.5)):
                return False
            found = True
    return found
