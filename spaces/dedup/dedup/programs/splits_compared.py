"""Find the rows of each split that another split holds as well, or that repeat within it; exactly.

pip install datasets pyarrow
python splits_compared.py [input …]
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

from dedup.programs.rows import compared, load, shingles_of, units

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

Row = tuple[set[str], list[str]]  # its shingles, and its units
Match = tuple[float, float, int, int]  # Jaccard similarity, containment, longest common run, row


def longest_run(one: list[str], other: list[str]) -> int:
    """How many units in a row two texts have in common at most."""
    longest, lengths = 0, [0] * (len(other) + 1)  # of the common run that ends at each unit of the other
    for unit in one:
        lengths = [
            0,
            *(before + 1 if unit == own else 0 for before, own in zip(lengths, other, strict=False)),
        ]
        longest = max(longest, *lengths)
    return longest


def best_match(row: Row, others: list[Row], places: dict[str, list[int]], itself: int | None) -> Match | None:
    """The row that is most like one among others; None where none reaches the threshold.

    Args:
        row: the one.
        others: the other rows.
        places: of each shingle the other rows that hold it.
        itself: the row's own number where it is one of the others.
    """
    own, units = row
    best: tuple[float, float, int] | None = None
    matches: dict[int, Match] = {}
    for number, shared in Counter(number for shingle in own for number in places.get(shingle, ())).items():
        contained = shared / len(own)
        jaccard = shared / (len(own) + len(others[number][0]) - shared)
        run = longest_run(units, others[number][1]) if MEASURE == "longest" else 0
        value = jaccard if MEASURE == "jaccard" else run / len(units) if run else contained
        if number != itself and (MEASURE == "overlap" or value >= THRESHOLD):
            matches[number] = jaccard, contained, run, number
            best = max(best or (value, jaccard, -number), (value, jaccard, -number))
    return None if best is None else matches[-best[2]]


def main(*sources: str) -> None:
    """Read the splits, compare each with each, write the matches to leaks.jsonl."""
    names = list(sources) or [name for name, *_ in SPLITS]
    splits: list[list[Row]] = []
    for name, (split, columns, same) in zip(names, SPLITS, strict=True):
        rows = load(DATASET or name, CONFIG, split if DATASET else None, LIMIT)
        texts = compared(rows, columns, same, PART)
        own = zip(shingles_of(texts, NGRAM, UNIT), units(texts, UNIT), strict=True)
        splits.append([(set(shingles), list(words)) for shingles, words in own])
    with Path("leaks.jsonl").open("w", encoding="utf-8") as file:
        for second, others in enumerate(splits):
            places: dict[str, list[int]] = {}
            for number, (shingles, _) in enumerate(others):
                for shingle in shingles:
                    places.setdefault(shingle, []).append(number)
            for first, split_rows in enumerate(splits):
                count = 0
                for number, row in enumerate(split_rows):
                    match = best_match(row, others, places, number if first == second else None)
                    if match is not None:
                        count += 1
                        leak = {"split": names[first], "row": number, "in": names[second], "match": match[3]}
                        leak |= {"jaccard": match[0], "containment": match[1], "run": match[2]}
                        file.write(json.dumps(leak) + "\n")
                where = "others of it" if first == second else names[second]
                print(f"{count} of {len(split_rows)} rows of {names[first]} have a match in {where}")


if __name__ == "__main__":
    main(*sys.argv[1:])
