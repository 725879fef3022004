"""What a corpus that the visitor names holds of the items: the longest run of words that both have, and the
shares of an item's 8-grams and 13-grams that stand anywhere in the corpus.

Words are those of the dedup Space: runs of letters and digits in lower case, every character of a script
without spaces; for an item that looks like code or sums every sign too, as its unit “symbol” has them. An
item's text is its prompt with the right choice.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import regex

from evaluation.data import Contamination, Overlap
from evaluation.request import CompareRequest
from shared import hub, shelf
from shared.errors import VisitorError
from shared.items import Item

SEED = 8
"""Words of the shortest run that is looked for in a longer item; a shorter item is looked for whole."""
GRAMS = (8, 13)
FEWEST = 4
"""Words of the shortest item that is looked for."""
MAX_ROWS = 20_000
MAX_CHARACTERS = 20_000_000
"""Of a corpus."""
MAX_MATCHES = 2_000_000
"""Places at which a run may begin, in one search."""
EXCERPT = 200
"""Characters of a run that are shown."""
_ALONE = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_WORD = rf"[{_ALONE}]\p{{M}}*|[[\p{{L}}\p{{N}}_]--[{_ALONE}]][[\p{{L}}\p{{N}}\p{{M}}_]--[{_ALONE}]]*"
_SIGNS = regex.compile(
    r"\w\s*(?:[=<>!]=|->|=>|\*\*|//|&&|\|\|)"
    r"|[\w)\]]\s+[+*=<>^%]\s+[\w(\[]"  # a dash between words is prose
    r"|\d\s*[+*/=<>^-]\s*\(?-?\d"
    r"|^\s*(?:def|import|class|return)\b",
    regex.MULTILINE,
)
"""What makes an item one of code or sums."""


@cache
def _pattern(signs: bool) -> Any:
    return regex.compile(rf"{_WORD}|[^\s\p{{Z}}\p{{C}}]" if signs else _WORD, regex.V1)


def units(text: str, signs: bool) -> tuple[list[str], str]:
    """A text's words, and signs where they count, with the text that they are parts of."""
    form = unicodedata.normalize("NFC" if signs else "NFKC", text).lower()
    return _pattern(signs).findall(form), form


@dataclass(frozen=True)
class Corpus:
    """Texts that may hold items.

    Args:
        name: for captions.
        rows: the texts.
        more: whether there are more than were read.
    """

    name: str
    rows: Sequence[str]
    more: bool = False


def corpus_of(request: CompareRequest, token: str | None = None) -> Corpus | None:
    """The corpus that a request names; None where it names none.

    Raises:
        VisitorError: as `hub.dataset_rows`; it is empty.
    """
    if request.corpus.strip():
        return Corpus("the pasted corpus", _rows_of(request.corpus))
    if not request.corpus_dataset:
        return None
    name, *said = request.corpus_dataset.split(":")
    split, config = (said or ["train"])[-1], said[0] if len(said) > 1 else None
    table, more = hub.dataset_rows(name, config, split, MAX_ROWS, token)
    rows: list[str] = []
    size = 0
    for row in table.to_pylist():
        rows.append("\n".join(_strings(row)))
        size += len(rows[-1])
        if size > MAX_CHARACTERS:
            more = True
            break
    if not size:
        raise VisitorError(f"The split {split} of {name} holds no text.", "Name another dataset.")
    return Corpus(name if shelf.is_made(name) else f"{name}, split {split}", rows, more)


def _rows_of(text: str) -> list[str]:
    """Rows of a pasted text: JSON Lines, else paragraphs."""
    lines = [line for line in text.split("\n") if line.strip()]
    try:
        found = [json.loads(line) for line in lines]
    except (ValueError, RecursionError):
        found = []
    if found and all(isinstance(one, (dict, list)) for one in found):
        return ["\n".join(_strings(one)) for one in found]
    return [one for one in regex.split(r"\n\s*\n", text) if one.strip()]


def _strings(value: Any) -> Iterator[str]:
    """All texts in a row, however deep."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            waiting += reversed(list(one.values()))
        elif isinstance(one, (list, tuple)):
            waiting += reversed(one)


@dataclass
class _Sought:
    """An item's words, and the best that was found of them."""

    text: str
    form: str
    words: list[str]
    ids: list[int] = field(default_factory=list)
    run: int = 0
    start: int = 0
    row: int = -1
    seen: dict[int, set[int]] = field(default_factory=lambda: {n: set() for n in GRAMS})

    @property
    def seed(self) -> int:
        return min(SEED, len(self.words))

    def take(self, start: int, length: int, row: int) -> None:
        """Count a run of words from a place on."""
        if length > self.run:
            self.run, self.start, self.row = length, start, row
        for n, seen in self.seen.items():
            n = min(n, len(self.words))
            seen.update(range(start, start + length - n + 1))

    def found(self) -> Overlap:
        shares = {}
        for n, seen in self.seen.items():
            shares[n] = round(len(seen) / max(1, len(self.words) - min(n, len(self.words)) + 1), 4)
        return {
            "words": len(self.words),
            "run": self.run,
            "row": self.row,
            "eight": shares[8],
            "thirteen": shares[13],
            "answer": self.run > 0 and self.start + self.run == len(self.words),
            "text": self._excerpt(),
        }

    def _excerpt(self) -> str:
        """The run as the item has it, without capitals."""
        at, begin = 0, 0
        for place, word in enumerate(self.words[: self.start + self.run]):
            at = self.form.index(word, at)
            begin = at if place == self.start else begin
            at += len(word)
        said = self.form[begin:at] if self.run else ""
        return said if len(said) <= EXCERPT else said[: EXCERPT - 1] + "…"


def overlaps(items: Sequence[Item], rows: Iterable[str]) -> list[Overlap]:
    """Of every item what some rows of a corpus hold of it; a run lies within one row.

    Raises:
        VisitorError: the two repeat the same words so often that it would take too long.
    """
    sought: dict[bool, list[_Sought]] = {False: [], True: []}
    all_sought: list[_Sought] = []
    for item in items:
        text = f"{item.prompt}{item.delimiter}{item.choices[item.gold]}"
        signs = bool(_SIGNS.search(text))
        words, form = units(text, signs)
        all_sought.append(_Sought(text, form, words))
        sought[signs].append(all_sought[-1])
    searches = [(signs, _Search(some)) for signs, some in sought.items() if some]
    for row, text in enumerate(rows):
        for signs, search in searches:
            search.look(units(text, signs)[0], row)
    return [one.found() for one in all_sought]


class _Search:
    """Items whose runs of words are looked for in one row after another."""

    def __init__(self, sought: Sequence[_Sought]) -> None:
        self.known: dict[str, int] = {}
        self.seeds: dict[int, dict[tuple[int, ...], list[tuple[_Sought, int]]]] = {}
        self.left = MAX_MATCHES
        for one in sought:
            one.ids = [self.known.setdefault(word, len(self.known)) for word in one.words]
            if len(one.ids) < FEWEST:
                continue
            places = self.seeds.setdefault(one.seed, {})
            for at in range(len(one.ids) - one.seed + 1):
                places.setdefault(tuple(one.ids[at : at + one.seed]), []).append((one, at))

    def look(self, words: Sequence[str], row: int) -> None:
        """Count the runs that begin in a row."""
        ids = [self.known.get(word, -1) for word in words]
        known = 0  # words in a row, up to here, that some item has
        for end, one in enumerate(ids, 1):
            known = known + 1 if one >= 0 else 0
            for size, places in self.seeds.items():
                if known >= size and (hits := places.get(tuple(ids[end - size : end]))):
                    self._extend(ids, end - size, hits, row)

    def _extend(self, ids: list[int], begin: int, hits: list[tuple[_Sought, int]], row: int) -> None:
        for one, at in hits:
            self.left -= 1
            if begin and at and ids[begin - 1] == one.ids[at - 1]:
                continue  # counted where it began
            length = one.seed
            while (
                at + length < len(one.ids)
                and begin + length < len(ids)
                and one.ids[at + length] == ids[begin + length]
            ):
                length += 1
                self.left -= 1
            one.take(at, length, row)
        if self.left < 0:
            raise VisitorError(
                "Items and corpus repeat the same words too often to be compared.",
                "Leave out what repeats, or name a smaller corpus.",
            )


def searched(items: Sequence[Item], corpus: Corpus, ngram: int) -> Contamination:
    """The items against a corpus, before any model is asked; errors as `overlaps`."""
    found = overlaps(items, corpus.rows)
    return {
        "corpus": corpus.name,
        "rows": len(corpus.rows),
        "more": corpus.more,
        "ngram": ngram,
        "overlaps": found,
        "held": [held(one, ngram) for one in found],
        "scores": [],
        "differences": [],
    }


def held(one: Overlap, ngram: int) -> bool:
    """Whether an item counts as one that the corpus holds."""
    return one["run"] >= min(ngram, max(FEWEST, one["words"])) > 0
