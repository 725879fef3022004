"""From text to shingles: normalise, split into units, hash every window of `ngram` units to 64 bits.

All of it works on the bytes of many rows at once, in numpy: Python never sees a word. Only rows with more
than ASCII go through Arrow's Unicode functions first. A row's shingles are a set; repeats may occur in the
flat arrays and do not matter to MinHash.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.arrays import Bool, Int64, UInt64

UNITS = ("word", "character", "turn")

_SINGLE = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
"""Scripts written without spaces: each of their characters is a word."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Shingles:
    """Shingle hashes of a run of rows.

    Args:
        hashes: uint64, all rows one after the other.
        offsets: int64 of length rows + 1; row i owns `hashes[offsets[i]:offsets[i + 1]]`.
        copy_keys: uint64 of shape (rows, 2), equal for rows with the same units in the same order.
    """

    hashes: UInt64
    offsets: Int64
    copy_keys: UInt64

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


def normalise(texts: pa.Array) -> pa.Array:
    """NFKC and lower case, so that compatible forms of a letter compare equal."""
    return pc.utf8_lower(pc.utf8_normalize(texts, form="NFKC"))


def words(texts: pa.Array) -> pa.Array:
    """Texts whose words stand between spaces: runs of letters, marks, digits and _; no punctuation, all
    normalised.

    In scripts that are written without spaces every character is a word.
    """
    normal = pc.replace_substring_regex(normalise(texts), r"[^\pL\pN\pM_]+", " ")
    if pc.any(pc.match_substring_regex(normal, _SINGLE)).as_py():
        normal = pc.replace_substring_regex(normal, f"({_SINGLE})", r" \1 ")
    return normal


def shingle(texts: pa.Array, ngram: int, unit: str) -> Shingles:
    """Hash every window of `ngram` units of every text.

    A text of fewer units than `ngram` has one shingle, the whole text; a text without units has none.

    Args:
        texts: Arrow array of strings. With unit "turn" the turns of a conversation, one a line.
        ngram: units in a window, 1 or more.
        unit: "word", "character" (Unicode characters, runs of whitespace made one space) or "turn".
    """
    if unit == "character":
        hashes, offsets = _characters(texts)
    elif unit == "turn":
        normal = pc.replace_substring_regex(normalise(texts), r"[^\S\n]+", " ")
        hashes, offsets = _hash_units(normal, _TURN_BYTES)
    else:
        plain = pc.string_is_ascii(texts)
        if not pc.all(plain).as_py():
            other = pc.invert(plain)
            texts = pc.replace_with_mask(texts, other, words(texts.filter(other)))
        hashes, offsets = _hash_units(texts, _WORD_BYTES)
    return _windows(hashes, offsets, ngram)


def _hash_units(texts: pa.Array, unit_bytes: Bool) -> tuple[UInt64, Int64]:
    """Split every text into runs of certain bytes, and hash each run.

    The hash is multilinear: each byte (in lower case) times a random odd factor of its place, summed modulo
        2^64, then
    mixed with the length (Carter and Wegman 1979).

    Args:
        texts: Arrow array of large strings.
        unit_bytes: which of the 256 bytes belong to a unit.

    Returns:
        One hash a unit, and the offsets of each text's units.
    """
    _, bounds_buffer, data = texts.buffers()
    bounds = np.frombuffer(bounds_buffer, dtype=np.int64)[texts.offset : texts.offset + len(texts) + 1]
    if data is None or bounds[-1] == bounds[0]:
        return np.zeros(0, dtype=np.uint64), np.zeros(len(texts) + 1, dtype=np.int64)
    content = _LOWER[np.frombuffer(data, dtype=np.uint8)[bounds[0] : bounds[-1]]]
    bounds = bounds - bounds[0]
    inside = unit_bytes[content]
    starts = inside.copy()
    starts[1:] &= ~inside[:-1]
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
_WORD_BYTES = np.array([byte >= 128 or byte == 95 or chr(byte).isalnum() for byte in range(256)])
_TURN_BYTES = np.array([byte != 10 for byte in range(256)])
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
    positions = np.arange(len(units), dtype=np.uint64) - np.repeat(offsets[:-1], lengths).astype(np.uint64)
    keyed = np.zeros((len(units) + 1, 2), dtype=np.uint64)
    keyed[:-1, 0] = _mix(units ^ _mix(positions))
    keyed[:-1, 1] = _mix(units + _mix(positions ^ _GOLDEN))
    keys = np.add.reduceat(keyed, offsets[:-1], axis=0) if len(lengths) else np.zeros((0, 2), dtype=np.uint64)
    keys[lengths == 0] = 0
    return Shingles(_mix(sums[~last[:-1]]), starts, keys)


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
