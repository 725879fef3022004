"""Reading a dataset and writing the kept rows back, in the input's own format and with every column intact.

Rows of JSONL and text files are kept as the bytes they were; CSV cells as the strings they were (bytes that
are not UTF-8 survive as escapes); Parquet as an Arrow table with its schema.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dedup import parquet
from dedup.shingles import clean
from shared import limits
from shared.errors import VisitorError
from shared.files import written_whole

FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".txt": "text",
    ".text": "text",
    ".md": "text",
}


@dataclass(frozen=True)
class Dataset:
    """Rows of some source, with what it takes to write a part of them back.

    Args:
        name: the file's or dataset's name, for captions.
        format: "csv", "jsonl", "json", "parquet" or "text".
        rows: how many.
        columns: names, in order, as a page can show them.
        raw: the same names as the file has them, where they hold half characters or bytes that are not UTF-8.
        lines: JSONL and text: each row's bytes without its newline; empty otherwise.
        table: CSV, JSON and Parquet: the cells; None otherwise.
        cut: rows left out because of the limit; None where some were and nobody counted them.
        dialect: CSV: delimiter and line ending.
    """

    name: str
    format: str
    rows: int
    columns: tuple[str, ...]
    lines: tuple[bytes, ...] = ()
    table: Any = None
    cut: int | None = 0
    dialect: tuple[str, str] = (",", "\n")
    raw: tuple[str, ...] = ()

    def require(self, name: str) -> None:
        """Raise a VisitorError unless there is a column of that name."""
        if name not in self.columns:
            raise VisitorError(
                f"There is no column “{name[:60]}”.", f"Choose from: {', '.join(self.columns)[:200]}."
            )

    def column(self, name: str) -> list[Any]:
        """One column's cells, as Python values.

        Raises:
            VisitorError: no such column.
        """
        return self.cells([name])[0]

    def cells(self, names: Iterable[str], rows: int | None = None) -> list[list[Any]]:
        """The cells of some columns, as Python values, a list a column; a row is parsed once for all of them.

        Args:
            names: of the columns.
            rows: how many of the first rows; None for all.

        Raises:
            VisitorError: no such column.
        """
        names = list(names)
        for name in names:
            self.require(name)
        if self.format == "text":
            return [[line.decode("utf-8", "replace") for line in self.lines[:rows]] for _ in names]
        if self.format == "parquet":
            return [self.table.column(name).slice(0, rows).to_pylist() for name in names]
        if self.format == "csv":
            place = {name: index for index, name in enumerate(self.columns)}
            return [[row[index] for row in self.table[:rows]] for index in map(place.__getitem__, names)]
        raw = dict(zip(self.columns, self.raw or self.columns, strict=True))
        columns: list[list[Any]] = [[] for _ in names]
        keyed = [(raw[name], cells) for name, cells in zip(names, columns, strict=True)]
        for record in self._records(rows):
            for key, cells in keyed:
                cells.append(record.get(key))
        return columns

    def head(self, rows: int) -> dict[str, list[Any]]:
        """What stands in the first rows by column; of JSON, where every row may have keys of its own, without
        the empty cells.
        """
        if self.format not in ("jsonl", "json"):
            return dict(zip(self.columns, self.cells(self.columns, rows), strict=True))
        filled: dict[str, list[Any]] = {}
        for record in self._records(rows):
            for key, cell in record.items():
                filled.setdefault(clean(key), []).append(cell)
        return filled

    def _records(self, rows: int | None) -> Iterator[dict[str, Any]]:
        return iter(self.table[:rows]) if self.format == "json" else map(json.loads, self.lines[:rows])


def read_file(path: Path, name: str, limit: int) -> Dataset:
    """Read a file by its extension.

    Args:
        path: where it lies.
        name: what it was called.
        limit: rows to read at most.

    Raises:
        VisitorError: unknown format, empty, too large, two columns of one name, or malformed (with the line).
    """
    name = clean(name)
    kind = FORMATS.get(Path(name).suffix.lower())
    if kind is None:
        raise VisitorError(
            f"“{name[:80]}” is not a file that this page reads.",
            "Use CSV, TSV, JSONL, JSON, Parquet or plain text.",
        )
    size = path.stat().st_size
    if size > limits.MAX_FILE_BYTES:
        raise VisitorError(
            f"The file has {size / 1e6:,.0f} MB; at most {limits.MAX_FILE_BYTES / 1e6:,.0f} MB are read.",
            "Split it, or run the exported script.",
        )
    if size == 0:
        raise VisitorError("The file is empty.", "Choose one with rows.")
    reader = {
        "csv": _read_csv,
        "jsonl": _read_jsonl,
        "json": _read_json,
        "parquet": _read_parquet,
        "text": _read_text,
    }[kind]
    dataset = reader(path, name, limit)
    if dataset.rows == 0:
        raise VisitorError("The file has no rows.", "Choose one with rows.")
    if len(set(dataset.columns)) != len(dataset.columns):
        raise VisitorError("Two columns of the file have the same name.", "Rename one of them.")
    return dataset


def _lines(path: Path) -> list[bytes]:
    content = path.read_bytes()
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            content = content.decode("utf-16").encode("utf-8")
        except UnicodeError as error:
            raise VisitorError(
                "The file begins as UTF-16 but cannot be read as it.", "Save it as UTF-8."
            ) from error
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    return [line.removesuffix(b"\r") for line in lines]


def _shown(raw: Iterable[str]) -> dict[str, str]:
    """Column names as a page can show them, and as the file has them; of two that look the same, the
    first.
    """
    names: dict[str, str] = {}
    for name in raw:
        names.setdefault(clean(name), name)
    return names


def _read_text(path: Path, name: str, limit: int) -> Dataset:
    lines = _lines(path)
    return Dataset(
        name, "text", min(len(lines), limit), ("text",), tuple(lines[:limit]), cut=max(0, len(lines) - limit)
    )


def _read_jsonl(path: Path, name: str, limit: int) -> Dataset:
    numbered = [(number, line) for number, line in enumerate(_lines(path), start=1) if line.strip()]
    columns: dict[str, None] = {}
    for number, line in numbered[:limit]:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            why = (
                f"{error.msg}, column {error.colno}"
                if isinstance(error, json.JSONDecodeError)
                else str(error)[:80]
            )
            raise VisitorError(
                f"Line {number:,} is not JSON ({why}).", "Fix the line, or remove it."
            ) from error
        if not isinstance(row, dict):
            raise VisitorError(
                f"Line {number:,} is not a JSON object.",
                'Every line must be an object such as {"text": "…"}.',
            )
        columns.update(dict.fromkeys(row))
    kept = tuple(line for _, line in numbered[:limit])
    names = _shown(columns)
    return Dataset(
        name,
        "jsonl",
        len(kept),
        tuple(names),
        kept,
        cut=max(0, len(numbered) - limit),
        raw=tuple(names.values()),
    )


def _read_json(path: Path, name: str, limit: int) -> Dataset:
    try:
        rows = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        if b"\n{" in path.read_bytes()[:1_000_000]:
            return _read_jsonl(path, name, limit)
        raise VisitorError(f"The file is not JSON ({str(error)[:80]}).", "Fix it, or use JSONL.") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise VisitorError(
            "The file is not a JSON list of objects.", 'Use [{"text": "…"}, …] or one object a line.'
        )
    names = _shown(dict.fromkeys(key for row in rows[:limit] for key in row))
    cut = max(0, len(rows) - limit)
    return Dataset(
        name,
        "json",
        min(len(rows), limit),
        tuple(names),
        table=rows[:limit],
        cut=cut,
        raw=tuple(names.values()),
    )


def _read_csv(path: Path, name: str, limit: int) -> Dataset:
    content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        content = b"\n".join(_lines(path))
    text = content.decode("utf-8", "surrogateescape")
    head = text[: text.find("\n")] if "\n" in text else text
    delimiter = "\t" if name.lower().endswith(".tsv") else max(",;\t|", key=head.count)
    csv.field_size_limit(limits.MAX_FILE_BYTES)
    rows: list[list[str]] = []
    cut = 0
    columns: tuple[str, ...] = ()
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if not columns:
                columns = tuple(row)
            elif not row:
                continue
            elif len(row) != len(columns):
                raise VisitorError(
                    f"Line {reader.line_num:,} has {len(row)} cells, the header {len(columns)}.",
                    "Fix the line: a quote may be missing.",
                )
            elif len(rows) < limit:
                rows.append(row)
            else:
                cut += 1
    except csv.Error as error:
        raise VisitorError(
            f"Line {reader.line_num:,} is not CSV ({str(error)[:80]}).",
            "Fix the line: a quote may be missing.",
        ) from error
    dialect = (delimiter, "\r\n" if "\r\n" in text[:100_000] else "\n")
    return Dataset(
        name, "csv", len(rows), tuple(map(clean, columns)), table=rows, cut=cut, dialect=dialect, raw=columns
    )


def _read_parquet(path: Path, name: str, limit: int) -> Dataset:
    table, total = parquet.read_table(path, limit)
    cut = max(0, total - table.num_rows)
    return Dataset(name, "parquet", table.num_rows, tuple(table.column_names), table=table, cut=cut)


def read_hub(name: str, config: str | None, split: str, limit: int, token: str | None = None) -> Dataset:
    """Stream the first rows of a dataset of the Hub; what leaves is Parquet.

    Raises:
        VisitorError: unknown, gated, without that config or split, too large, or the Hub cannot be reached.
    """
    from shared import hub

    table, more = hub.dataset_rows(name, config, split, limit, token)
    return Dataset(
        f"{name}, {split}",
        "parquet",
        table.num_rows,
        tuple(table.column_names),
        table=table,
        cut=None if more else 0,
    )


def write(dataset: Dataset, keep: list[int], path: Path) -> None:
    """Write some rows, in their order, in the dataset's format.

    Args:
        keep: row numbers, ascending.
        path: the file to write; it appears whole or not at all.

    Raises:
        VisitorError: the disk is full.
    """
    with written_whole(path, "the kept rows") as part:
        if dataset.format in ("text", "jsonl"):
            part.write_bytes(b"".join(dataset.lines[row] + b"\n" for row in keep))
        elif dataset.format == "json":
            text = json.dumps([dataset.table[row] for row in keep], ensure_ascii=True, indent=1)
            part.write_text(text, encoding="utf-8")
        elif dataset.format == "parquet":
            import pyarrow as pa
            import pyarrow.parquet as pq

            pq.write_table(dataset.table.take(pa.array(keep, pa.int64())), part)
        else:
            delimiter, ending = dataset.dialect
            with part.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
                writer = csv.writer(file, delimiter=delimiter, lineterminator=ending)
                writer.writerow(dataset.raw or dataset.columns)
                writer.writerows(dataset.table[row] for row in keep)


SUFFIX = {"csv": ".csv", "jsonl": ".jsonl", "json": ".json", "parquet": ".parquet", "text": ".txt"}
"""Of the file that a dataset's format is written to."""
