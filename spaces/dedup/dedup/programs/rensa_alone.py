"""Remove near-duplicates: every row that is like a row kept before it goes.

pip install datasets pyarrow numpy rensa==0.5.0
python rensa_alone.py [input] [output.jsonl]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rensa import RMinHash

from dedup.programs.rows import compared, load, shingles_of, visiting_order

# --- settings of the run ---
SOURCE: str | tuple[str, ...] = "rows.jsonl"  # or several files, one after the other
CONFIG: str | None = None
SPLIT: str | None = None  # of a dataset of the Hub; None where the source is a file
COLUMNS: tuple[str, ...] = ("text",)
SAME: tuple[str, ...] = ()  # columns beside them that must be equal
PART = "all"  # of conversations
LIMIT: int | None = None  # rows to read at most; None for all
THRESHOLD = 0.8
NGRAM = 3
UNIT = "word"
KEEP = "first"
BANDS = 16
ROWS_PER_BAND = 8
SEED = 42
# --- end of the settings ---

BATCH = 1_000  # rows that are signed at a time


def sign(texts: list[str]) -> tuple[list[npt.NDArray[np.uint64]], list[list[bytes]]]:
    """For each text its shingles, as sorted 64-bit hashes, and the keys of its buckets, one a band."""
    hashes = RMinHash.hash_token_sets(shingles_of(texts, NGRAM, UNIT))
    digests = RMinHash.digest_matrix_from_token_hash_sets(hashes, BANDS * ROWS_PER_BAND, SEED).to_rows()
    bands = np.array(digests, dtype=np.uint32).reshape(len(texts), BANDS, ROWS_PER_BAND)
    sets = [np.unique(np.array(own, dtype=np.uint64)) for own in hashes]
    return sets, [[band.tobytes() for band in row] for row in bands]


def jaccard(one: npt.NDArray[np.uint64], other: npt.NDArray[np.uint64]) -> float:
    """Shared shingles by all shingles."""
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / (len(one) + len(other) - shared)


def main(source: str | tuple[str, ...] = SOURCE, target: str = "kept.jsonl") -> None:
    """Read the source, keep one row of each group of near-duplicates, write the kept rows."""
    rows = load(source, CONFIG, SPLIT, LIMIT)
    texts = compared(rows, COLUMNS, SAME, PART)
    order = visiting_order(rows, texts, KEEP)
    buckets: list[dict[bytes, list[int]]] = [{} for _ in range(BANDS)]  # of each band: key, kept rows
    kept: dict[int, npt.NDArray[np.uint64]] = {}  # row, its shingles
    for begin in range(0, len(order), BATCH):
        batch = order[begin : begin + BATCH]
        for row, own, keys in zip(batch, *sign([texts[row] for row in batch]), strict=True):
            near: set[int] = set()
            if len(own):
                near.update(*(bucket.get(key, ()) for bucket, key in zip(buckets, keys, strict=True)))
            if any(jaccard(own, kept[other]) >= THRESHOLD for other in near):
                continue  # a duplicate of a kept row: its similarity is computed, not estimated
            kept[row] = own
            if len(own):
                for bucket, key in zip(buckets, keys, strict=True):
                    bucket.setdefault(key, []).append(row)
    with Path(target).open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(rows[row], default=str) + "\n" for row in sorted(kept))
    print(f"kept {len(kept)} of {len(rows)} rows, removed {len(rows) - len(kept)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
