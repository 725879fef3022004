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

from dedup.arrays import Bool, Int64, UInt32
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


@dataclass(frozen=True)
class Signatures:
    """What is known of every row, and of the rows of the sample beside all others.

    Args:
        keys: uint32 of shape (num_bands, rows): rows with equal keys share that band's bucket.
        filled: rows with a shingle.
        sample: numbers of the rows of the sample.
        true: pairs (place in the sample, row) of at least the floor, by brute force.
    """

    keys: UInt32
    filled: Bool
    sample: Int64
    true: Pairs


def sample_rows(texts: list[str], size: int) -> Int64:
    """Rows chosen by their content, so that the choice does not depend on the order of rows; distinct texts
    only, and no more than have `SAMPLE_CHARACTERS` together.
    """
    keys = np.fromiter(
        (xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass")) for text in texts),
        dtype=np.uint64,
        count=len(texts),
    )
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
    texts: list[str], request: Request, plan: Plan, sample: Int64, folder: Path | None
) -> Iterator[int | Signatures]:
    """Shingle and sign every row, block by block, and compare every row with the sample.

    Args:
        sample: numbers of its rows.
        folder: for the signatures of finished blocks; a run with the same rows and settings goes on there.

    Yields:
        How many rows are signed, and the Signatures last.
    """
    known = Sample(shingle_rows(texts, request.ngram, request.unit, sample))
    digest = _digest(texts, request, plan) if folder is not None else ""
    blocks: list[dict[str, Any]] = []

    def work(span: tuple[int, int]) -> tuple[int, UInt32, Bool, Pairs]:
        begin, end = first + span[0], first + span[1]
        part = shingle(to_arrow(texts[begin:end]), request.ngram, request.unit)
        near = known.against(part, begin, request.floor)
        return end, band_keys(part, plan, request.seed), part.counts > 0, near

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for block, first in enumerate(range(0, len(texts), BLOCK)):
            path = folder / f"{digest}-{block:05}.npz" if folder is not None else None
            if path is not None and (stored := _stored(path)) is not None:
                blocks.append(stored)
                continue
            parts = []
            for part in pool.map(work, chunks(map(len, texts[first : first + BLOCK]))):
                parts.append(part)
                yield part[0]
            blocks.append(
                {
                    "keys": np.concatenate([part[1] for part in parts], axis=1),
                    "filled": np.concatenate([part[2] for part in parts]),
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
    yield Signatures(joined["keys"], joined["filled"], sample, true)


def without_bands(texts: list[str], request: Request) -> Signatures:
    """What tells empty rows apart, where every pair will be compared."""
    parts = shingle_rows(texts, request.ngram, request.unit)
    filled = np.concatenate([part.counts > 0 for part in parts])
    return Signatures(np.zeros((0, len(filled)), np.uint32), filled, NO_PAIRS.first, NO_PAIRS)


def copies(texts: list[str], filled: Bool) -> tuple[list[Int64], Int64]:
    """Rows grouped by equal text, and each row's group (-1 for rows without text); groups in order of their
    first row.

    Args:
        filled: rows with a shingle.
    """
    node_of = np.full(len(filled), -1, dtype=np.int64)
    rows = np.flatnonzero(filled)
    known: dict[str, int] = {}
    node_of[rows] = [known.setdefault(texts[row], len(known)) for row in rows.tolist()]
    if not len(rows):
        return [], node_of
    by_node = rows[np.argsort(node_of[rows], kind="stable")]
    bounds = np.flatnonzero(np.diff(node_of[by_node])) + 1
    return np.split(by_node, bounds), node_of


def forget(folder: Path, texts: list[str], request: Request, plan: Plan) -> None:
    """Remove the signatures that a run has left in the folder."""
    for path in folder.glob(f"{_digest(texts, request, plan)}-*.npz"):
        path.unlink(missing_ok=True)


def _digest(texts: list[str], request: Request, plan: Plan) -> str:
    """Names a run: the same texts and settings, the same name."""
    state = hashlib.blake2b(digest_size=12)
    settings = [request.ngram, request.unit, request.seed, request.floor, plan.num_bands, plan.rows_per_band]
    state.update(json.dumps(settings).encode())
    for text in texts:
        state.update(xxhash.xxh3_64_digest(text.encode("utf-8", "surrogatepass")))
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
