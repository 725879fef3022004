"""Rows of a source, and of each the text that is compared, as this page has them: what the programs share.

`dedup.programs` puts what a program uses of this module, and of those it imports, into the program.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow.compute as pc
import pyarrow.parquet as pq

from dedup.chat import part_of, strip_template, turns
from dedup.shingles import clean, normalise, to_arrow, words

Row = dict[str, Any]


def load(source: str, config: str | None, split: str | None, limit: int | None) -> list[Row]:
    """The first rows of a file; with a split, of a dataset of the Hub."""
    if split is not None:
        from datasets import load_dataset

        rows = load_dataset(source, config, split=split, streaming=True)
        return list(rows if limit is None else rows.take(limit))
    with Path(source).open("rb") as file:
        return list(islice(read(file, Path(source).suffix), limit))


def read(file: BinaryIO, suffix: str) -> Iterable[Row]:
    """The rows of an open file, by the end of its name."""
    kind = suffix.lower()
    if kind in (".csv", ".tsv"):
        return read_csv(file)
    if kind == ".parquet":
        return (row for batch in pq.ParquetFile(file).iter_batches() for row in batch.to_pylist())
    if kind == ".json":
        content = file.read()
        try:
            rows: list[Row] = json.loads(content)
            return rows
        except ValueError:
            return (json.loads(line) for line in content.splitlines() if line.strip())
    if kind in (".jsonl", ".ndjson"):
        return (json.loads(line) for line in file if line.strip())
    return ({"text": line.decode("utf-8-sig", "replace").rstrip("\r\n")} for line in file)


def read_csv(file: BinaryIO) -> Iterable[Row]:
    """The rows of CSV, whose separator is the one that its first line holds most of."""
    csv.field_size_limit(2**31 - 1)
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    separator = max(",;\t|", key=text.readline().count)
    text.seek(0)
    rows = csv.DictReader(text, delimiter=separator)
    rows.fieldnames = [clean(name) for name in rows.fieldnames or ()]  # names as the page shows them
    return rows


def compared(rows: list[Row], columns: Sequence[str], part: str) -> list[str]:
    """The text of each row that is compared: its columns, joined."""
    texts = []
    for name in columns:
        cells = [row.get(name) for row in rows]
        first = next((cell for cell in cells if cell not in (None, "")), "")
        if turns(first) is None:
            texts.append([strip_template(cell) if isinstance(cell, str) else "" for cell in cells])
        else:
            texts.append([part_of(turns(cell) or [], part) for cell in cells])
    return ["\n".join(parts).strip("\n") for parts in zip(*texts, strict=True)]


def units(texts: list[str], unit: str) -> list[list[str]]:
    """The words of each text, its characters (runs of whitespace made one space), or its lines, which are the
    turns of a conversation.
    """
    if unit == "word":
        return [text.split() for text in words(to_arrow(texts)).to_pylist()]
    normal = normalise(to_arrow(texts))
    if unit == "character":
        normal = pc.utf8_trim(pc.replace_substring_regex(normal, r"\s+", " "), " ")
        return [list(text) for text in normal.to_pylist()]
    normal = pc.replace_substring_regex(normal, r"[^\S\n]+", " ")
    return [[line for line in text.split("\n") if line] for text in normal.to_pylist()]


def shingles_of(texts: list[str], ngram: int, unit: str) -> list[list[str]]:
    """Every run of `ngram` units of each text; a shorter text is one run, and one without units has none."""
    return [
        [" ".join(own[start : start + ngram]) for start in range(max(1, len(own) - ngram + 1))] if own else []
        for own in units(texts, unit)
    ]


def visiting_order(rows: list[Row], texts: list[str], keep: str) -> list[int]:
    """The rows' numbers, those first that are to stay; of equals the first."""
    order = list(range(len(rows)))
    if keep == "last":
        return order[::-1]
    if keep == "longest":
        return sorted(order, key=lambda row: -len(texts[row]))
    if keep.startswith("max:"):
        return sorted(order, key=lambda row: -number(rows[row].get(keep[4:])))
    return order


def number(cell: Any) -> float:
    """A cell as a number; what is none comes last."""
    try:
        value = float(cell)
    except (TypeError, ValueError, OverflowError):
        return float("-inf")
    return value if value == value else float("-inf")
