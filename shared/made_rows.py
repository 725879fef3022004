"""Rows of the shelf as a table, where a Space reads datasets of the Hub: the formats that made rows have."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared import limits, shelf
from shared.errors import VisitorError, reason

if TYPE_CHECKING:
    from pyarrow import Table

MAX_JSON_BYTES = 50_000_000
"""Of a file that is one list of JSON: it is read whole, where lines are read one by one."""
DELIMITERS = {".csv": ",", ".tsv": "\t"}
LINES = (".jsonl", ".ndjson")
PACKED = (".parquet", ".arrow")


def reads(file: str) -> bool:
    """Whether a file's ending is one of those that are read."""
    return Path(file).suffix.lower() in (*LINES, *DELIMITERS, *PACKED, ".json", ".txt") and ".." not in file


def table_of(name: str, limit: int) -> tuple[Table, bool]:
    """The first rows that a name of the shelf stands for, and whether there are more.

    Args:
        name: `made/…`.
        limit: rows at most.

    Raises:
        VisitorError: as `shelf.rows_of`; the file has another format, or its rows are no table.
    """
    path = shelf.rows_of(name)
    ending = path.suffix.lower()
    try:
        if ending in PACKED:
            table = _packed(path, limit + 1)
        else:
            table = _table(list(itertools.islice(_plain(path, ending), limit + 1)))
    except VisitorError:
        raise
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise VisitorError(
            f"The rows of {name} could not be read ({reason(error)}).", "Open them in dedup, as a file."
        ) from error
    if not table.num_rows:
        raise VisitorError(f"{name} has no rows.", "Name another dataset.")
    return table.slice(0, limit), table.num_rows > limit


def _plain(path: Path, ending: str) -> Iterator[dict[str, Any]]:
    """Rows of a file of text."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        if ending in LINES:
            yield from map(_row, map(json.loads, filter(str.strip, file)))
        elif ending in DELIMITERS:
            yield from csv.DictReader(file, delimiter=DELIMITERS[ending], restkey="")
        elif ending == ".txt":
            yield from ({"text": line.rstrip("\r\n")} for line in file)
        elif ending == ".json" and path.stat().st_size <= MAX_JSON_BYTES:
            found = json.load(file)
            yield from map(_row, found if isinstance(found, list) else [found])
        else:
            raise VisitorError(
                f"Rows of a {ending or 'nameless'} file like {path.name[:60]} open in dedup alone.",
                "Upload them to the Hub, or deduplicate them as JSON Lines.",
            )


def _row(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {"text": value}


def _table(rows: list[dict[str, Any]]) -> Table:
    import pyarrow as pa

    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: [row.get(name) for row in rows] for name in names})


def _packed(path: Path, limit: int) -> Table:
    """The first rows of a Parquet or Arrow file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.suffix.lower() == ".parquet":
        file = pq.ParquetFile(path)
        batches, schema = file.iter_batches(batch_size=1_000), file.schema_arrow
        return _first(batches, schema, limit)
    with pa.OSFile(str(path)) as source:
        try:
            reader = pa.ipc.open_file(source)
            found = (reader.get_batch(at) for at in range(reader.num_record_batches))
        except pa.ArrowInvalid:
            source.seek(0)
            reader = pa.ipc.open_stream(source)
            found = iter(reader)
        return _first(found, reader.schema, limit)


def _first(batches: Iterator[Any], schema: Any, limit: int) -> Table:
    import pyarrow as pa

    kept: list[Any] = []
    rows = size = 0
    for batch in batches:
        kept.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if size > limits.MAX_FILE_BYTES:
            raise VisitorError("These rows take too much memory.", "Lower the limit of rows.")
        if rows >= limit:
            break
    return pa.Table.from_batches(kept, schema).slice(0, limit)
