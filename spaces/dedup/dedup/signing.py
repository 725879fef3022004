"""From texts to signatures: rows in chunks on all cores, in blocks that a later run can take up."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from dedup.arrays import Bool, Int64, UInt32, UInt64
from dedup.groups import Groups
from dedup.minhash import Plan, band_keys
from dedup.request import Request
from dedup.shingles import Shingles, shingle, to_arrow
from dedup.verify import NO_PAIRS, Pairs, Sample
from shared.files import written_whole

CHUNK = 1_000
CHUNK_CHARACTERS = 1_000_000
"""Rows, or characters, that one thread signs at a time; small enough to stay in the processor's cache."""

SAMPLE_CHARACTERS = 3_000_000
"""Characters of a sample, all of which is in memory as shingles."""

BLOCK = 50_000
"""Rows between two checkpoints."""

BYTES_A_CHARACTER = 2
"""Of the shingles that are kept until the candidates are verified; prose has one and a half."""

FEWEST_KEPT = 4_000_000
"""Shingles that are kept however short the texts are."""


class Runs:
    """The shingles of many rows, as far as there is room; those of other rows are made again where they are
    needed.

    Args:
        rows: how many.
        room: shingles.
    """

    def __init__(self, rows: int, room: int) -> None:
        self.hashes: UInt64 = np.empty(room, dtype=np.uint64)  # what is never written takes no memory
        self.used = 0
        self._starts = np.full(rows, -1, dtype=np.int64)
        self._sizes = np.zeros(rows, dtype=np.int32)

    def add(self, part: Shingles, first_row: int) -> None:
        """Keep the shingles of the rows from `first_row` on, or none of them."""
        if self.used + len(part.hashes) > len(self.hashes):
            return
        rows = slice(first_row, first_row + len(part))
        self.hashes[self.used : self.used + len(part.hashes)] = part.hashes
        self._starts[rows] = part.offsets[:-1] + self.used
        self._sizes[rows] = part.counts
        self.used += len(part.hashes)

    def of(self, rows: Int64) -> tuple[Int64, Int64]:
        """Where the runs of some rows begin and end in `hashes`; -1 and -1 of a row that is not kept."""
        return self._starts[rows], self._starts[rows] + self._sizes[rows]


@dataclass(frozen=True)
class Signatures:
    """What is known of every row, and of the rows of the sample beside all others.

    Args:
        keys: uint32 of shape (num_bands, rows): rows with equal keys share that band's bucket.
        filled: rows with a shingle.
        sample: numbers of the rows of the sample.
        true: pairs (place in the sample, row) of at least the floor, by brute force.
        runs: the rows' shingles, as far as they were kept.
    """

    keys: UInt32
    filled: Bool
    sample: Int64
    true: Pairs
    runs: Runs


def keys_of(texts: list[str]) -> UInt64:
    """A 64-bit hash of each text, equal for equal ones."""
    digest = xxhash.xxh3_64_intdigest
    return np.fromiter(
        # ASCII is hashed where it lies
        (digest(text if text.isascii() else text.encode("utf-8", "surrogatepass")) for text in texts),
        dtype=np.uint64,
        count=len(texts),
    )


def sample_rows(texts: list[str], keys: UInt64, size: int) -> Int64:
    """Rows chosen by their content, so that the choice does not depend on the order of rows; distinct texts
    only, and no more than have `SAMPLE_CHARACTERS` together.

    Args:
        keys: of the texts, see `keys_of`.
    """
    _, first = np.unique(keys, return_index=True)
    chosen = first[:size].astype(np.int64)
    held = np.cumsum([len(texts[row]) for row in chosen])
    return chosen[: max(1, int(np.searchsorted(held, SAMPLE_CHARACTERS, side="right")))]


def chunks(lengths: Iterable[int]) -> list[tuple[int, int]]:
    """First and last place (excluded) of each chunk: `CHUNK` rows, or fewer that reach `CHUNK_CHARACTERS`
    together.

    Args:
        lengths: characters of each row.
    """
    ends, held, size, rows = [0], 0, 0, 0
    for rows, length in enumerate(lengths, start=1):
        held, size = held + 1, size + length
        if held == CHUNK or size >= CHUNK_CHARACTERS:
            ends.append(rows)
            held, size = 0, 0
    return list(pairwise(ends if ends[-1] == rows else [*ends, rows]))


def shingle_rows(texts: list[str], ngram: int, unit: str, rows: Int64 | None = None) -> list[Shingles]:
    """Shingles of all texts, or of those of some rows, chunk by chunk, on all cores."""
    chosen = texts if rows is None else [texts[row] for row in rows]

    def work(span: tuple[int, int]) -> Shingles:
        return shingle(to_arrow(chosen[slice(*span)]), ngram, unit)

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(pool.map(work, chunks(map(len, chosen))))


def sign(
    texts: list[str],
    text_keys: UInt64,
    request: Request,
    plan: Plan,
    sample: Int64,
    shingles: Shingles,
    folder: Path | None,
) -> Iterator[int | Signatures]:
    """Shingle and sign every row, block by block, and compare every row with the sample.

    Args:
        text_keys: see `keys_of`.
        sample: numbers of its rows.
        shingles: theirs.
        folder: for the signatures of finished blocks; a run with the same rows and settings goes on there.

    Yields:
        How many rows are signed, and the Signatures last.
    """
    known = Sample(shingles, request.floor)
    digest = _digest(text_keys, request, plan) if folder is not None else ""
    runs = Runs(len(texts), max(FEWEST_KEPT, BYTES_A_CHARACTER * sum(map(len, texts)) // 8))
    blocks: list[dict[str, Any]] = []

    def work(span: tuple[int, int]) -> tuple[Shingles, int, UInt32, Pairs]:
        begin, end = first + span[0], first + span[1]
        part = shingle(to_arrow(texts[begin:end]), request.ngram, request.unit)
        near = known.against(part, begin)
        return part, begin, band_keys(part, plan, request.seed), near

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for block, first in enumerate(range(0, len(texts), BLOCK)):
            path = folder / f"{digest}-{block:05}.npz" if folder is not None else None
            if path is not None and (stored := _stored(path)) is not None:
                blocks.append(stored)
                continue
            parts = []
            for part, begin, keys, near in pool.map(work, chunks(map(len, texts[first : first + BLOCK]))):
                runs.add(part, begin)
                parts.append((keys, part.counts > 0, near))
                yield begin + len(part)
            blocks.append(
                {
                    "keys": np.concatenate([part[0] for part in parts], axis=1),
                    "filled": np.concatenate([part[1] for part in parts]),
                    "true": np.concatenate([np.stack([p.first, p.second]) for *_, p in parts], axis=1),
                    "jaccard": np.concatenate([p.jaccard for *_, p in parts]),
                }
            )
            if path is not None:
                _store(path, blocks[-1])
    joined = {
        name: np.concatenate([block[name] for block in blocks], axis=-1 if name in ("keys", "true") else 0)
        for name in blocks[0]
    }
    true = Pairs(joined["true"][0], joined["true"][1], joined["jaccard"])
    yield Signatures(joined["keys"], joined["filled"], sample, true, runs)


def without_bands(texts: list[str], request: Request) -> Signatures:
    """What tells empty rows apart, where every pair will be compared."""
    parts = shingle_rows(texts, request.ngram, request.unit)
    filled = np.concatenate([part.counts > 0 for part in parts])
    return Signatures(np.zeros((0, len(filled)), np.uint32), filled, NO_PAIRS.first, NO_PAIRS, Runs(0, 0))


def copies(texts: list[str], keys: UInt64, filled: Bool) -> tuple[Groups, Int64]:
    """Rows grouped by equal text, and each row's group (-1 for rows without text); groups in order of their
    first row.

    Args:
        keys: of the texts, see `keys_of`.
        filled: rows with a shingle.
    """
    node_of = np.full(len(filled), -1, dtype=np.int64)
    rows = np.flatnonzero(filled)
    _, first, group = np.unique(keys[rows], return_index=True, return_inverse=True)
    if any(texts[row] != texts[head] for row, head in _repeated(rows, first[group])):
        known: dict[str, int] = {}  # two texts have one hash
        group = np.array([known.setdefault(texts[row], len(known)) for row in rows.tolist()], dtype=np.int64)
        _, first = np.unique(group, return_index=True)
    place = np.empty(len(first), dtype=np.int64)
    place[np.argsort(first)] = np.arange(len(first))
    node_of[rows] = place[group]
    by_node = rows[np.argsort(node_of[rows], kind="stable")]
    sizes = np.bincount(node_of[rows], minlength=len(first))
    return Groups(by_node, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)), node_of


def _repeated(rows: Int64, first: Int64) -> list[tuple[int, int]]:
    """The rows that are not the first of their group, each with that."""
    later = np.flatnonzero(first != np.arange(len(rows)))
    return list(zip(rows[later].tolist(), rows[first[later]].tolist(), strict=True))


def forget(folder: Path, text_keys: UInt64, request: Request, plan: Plan) -> None:
    """Remove the signatures that a run has left in the folder."""
    for path in folder.glob(f"{_digest(text_keys, request, plan)}-*.npz"):
        path.unlink(missing_ok=True)


def _digest(text_keys: UInt64, request: Request, plan: Plan) -> str:
    """Names a run: the same texts and settings, the same name."""
    state = hashlib.blake2b(digest_size=12)
    settings = [request.ngram, request.unit, request.seed, request.floor, plan.num_bands, plan.rows_per_band]
    state.update(json.dumps(settings).encode())
    state.update(text_keys.tobytes())
    return state.hexdigest()


def _store(path: Path, arrays: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path, "the signatures of this run") as part, part.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def _stored(path: Path) -> dict[str, Any] | None:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in ("keys", "filled", "true", "jaccard")}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
