"""From text to shingles: normalise, split into units, hash every window of `ngram` units to 64 bits.

All of it works on the bytes of many rows at once, in numpy: Python never sees a word. Only rows with more
than ASCII go through Arrow's Unicode functions first. A row's shingles are a set; repeats may occur in the
flat arrays and do not matter to MinHash.

A text may begin with what its row holds beside words (images, tool calls), between two `HELD`; it becomes
part of every shingle of the row, so rows that hold different things have none in common.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from dedup.arrays import Int64, UInt8, UInt64

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
        hashes: uint64, all rows one after the other.
        offsets: int64 of length rows + 1; row i owns `hashes[offsets[i]:offsets[i + 1]]`.
    """

    hashes: UInt64
    offsets: Int64

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def counts(self) -> Int64:
        """Shingles of each row, repeats counted."""
        return np.diff(self.offsets)


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
    normalised.

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
    """Texts of which every sign beyond ASCII stands between spaces, with its marks: for "symbol" and "code".

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
    texts, keys = _held_apart(texts)
    if unit == "character":
        hashes, offsets = _characters(texts)
    elif unit == "turn":
        normal = pc.replace_substring_regex(normalise(texts), r"[^\S\n]+", " ")
        hashes, offsets = _hash_units(normal, _TURN_BYTES)
    else:
        plain = pc.string_is_ascii(texts)
        split = texts
        if not pc.all(plain).as_py():
            other = pc.invert(plain)
            split = pc.replace_with_mask(texts, other, _split(texts.filter(other), unit))
        hashes, offsets = _hash_units(split, _BYTES[unit], lower=unit in ("word", "symbol"))
    hashes, offsets = _with_wordless(texts, hashes, offsets)
    result = _windows(hashes, offsets, ngram)
    if keys is not None:
        result.hashes[:] ^= np.repeat(keys, result.counts)
    return result


def _split(texts: pa.Array, unit: str) -> pa.Array:
    """Texts with more than ASCII, put so that their bytes can be split like those of ASCII."""
    if unit == "word":
        return words(texts)
    if unit == "whitespace":
        return pc.replace_substring_regex(texts, r"[\pZ\x{85}]+", " ")
    return signs_apart(texts, lower=unit == "symbol")


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


def _with_wordless(texts: pa.Array, hashes: UInt64, offsets: Int64) -> tuple[UInt64, Int64]:
    """Units, with one more for each text that has none but borders and is not blank: the whole text."""
    counts = np.diff(offsets)
    few = np.flatnonzero(counts == 0)
    if texts.nbytes and pc.any(pc.match_substring(texts, "\x1e")).as_py():
        few = np.flatnonzero(counts <= pc.count_substring(texts, "\x1e").to_numpy())
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


def _hash_units(texts: pa.Array, kinds: UInt8, lower: bool = True) -> tuple[UInt64, Int64]:
    """Split every text into runs of bytes of one kind, and hash each run.

    The hash is multilinear: each byte times a random odd factor of its place, summed modulo 2^64, then mixed
    with the length (Carter and Wegman 1979).

    Args:
        texts: Arrow array of large strings.
        kinds: of each of the 256 bytes: 0 between units, `_ALONE` a unit of its own, else units are runs of
            one kind.
        lower: whether ASCII letters count in lower case.

    Returns:
        One hash a unit, and the offsets of each text's units.
    """
    _, bounds_buffer, data = texts.buffers()
    bounds = np.frombuffer(bounds_buffer, dtype=np.int64)[texts.offset : texts.offset + len(texts) + 1]
    if data is None or bounds[-1] == bounds[0]:
        return np.zeros(0, dtype=np.uint64), np.zeros(len(texts) + 1, dtype=np.int64)
    content = np.frombuffer(data, dtype=np.uint8)[bounds[0] : bounds[-1]]
    content = _LOWER[content] if lower else content
    bounds = bounds - bounds[0]
    kind = kinds[content]
    inside = kind != 0
    starts = inside.copy()
    if kinds.max() == _RUN:
        starts[1:] &= ~inside[:-1]
    else:
        starts[1:] &= (kind[1:] != kind[:-1]) | (kind[1:] == _ALONE)
    row_starts = bounds[:-1][bounds[:-1] < len(content)]
    starts[row_starts] = inside[row_starts]
    first = np.flatnonzero(starts)
    if not len(first):
        return np.zeros(0, dtype=np.uint64), np.zeros(len(texts) + 1, dtype=np.int64)
    place = np.flatnonzero(inside)
    begins = np.flatnonzero(starts[place])
    lengths = np.diff(np.append(begins, len(place)))
    position = np.arange(len(place)) - np.repeat(begins, lengths)
    factors = (
        _FACTORS[position]
        if lengths.max() <= len(_FACTORS)
        else _mix(position.astype(np.uint64)) | np.uint64(1)
    )
    sums = np.add.reduceat(content[place] * factors, begins)
    return _mix(sums ^ _mix(lengths.astype(np.uint64))), np.searchsorted(first, bounds).astype(np.int64)


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


_LOWER = np.array([byte + 32 if 65 <= byte <= 90 else byte for byte in range(256)], dtype=np.uint8)
_RUN, _ALONE, _OPERATOR = 1, 2, 3


def _kind(byte: int, unit: str) -> int:
    character = chr(byte)
    if byte == 0x1E:
        return _RUN
    if unit == "whitespace":
        return 0 if character in "\t\n\x0b\x0c\r " else _RUN
    if byte >= 128 or byte == 95 or character.isalnum():
        return _RUN
    if unit == "word" or byte <= 32 or byte == 127:
        return 0
    return _OPERATOR if unit == "code" and character in OPERATORS else _ALONE


_BYTES: dict[str, UInt8] = {
    unit: np.array([_kind(byte, unit) for byte in range(256)], dtype=np.uint8)
    for unit in ("word", "symbol", "code", "whitespace")
}
_TURN_BYTES = np.array([byte != 10 for byte in range(256)], dtype=np.uint8)
_FACTORS = _mix(np.arange(256, dtype=np.uint64)) | np.uint64(1)


def _windows(units: UInt64, offsets: Int64, ngram: int) -> Shingles:
    """Combine the hashes of each window: a sum with odd random factors, mixed; wrapping is meant."""
    factors = _mix(np.arange(ngram, dtype=np.uint64)) | np.uint64(1)
    lengths = np.diff(offsets)
    padded = np.concatenate([units, np.zeros(ngram, dtype=np.uint64)])
    sums = np.zeros(len(units), dtype=np.uint64)
    for place in range(ngram):
        sums += padded[place : place + len(units)] * factors[place]
    counts = np.where(lengths == 0, 0, np.maximum(lengths - ngram + 1, 1))
    starts = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(counts, out=starts[1:])
    for row in np.flatnonzero(
        (lengths > 0) & (lengths < ngram)
    ):  # their window would reach into the next row
        own = units[offsets[row] : offsets[row + 1]]
        sums[offsets[row]] = (own * factors[: len(own)]).sum(dtype=np.uint64)
    last = np.zeros(len(units) + 1, dtype=bool)
    for place in range(1, ngram):  # the last n - 1 units of a row start no window …
        last[np.maximum(offsets[1:] - place, offsets[:-1])[lengths > 0]] = True
    short = (lengths > 0) & (lengths < ngram)
    last[offsets[:-1][short]] = False  # … but for the first unit of a short row
    return Shingles(_mix(sums[~last[:-1]]), starts)


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
