"""Remove rows that say the same in other words, by the cosine of static text vectors: a hint, not a proof.

pip install datasets pyarrow numpy model2vec==0.8.0
python model2vec_cosine.py [input] [output.jsonl]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from model2vec import StaticModel

from dedup.programs.rows import compared, load, units, visiting_order
from dedup.shingles import BORDER, parted

# --- settings of the run ---
SOURCE: str | tuple[str, ...] = "rows.jsonl"  # or several files, one after the other
CONFIG: str | None = None
SPLIT: str | None = None  # of a dataset of the Hub; None where the source is a file
COLUMNS: tuple[str, ...] = ("text",)
SAME: tuple[str, ...] = ()  # columns beside them that must be equal
PART = "all"  # of conversations
LIMIT: int | None = None  # rows to read at most; None for all
THRESHOLD = 0.8
UNIT = "word"
KEEP = "first"
MODEL = "minishlab/potion-base-8M"
# --- end of the settings ---


def main(source: str | tuple[str, ...] = SOURCE, target: str = "kept.jsonl") -> None:
    """Read the source, keep the rows that are like no row kept before them, write them."""
    rows = load(source, CONFIG, SPLIT, LIMIT)
    texts = compared(rows, COLUMNS, SAME, PART)
    beside, said = zip(*map(parted, texts), strict=True)  # what rows hold beside words, and their words
    plain = [text.replace(BORDER, "\n") for text in said]
    vectors = StaticModel.from_pretrained(MODEL).encode(plain, max_length=None, use_multiprocessing=False)
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    filled = units(texts, UNIT)
    _, kinds = np.unique(np.array(beside, dtype=object), return_inverse=True)
    kept: list[int] = []
    known: set[str] = set()
    held, places, count = np.zeros_like(vectors), np.zeros(len(rows), dtype=int), 0  # vectors of kept rows
    for row in visiting_order(rows, texts, KEEP):
        if filled[row]:  # a blank row stays
            copy = texts[row] in known
            known.add(texts[row])
            near = (held[:count] @ vectors[row] >= THRESHOLD) & (kinds[places[:count]] == kinds[row])
            if copy or near.any():
                continue
            held[count], places[count] = vectors[row], row
            count += 1
        kept.append(row)
    with Path(target).open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(rows[row], default=str) + "\n" for row in sorted(kept))
    print(f"kept {len(kept)} of {len(rows)} rows, removed {len(rows) - len(kept)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
