"""The loops over bytes and hashes, compiled by numba: units, shingles as sorted runs, and what runs share.

A row's shingles are a run: sorted, distinct 64-bit hashes. Two runs are compared by merging them, without a
vocabulary and without a matrix. All functions let go of the interpreter, so threads work side by side.

The machine code is kept beside this file, or in the user's cache where that folder cannot be written; a
later process loads it. `warming.warm` does either beforehand.

The module is long because what is compiled stands in one file: numba looks for changes in a function's own
file alone, and would keep machine code that calls an older function of another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit

from dedup.arrays import Bool, Float64, Int64, UInt8, UInt32, UInt64

BETWEEN, RUN, ALONE, OPERATOR, SINGLE, SIGN, DROPPED, MARK, SINGLE_MARK, SINGLE_SIGN, SKIPPED = range(11)
"""Classes of characters: between units; part of a run; a unit of its own in ASCII; an operator, which makes
one unit with those beside it; a letter of a script without spaces, a unit of its own; a sign, a unit with the
marks after it; a sign that is none, nor are the marks after it; a mark, part of what stands before it; a mark
and a sign of a script without spaces; what counts nowhere.
"""

BORDER_BYTE = 0x1E

_LENGTH = np.uint64(0x9E3779B97F4A7C15)
"""Random odd factor of a unit's length."""

_CELLS = 250_000
"""Pairs of units of two texts up to which all of them are looked at for the longest common run."""

_INSERTED = 32
"""Hashes of a bucket up to which they are sorted by insertion."""

Function = TypeVar("Function", bound=Callable[..., Any])


def _compiled(function: Function) -> Function:
    try:
        return cast(Function, njit(function, nogil=True, cache=True))
    except RuntimeError:  # no folder for the machine code can be written
        return cast(Function, njit(function, nogil=True))


@_compiled
def mix(value: Any) -> Any:
    """The finaliser of splitmix64: every bit of the input reaches every bit of the output."""
    value = np.uint64(value) + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@_compiled
def _code_point(content: UInt8, place: int, end: int) -> tuple[Any, Any]:
    """The character of UTF-8 that begins at a place, and its bytes; 0 and 1 where there is none."""
    byte = np.int64(content[place])
    width = 1 + (byte >= 0xC0) + (byte >= 0xE0) + (byte >= 0xF0)
    if width == 1 or place + width > end:
        return (byte, 1) if byte < 0x80 else (0, 1)
    code = byte & (0x7F >> width)
    for step in range(1, width):
        code = (code << 6) | (np.int64(content[place + step]) & 0x3F)
    return (code, width) if code < 0x110000 else (0, 1)


@_compiled
def _factor(place: int) -> Any:
    """The random odd factor of a place."""
    return mix(np.uint64(place)) | np.uint64(1)


@_compiled
def units(  # noqa: C901  one pass, one loop: a function a class would hide the order
    content: UInt8,
    bounds: Int64,
    classes: UInt8,
    lower: UInt8,
    factors: UInt64,
    hashes: UInt64,
    ends: Int64,
    borders: Int64,
) -> None:
    """Split every text into units, and hash the bytes of each.

    The hash is multilinear: each byte times a random odd factor of its place, summed modulo 2^64, then mixed
    with the length (Carter and Wegman 1979).

    Args:
        content: UTF-8 of all texts.
        bounds: of each text, length texts + 1.
        classes: of every Unicode character. Where some are `DROPPED`, so is a mark that begins a text.
        lower: what each of the 256 bytes counts as.
        factors: of the first places; those of later ones are computed.
        hashes: gets one hash a unit; has room for one a byte.
        ends: gets the offsets of each text's units, length texts + 1, the first 0.
        borders: gets the bytes of each text that part columns.
    """
    count = 0
    drops = classes[32] == DROPPED
    for row in range(len(bounds) - 1):
        place, end, parting = bounds[row], bounds[row + 1], 0
        total, length, kind = np.uint64(0), 0, BETWEEN  # of the unit that is being read
        after_sign, dropping = False, drops
        while place < end:
            byte, width = content[place], 1
            if byte < 0x80:
                own = classes[byte]
                if own == RUN:  # nearly every byte
                    if length and (kind != RUN or after_sign):
                        hashes[count] = mix(total + np.uint64(length) * _LENGTH)
                        count += 1
                        total, length = np.uint64(0), 0
                    kind, after_sign, dropping = RUN, False, False
                    while own == RUN:
                        parting += byte == BORDER_BYTE
                        factor = factors[length] if length < len(factors) else _factor(length)
                        total += np.uint64(lower[byte]) * factor
                        length += 1
                        place += 1
                        if place == end:
                            break
                        byte = content[place]
                        own = classes[byte] if byte < 0x80 else BETWEEN
                    continue
                if own in (BETWEEN, DROPPED):  # most of the others
                    if length:
                        hashes[count] = mix(total + np.uint64(length) * _LENGTH)
                        count += 1
                        total, length = np.uint64(0), 0
                    kind, after_sign, dropping = BETWEEN, False, own == DROPPED
                    place += 1
                    continue
            else:
                code, width = _code_point(content, place, end)
                own = classes[code]
                if own == SKIPPED:
                    place += width
                    continue
            if own in (MARK, SINGLE_MARK):
                if dropping:
                    place += width
                    continue
                new = SINGLE if own == SINGLE_MARK else SIGN if after_sign and kind == SIGN else RUN
                parted = kind != new or new == SINGLE
            else:
                new = BETWEEN if own == DROPPED else SINGLE if own == SINGLE_SIGN else own
                parted = after_sign or kind != new or new in (ALONE, SINGLE, SIGN)
                after_sign, dropping = own in (SIGN, SINGLE_SIGN), own == DROPPED
            if parted:
                if length:
                    hashes[count] = mix(total + np.uint64(length) * _LENGTH)
                    count += 1
                    total, length = np.uint64(0), 0
                kind = new
            if new == BETWEEN:
                place += width
                continue
            for _ in range(width):
                byte = content[place]
                parting += byte == BORDER_BYTE
                factor = factors[length] if length < len(factors) else _factor(length)
                total += np.uint64(lower[byte]) * factor
                length += 1
                place += 1
        if length:
            hashes[count] = mix(total + np.uint64(length) * _LENGTH)
            count += 1
        ends[row + 1] = count
        borders[row] = parting


@_compiled
def holds_any(content: UInt8, first: Bool, marks: UInt8, ends: Int64) -> bool:
    """Whether some bytes hold one of several marks.

    Args:
        content: to look in.
        first: of each byte, whether a mark begins with it.
        marks: one after the other.
        ends: of each mark in them.
    """
    for place in range(len(content)):
        if not first[content[place]]:
            continue
        begin = 0
        for end in ends:
            size = end - begin
            if place + size <= len(content):
                same = 0
                while same < size and content[place + same] == marks[begin + same]:
                    same += 1
                if same == size:
                    return True
            begin = end
    return False


@_compiled
def band_keys(hashes: UInt64, offsets: Int64, factors: UInt64, terms: UInt64, keys: UInt32) -> None:
    """One key a band and row, of the MinHash digests of runs: under each permutation h → a·h + b (mod 2^64)
    the upper half of the smallest value.

    Args:
        hashes: of all runs.
        offsets: of the runs, length rows + 1.
        factors: a of each permutation, band after band.
        terms: b of each.
        keys: gets the keys, shape (bands, rows).
    """
    permutations, bands = len(factors), len(keys)
    width = permutations // bands
    least = np.empty(permutations, np.uint64)
    for row in range(len(offsets) - 1):
        least[:] = np.uint64(0xFFFFFFFFFFFFFFFF)
        for place in range(offsets[row], offsets[row + 1]):
            value = hashes[place]
            for number in range(permutations):
                least[number] = min(least[number], factors[number] * value + terms[number])
        for band in range(bands):
            key = np.uint64(0)
            for place in range(band * width, (band + 1) * width):
                key = (key ^ (least[place] >> np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)
                key ^= key >> np.uint64(32)
            keys[band, row] = np.uint32(key & np.uint64(0xFFFFFFFF))


@_compiled
def _heap_sort(values: UInt64) -> None:
    """Sort in place, in as many steps whatever the values are."""
    end = len(values)
    start = end // 2
    while end > 1:
        if start > 0:
            start -= 1
        else:
            end -= 1
            values[0], values[end] = values[end], values[0]
        root, child = start, 2 * start + 1
        while child < end:
            if child + 1 < end and values[child + 1] > values[child]:
                child += 1
            if values[child] <= values[root]:
                break
            values[root], values[child] = values[child], values[root]
            root, child = child, 2 * child + 1


@_compiled
def _sort(values: UInt64, spare: UInt64, places: Int64) -> None:
    """Sort hashes, which are spread evenly, in place: into buckets by their first bits, then each bucket.

    Args:
        spare: as long as `values`, at least.
        places: twice as long plus two, at least.
    """
    count = len(values)
    bits = 1
    while (1 << bits) < count:
        bits += 1
    shift = np.uint64(64 - bits)
    buckets = 1 << bits
    places[: buckets + 1] = 0
    for value in values:
        places[np.int64(value >> shift) + 1] += 1
    for bucket in range(buckets):
        places[bucket + 1] += places[bucket]
    for value in values:
        own = np.int64(value >> shift)
        spare[places[own]] = value
        places[own] += 1
    begin = 0
    for bucket in range(buckets):
        end = places[bucket]
        if end - begin > _INSERTED:  # many equal ones, or ones that somebody chose
            _heap_sort(spare[begin:end])
        else:
            for place in range(begin + 1, end):
                value, at = spare[place], place
                while at > begin and spare[at - 1] > value:
                    spare[at] = spare[at - 1]
                    at -= 1
                spare[at] = value
        begin = end
    values[:] = spare[:count]


@_compiled
def runs(units: UInt64, bounds: Int64, factors: UInt64, keys: UInt64, hashes: UInt64, ends: Int64) -> None:
    """The sorted, distinct hashes of the windows of `len(factors)` units of every text: the sum of the units
    times odd random factors, mixed; wrapping is meant.

    A text of fewer units has one window, the whole text.

    Args:
        units: hashes of the units of all texts.
        bounds: of each text, length texts + 1.
        keys: what is mixed into all of a text's hashes; 0 for nothing.
        hashes: gets the runs, one after the other; as long as `units`, at least.
        ends: gets the offsets of the runs, length texts + 1, the first 0.
    """
    ngram, count = len(factors), 0
    longest = 0
    for row in range(len(bounds) - 1):
        longest = max(longest, bounds[row + 1] - bounds[row])
    spare = np.empty(longest, np.uint64)
    places = np.empty(2 * longest + 3, np.int64)
    for row in range(len(bounds) - 1):
        begin, length = bounds[row], bounds[row + 1] - bounds[row]
        start = count
        if length > 0:
            size = min(ngram, length)
            for first in range(begin, begin + length - size + 1):
                total = np.uint64(0)
                for place in range(size):
                    total += units[first + place] * factors[place]
                hashes[count] = mix(total) ^ keys[row]
                count += 1
            if count - start > 1:
                _sort(hashes[start:count], spare, places)
                last = start
                for place in range(start + 1, count):
                    if hashes[place] != hashes[last]:
                        last += 1
                        hashes[last] = hashes[place]
                count = last + 1
        ends[row + 1] = count


@_compiled
def _slot(known: UInt64, slots: Int64, value: Any) -> Any:
    """Where a hash is in a table, or would be."""
    slot = np.int64(value >> np.uint64(20)) & (len(slots) - 1)
    while slots[slot] >= 0 and known[slots[slot]] != value:
        slot = (slot + 1) & (len(slots) - 1)
    return slot


@_compiled
def index(
    hashes: UInt64, offsets: Int64, floor: float, slots: Int64, following: Int64, likely: UInt8
) -> None:
    """A table from a hash to the rows whose run holds it: open addressing, and a list a hash.

    A row of n hashes that is similar to another by `floor` has floor · n of them in common with it at least,
    so one of any n − floor · n + 1: those that the fewest rows have are in the table, the others are not
    (Chaudhuri, Ganti, Kaushik 2006).

    Args:
        hashes: the rows' runs.
        offsets: of the runs, length rows + 1.
        floor: 0 for all hashes in the table.
        slots: gets the last place in `hashes` of the hash that belongs there, else -1; a power of two long,
            twice as long as `hashes` at least.
        following: gets for each place in `hashes` the one before it of the same hash, else -1.
        likely: gets a bit for each hash that is there, eight a byte; a power of two long.
    """
    slots[:] = -1
    frequency = np.zeros(len(hashes), np.int64)  # at the first place of a hash
    longest = 0
    for row in range(len(offsets) - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
        for place in range(offsets[row], offsets[row + 1]):
            slot = _slot(hashes, slots, hashes[place])
            if slots[slot] < 0:
                slots[slot] = place
            frequency[slots[slot]] += 1
    order = np.empty(longest, np.uint64)
    chosen = np.zeros(len(hashes), np.uint8)
    for row in range(len(offsets) - 1):
        begin, size = offsets[row], offsets[row + 1] - offsets[row]
        for place in range(size):
            common = frequency[slots[_slot(hashes, slots, hashes[begin + place])]]
            order[place] = (np.uint64(common) << np.uint64(32)) | np.uint64(place)
        if floor > 0:
            _heap_sort(order[:size])
        needed = size - np.int64(np.ceil(floor * size - 1e-9)) + 1
        for place in range(min(size, needed)):
            chosen[begin + np.int64(order[place] & np.uint64(0xFFFFFFFF))] = 1
    slots[:] = -1
    likely[:] = 0
    for place in range(len(hashes)):
        if chosen[place]:
            value = hashes[place]
            bit = np.uint8(1 << (value & np.uint64(7)))
            likely[(value >> np.uint64(3)) & np.uint64(len(likely) - 1)] |= bit
            slot = _slot(hashes, slots, value)
            following[place] = slots[slot]
            slots[slot] = place


@_compiled
def _needed(one: int, other: int, floor: float) -> Any:
    """Hashes that two runs of these lengths share at least where their Jaccard similarity is `floor`."""
    return np.int64(np.ceil(floor * (one + other) / (1 + floor) - 1e-9))


@_compiled
def _shared(
    hashes: UInt64, place: Any, end: int, others: UInt64, other: Any, other_end: int, needed: int
) -> Any:
    """How many hashes two runs have in common; fewer than `needed`, and perhaps than there are, where so many
    cannot be reached.
    """
    found: Any = 0
    last: Any = end - needed  # how far the first run may be read while so many are found
    other_last: Any = other_end - needed
    while place < end and other < other_end:
        left, right = hashes[place], others[other]
        same = np.int64(left == right)
        found += same
        last += same
        other_last += same
        place += left <= right
        other += right <= left
        if place > last or other > other_last:
            break
    return found


@_compiled
def shared_of_pairs(
    hashes: UInt64, starts: Int64, ends: Int64, pairs: Int64, floor: float, shared: Int64
) -> None:
    """How many hashes the two runs of each pair have in common.

    Args:
        hashes: of all runs.
        starts: of each run in `hashes`.
        ends: of each run.
        pairs: int64 of shape (pairs, 2), numbers of runs.
        floor: Jaccard similarity of a pair that counts; of others fewer may be told than they share.
        shared: gets a number a pair.
    """
    for pair in range(len(pairs)):
        one, other = pairs[pair, 0], pairs[pair, 1]
        needed = _needed(ends[one] - starts[one], ends[other] - starts[other], floor)
        shared[pair] = _shared(hashes, starts[one], ends[one], hashes, starts[other], ends[other], needed)


@_compiled
def _count(
    known: UInt64,
    row_of: Int64,
    slots: Int64,
    following: Int64,
    likely: UInt8,
    run: UInt64,
    counts: Int64,
    touched: Int64,
) -> int:
    """How many hashes of a run each row of an index has.

    Args:
        known: and the next four as `against` takes them.
        run: the hashes to look for.
        counts: one a row of the index, all 0; gets the hashes in common.
        touched: gets the rows whose count is not 0, as many as returned.
    """
    met = 0
    for value in run:
        bits = likely[(value >> np.uint64(3)) & np.uint64(len(likely) - 1)]
        if not (bits >> (value & np.uint64(7))) & 1:
            continue
        at = slots[_slot(known, slots, value)]
        while at >= 0:
            other = row_of[at]
            if counts[other] == 0:
                touched[met] = other
                met += 1
            counts[other] += 1
            at = following[at]
    return met


@_compiled
def against(
    known: UInt64,
    known_offsets: Int64,
    row_of: Int64,
    floor: float,
    slots: Int64,
    following: Int64,
    likely: UInt8,
    hashes: UInt64,
    offsets: Int64,
    pairs: Int64,
    similarity: Float64,
) -> int:
    """Every pair of a row of an index and a row of these that share a hash and whose Jaccard similarity is at
    least the index's floor.

    Args:
        known: the index's runs, `known_offsets` theirs, and `row_of` the row of each place.
        floor: and the next three as `index` took and made them.
        hashes: the runs of the rows to look for.
        offsets: of those, length rows + 1.
        pairs: gets (row of the index, row) of each pair, as many as there is room for.
        similarity: gets theirs.

    Returns:
        How many pairs there are, which may be more than there was room for.
    """
    counts = np.zeros(len(known_offsets) - 1, np.int64)
    touched = np.empty(len(counts), np.int64)
    found = 0
    for row in range(len(offsets) - 1):
        begin, end = offsets[row], offsets[row + 1]
        met = _count(known, row_of, slots, following, likely, hashes[begin:end], counts, touched)
        for place in range(met):
            other = touched[place]
            shared = counts[other]
            counts[other] = 0
            first, last = known_offsets[other], known_offsets[other + 1]
            most = min(last - first, end - begin)
            if most < floor * (last - first + end - begin - most):
                continue  # one is too short for the other
            if floor > 0:  # not all of the index's hashes were counted
                needed = _needed(last - first, end - begin, floor)
                shared = _shared(known, first, last, hashes, begin, end, needed)
            jaccard = shared / (last - first + end - begin - shared)
            if jaccard >= floor:
                if found < len(pairs):
                    pairs[found, 0] = other
                    pairs[found, 1] = row
                    similarity[found] = jaccard
                found += 1
    return found


@_compiled
def _windows(units: UInt64, size: int) -> UInt64:
    """Hashes of every run of `size` units, ascending: polynomials modulo 2^64, mixed."""
    power, total = np.uint64(1), np.uint64(0)
    for place in range(size):
        power *= _LENGTH
        total = total * _LENGTH + units[place]
    found = np.empty(len(units) - size + 1, np.uint64)
    found[0] = mix(total)
    for place in range(size, len(units)):
        total = total * _LENGTH + units[place] - units[place - size] * power
        found[place - size + 1] = mix(total)
    found.sort()
    return found


@_compiled
def _longest_by_windows(one: UInt64, other: UInt64) -> int:
    """The same of long texts: by halving, for where some run is in both its parts are too."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        size = (low + high + 1) // 2
        left, right = _windows(one, size), _windows(other, size)
        if _shared(left, 0, len(left), right, 0, len(right), 0) > 0:
            low = size
        else:
            high = size - 1
    return low


@_compiled
def _longest_run(one: UInt64, begin: int, end: int, other: UInt64, start: int, stop: int) -> int:
    """How many units in a row two texts have in common at most."""
    if (end - begin) * (stop - start) > _CELLS:
        return _longest_by_windows(one[begin:end], other[start:stop])
    lengths = np.zeros(stop - start + 1, np.int64)  # of the common run that ends at each unit of the other
    longest = 0
    for place in range(begin, end):
        before = 0
        for at in range(start, stop):
            length = before + 1 if one[place] == other[at] else 0
            before = lengths[at - start + 1]
            lengths[at - start + 1] = length
            longest = max(longest, length)
    return longest


@_compiled
def _longest_possible(shared: int, size: int, length: int, ngram: int) -> int:
    """Units of the longest run that a row can have in common with another: each of the run's shingles is one
    of those in common, or a repeat, or lies over a border, where none was taken.

    Args:
        shared: different shingles in common.
        size: different shingles of the row.
        length: units of the row.
        ngram: units in a shingle.
    """
    if length < ngram:
        return length
    return min(length, shared + (length - ngram + 1 - size) + ngram - 1)


@_compiled
def _is_better(values: Float64, matches: Int64, row: int, match: int, value: float, jaccard: float) -> bool:
    """Whether a match would take the place of the one that is known, see `_take_better`."""
    if matches[row] < 0:
        return True
    known, alike = values[row, 0], values[row, 1]
    as_alike = alike > jaccard or (alike == jaccard and matches[row] < match)
    return not (known > value or (known == value and as_alike))


@_compiled
def _take_better(
    values: Float64,
    matches: Int64,
    row: int,
    match: int,
    value: float,
    jaccard: float,
    share: float,
    run: int,
) -> None:
    """Note a match where it is better than the one that is known: of a higher value, then Jaccard similarity,
    then earlier.
    """
    if not _is_better(values, matches, row, match, value, jaccard):
        return
    matches[row] = match
    values[row, 0], values[row, 1], values[row, 2], values[row, 3] = value, jaccard, share, run


@_compiled
def best_matches(
    known: UInt64,
    known_offsets: Int64,
    row_of: Int64,
    slots: Int64,
    following: Int64,
    likely: UInt8,
    known_units: UInt64,
    known_bounds: Int64,
    hashes: UInt64,
    offsets: Int64,
    units: UInt64,
    bounds: Int64,
    measure: int,
    ngram: int,
    threshold: float,
    first_row: int,
    own: bool,
    values: Float64,
    matches: Int64,
    back_values: Float64,
    back_matches: Int64,
) -> None:
    """For each row the best match among those of an index, and for each of those the best among these rows.

    Args:
        known: the index's runs; and the next five as `index` took and made them, with a floor of 0.
        known_units: the units of its rows, `known_bounds` theirs.
        hashes: the runs of these rows, `offsets` theirs.
        units: of these rows, `bounds` theirs.
        measure: 0 for Jaccard similarity, 1 for containment, 2 for any shingle in common, 3 for the longest
            common run as a share of the row's units.
        ngram: units in a shingle.
        threshold: the lowest value of a match; where any shingle counts none.
        first_row: the number of the first of these rows.
        own: whether they are rows of the index; none is then its own match, and only `matches` are filled.
        values: gets the value, Jaccard similarity, containment and longest common run (0 where that is not
            the measure) of each row's match, shape (rows, 4).
        matches: the match of each row, -1 for none so far.
        back_values: the same of the index's rows.
        back_matches: the same, with numbers that count from `first_row`.
    """
    counts = np.zeros(len(known_offsets) - 1, np.int64)
    touched = np.empty(len(counts), np.int64)
    for row in range(len(offsets) - 1):
        begin, end = offsets[row], offsets[row + 1]
        met = _count(known, row_of, slots, following, likely, hashes[begin:end], counts, touched)
        if measure == 3:
            touched[:met].sort()  # of equal matches the earlier counts: the others need no search
        for place in range(met):
            other = touched[place]
            shared = counts[other]
            counts[other] = 0
            if own and other == first_row + row:
                continue
            size, other_size = end - begin, known_offsets[other + 1] - known_offsets[other]
            jaccard = shared / (size + other_size - shared)
            share, other_share = shared / size, shared / other_size
            here, there, run = share, other_share, 0
            if measure == 0:
                here = there = jaccard
            elif measure == 3:
                first, last = known_bounds[other], known_bounds[other + 1]
                length, other_length = bounds[row + 1] - bounds[row], last - first
                most = min(
                    _longest_possible(shared, size, length, ngram),
                    _longest_possible(shared, other_size, other_length, ngram),
                )
                if most < threshold * length and (own or most < threshold * other_length):
                    continue  # rows that have little but a template in common
                # of many rows with one passage in common the best is known after a few
                better = _is_better(values, matches, row, other, most / length, jaccard)
                if not own and not better:
                    better = _is_better(
                        back_values, back_matches, other, first_row + row, most / other_length, jaccard
                    )
                if not better:
                    continue
                run = _longest_run(units, bounds[row], bounds[row + 1], known_units, first, last)
                here, there = run / length, run / other_length
            if measure == 2 or here >= threshold:
                _take_better(values, matches, row, other, here, jaccard, share, run)
            if not own and (measure == 2 or there >= threshold):
                _take_better(
                    back_values, back_matches, other, first_row + row, there, jaccard, other_share, run
                )
