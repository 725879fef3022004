"""Find the rows of each split that another split holds as well, or that repeat within it; exactly.

pip install datasets pyarrow
python splits_compared.py [input …]
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

from dedup.programs.rows import compared, load, shingles_of

Split = tuple[str, tuple[str, ...], tuple[str, ...]]

# --- settings of the run ---
DATASET: str | None = None  # of the Hub; None where the splits are files
CONFIG: str | None = None
# of each its name, its columns, and columns beside them that must be equal
SPLITS: tuple[Split, ...] = (("a.txt", ("text",), ()), ("b.txt", ("text",), ()))
PART = "all"  # of conversations
LIMIT: int | None = None  # rows to read of each split at most; None for all
THRESHOLD = 0.8
NGRAM = 3
UNIT = "word"
MEASURE = "containment"
# --- end of the settings ---

Match = tuple[float, float, int]  # Jaccard similarity, containment, row


def best_match(
    own: set[str], others: list[set[str]], places: dict[str, list[int]], itself: int | None
) -> Match | None:
    """The row that is most like `own` among others; None where none reaches the threshold.

    Args:
        own: shingles of a row.
        others: shingles of the other rows.
        places: of each shingle the other rows that hold it.
        itself: the row's own number where it is one of the others.
    """
    best: tuple[float, float, int] | None = None
    matches: dict[int, Match] = {}
    for row, shared in Counter(row for shingle in own for row in places.get(shingle, ())).items():
        contained = shared / len(own)
        jaccard = shared / (len(own) + len(others[row]) - shared)
        value = jaccard if MEASURE == "jaccard" else contained
        if row != itself and value >= THRESHOLD:
            matches[row] = jaccard, contained, row
            best = max(best or (value, jaccard, -row), (value, jaccard, -row))
    return None if best is None else matches[-best[2]]


def main(*sources: str) -> None:
    """Read the splits, compare each with each, write the matches to leaks.jsonl."""
    names = list(sources) or [name for name, *_ in SPLITS]
    splits = []
    for name, (split, columns, same) in zip(names, SPLITS, strict=True):
        rows = load(DATASET or name, CONFIG, split if DATASET else None, LIMIT)
        splits.append([set(own) for own in shingles_of(compared(rows, columns, same, PART), NGRAM, UNIT)])
    with Path("leaks.jsonl").open("w", encoding="utf-8") as file:
        for second, others in enumerate(splits):
            places: dict[str, list[int]] = {}
            for row, own in enumerate(others):
                for shingle in own:
                    places.setdefault(shingle, []).append(row)
            for first, split_rows in enumerate(splits):
                count = 0
                for row, own in enumerate(split_rows):
                    match = best_match(own, others, places, row if first == second else None)
                    if match is not None:
                        count += 1
                        leak = {"split": names[first], "row": row, "in": names[second], "match": match[2]}
                        leak |= {"jaccard": match[0], "containment": match[1]}
                        file.write(json.dumps(leak) + "\n")
                where = "others of it" if first == second else names[second]
                print(f"{count} of {len(split_rows)} rows of {names[first]} have a match in {where}")


if __name__ == "__main__":
    main(*sys.argv[1:])
