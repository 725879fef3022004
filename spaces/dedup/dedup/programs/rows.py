"""Rows of a source, and of each the text that is compared, as this page has them: what the programs share.

`dedup.programs` puts what a program uses of this module, and of those it imports, into the program.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dedup.chat import EMPTY, Column, canonical, held_by_rows, joined
from dedup.fields import as_record, named
from dedup.paragraphs import are_paragraphs, parts_of
from dedup.shingles import (
    BORDER,
    HELD,
    OPERATORS,
    clean,
    normalise,
    parted,
    signs_apart,
    to_arrow,
    with_held,
    words,
)

Row = dict[str, Any]


def load(
    source: str | tuple[str, ...], config: str | None, split: str | None, limit: int | None
) -> list[Row]:
    """The first rows of a file, or of several one after the other; with a split, of a dataset of the Hub."""
    if isinstance(source, tuple):
        rows: list[Row] = []
        for name in source:
            rows += load(name, None, None, None if limit is None else limit - len(rows))
        return rows
    if split is not None:
        from datasets import load_dataset

        found = load_dataset(source, config, split=split, streaming=True)
        return list(found if limit is None else found.take(limit))
    with Path(source).open("rb") as file:
        return list(islice(read(file, Path(source).suffix), limit))


def read(file: BinaryIO, suffix: str) -> Iterable[Row]:
    """The rows of an open file, by the end of its name."""
    kind = suffix.lower()
    if kind in (".csv", ".tsv"):
        return read_csv(file)
    if kind == ".parquet":
        return (row for batch in pq.ParquetFile(file).iter_batches() for row in batch.to_pylist())
    if kind in (".arrow", ".feather", ".ipc"):
        start = file.read(8)  # the file format has a stream within
        file.seek(8 if start.startswith(b"ARROW1") else 0)
        return (row for batch in pa.ipc.open_stream(file) for row in batch.to_pylist())
    if kind == ".xlsx":
        return read_xlsx(file)
    if kind == ".json":
        content = file.read()
        try:
            whole = json.loads(content)
        except ValueError:
            return (as_record(json.loads(line)) for line in content.splitlines() if line.strip())
        if isinstance(whole, dict):  # the first list of objects among its values
            lists = (own for own in whole.values() if isinstance(own, list))
            whole = next(own for own in lists if isinstance(next(iter(own), None), dict))
        return map(as_record, whole)
    if kind in (".jsonl", ".ndjson"):
        return (as_record(json.loads(line)) for line in file if line.strip())
    lines: Iterable[bytes] = file
    start = file.read(1_000_000)
    file.seek(0)
    if are_paragraphs(start):
        lines = parts_of(line.rstrip(b"\r\n") for line in file)
    return ({"text": line.decode("utf-8-sig", "replace").rstrip("\r\n")} for line in lines)


def read_csv(file: BinaryIO) -> Iterable[Row]:
    """The rows of CSV, whose separator is the one that its first line holds most of."""
    csv.field_size_limit(2**31 - 1)
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    separator = max(",;\t|", key=text.readline().count)
    text.seek(0)
    rows = csv.DictReader(text, delimiter=separator)
    rows.fieldnames = [clean(name) for name in rows.fieldnames or ()]  # names as the page shows them
    return rows


def read_xlsx(file: BinaryIO) -> Iterable[Row]:
    """The rows of a workbook's first sheet that shows something; its first row names the columns.

    pip install python-calamine
    """
    from python_calamine import SheetVisibleEnum, load_workbook

    with load_workbook(file) as book:
        shown = [own.name for own in book.sheets_metadata if own.visible == SheetVisibleEnum.Visible]
        sheets = (list(book.get_sheet_by_name(name).iter_rows()) for name in shown)
        header, *rows = next(filter(None, ([row for row in own if any(map(as_text, row))] for own in sheets)))
    names = [clean(as_text(cell)) or f"column {place}" for place, cell in enumerate(header, start=1)]
    for row in rows:
        cells = ((name, as_text(cell)) for name, cell in zip(names, row, strict=True))
        yield {name: text for name, text in cells if text}


def as_text(cell: Any) -> str:
    """A cell of a sheet as it is compared: whole numbers without a point, dates and times as ISO 8601."""
    if hasattr(cell, "isoformat"):
        return str(cell.isoformat())
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def compared(rows: list[Row], columns: Sequence[str], same: Sequence[str], part: str) -> list[str]:
    """The text of each row that is compared: its columns, joined; and before it what it holds beside words.

    Args:
        same: columns that must be equal.
    """
    read = [Column(part) for _ in columns]
    for row in rows:
        for column, name in zip(read, columns, strict=True):
            column.add(named(row, name))
    texts = joined([column.texts for column in read], "\n" if part == "turn" else BORDER)
    beside = [[canonical(row[name]) if row.get(name) not in EMPTY else "" for row in rows] for name in same]
    held, _ = held_by_rows([column.held for column in read], beside)
    return [with_held(clean("\n".join(held.get(row, ()))), text) for row, text in enumerate(texts)]


def units(texts: list[str], unit: str) -> list[list[str]]:
    """The units of each text: words; words and signs; tokens of code; what stands between white space;
    characters (runs of whitespace made one space); or lines, which are the turns of a conversation.
    """
    said = to_arrow([parted(text)[1] for text in texts])
    if unit == "character":
        normal = pc.utf8_trim(pc.replace_substring_regex(normalise(said), r"\s+", " "), " ")
        return [list(text) for text in normal.to_pylist()]
    if unit == "turn":
        normal = pc.replace_substring_regex(normalise(said), r"[^\S\n]+", " ")
        return [[line for line in text.split("\n") if line] for text in normal.to_pylist()]
    if unit == "word":
        split = words(said)
    elif unit == "whitespace":
        split = pc.replace_substring_regex(said, r"[\x09-\x0d\pZ\x{85}]+", " ")
    else:
        split = signs_apart(said, lower=unit == "symbol")
        split = pc.replace_substring_regex(split, r"[\x00-\x1d\x1f\x7f]+", " ")
        sign = (
            r"([!-/:-@\[-^`{-~])" if unit == "symbol" else rf"([{re.escape(OPERATORS)}]+|[!-/:-@\[-^`{{-~])"
        )
        split = pc.replace_substring_regex(split, sign, r" \1 ")
    whole = pc.replace_substring_regex(normalise(said), r"[\s\pZ]+", " ").to_pylist()
    found = [[word for word in text.split(" ") if word] for text in split.to_pylist()]
    # a row without words is one unit, its whole text
    return [
        [text.strip(" "), *own] if set(own) <= {"\x1e"} and text.strip(" \x1e") else own
        for text, own in zip(whole, found, strict=True)
    ]


def shingles_of(texts: list[str], ngram: int, unit: str) -> list[list[str]]:
    """Every run of `ngram` units of each text; a shorter text is one run, and one without units has none.
    What a row holds beside words is part of each.
    """
    return [
        [
            parted(text)[0] + HELD + " ".join(own[start : start + ngram])
            for start in range(max(1, len(own) - ngram + 1))
        ]
        if own
        else []
        for text, own in zip(texts, units(texts, unit), strict=True)
    ]


def visiting_order(rows: list[Row], texts: list[str], keep: str) -> list[int]:
    """The rows' numbers, those first that are to stay; of equals the first."""
    order = list(range(len(rows)))
    if keep == "last":
        return order[::-1]
    if keep == "longest":
        return sorted(order, key=lambda row: -len(parted(texts[row])[1]))
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
