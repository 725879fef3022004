"""From text to shingles: normalise, split into units, hash every window of `ngram` units to 64 bits.

All of it works on the bytes of many rows at once, compiled: Python never sees a word. Only rows with more
than ASCII go through Arrow's Unicode functions first. A row's shingles are a run: its distinct hashes,
sorted.

A text may begin with what its row holds beside words (images, tool calls), between two `HELD`; it becomes
part of every shingle of the row, so rows that hold different things have none in common.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from dedup import compiled
from dedup.arrays import Bool, Int64, UInt8, UInt64
from dedup.compiled import (
    ALONE,
    BETWEEN,
    DROPPED,
    MARK,
    OPERATOR,
    RUN,
    SIGN,
    SINGLE,
    SINGLE_MARK,
    SINGLE_SIGN,
    SKIPPED,
)

UNITS = ("auto", "word", "symbol", "code", "whitespace", "character", "turn")
"""What shingles are made of; "auto" becomes one of the next two once the texts are known, see
`dedup.units`.
"""

BORDER = "\n\x1e\n"
"""Stands between the columns of a row; it is a unit of its own, so that no shingle runs across unnoticed."""

HELD = "\x1d"
"""Encloses, at the beginning of a text, what the row holds beside words."""

OPERATORS = "+-*/%=<>!&|^~?:.@#$\\"
"""Signs that make one unit of "code" where they stand side by side."""

VARIATION = r"[\x{fe00}-\x{fe0f}\x{e0100}-\x{e01ef}]"
"""Variation selectors: the difference between a sign and its coloured picture."""

_SINGLE = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
"""Scripts written without spaces: each of their characters is a word."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Shingles:
    """Shingle hashes of a run of rows.

    Args:
        hashes: uint64, all rows one after the other; within a row ascending, without repeats.
        offsets: int64 of length rows + 1; row i owns `hashes[offsets[i]:offsets[i + 1]]`.
    """

    hashes: UInt64
    offsets: Int64

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def counts(self) -> Int64:
        """Different shingles of each row."""
        return np.diff(self.offsets)

    def part(self, begin: int, end: int) -> Shingles:
        """Those of some rows that follow each other."""
        offsets = self.offsets[begin : end + 1]
        return Shingles(self.hashes[offsets[0] : offsets[-1]], offsets - offsets[0])


def clean(text: str) -> str:
    """A text that UTF-8 can hold: lone surrogates become the replacement character."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def to_arrow(texts: list[str]) -> pa.Array:
    """Texts as an Arrow array of large strings."""
    try:
        return pa.array(texts, pa.large_string())
    except UnicodeEncodeError:
        return pa.array([clean(text) for text in texts], pa.large_string())


def with_held(held: str, text: str) -> str:
    """A text with what its row holds beside words; see `parted`."""
    return f"{HELD}{held}{HELD}{text}" if held or text.startswith(HELD) else text


def parted(text: str) -> tuple[str, str]:
    """What a row holds beside words, and its text."""
    if not text.startswith(HELD):
        return "", text
    held, _, said = text[1:].partition(HELD)
    return held, said


def normalise(texts: pa.Array) -> pa.Array:
    """NFKC and lower case, so that compatible forms of a letter compare equal."""
    return pc.utf8_lower(pc.utf8_normalize(texts, form="NFKC"))


def words(texts: pa.Array) -> pa.Array:
    """Texts whose words stand between spaces: runs of letters, marks, digits and _; no punctuation, all
    normalised. Shingles are made of the same words, which `_classes` tells.

    In scripts that are written without spaces every character is a word. A mark after a sign belongs to the
    sign and is no word; variation selectors, which only choose a picture, count nowhere.
    """
    normal = pc.replace_substring_regex(normalise(texts), VARIATION, "")
    normal = pc.replace_substring_regex(normal, r"^\pM+|(?:[^\pL\pN\pM_\x{1e}]\pM*)+", " ")
    return _characters_apart(normal)


def _characters_apart(normal: pa.Array) -> pa.Array:
    """Spaces around each character of a script that is written without them."""
    if pc.any(pc.match_substring_regex(normal, _SINGLE)).as_py():
        normal = pc.replace_substring_regex(normal, f"({_SINGLE})", r" \1 ")
    return normal


def signs_apart(texts: pa.Array, lower: bool) -> pa.Array:
    """Texts of which every sign beyond ASCII stands between spaces, with its marks: for "symbol" and "code"
    in the programs below a figure; here `_classes` says the same.

    Only canonical forms are made one (NFC): a superscript differs from a digit. What cannot be seen (format
    and control characters) parts words and is no sign.
    """
    normal = pc.replace_substring_regex(pc.utf8_normalize(texts, form="NFC"), VARIATION, "")
    normal = pc.utf8_lower(normal) if lower else normal
    normal = pc.replace_substring_regex(normal, r"[\pZ\p{Cf}\x{80}-\x{9f}]+", " ")
    sign = r"([^\pL\pN\pM\x{00}-\x{7f}]\pM*)"
    return _characters_apart(pc.replace_substring_regex(normal, sign, r" \1 "))


def shingle(texts: pa.Array, ngram: int, unit: str) -> Shingles:
    """Hash every window of `ngram` units of every text.

    A text of fewer units than `ngram` has one shingle, the whole text; so has a text without units, such as
    signs alone where words are compared. A blank text has none.

    Args:
        texts: Arrow array of strings. With unit "turn" the turns of a conversation, one a line.
        ngram: units in a window, 1 or more.
        unit: "word"; "symbol" (words, and every sign); "code" (the same with case, operators whole);
            "whitespace" (what stands between white space, as it is written); "character" (Unicode characters,
            runs of whitespace made one space) or "turn".
    """
    return shingles_of(units_of(texts, unit), ngram)


@dataclass(frozen=True)
class Units:
    """Hashes of the units of a run of rows, in their order.

    Args:
        hashes: uint64, all rows one after the other.
        offsets: int64 of length rows + 1.
        keys: a hash of what each row holds beside words, 0 for nothing; None where none holds anything.
    """

    hashes: UInt64
    offsets: Int64
    keys: UInt64 | None

    @property
    def counts(self) -> Int64:
        """Units of each row."""
        return np.diff(self.offsets)


def units_of(texts: pa.Array, unit: str) -> Units:
    """The units of every text; arguments as of `shingle`."""
    texts, keys = _held_apart(texts)
    if unit == "character":
        hashes, offsets = _characters(texts)
        few = np.diff(offsets) == 0
    else:
        plain = pc.string_is_ascii(texts)
        formed = texts
        if unit == "turn":
            formed = pc.replace_substring_regex(normalise(texts), r"[^\S\n]+", " ")
        elif unit != "whitespace" and not pc.all(plain).as_py():
            other = pc.invert(plain)
            formed = pc.replace_with_mask(texts, other, _formed(texts.filter(other), unit))
        hashes, offsets, few = _hash_units(formed, _classes(unit), unit not in ("code", "whitespace"))
    hashes, offsets = _with_wordless(texts, hashes, offsets, np.flatnonzero(few))
    return Units(hashes, offsets, keys)


def shingles_of(units: Units, ngram: int) -> Shingles:
    """The shingles of rows whose units are known; arguments as of `shingle`."""
    hashes, offsets, keys = units.hashes, units.offsets, units.keys
    if keys is None:
        keys = np.zeros(len(offsets) - 1, dtype=np.uint64)
    found = np.empty(len(hashes), dtype=np.uint64)
    ends = np.zeros(len(offsets), dtype=np.int64)
    compiled.runs(hashes, offsets, _FACTORS[:ngram], keys, found, ends)
    return Shingles(found[: ends[-1]], ends)


def _formed(texts: pa.Array, unit: str) -> pa.Array:
    """Texts with more than ASCII in the form in which they are split: all compatible forms of a letter one,
    or only the canonical ones, where a superscript differs from a digit.
    """
    if unit == "word":
        return normalise(texts)
    form = pc.utf8_normalize(texts, form="NFC")
    return pc.utf8_lower(form) if unit == "symbol" else form


def _held_apart(texts: pa.Array) -> tuple[pa.Array, UInt64 | None]:
    """Texts without what their rows hold beside words, and a hash of that for each row; None where no row
    holds anything.
    """
    rows = np.flatnonzero(pc.starts_with(texts, HELD).to_numpy(zero_copy_only=False))
    if not len(rows):
        return texts, None
    values = texts.to_pylist()
    keys = np.zeros(len(values), dtype=np.uint64)
    for row in rows.tolist():
        held, values[row] = parted(values[row])
        keys[row] = xxhash.xxh3_64_intdigest(held.encode()) if held else 0
    return pa.array(values, texts.type), keys


def _with_wordless(texts: pa.Array, hashes: UInt64, offsets: Int64, few: Int64) -> tuple[UInt64, Int64]:
    """Units, with one more for each text that has none but borders and is not blank: the whole text.

    Args:
        few: the texts that have none but borders.
    """
    if not len(few):
        return hashes, offsets
    normal = pc.replace_substring_regex(normalise(texts.take(pa.array(few))), r"[\s\pZ]+", " ")
    whole = [text.strip(" ") for text in normal.to_pylist()]
    filled = np.array([bool(text.strip(" \x1e")) for text in whole], dtype=bool)
    rows = few[filled]
    if not len(rows):
        return hashes, offsets
    own = [xxhash.xxh3_64_intdigest(text.encode()) for text in whole if text.strip(" \x1e")]
    added = np.zeros(len(offsets), dtype=np.int64)
    added[rows + 1] = 1
    values = _mix(np.array(own, dtype=np.uint64))
    return np.insert(hashes, offsets[rows], values), offsets + np.cumsum(added)


def _hash_units(texts: pa.Array, classes: UInt8, lower: bool = True) -> tuple[UInt64, Int64, Bool]:
    """Split every text into units, and hash each.

    Args:
        texts: Arrow array of large strings.
        classes: of every character, see `dedup.compiled`.
        lower: whether ASCII letters count in lower case.

    Returns:
        One hash a unit, the offsets of each text's units, and whether a text has none but borders.
    """
    _, bounds_buffer, data = texts.buffers()
    bounds = np.frombuffer(bounds_buffer, dtype=np.int64)[texts.offset : texts.offset + len(texts) + 1]
    content = np.frombuffer(b"" if data is None else data, dtype=np.uint8)
    hashes = np.empty(int(bounds[-1] - bounds[0]), dtype=np.uint64)
    ends = np.zeros(len(texts) + 1, dtype=np.int64)
    borders = np.zeros(len(texts), dtype=np.int64)
    compiled.units(content, bounds, classes, _LOWER if lower else _SAME, _FACTORS, hashes, ends, borders)
    return hashes[: ends[-1]], ends, np.diff(ends) <= borders


def _characters(texts: pa.Array) -> tuple[UInt64, Int64]:
    normal = pc.utf8_trim(pc.replace_substring_regex(normalise(texts), r"\s+", " "), " ")
    lengths = pc.utf8_length(normal).to_numpy()
    joined = "".join(normal.to_pylist()).encode("utf-32-le")
    return _mix(np.frombuffer(joined, dtype=np.uint32).astype(np.uint64)), np.concatenate(
        [[0], np.cumsum(lengths)]
    )


def _mix(values: UInt64) -> UInt64:
    """The finaliser of splitmix64: every bit of the input reaches every bit of the output."""
    values = values + _GOLDEN
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


_SAME = np.arange(256, dtype=np.uint8)
_LOWER = np.array([byte + 32 if 65 <= byte <= 90 else byte for byte in range(256)], dtype=np.uint8)


_ASSIGNED = (range(0xD800), range(0xE000, 0x34000), range(0xE0000, 0xE1000))
"""Where characters have properties; elsewhere there are private ones, which are signs, or none."""


@cache
def _classes(unit: str) -> UInt8:
    """The class of every Unicode character, see `dedup.compiled`, where such units are read; by Arrow's
    tables, which are the same on every machine that has this version of it.
    """
    places = np.concatenate([np.arange(part.start, part.stop) for part in _ASSIGNED])
    characters = pa.array(map(chr, places.tolist()), pa.string())

    def those(pattern: str) -> Bool:
        found = np.zeros(0x110000, dtype=bool)
        found[places] = pc.match_substring_regex(characters, f"^{pattern}$").to_numpy(zero_copy_only=False)
        return found

    if unit in ("turn", "whitespace"):
        classes = np.full(0x110000, RUN, dtype=np.uint8)
        classes[those(r"[\n]" if unit == "turn" else r"[\t\n\v\f\r\pZ\x{85}]")] = BETWEEN
        return classes
    single, mark, letter = those(_SINGLE), those(r"\pM"), those(r"[\pL\pN]")
    classes = np.full(0x110000, DROPPED if unit == "word" else SIGN, dtype=np.uint8)
    if unit != "word":
        classes[single] = SINGLE_SIGN
        classes[those(r"[\pZ\p{Cf}\x{80}-\x{9f}]")] = BETWEEN
        for byte in range(128):
            operator = unit == "code" and chr(byte) in OPERATORS
            classes[byte] = BETWEEN if byte <= 32 or byte == 127 else OPERATOR if operator else ALONE
    classes[letter] = RUN
    classes[letter & single] = SINGLE
    classes[mark] = MARK
    classes[mark & single] = SINGLE_MARK
    classes[those(VARIATION)] = SKIPPED
    classes[[ord("_"), compiled.BORDER_BYTE]] = RUN
    return classes


_FACTORS = _mix(np.arange(256, dtype=np.uint64)) | np.uint64(1)


def joined(parts: list[Shingles]) -> Shingles:
    """The rows of several runs of rows as one."""
    if len(parts) == 1:
        return parts[0]
    hashes = np.concatenate([part.hashes for part in parts]) if parts else np.zeros(0, dtype=np.uint64)
    counts = np.concatenate([part.counts for part in parts]) if parts else np.zeros(0, dtype=np.int64)
    return Shingles(hashes, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))


def sets(parts: list[Shingles]) -> Any:
    """The rows' shingle sets as one sparse 0/1 matrix, scipy CSR of shape (rows, distinct shingles),
    int32.
    """
    from scipy.sparse import csr_matrix

    hashes = np.concatenate([part.hashes for part in parts]) if parts else np.zeros(0, dtype=np.uint64)
    counts = np.concatenate([part.counts for part in parts]) if parts else np.zeros(0, dtype=np.int64)
    distinct, columns = np.unique(hashes, return_inverse=True)
    pointer = np.concatenate([[0], np.cumsum(counts)])
    matrix = csr_matrix(
        (np.ones(len(hashes), dtype=np.int32), columns, pointer), shape=(len(counts), max(1, len(distinct)))
    )
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix
